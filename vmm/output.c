// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/wait.h"

#define LINE_WAIT_NS 100000000u /* how long a device's line waits for the console's: a prompt never ends its line */
#define ROOM_ENOUGH  (OUTPUT_CONSOLE_MAX / 2)
#define WRITE_MAX    4096u /* bytes at a time; a pipe that polls writable takes so many */
#define DRAIN_MS     1000

static bool takes_more(const struct output *out, int wait_ms)
{
	return fd_wait(out->fd, POLLOUT, wait_ms) > 0;
}

/* Has the loop call us exactly while there is something to drain, or somebody to be told that there is room. */
static void watch(struct output *out)
{
	bool wanted = (out->len && !out->gone) || out->awaited;

	if (out->source && wanted != out->watched)
		loop_set_events(out->source, wanted ? EPOLLOUT : 0);
	out->watched = wanted;
}

/* Writes what standard output takes at once. */
static void flush(struct output *out)
{
	while (out->len && !out->gone && takes_more(out, 0)) {
		size_t run = out->len < OUTPUT_MAX - out->head ? out->len : OUTPUT_MAX - out->head;
		ssize_t n = write(out->fd, out->bytes + out->head, run < WRITE_MAX ? run : WRITE_MAX);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			log_error("standard output: %s: the guest's console cannot be shown any more", strerror(errno));
			out->gone = true;
			out->len = 0;
			if (out->on_gone)
				out->on_gone(out->ctx);
			break;
		}
		out->head = (out->head + (size_t)n) % OUTPUT_MAX;
		out->len -= (size_t)n;
	}
	if (out->len < OUTPUT_CONSOLE_MAX)
		pthread_cond_broadcast(&out->room);
	watch(out);
}

/* The caller has seen that there is room. */
static void put(struct output *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out->bytes[(out->head + out->len++) % OUTPUT_MAX] = bytes[i];
}

/* Moves the waiting device lines behind the console's last byte. */
static void release_lines(struct output *out)
{
	char note[128] = "";

	if (out->gone)
		return;
	if (out->lines_dropped)
		snprintf(note, sizeof(note), "minivmm: %llu lines of devices were dropped: standard output was full\n",
			 (unsigned long long)out->lines_dropped);
	if (OUTPUT_MAX - out->len < out->lines_len + strlen(note))
		return; /* they wait on; once their own buffer is full, lines are dropped and counted */
	put(out, out->lines, out->lines_len);
	put(out, note, strlen(note));
	out->lines_len = 0;
	out->lines_dropped = 0;
}

/* The console's line has not ended for a while: it is a prompt, and the devices' lines go below it. */
static void break_line(struct output *out)
{
	if (out->lines_len && !out->gone && out->mid_line && out->len < OUTPUT_MAX) {
		put(out, "\n", 1);
		out->mid_line = false;
	}
	release_lines(out);
}

static void on_line_timer(void *ctx, uint64_t expirations)
{
	struct output *out = ctx;

	(void)expirations;
	pthread_mutex_lock(&out->lock);
	break_line(out);
	if (out->lines_len)
		loop_set_timer(out->line_timer, LINE_WAIT_NS, 0);
	flush(out);
	pthread_mutex_unlock(&out->lock);
}

static void on_ready(void *ctx, uint32_t events)
{
	struct output *out = ctx;

	(void)events;
	pthread_mutex_lock(&out->lock);
	flush(out);
	bool tell = out->awaited && (out->len <= ROOM_ENOUGH || out->gone);

	if (tell) {
		out->awaited = false;
		watch(out);
	}
	pthread_mutex_unlock(&out->lock);
	if (tell)
		out->on_room(out->ctx);
}

/* Console bytes that there is room for. */
static void put_console(struct output *out, const char *bytes, size_t len)
{
	put(out, bytes, len);
	tail_put(&out->tail, bytes, len);
	out->mid_line = bytes[len - 1] != '\n';
	if (!out->mid_line)
		release_lines(out);
	flush(out);
}

