// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/output.h"
#include "vmm/rawmode.h"
#include "vmm/resident.h"

#define ESCAPE 0x01 /* Ctrl-A */

#define IN_MAX 4096u

struct terminal {
	struct loop *loop;
	struct output output;
	terminal_input_fn *on_input;
	void *input_ctx;
	terminal_quit_fn *on_quit;
	void *quit_ctx;
	terminal_key_fn *on_key;
	void *key_ctx;
	const struct terminal_user *user; /* or NULL */
	void *user_ctx;

	pthread_mutex_t lock; /* guards what follows */
	char in[IN_MAX];      /* ring */
	size_t in_head, in_len;
	bool in_is_tty, in_paused, in_ended, escaped;
	bool claimed;     /* the input is the user's */
	int in_always_fd; /* stands in for an input that epoll cannot watch: always readable; else -1 */
	struct loop_source *in_source;
};

void terminal_write(struct terminal *t, const void *bytes, size_t len)
{
	output_write(&t->output, bytes, len);
}

size_t terminal_try_write(struct terminal *t, const void *bytes, size_t len)
{
	return output_try_write(&t->output, bytes, len);
}

void terminal_line(struct terminal *t, const char *line)
{
	output_line(&t->output, line);
}

static void in_pause(struct terminal *t, bool paused)
{
	t->in_paused = paused;
	if (t->in_source)
		loop_set_events(t->in_source, paused ? 0 : EPOLLIN);
}

static size_t take(struct terminal *t, void *bytes, size_t len, bool by_user)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (; t->claimed == by_user && n < len && t->in_len; n++, t->in_len--) {
		((char *)bytes)[n] = t->in[t->in_head];
		t->in_head = (t->in_head + 1) % IN_MAX;
	}
	if (n && t->in_paused)
		in_pause(t, false);
	pthread_mutex_unlock(&t->lock);
	return n;
}

size_t terminal_read(struct terminal *t, void *bytes, size_t len)
{
	return take(t, bytes, len, false);
}

size_t terminal_user_read(struct terminal *t, void *bytes, size_t len)
{
	return take(t, bytes, len, true);
}

void terminal_claim_input(struct terminal *t, bool claimed)
{
	pthread_mutex_lock(&t->lock);
	if (t->claimed != claimed && t->in_paused)
		in_pause(t, false); /* so that its new owner hears of what waits */
	t->claimed = claimed;
	pthread_mutex_unlock(&t->lock);
}

static bool is_claimed(struct terminal *t)
{
	pthread_mutex_lock(&t->lock);
	bool claimed = t->claimed;
	pthread_mutex_unlock(&t->lock);
	return claimed;
}

/* The user may find that it is no longer there for input. */
static void tell_of_input(struct terminal *t)
{
	if (t->user && is_claimed(t))
		t->user->input(t->user_ctx);
	if (t->on_input && !is_claimed(t))
		t->on_input(t->input_ctx);
}

/* What is typed after Ctrl-A. True where the byte is the guest's after all. */
static bool escape_key(struct terminal *t, char key)
{
	t->escaped = false;
	switch (key) {
	case ESCAPE: return true;
	case 'x':
	case 'X':
		if (t->on_quit)
			t->on_quit(t->quit_ctx, 0);
		return false;
	case 'h':
	case 'H':
	case '?':
		terminal_line(
			t,
			"\nminivmm: Ctrl-A x  quit\nminivmm: Ctrl-A s  the counts of exits (--stats)\nminivmm: Ctrl-A r  the flight recorder\n"
			"minivmm: Ctrl-A h  this help\nminivmm: Ctrl-A Ctrl-A  send Ctrl-A to the guest");
		key = '?';
		break;
	default: break;
	}
	if (t->on_key)
		t->on_key(t->key_ctx, key >= 'A' && key <= 'Z' ? (char)(key | 0x20) : key);
	return false;
}

static void in_put(struct terminal *t, char byte)
{
	pthread_mutex_lock(&t->lock);
	if (t->in_len < IN_MAX) /* only a terminal, which is read even then for its escape, gets here without room */
		t->in[(t->in_head + t->in_len++) % IN_MAX] = byte;
	pthread_mutex_unlock(&t->lock);
}

static void on_in_ready(void *ctx, uint32_t events)
{
	struct terminal *t = ctx;
	char bytes[256];

	(void)events;
	pthread_mutex_lock(&t->lock);
	size_t room = IN_MAX - t->in_len;
	bool behind = room == 0 && !t->in_is_tty;
	if (behind && !t->in_paused)
		in_pause(t, true); /* the guest is behind: leave the rest in the pipe or file */
	pthread_mutex_unlock(&t->lock);
	if (behind) {
		tell_of_input(t);
		return;
	}

	ssize_t n = read(STDIN_FILENO, bytes, t->in_is_tty || room > sizeof(bytes) ? sizeof(bytes) : room);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* end of input: the guest hears no more, but goes on */
		pthread_mutex_lock(&t->lock);
		loop_del(t->in_source);
		t->in_source = NULL;
		t->in_ended = true;
		pthread_mutex_unlock(&t->lock);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (t->escaped ? escape_key(t, bytes[i]) : !(t->in_is_tty && bytes[i] == ESCAPE))
			in_put(t, bytes[i]);
		else if (bytes[i] == ESCAPE)
			t->escaped = true;
	}
	tell_of_input(t);
}

