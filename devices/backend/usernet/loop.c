// SPDX-License-Identifier: GPL-2.0-only
/* One thread, one poll(2): the guest's socket and those of libslirp. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "devices/backend/usernet/loop.h"
#include "devices/backend/usernet/usernet.h"
#include "vmm/clock.h"
#include "vmm/log.h"

#define GUEST_FRAME_MAX   65550 /* bytes; what is longer is dropped */
#define ETHERNET_HEADER   14
#define FRAMES_A_TURN     64 /* from the guest, before the host's sockets get their turn */
#define NS_A_MS           1000000
#define POLL_FDS_AT_START 64

/* --- what libslirp calls ------------------------------------------------------------------------------------------ */

/* Always "sent": libslirp would complain on standard error, and not try again. */
static ssize_t on_send_packet(const void *frame, size_t len, void *ctx)
{
	struct usernet *net = ctx;

	if (outbox_send(&net->outbox, frame, len) < 0)
		net->ended = true;
	return (ssize_t)len;
}

static void on_guest_error(const char *text, void *ctx)
{
	const struct usernet *net = ctx;

	if (net->verbose)
		log_error("%s: guest: %s", net->who, text);
}

static int64_t on_clock(void *ctx)
{
	(void)ctx;
	return (int64_t)clock_ns();
}

static void *on_timer_new(SlirpTimerId id, void *cb_opaque, void *ctx)
{
	struct usernet *net = ctx;

	if ((unsigned)id >= TIMERS_MAX)
		return NULL;
	net->timers[id] = (struct timer){ .id = id, .cb_opaque = cb_opaque };
	return &net->timers[id];
}

static void on_timer_free(void *timer, void *ctx)
{
	(void)ctx;
	if (timer)
		((struct timer *)timer)->armed = false;
}

static void on_timer_mod(void *opaque, int64_t expiry_ms, void *ctx)
{
	struct timer *timer = opaque;

	(void)ctx;
	if (timer) {
		timer->armed = true;
		timer->expiry_ms = expiry_ms;
	}
}

/* The descriptors to watch are asked for before each poll(2), and nobody else waits: nothing to do. */
static void on_poll_fd(int fd, void *ctx)
{
	(void)fd;
	(void)ctx;
}

static void on_init_completed(Slirp *slirp, void *ctx)
{
	(void)slirp;
	(void)ctx;
}

static void on_notify(void *ctx)
{
	(void)ctx;
}

const SlirpCb usernet_callbacks = {
	.send_packet = on_send_packet,
	.guest_error = on_guest_error,
	.clock_get_ns = on_clock,
	.timer_free = on_timer_free,
	.timer_mod = on_timer_mod,
	.register_poll_fd = on_poll_fd,
	.unregister_poll_fd = on_poll_fd,
	.notify = on_notify,
	.init_completed = on_init_completed,
	.timer_new_opaque = on_timer_new,
};

static const struct {
	int slirp;
	short poll;
} event_names[] = {
	{ SLIRP_POLL_IN, POLLIN },   { SLIRP_POLL_OUT, POLLOUT }, { SLIRP_POLL_PRI, POLLPRI },
	{ SLIRP_POLL_ERR, POLLERR }, { SLIRP_POLL_HUP, POLLHUP },
};

#define N_EVENT_NAMES (sizeof(event_names) / sizeof(event_names[0]))

/* The descriptor's index, or -1, which libslirp leaves out until the next round. */
static int add_poll(int fd, int events, void *ctx)
{
	struct usernet *net = ctx;

	if (net->n_fds == net->room) {
		struct pollfd *more = realloc(net->fds, 2 * net->room * sizeof(*more));

		if (!more)
			return -1;
		net->fds = more;
		net->room *= 2;
	}
	net->fds[net->n_fds] = (struct pollfd){ .fd = fd };
	for (unsigned i = 0; i < N_EVENT_NAMES; i++)
		if (events & event_names[i].slirp)
			net->fds[net->n_fds].events |= event_names[i].poll;
	return (int)net->n_fds++;
}

