/* SPDX-License-Identifier: GPL-2.0-only */
/* Messages of minivmm itself, to standard error; the guest's console and the devices' lines go through terminal.h. */
#ifndef MINIVMM_LOG_H
#define MINIVMM_LOG_H

#include <stddef.h>
#include <stdint.h>

/*
 * One line "minivmm: ..." each. The text names the thing (file, option, register) and the way out; it is made once,
 * where the cause is known. Any thread; waits up to a second for a full standard error.
 */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Lines that are there already, on standard error, each behind `prefix`. Waits up to `wait_ms` in all for a standard
 * error that is full; what it does not take by then is lost.
 */
void log_block(int wait_ms, const char *prefix, const char *lines, size_t len);

/* What a guest can cause at will must not flood the host: at most LOG_GUEST_BURST lines in LOG_GUEST_SECONDS. */
#define LOG_GUEST_BURST   10
#define LOG_GUEST_SECONDS 5

/* One limiter a source of messages; zeroed is a valid start. The caller's lock guards it. */
struct log_limit {
	int64_t window_start; /* seconds of CLOCK_MONOTONIC */
	unsigned in_window;
	unsigned dropped;
};

/* True where a guest-caused message may be printed now; *dropped gets how many were held back before it. */
int log_allowed(struct log_limit *limit, unsigned *dropped);

/* A guest-caused line "minivmm: NAME: ...", where the limiter and standard error let it through. Never waits. */
void log_guest(struct log_limit *limit, const char *name, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
