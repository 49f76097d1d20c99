/* SPDX-License-Identifier: GPL-2.0-only */
/* Pipes in place of standard input and output, and a thread that runs an event loop. */
#ifndef MINIVMM_UNIT_CONSOLE_H
#define MINIVMM_UNIT_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct console {
	int saved_in, saved_out;
	int in, out; /* our ends: what is written to `in` is typed, what comes out of `out` was printed; -1 once closed
		      */
	struct loop *loop;
	pthread_t thread;
	bool running;
	uint64_t cpu_ns; /* processor time that the loop's thread used, once it ended */
};

/* cmocka prints to standard output, so each test puts it back: console_close(). */
void console_open(struct console *console);
void console_close(struct console *console);
void console_close_in(struct console *console);
void console_close_out(struct console *console);

/* The loop runs in a thread of its own until console_stop(), which loop_stop()s it. */
void console_run(struct console *console, struct loop *loop);
void console_stop(struct console *console);

void console_type(const struct console *console, const void *bytes, size_t len);
/* Exactly `len` printed bytes, within ten seconds. */
void console_expect(const struct console *console, const void *bytes, size_t len);
/* What is printed until nothing comes for `quiet_ms`, as a string; returns its length. */
size_t console_read(const struct console *console, char *bytes, size_t size, int quiet_ms);

/* Repeats until `condition` or ten seconds have passed: then the test fails. */
#define wait_until(condition)                                                   \
	do {                                                                    \
		uint64_t end_ = now_ns() + 10000000000u;                        \
		while (!(condition)) {                                          \
			if (now_ns() > end_)                                    \
				fail_msg("waited in vain for: %s", #condition); \
			usleep(200);                                            \
		}                                                               \
	} while (0)

#endif