static int get_revents(int index, void *ctx)
{
	const struct usernet *net = ctx;
	int events = 0;

	if (index < 0 || (size_t)index >= net->n_fds)
		return 0;
	for (unsigned i = 0; i < N_EVENT_NAMES; i++)
		if (net->fds[index].revents & event_names[i].poll)
			events |= event_names[i].slirp;
	return events;
}

/* --- the loop ----------------------------------------------------------------------------------------------------- */

/* Whether the socket's other end is closed: an empty message reads as 0 as well, and is only an odd frame. */
static bool is_hung_up(int fd)
{
	struct pollfd end = { .fd = fd, .events = POLLRDHUP };

	return poll(&end, 1, 0) > 0 && end.revents & (POLLRDHUP | POLLHUP | POLLERR);
}

static void take_frames(struct usernet *net)
{
	for (unsigned i = 0; i < FRAMES_A_TURN && !net->ended; i++) {
		ssize_t len = recv(USERNET_FD, net->frame, GUEST_FRAME_MAX, MSG_DONTWAIT | MSG_TRUNC);

		if (len < 0) {
			net->ended = errno != EAGAIN && errno != EINTR;
			return;
		}
		if (len == 0)
			net->ended = is_hung_up(USERNET_FD);
		else if (len >= ETHERNET_HEADER && len <= GUEST_FRAME_MAX)
			slirp_input(net->slirp, net->frame, (int)len);
	}
}

/* Runs what is due; milliseconds to the next, at most `wait_ms`. */
static uint32_t run_timers(struct usernet *net, uint32_t wait_ms)
{
	int64_t now_ms = (int64_t)clock_ns() / NS_A_MS;

	for (unsigned i = 0; i < TIMERS_MAX; i++) {
		struct timer *timer = &net->timers[i];

		if (timer->armed && timer->expiry_ms <= now_ms) {
			timer->armed = false; /* its function may arm it again */
			slirp_handle_timer(net->slirp, timer->id, timer->cb_opaque);
		}
		if (timer->armed && timer->expiry_ms - now_ms < wait_ms)
			wait_ms = timer->expiry_ms > now_ms ? (uint32_t)(timer->expiry_ms - now_ms) : 0;
	}
	return wait_ms;
}

/*
 * While frames wait for the guest, the host's sockets are left alone: their data stays in the host's kernel, whose flow
 * control holds up the sender. The guest's frames are read all the same: it may well be the acknowledgements in them
 * that it waits for, and a guest that sends and never receives must not come to a halt here.
 */
int usernet_run(struct usernet *net)
{
	while (!net->ended) {
		bool full = !outbox_is_empty(&net->outbox);
		uint32_t wait_ms = run_timers(net, UINT32_MAX);
		int n;

		net->fds[0] = (struct pollfd){ .fd = USERNET_FD, .events = (short)(POLLIN | (full ? POLLOUT : 0)) };
		net->n_fds = 1;
		if (!full)
			slirp_pollfds_fill(net->slirp, &wait_ms, add_poll, net);
		n = poll(net->fds, net->n_fds, wait_ms > INT_MAX ? -1 : (int)wait_ms);
		if (n < 0 && errno != EINTR) {
			int err = -errno;

			log_error("%s: minivmm-usernet: poll: %s", net->who, strerror(-err));
			return err;
		}
		if (!full)
			slirp_pollfds_poll(net->slirp, n < 0, get_revents, net);
		else if (outbox_flush(&net->outbox) < 0)
			net->ended = true;
		if (n > 0 && net->fds[0].revents & ~POLLOUT)
			take_frames(net);
	}
	return 0;
}

int usernet_open(struct usernet *net)
{
	net->room = POLL_FDS_AT_START;
	net->fds = calloc(net->room, sizeof(*net->fds));
	net->frame = malloc(GUEST_FRAME_MAX);
	return net->fds && net->frame ? outbox_open(&net->outbox, USERNET_FD) : -ENOMEM;
}

void usernet_close(struct usernet *net)
{
	if (net->slirp)
		slirp_cleanup(net->slirp);
	outbox_close(&net->outbox);
	free(net->frame);
	free(net->fds);
}
