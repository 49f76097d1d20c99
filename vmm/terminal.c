// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/terminal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"

#define ESCAPE 0x01 /* Ctrl-A */

#define OUT_CONSOLE_MAX (64u << 10)  /* a vCPU waits above this */
#define OUT_MAX         (256u << 10) /* device lines are dropped above this */
#define LINES_MAX       (16u << 10)  /* device lines that wait for the console's line to end */
#define LINE_WAIT_NS    100000000u   /* ... but no longer than this: a prompt never ends its line */
#define WRITE_MAX       256u         /* what a descriptor that polls writable takes without blocking */
#define DRAIN_MS        1000
#define IN_MAX          4096u

struct terminal {
	struct loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t room;
	bool stopped, gone;
	terminal_input_fn *on_input;
	void *input_ctx;
	terminal_quit_fn *on_quit;
	void *quit_ctx;

	char out[OUT_MAX]; /* ring; only what is used takes memory */
	size_t out_head, out_len;
	char lines[LINES_MAX];
	size_t lines_len;
	uint64_t lines_dropped;
	bool mid_line; /* the console's last byte was no newline */
	struct loop_source *out_source, *line_timer;

	char in[IN_MAX]; /* ring */
	size_t in_head, in_len;
	bool in_is_tty, in_paused, escaped;
	int in_always_fd; /* stands in for an input that epoll cannot watch: always readable; else -1 */
	struct loop_source *in_source;
};

/* For the handler of fatal signals alone, which is given nothing but a number. */
static struct termios saved_termios;
static volatile sig_atomic_t termios_is_saved;

static void restore_termios(void)
{
	if (termios_is_saved)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved_termios);
	termios_is_saved = 0;
}

static void on_fatal_signal(int signo)
{
	restore_termios();
	raise(signo); /* SA_RESETHAND: this time it kills, with its usual core and status */
}

static bool would_block(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) == 0;
}

/* Writes what standard output takes at once. Lock held. */
static void out_flush(struct terminal *t)
{
	while (t->out_len && !t->gone && !would_block()) {
		size_t run = t->out_len < OUT_MAX - t->out_head ? t->out_len : OUT_MAX - t->out_head;
		ssize_t n = write(STDOUT_FILENO, t->out + t->out_head, run < WRITE_MAX ? run : WRITE_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			log_error("standard output: %s: the guest's console has no reader", strerror(errno));
			t->gone = true;
			t->out_len = 0;
			if (t->on_quit)
				t->on_quit(t->quit_ctx, 1);
			break;
		}
		t->out_head = (t->out_head + (size_t)n) % OUT_MAX;
		t->out_len -= (size_t)n;
	}
	if (t->out_len < OUT_CONSOLE_MAX)
		pthread_cond_broadcast(&t->room);
}

static void out_put(struct terminal *t, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		t->out[(t->out_head + t->out_len++) % OUT_MAX] = bytes[i];
}

static void out_watch(struct terminal *t)
{
	if (t->out_source)
		loop_set_events(t->out_source, t->out_len && !t->gone ? EPOLLOUT : 0);
}

/* Moves the waiting device lines behind the console's last byte. Lock held. */
static void lines_release(struct terminal *t)
{
	char note[80];
	int note_len = 0;

	if (t->lines_len == 0 || t->gone)
		return;
	if (OUT_MAX - t->out_len < t->lines_len + sizeof(note))
		return; /* they wait on; once their own buffer is full, lines are dropped and counted */
	out_put(t, t->lines, t->lines_len);
	t->lines_len = 0;
	if (t->lines_dropped)
		note_len = snprintf(note, sizeof(note),
				    "minivmm: %llu lines of devices were dropped: standard output was full\n",
				    (unsigned long long)t->lines_dropped);
	t->lines_dropped = 0;
	out_put(t, note, (size_t)note_len);
}

static void on_line_timer(void *ctx, uint64_t expirations)
{
	struct terminal *t = ctx;

	(void)expirations;
	pthread_mutex_lock(&t->lock);
	if (t->lines_len && t->mid_line && t->out_len < OUT_CONSOLE_MAX) {
		out_put(t, "\n", 1);
		t->mid_line = false;
	}
	lines_release(t);
	if (t->lines_len)
		loop_set_timer(t->line_timer, LINE_WAIT_NS, 0);
	out_flush(t);
	out_watch(t);
	pthread_mutex_unlock(&t->lock);
}

static void on_out_ready(void *ctx, uint32_t events)
{
	struct terminal *t = ctx;

	(void)events;
	pthread_mutex_lock(&t->lock);
	out_flush(t);
	out_watch(t);
	pthread_mutex_unlock(&t->lock);
}

void terminal_write(struct terminal *t, const void *bytes, size_t len)
{
	pthread_mutex_lock(&t->lock);
	while (t->out_len + len > OUT_CONSOLE_MAX && !t->stopped && !t->gone)
		pthread_cond_wait(&t->room, &t->lock);
	if (!t->gone && OUT_MAX - t->out_len >= len) {
		out_put(t, bytes, len);
		t->mid_line = ((const char *)bytes)[len - 1] != '\n';
		if (!t->mid_line)
			lines_release(t);
		bool waited = t->out_len > len;

		out_flush(t);
		if (t->out_len || waited)
			out_watch(t);
	}
	pthread_mutex_unlock(&t->lock);
}

