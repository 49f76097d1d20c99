// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support.h"
#include "vmm/loop.h"

void console_open(struct console *console)
{
	int in[2], out[2];

	fflush(stdout);
	signal(SIGPIPE, SIG_IGN);
	*console = (struct console){ .saved_in = dup(STDIN_FILENO), .saved_out = dup(STDOUT_FILENO) };
	assert_true(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
	fcntl(out[0], F_SETPIPE_SZ, 16384); /* soon full */
	assert_true(dup2(in[0], STDIN_FILENO) == STDIN_FILENO && dup2(out[1], STDOUT_FILENO) == STDOUT_FILENO);
	close(in[0]);
	close(out[1]);
	console->in = in[1];
	console->out = out[0];
}

void console_close_in(struct console *console)
{
	if (console->in >= 0)
		close(console->in);
	console->in = -1;
}

void console_close_out(struct console *console)
{
	if (console->out >= 0)
		close(console->out);
	console->out = -1;
}

void console_close(struct console *console)
{
	console_stop(console);
	console_close_in(console);
	console_close_out(console);
	dup2(console->saved_in, STDIN_FILENO);
	dup2(console->saved_out, STDOUT_FILENO);
	close(console->saved_in);
	close(console->saved_out);
}

static void *run(void *ctx)
{
	struct console *console = ctx;
	uint64_t start = thread_cpu_ns();

	loop_run(console->loop);
	console->cpu_ns = thread_cpu_ns() - start;
	return NULL;
}

void console_run(struct console *console, struct loop *loop)
{
	console->loop = loop;
	assert_int_equal(pthread_create(&console->thread, NULL, run, console), 0);
	console->running = true;
}

void console_stop(struct console *console)
{
	if (!console->running)
		return;
	loop_stop(console->loop);
	pthread_join(console->thread, NULL);
	console->running = false;
}

void console_type(const struct console *console, const void *bytes, size_t len)
{
	assert_int_equal(write(console->in, bytes, len), len);
}

void console_expect(const struct console *console, const void *bytes, size_t len)
{
	const char *at = bytes;
	char got[4096];

	while (len) {
		struct pollfd poll_fd = { .fd = console->out, .events = POLLIN };

		if (poll(&poll_fd, 1, 10000) <= 0)
			fail_msg("%zu bytes of output are missing", len);
		ssize_t n = read(console->out, got, len < sizeof(got) ? len : sizeof(got));

		assert_true(n > 0);
		assert_memory_equal(got, at, (size_t)n);
		at += n;
		len -= (size_t)n;
	}
}

size_t console_read(const struct console *console, char *bytes, size_t size, int quiet_ms)
{
	struct pollfd poll_fd = { .fd = console->out, .events = POLLIN };
	size_t len = 0;

	while (len < size - 1 && poll(&poll_fd, 1, quiet_ms) > 0) {
		ssize_t n = read(console->out, bytes + len, size - 1 - len);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	bytes[len] = '\0';
	return len;
}