static void on_output_gone(void *ctx)
{
	struct terminal *t = ctx;

	if (t->on_quit)
		t->on_quit(t->quit_ctx, 1);
}

static void on_output_room(void *ctx)
{
	struct terminal *t = ctx;

	if (t->user)
		t->user->room(t->user_ctx);
}

void terminal_resized(struct terminal *t)
{
	if (t->user)
		t->user->resized(t->user_ctx);
}

bool terminal_size(uint16_t *cols, uint16_t *rows)
{
	static const int fds[] = { STDOUT_FILENO, STDIN_FILENO };

	for (unsigned i = 0; i < 2; i++) {
		struct winsize size;

		if (ioctl(fds[i], TIOCGWINSZ, &size) < 0 || !size.ws_col || !size.ws_row)
			continue;
		*cols = size.ws_col;
		*rows = size.ws_row;
		return true;
	}
	*cols = *rows = 0;
	return false;
}

int terminal_create(struct terminal **out, struct loop *loop)
{
	struct terminal *t = resident_alloc(1, sizeof(*t)); /* with its buffers, which a guest fills */

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->in_always_fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	output_init(&t->output, on_output_gone, on_output_room, t);
	*out = t;
	return 0;
}

void terminal_set_input(struct terminal *t, terminal_input_fn *fn, void *ctx)
{
	t->on_input = fn;
	t->input_ctx = ctx;
}

bool terminal_set_user(struct terminal *t, const struct terminal_user *user, void *ctx)
{
	if (user && t->user)
		return false;
	t->user = user;
	t->user_ctx = ctx;
	terminal_claim_input(t, false);
	return true;
}

void terminal_set_quit(struct terminal *t, terminal_quit_fn *fn, void *ctx)
{
	t->on_quit = fn;
	t->quit_ctx = ctx;
}

void terminal_set_key(struct terminal *t, terminal_key_fn *fn, void *ctx)
{
	t->on_key = fn;
	t->key_ctx = ctx;
}

/*
 * Muted, for in_start(). Plain files and /dev/null cannot be polled and never block: an eventfd that is always readable
 * stands for them.
 */
static int watch_input(struct terminal *t)
{
	int err = loop_add_fd(t->loop, STDIN_FILENO, 0, on_in_ready, t, &t->in_source);

	if (err != -EPERM)
		return err;
	t->in_always_fd = eventfd(1, EFD_CLOEXEC);
	if (t->in_always_fd < 0)
		return -errno;
	return loop_add_fd(t->loop, t->in_always_fd, 0, on_in_ready, t, &t->in_source);
}

/* Begins to read, or does so again after the job was in the background or stopped. */
static int in_start(struct terminal *t)
{
	pid_t foreground = t->in_is_tty ? tcgetpgrp(STDIN_FILENO) : -1;
	int err = 0;

	/* A background job must neither change its terminal's mode nor read from it; SIGCONT brings us here again. */
	if (foreground >= 0 && foreground != getpgrp())
		return 0;
	if (t->in_is_tty)
		err = rawmode_enter();
	pthread_mutex_lock(&t->lock);
	if (!err && t->in_source && !t->in_paused)
		loop_set_events(t->in_source, EPOLLIN);
	pthread_mutex_unlock(&t->lock);
	return err;
}

void terminal_suspend(struct terminal *t)
{
	(void)t;
	rawmode_leave();
	raise(SIGSTOP);
}

void terminal_resume(struct terminal *t)
{
	in_start(t);
	terminal_resized(t); /* SIGWINCH goes to the foreground job alone */
}

int terminal_start(struct terminal *t)
{
	int err = output_start(&t->output, t->loop);

	if (err)
		goto fail;
	t->in_is_tty = isatty(STDIN_FILENO);
	if (t->in_is_tty)
		rawmode_guard();
	if (t->on_input || t->user)
		err = watch_input(t);
	if (!err)
		err = in_start(t);
	if (!err)
		return 0;
fail:
	log_error("standard input and output: %s: try </dev/null", strerror(-err));
	return err;
}

void terminal_stop(struct terminal *t)
{
	output_stop(&t->output);
}

int terminal_finish(struct terminal *t)
{
	int err = output_finish(&t->output);

	rawmode_leave();
	return err;
}

const struct tail *terminal_tail(const struct terminal *t, bool *shown)
{
	*shown = t->output.is_stderr;
	return &t->output.tail;
}

void terminal_destroy(struct terminal *t)
{
	if (!t)
		return;
	terminal_finish(t);
	loop_del(t->in_source);
	if (t->in_always_fd >= 0)
		close(t->in_always_fd);
	output_release(&t->output);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
