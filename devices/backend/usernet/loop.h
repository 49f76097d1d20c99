/* SPDX-License-Identifier: GPL-2.0-only */
/* minivmm-usernet while it runs: frames from the guest to libslirp, and back. */
#ifndef MINIVMM_USERNET_LOOP_H
#define MINIVMM_USERNET_LOOP_H

#include <poll.h>
#include <slirp/libslirp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/backend/link.h"
#include "devices/backend/usernet/hostfwd.h"
#include "devices/backend/usernet/outbox.h"

#define TIMERS_MAX 8

struct timer {
	SlirpTimerId id;
	void *cb_opaque;
	bool armed;
	int64_t expiry_ms;
};

struct usernet {
	/* settings */
	const char *who;
	struct hostfwd fwds[USERNET_HOSTFWD_MAX];
	unsigned n_fwds;
	bool restrict_, verbose;
	/* running */
	Slirp *slirp;
	struct outbox outbox;
	struct timer timers[TIMERS_MAX]; /* by id */
	struct pollfd *fds;              /* the guest's socket, then libslirp's */
	size_t n_fds, room;
	uint8_t *frame; /* the guest's, GUEST_FRAME_MAX bytes */
	bool ended;     /* minivmm is gone */
};

extern const SlirpCb usernet_callbacks; /* with the struct usernet as their opaque */

/* Makes what the callbacks need, before there is a Slirp. 0 or -ENOMEM; usernet_close() either way. */
int usernet_open(struct usernet *net);
/* Also frees the Slirp, if there is one., and what usernet_open() made. */
void usernet_close(struct usernet *net);
/* Until minivmm closes its end of the socket: 0; or -errno, with a message. */
int usernet_run(struct usernet *net);

#endif