void output_write(struct output *out, const void *bytes, size_t len)
{
	pthread_mutex_lock(&out->lock);
	while (out->len + len > OUTPUT_CONSOLE_MAX && !out->stopped && !out->gone)
		pthread_cond_wait(&out->room, &out->lock);
	if (len && !out->gone && OUTPUT_MAX - out->len >= len)
		put_console(out, bytes, len);
	pthread_mutex_unlock(&out->lock);
}

size_t output_try_write(struct output *out, const void *bytes, size_t len)
{
	size_t done = 0;

	pthread_mutex_lock(&out->lock);
	while (done < len && out->len < OUTPUT_CONSOLE_MAX && !out->gone) {
		size_t room = OUTPUT_CONSOLE_MAX - out->len;
		size_t some = len - done < room ? len - done : room;

		put_console(out, (const char *)bytes + done, some);
		done += some;
	}
	if (out->gone)
		done = len; /* nobody waits for a reader that is gone */
	if (done < len) {
		out->awaited = true;
		watch(out);
	}
	pthread_mutex_unlock(&out->lock);
	return done;
}

void output_line(struct output *out, const char *line)
{
	size_t len = strlen(line);

	pthread_mutex_lock(&out->lock);
	bool first = out->lines_len == 0;

	if (out->lines_len + len + 1 > OUTPUT_LINES_MAX) {
		out->lines_dropped++;
	} else {
		memcpy(out->lines + out->lines_len, line, len);
		out->lines[out->lines_len + len] = '\n';
		out->lines_len += len + 1;
	}
	if (!out->mid_line) {
		release_lines(out);
		flush(out);
	}
	if (first && out->lines_len &&
	    out->line_timer) /* later ones wait with the first, or none would ever be shown */
		loop_set_timer(out->line_timer, LINE_WAIT_NS, 0);
	pthread_mutex_unlock(&out->lock);
}

void output_init(struct output *out, void (*on_gone)(void *ctx), void (*on_room)(void *ctx), void *ctx)
{
	out->on_gone = on_gone;
	out->on_room = on_room;
	out->ctx = ctx;
	out->fd = STDOUT_FILENO;
	pthread_mutex_init(&out->lock, NULL);
	pthread_cond_init(&out->room, NULL);
}

/*
 * A terminal or a pipe can block even where it polls writable. O_NONBLOCK belongs to the open file description, which
 * we share with the shell and whoever else has it, so we open one of our own.
 */
static void open_nonblocking(struct output *out)
{
	struct stat st;

	if (fstat(STDOUT_FILENO, &st) < 0 || !(S_ISFIFO(st.st_mode) || isatty(STDOUT_FILENO)))
		return;
	int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return;
	out->fd = fd;
	out->owns_fd = true;
}

/* The same terminal, file or pipe. */
static bool stderr_is_stdout(void)
{
	struct stat out, err;

	return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 && out.st_dev == err.st_dev &&
	       out.st_ino == err.st_ino;
}

int output_start(struct output *out, struct loop *loop)
{
	out->is_stderr = stderr_is_stdout();
	open_nonblocking(out);
	int err = loop_add_fd(loop, out->fd, 0, on_ready, out, &out->source);

	if (err && err != -EPERM) /* a plain file is always ready: nothing ever waits */
		return err;
	return loop_add_timer(loop, on_line_timer, out, &out->line_timer);
}

void output_stop(struct output *out)
{
	pthread_mutex_lock(&out->lock);
	out->stopped = true;
	pthread_cond_broadcast(&out->room);
	pthread_mutex_unlock(&out->lock);
}

int output_finish(struct output *out)
{
	int err = 0;

	out->on_gone = NULL;
	do {
		break_line(out);
		flush(out);
	} while ((out->len || out->lines_len || out->lines_dropped) && !out->gone && takes_more(out, DRAIN_MS));
	if (out->len) {
		log_error("standard output takes no more: %zu bytes of the guest's console are lost", out->len);
		err = -EIO;
	}
	out->len = 0;
	return err;
}

void output_release(struct output *out)
{
	loop_del(out->source);
	loop_del(out->line_timer);
	if (out->owns_fd)
		close(out->fd);
	pthread_mutex_destroy(&out->lock);
	pthread_cond_destroy(&out->room);
}
