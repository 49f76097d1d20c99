// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/clock.h"
#include "vmm/wait.h"

#define ERROR_WAIT_MS 1000

/*
 * One write(2) a line: lines of several threads, or of another program on the same terminal, do not mix. Where standard
 * error takes nothing for `wait_ms`, the line is lost: a reader that sleeps must not stop the machine.
 */
static void log_line(int wait_ms, const char *prefix, const char *fmt, va_list args)
{
	char line[1024];
	int used = snprintf(line, sizeof(line), "minivmm: %s%s", prefix, *prefix ? ": " : "");
	int more = vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, args);
	size_t len = (size_t)used + (size_t)(more > 0 ? more : 0);

	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	for (size_t i = 0; i < len; i++) /* what a user or guest wrote stays within its line */
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	line[len++] = '\n';
	if (fd_wait(STDERR_FILENO, POLLOUT, wait_ms) <= 0)
		return;
	ssize_t ignored = write(STDERR_FILENO, line, len);
	(void)ignored; /* where standard error is gone, nobody is left to tell */
}

void log_error(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_line(ERROR_WAIT_MS, "", fmt, args);
	va_end(args);
}

void log_block(int wait_ms, const char *prefix, const char *lines, size_t len)
{
	uint64_t deadline = clock_ns() + (uint64_t)wait_ms * 1000000u;
	const char *end = len ? lines + len : lines; /* of no lines there may be no address */

	while (lines < end) {
		const char *newline = memchr(lines, '\n', (size_t)(end - lines));
		const char *next = newline ? newline + 1 : end;
		struct iovec line[] = { { (void *)prefix, strlen(prefix) }, { (void *)lines, (size_t)(next - lines) } };

		if (fd_wait(STDERR_FILENO, POLLOUT, clock_ms_until(deadline)) <= 0 ||
		    writev(STDERR_FILENO, line, 2) < 0)
			return;
		lines = next;
	}
}

int log_allowed(struct log_limit *limit, unsigned *dropped)
{
	int64_t now = (int64_t)(clock_ns() / 1000000000u);

	if (limit->in_window == 0 || now - limit->window_start >= LOG_GUEST_SECONDS) {
		limit->window_start = now;
		limit->in_window = 0;
	}
	if (limit->in_window >= LOG_GUEST_BURST) {
		limit->dropped++;
		return 0;
	}
	limit->in_window++;
	*dropped = limit->dropped;
	limit->dropped = 0;
	return 1;
}

void log_guest(struct log_limit *limit, const char *name, const char *fmt, ...)
{
	unsigned dropped;
	va_list args;

	if (!log_allowed(limit, &dropped))
		return;
	if (dropped)
		log_error("%s: %u more messages like these were held back", name, dropped);
	va_start(args, fmt);
	log_line(0, name, fmt, args);
	va_end(args);
}
