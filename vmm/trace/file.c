// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/clock.h"
#include "vmm/file.h"
#include "vmm/log.h"
#include "vmm/sandbox/calls.h"
#include "vmm/thread.h"
#include "vmm/trace/format.h"
#include "vmm/trace/ring.h"
#include "vmm/trace/spec.h"
#include "vmm/wait.h"

#define WAKE_NS  20000000    /* how long events wait for their thread, at most */
#define BATCH    (64u << 10) /* bytes of text a write */
#define WAIT_MS  100
#define STUCK_NS 1000000000u /* after the run: how long a reader that takes nothing is waited for */

struct trace_file {
	const struct trace_format *format;
	void *state;
	char *path;
	int fd;
	bool is_regular, is_new;
	pthread_t thread;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t wake;
	struct trace_ring ring;
	bool stopping;
	uint64_t deadline; /* of CLOCK_MONOTONIC in ns, once it is stopping */

	/* the thread's own */
	struct text text;
	uint64_t in_text; /* events in it, */
	uint64_t in_drop; /* and others that it says are missing */
	off_t written;    /* bytes of whole lines in a plain file */
	uint64_t lost;    /* events that are missing, and the file does not say so yet */
	uint64_t told;    /* those of which it does */
	bool said, gone;
};

void trace_file_put(struct trace_file *file, const struct trace_event *event)
{
	pthread_mutex_lock(&file->lock);
	bool was_low = file->ring.used < BATCH;

	ring_put(&file->ring, event);
	if (was_low && file->ring.used >= BATCH)
		pthread_cond_signal(&file->wake); /* else the thread looks by itself, soon enough */
	pthread_mutex_unlock(&file->lock);
}

/* --- the thread --------------------------------------------------------------------------------------------------- */

/* Waits for a pipe's reader, for as long as the run goes on; for all that is left then there is STUCK_NS. */
static bool writable(struct trace_file *file)
{
	uint64_t deadline;

	do {
		pthread_mutex_lock(&file->lock);
		deadline = file->deadline;
		pthread_mutex_unlock(&file->lock);
		if (deadline && !file->is_regular && clock_ns() > deadline)
			return false;
	} while (fd_wait(file->fd, POLLOUT, WAIT_MS) == 0);
	return true;
}

/* All of the text, or -errno; a plain file then ends with the last whole line, as before. */
static int write_text(struct trace_file *file)
{
	size_t done = 0;

	while (done < file->text.len) {
		if (!writable(file))
			return -ETIMEDOUT;
		ssize_t n = write(file->fd, file->text.bytes + done, file->text.len - done);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0) {
			int err = errno;

			if (file->is_regular &&
			    (ftruncate(file->fd, file->written) < 0 || lseek(file->fd, file->written, SEEK_SET) < 0))
				err = errno;
			return -err;
		}
		done += (size_t)n;
	}
	file->written += (off_t)done;
	return 0;
}

static void flush(struct trace_file *file)
{
	int err = file->text.failed ? -ENOMEM : file->gone ? -EPIPE : write_text(file);

	if (err) {
		/* what is no plain file may have got a part of a line: nothing fits behind it */
		file->gone |= !file->is_regular && file->text.len;
		file->lost += file->in_text + file->in_drop;
		if (!file->said)
			log_error("--trace %s: %s: events are lost from here on, the guest goes on", file->path,
				  err == -ETIMEDOUT ? "its reader takes nothing" : strerror(-err));
		file->said = true;
	} else {
		file->told += file->in_drop;
	}
	file->text.len = 0;
	file->text.failed = false;
	file->in_text = file->in_drop = 0;
}

static void append_dropped(struct trace_file *file, uint64_t ns, uint64_t count)
{
	struct trace_event dropped = { .ns = ns, .kind = TRACE_dropped, .cpu = -1, .args = { count } };

	file->in_drop += count;
	file->format->event(file->state, &file->text, &dropped);
}

static void append(struct trace_file *file, const struct trace_event *event)
{
	if (file->lost && file->in_text == 0) { /* what the last write took with it */
		append_dropped(file, event->ns, file->lost);
		file->lost = 0;
	}
	if (event->kind == TRACE_dropped) {
		append_dropped(file, event->ns, event->args[0]);
	} else {
		file->in_text++;
		file->format->event(file->state, &file->text, event);
	}
	if (file->text.len >= BATCH)
		flush(file);
}

/* Takes some of the events in the next `len` bytes of the ring; returns how many bytes they were. */
static size_t take(struct trace_file *file, size_t at, size_t len)
{
	size_t taken = 0;

	while (taken < len && taken < BATCH) {
		struct trace_event event = ring_next(&file->ring, &at, &taken);

		append(file, &event);
	}
	return taken;
}

