/* SPDX-License-Identifier: GPL-2.0-only */
/* An event loop: file descriptors, timers and signals, each with a function that is called there. */
#ifndef MINIVMM_LOOP_H
#define MINIVMM_LOOP_H

#include <stdint.h>

struct loop;
struct loop_source;

/* `events` is EPOLLIN, EPOLLOUT and their kind, as in epoll_ctl(2). */
typedef void loop_fd_fn(void *ctx, uint32_t events);
/* `expirations`: how often the timer ran out since the last call; the loop was busy where it is more than 1. */
typedef void loop_timer_fn(void *ctx, uint64_t expirations);
typedef void loop_signal_fn(void *ctx, int signo);

/* 0 or -errno. */
int loop_create(struct loop **loop);
/* Frees the loop and every source that is left. */
void loop_destroy(struct loop *loop);

/* loop_add_...: on the loop's thread, or while the loop does not run. */

/* Watches `fd`, which stays the caller's. -EPERM for what epoll cannot watch (plain files). */
int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *ctx, struct loop_source **source);
/* A timer on CLOCK_MONOTONIC, not armed. */
int loop_add_timer(struct loop *loop, loop_timer_fn *fn, void *ctx, struct loop_source **source);
/* Blocks `signo` in the calling thread and takes it from a signalfd; threads created later inherit the mask. */
int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *ctx, struct loop_source **source);

/* Other events for an fd's source; 0 mutes it. Any thread. */
void loop_set_events(struct loop_source *source, uint32_t events);
/* Nanoseconds to the first expiration (0 disarms) and between the later ones (0: one shot). Any thread. */
void loop_set_timer(struct loop_source *source, uint64_t first_ns, uint64_t period_ns);
/* Not called again once this returned; its memory, and a timer's descriptor, go with the loop. On the loop's thread, or
 * while the loop does not run. NULL is ignored. */
void loop_del(struct loop_source *source);

/* Calls the sources' functions until loop_stop(). 0 or -errno. */
int loop_run(struct loop *loop);
/* One round of it: waits up to `timeout_ms` (-1: as long as it takes) for events, and calls their functions. How many
 * there were, 0 of a loop that was stopped, or -errno. */
int loop_round(struct loop *loop, int timeout_ms);
/* Makes loop_run() return after the function that it is in. Any thread, any time, also before loop_run(). */
void loop_stop(struct loop *loop);

#endif