void terminal_line(struct terminal *t, const char *line)
{
	size_t len = strlen(line);

	pthread_mutex_lock(&t->lock);
	if (t->lines_len + len + 1 > LINES_MAX) {
		t->lines_dropped++;
	} else {
		memcpy(t->lines + t->lines_len, line, len);
		t->lines[t->lines_len + len] = '\n';
		t->lines_len += len + 1;
	}
	if (!t->mid_line) {
		lines_release(t);
		out_flush(t);
		out_watch(t);
	}
	if (t->lines_len && t->line_timer)
		loop_set_timer(t->line_timer, LINE_WAIT_NS, 0);
	pthread_mutex_unlock(&t->lock);
}

static void in_pause(struct terminal *t, bool paused)
{
	t->in_paused = paused;
	if (t->in_source)
		loop_set_events(t->in_source, paused ? 0 : EPOLLIN);
}

size_t terminal_read(struct terminal *t, void *bytes, size_t len)
{
	size_t n = 0;

	pthread_mutex_lock(&t->lock);
	for (; n < len && t->in_len; n++, t->in_len--) {
		((char *)bytes)[n] = t->in[t->in_head];
		t->in_head = (t->in_head + 1) % IN_MAX;
	}
	if (n && t->in_paused)
		in_pause(t, false);
	pthread_mutex_unlock(&t->lock);
	return n;
}

/* What the user types after Ctrl-A. True where the byte is the guest's after all. */
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
			"\nminivmm: Ctrl-A x  quit\nminivmm: Ctrl-A h  this help\nminivmm: Ctrl-A Ctrl-A  send Ctrl-A to the guest");
		return false;
	default: return false;
	}
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
	if (room == 0 && !t->in_is_tty)
		in_pause(t, true); /* the guest is behind: leave the rest in the pipe or file */
	pthread_mutex_unlock(&t->lock);
	if (t->in_paused)
		return;

	ssize_t n = read(STDIN_FILENO, bytes, t->in_is_tty || room > sizeof(bytes) ? sizeof(bytes) : room);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) { /* end of input: the guest hears no more, but goes on */
		pthread_mutex_lock(&t->lock);
		loop_del(t->in_source);
		t->in_source = NULL;
		pthread_mutex_unlock(&t->lock);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (t->escaped ? escape_key(t, bytes[i]) : !(t->in_is_tty && bytes[i] == ESCAPE))
			in_put(t, bytes[i]);
		else if (bytes[i] == ESCAPE)
			t->escaped = true;
	}
	if (t->on_input)
		t->on_input(t->input_ctx);
}

int terminal_create(struct terminal **out, struct loop *loop)
{
	struct terminal *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->loop = loop;
	t->in_always_fd = -1;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->room, NULL);
	*out = t;
	return 0;
}

void terminal_set_input(struct terminal *t, terminal_input_fn *fn, void *ctx)
{
	t->on_input = fn;
	t->input_ctx = ctx;
}

void terminal_set_quit(struct terminal *t, terminal_quit_fn *fn, void *ctx)
{
	t->on_quit = fn;
	t->quit_ctx = ctx;
}

static int enter_raw_mode(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction action = { .sa_handler = on_fatal_signal, .sa_flags = (int)SA_RESETHAND };
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &saved_termios) < 0)
		return -errno;
	termios_is_saved = 1;
	for (unsigned i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &action, NULL);
	raw = saved_termios;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own lines end in a plain newline */
	return tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0 ? -errno : 0;
}

/* Plain files and /dev/null cannot be polled and never block: an eventfd that is always readable stands for them. */
static int watch_input(struct terminal *t)
{
	int err = loop_add_fd(t->loop, STDIN_FILENO, EPOLLIN, on_in_ready, t, &t->in_source);

	if (err != -EPERM)
		return err;
	t->in_always_fd = eventfd(1, EFD_CLOEXEC);
	if (t->in_always_fd < 0)
		return -errno;
	return loop_add_fd(t->loop, t->in_always_fd, EPOLLIN, on_in_ready, t, &t->in_source);
}

int terminal_start(struct terminal *t)
{
	int err = loop_add_fd(t->loop, STDOUT_FILENO, 0, on_out_ready, t, &t->out_source);

	if (err && err != -EPERM) /* a plain file is always ready */
		goto fail;
	err = loop_add_timer(t->loop, on_line_timer, t, &t->line_timer);
	if (err)
		goto fail;
	t->in_is_tty = isatty(STDIN_FILENO);
	/* A background job must neither change the terminal's mode nor read from it. */
	if (t->in_is_tty && tcgetpgrp(STDIN_FILENO) != getpgrp())
		return 0;
	if (t->in_is_tty)
		err = enter_raw_mode();
	if (!err && t->on_input)
		err = watch_input(t);
	if (!err)
		return 0;
fail:
	log_error("standard input and output: %s: try </dev/null", strerror(-err));
	return err;
}

void terminal_stop(struct terminal *t)
{
	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	pthread_cond_broadcast(&t->room);
	pthread_mutex_unlock(&t->lock);
}

void terminal_finish(struct terminal *t)
{
	if (t->lines_len && t->mid_line && t->out_len < OUT_CONSOLE_MAX)
		out_put(t, "\n", 1);
	t->on_quit = NULL;
	lines_release(t);
	out_flush(t);
	while (t->out_len && !t->gone) {
		struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

		if (poll(&out, 1, DRAIN_MS) <= 0)
			break;
		out_flush(t);
	}
	if (t->out_len)
		log_error("standard output takes no more: %zu bytes of the guest's console are lost", t->out_len);
	t->out_len = 0;
	restore_termios();
}

void terminal_destroy(struct terminal *t)
{
	if (!t)
		return;
	terminal_finish(t);
	loop_del(t->in_source);
	loop_del(t->out_source);
	loop_del(t->line_timer);
	if (t->in_always_fd >= 0)
		close(t->in_always_fd);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->room);
	free(t);
}
