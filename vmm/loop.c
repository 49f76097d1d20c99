// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define LOOP_EVENTS 16

enum source_kind { SOURCE_FD, SOURCE_TIMER, SOURCE_SIGNAL };

struct loop_source {
	struct loop *loop;
	struct loop_source *next;
	enum source_kind kind;
	int fd;
	union {
		loop_fd_fn *on_fd;
		loop_timer_fn *on_timer;
		loop_signal_fn *on_signal;
	};
	void *ctx;
	int dead; /* deleted: events of this round may still name it, and the loop's thread frees nothing
		     (sandbox/rules.c) */
};

struct loop {
	int epoll_fd;
	int stop_fd;
	atomic_int stopped;
	struct loop_source *sources;
};

/* A plain 0 would still report EPOLLHUP, again and again; after one report ONESHOT is silent altogether. */
static uint32_t wanted(uint32_t events)
{
	return events ? events : (uint32_t)EPOLLONESHOT;
}

static int source_add(struct loop *loop, const struct loop_source *proto, uint32_t events, struct loop_source **out)
{
	struct loop_source *source = malloc(sizeof(*source));

	if (!source)
		return -ENOMEM;
	*source = *proto;
	source->loop = loop;
	struct epoll_event event = { .events = wanted(events), .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) < 0) {
		int err = errno;

		free(source);
		return -err;
	}
	source->next = loop->sources;
	loop->sources = source;
	*out = source;
	return 0;
}

static void source_free(struct loop_source *source)
{
	if (source->kind != SOURCE_FD)
		close(source->fd);
	free(source);
}

int loop_create(struct loop **out)
{
	struct loop *loop = calloc(1, sizeof(*loop));
	int err;

	if (!loop)
		return -ENOMEM;
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0) {
		err = -errno;
		goto free_loop;
	}
	loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->stop_fd < 0) {
		err = -errno;
		goto close_epoll;
	}
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &event) < 0) {
		err = -errno;
		goto close_stop;
	}
	*out = loop;
	return 0;

close_stop:
	close(loop->stop_fd);
close_epoll:
	close(loop->epoll_fd);
free_loop:
	free(loop);
	return err;
}

void loop_destroy(struct loop *loop)
{
	if (!loop)
		return;
	while (loop->sources) {
		struct loop_source *source = loop->sources;

		loop->sources = source->next;
		source_free(source);
	}
	close(loop->stop_fd);
	close(loop->epoll_fd);
	free(loop);
}

int loop_add_fd(struct loop *loop, int fd, uint32_t events, loop_fd_fn *fn, void *ctx, struct loop_source **source)
{
	struct loop_source proto = { .kind = SOURCE_FD, .fd = fd, .on_fd = fn, .ctx = ctx };

	return source_add(loop, &proto, events, source);
}

/* For sources whose descriptor is the loop's own: it goes where the source cannot be added. */
static int source_add_owned(struct loop *loop, const struct loop_source *proto, struct loop_source **source)
{
	int err = proto->fd < 0 ? -errno : source_add(loop, proto, EPOLLIN, source);

	if (err && proto->fd >= 0)
		close(proto->fd);
	return err;
}

int loop_add_timer(struct loop *loop, loop_timer_fn *fn, void *ctx, struct loop_source **source)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	struct loop_source proto = { .kind = SOURCE_TIMER, .fd = fd, .on_timer = fn, .ctx = ctx };

	return source_add_owned(loop, &proto, source);
}

int loop_add_signal(struct loop *loop, int signo, loop_signal_fn *fn, void *ctx, struct loop_source **source)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, signo);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	struct loop_source proto = { .kind = SOURCE_SIGNAL, .fd = fd, .on_signal = fn, .ctx = ctx };

	return source_add_owned(loop, &proto, source);
}

void loop_set_events(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = wanted(events), .data.ptr = source };

	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_MOD, source->fd, &event);
}

void loop_set_timer(struct loop_source *source, uint64_t first_ns, uint64_t period_ns)
{
	struct itimerspec spec = {
		.it_value = { .tv_sec = (time_t)(first_ns / 1000000000u), .tv_nsec = (long)(first_ns % 1000000000u) },
		.it_interval = { .tv_sec = (time_t)(period_ns / 1000000000u),
				 .tv_nsec = (long)(period_ns % 1000000000u) },
	};

	timerfd_settime(source->fd, 0, &spec, NULL);
}

void loop_del(struct loop_source *source)
{
	if (!source)
		return;
	epoll_ctl(source->loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->dead = 1;
}

static void source_call(struct loop_source *source, uint32_t events)
{
	struct signalfd_siginfo info;
	uint64_t expirations;

	switch (source->kind) {
	case SOURCE_FD: source->on_fd(source->ctx, events); break;
	case SOURCE_TIMER:
		/* EAGAIN: somebody set the timer anew after epoll saw it expire */
		if (read(source->fd, &expirations, sizeof(expirations)) == sizeof(expirations))
			source->on_timer(source->ctx, expirations);
		break;
	case SOURCE_SIGNAL:
		if (read(source->fd, &info, sizeof(info)) == sizeof(info))
			source->on_signal(source->ctx, (int)info.ssi_signo);
		break;
	}
}

int loop_round(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[LOOP_EVENTS];
	int n = atomic_load(&loop->stopped) ? 0 : epoll_wait(loop->epoll_fd, events, LOOP_EVENTS, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n && !atomic_load(&loop->stopped); i++) {
		struct loop_source *source = events[i].data.ptr;

		if (source && !source->dead)
			source_call(source, events[i].events);
	}
	return n;
}

int loop_run(struct loop *loop)
{
	int n = 0;

	while (!atomic_load(&loop->stopped) && n >= 0)
		n = loop_round(loop, -1);
	return n < 0 ? n : 0;
}

void loop_stop(struct loop *loop)
{
	uint64_t one = 1;

	atomic_store(&loop->stopped, 1);
	ssize_t ignored = write(loop->stop_fd, &one, sizeof(one));
	(void)ignored;
}
