/* SPDX-License-Identifier: GPL-2.0-only */
/* The clock that all times and deadlines go by. */
#ifndef MINIVMM_CLOCK_H
#define MINIVMM_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds of CLOCK_MONOTONIC. */
static inline uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Milliseconds from now to `deadline`, for poll(2): rounded up, 0 where it is over. */
static inline int clock_ms_until(uint64_t deadline)
{
	uint64_t now = clock_ns();

	return now < deadline ? (int)((deadline - now + 999999u) / 1000000u) : 0;
}

#endif