static void *file_thread(void *arg)
{
	struct trace_file *file = arg;

	pthread_mutex_lock(&file->lock);
	while (file->ring.used || !file->stopping) {
		struct timespec until;

		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += WAKE_NS;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (!file->stopping && file->ring.used < BATCH)
			pthread_cond_timedwait(&file->wake, &file->lock, &until);
		size_t at = file->ring.head, len = file->ring.used;

		pthread_mutex_unlock(&file->lock);
		if (len) {
			len = take(file, at, len);
			flush(file);
		}
		pthread_mutex_lock(&file->lock);
		ring_drop(&file->ring, len);
	}
	pthread_mutex_unlock(&file->lock);
	file->lost += file->ring.crowded_out; /* nobody else is left to say so */
	if (file->lost) {
		append_dropped(file, file->ring.last_ns, file->lost);
		file->lost = 0;
	}
	if (file->format->end)
		file->format->end(file->state, &file->text);
	flush(file);
	return NULL;
}

/* --- open and close ----------------------------------------------------------------------------------------------- */

static void file_free(struct trace_file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	ring_release(&file->ring);
	pthread_cond_destroy(&file->wake);
	pthread_mutex_destroy(&file->lock);
	text_free(&file->text);
	free(file->state);
	free(file->path);
	free(file);
}

/* Another's words would be written over. */
static int spare(const struct trace_file *file, const struct stat *st, const char *const *spared)
{
	static const char *const standard[] = { "standard input", "standard output", "standard error" };
	const char *what = NULL;

	if (S_ISCHR(st->st_mode)) /* a terminal, /dev/null */
		return 0;
	for (; spared && *spared && !what; spared++)
		what = file_is_same(st, *spared) ? *spared : NULL;
	if (!what && file_standard(st) >= 0)
		what = standard[file_standard(st)];
	if (what)
		log_error("--trace %s: is the same file as %s; name another", file->path, what);
	return what ? -EEXIST : 0;
}

static int open_path(struct trace_file *file, const char *const *spared)
{
	/* O_NONBLOCK: a pipe without a reader must not keep us here, nor one that is full later */
	const int flags = O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	struct stat st;

	file->fd = open(file->path, flags | O_CREAT | O_EXCL, 0666);
	file->is_new = file->fd >= 0;
	if (file->fd < 0 && errno == EEXIST)
		file->fd = open(file->path, flags | O_CREAT, 0666); /* O_CREAT: what a link means need not be there */
	if (file->fd < 0 || fstat(file->fd, &st) < 0) {
		int err = errno;

		log_error("--trace %s: %s", file->path,
			  err == ENXIO ? "nobody reads this FIFO: start its reader first" : strerror(err));
		return -err;
	}
	file->is_regular = S_ISREG(st.st_mode);
	/* a new one too: by now the name of the counts means it, which are to come there */
	int err = spare(file, &st, spared);

	if (!err && file->is_regular && ftruncate(file->fd, 0) < 0) {
		err = -errno;
		log_error("--trace %s: %s", file->path, strerror(-err));
	}
	return err;
}

int trace_file_open(struct trace_file **out, const char *spec, const char *const *spared, struct sandbox *sandbox)
{
	size_t path_len;
	const struct trace_format *format = trace_spec(spec, &path_len);
	struct trace_file *file = format ? calloc(1, sizeof(*file)) : NULL;
	pthread_condattr_t attr;
	int err;

	if (!format)
		return -EINVAL;
	if (!file) {
		log_error("--trace %s: no memory", spec);
		return -ENOMEM;
	}
	pthread_mutex_init(&file->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&file->wake, &attr);
	pthread_condattr_destroy(&attr);
	file->fd = -1;
	file->format = format;
	file->path = strndup(spec, path_len);
	file->state = calloc(1, format->state_size ? format->state_size : 1);
	if (!file->path || !file->state || ring_init(&file->ring) < 0) {
		log_error("--trace %s: no memory", spec);
		err = -ENOMEM;
		goto fail;
	}
	err = open_path(file, spared);
	if (err)
		goto fail;
	if (format->begin)
		format->begin(file->state, &file->text);
	err = file->text.failed ? -ENOMEM : write_text(file); /* what stands before all events can not be missing */
	file->text.len = 0;
	if (!err)
		err = thread_start(&file->thread, sandbox, BY_WRITER, "trace", file_thread, file);
	if (err) {
		log_error("--trace %s: cannot begin it: %s", file->path, strerror(-err));
		goto fail;
	}
	*out = file;
	return 0;
fail:
	if (file->is_new)
		unlink(file->path);
	file_free(file);
	return err;
}

const char *trace_file_path(const struct trace_file *file)
{
	return file->path;
}

static void stop_thread(struct trace_file *file)
{
	pthread_mutex_lock(&file->lock);
	file->stopping = true;
	file->deadline = clock_ns() + STUCK_NS;
	pthread_cond_signal(&file->wake);
	pthread_mutex_unlock(&file->lock);
	pthread_join(file->thread, NULL);
}

void trace_file_close(struct trace_file *file)
{
	stop_thread(file);
	uint64_t missing = file->lost + file->told;

	if (missing)
		log_error("--trace %s: %llu events are missing in it%s", file->path, (unsigned long long)missing,
			  file->said ? "" : ": they came faster than they could be written");
	file_free(file);
}

void trace_file_discard(struct trace_file *file)
{
	stop_thread(file);
	if (file->is_new)
		unlink(file->path);
	file_free(file);
}
