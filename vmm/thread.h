/* SPDX-License-Identifier: GPL-2.0-only */
/* Threads: each has a name, no signals but its own, and is confined (sandbox.h) before it does anything. */
#ifndef MINIVMM_THREAD_H
#define MINIVMM_THREAD_H

#include <pthread.h>

struct sandbox;

/*
 * Starts `fn` in a thread of kind `by` (calls.h), to be joined, with every signal blocked but those of its own faults.
 * `name`, at most 15 characters, is what ps(1), gdb and messages call it. 0 or -errno: then no thread is left; what the
 * sandbox refuses has its message.
 */
int thread_start(pthread_t *thread, struct sandbox *sandbox, unsigned by, const char *name, void *(*fn)(void *),
		 void *ctx);

#endif
