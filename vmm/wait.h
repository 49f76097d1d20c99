/* SPDX-License-Identifier: GPL-2.0-only */
/* Waiting for one descriptor. */
#ifndef MINIVMM_WAIT_H
#define MINIVMM_WAIT_H

#include <poll.h>
#include <stddef.h>
#include <time.h>

/*
 * As poll(2) for one descriptor: 1 where it has one of `events` or is at its end, 0 after `ms` milliseconds (-1:
 * never), -1 with errno. By ppoll(2): a job that was stopped and goes on then waits on by that same call, where poll(2)
 * would need restart_syscall(2).
 */
static inline int fd_wait(int fd, short events, int ms)
{
	struct pollfd pollfd = { .fd = fd, .events = events };
	struct timespec most = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	return ppoll(&pollfd, 1, ms < 0 ? NULL : &most, NULL);
}

#endif
