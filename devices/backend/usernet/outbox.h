/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames for the guest that its socket does not take yet. libslirp cannot be told to wait: a frame that send_packet()
 * refuses is lost, and TCP then takes it for congestion. So frames wait here, and the loop lets the host's sockets rest
 * until they are through; what a guest that takes nothing can still cause is bounded by OUTBOX_BYTES.
 */
#ifndef MINIVMM_OUTBOX_H
#define MINIVMM_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_BYTES     (8u << 20) /* a power of two; over 100 TCP connections at their largest window */
#define OUTBOX_FRAME_MAX 70000      /* bytes; libslirp's largest are less */

struct outbox {
	int fd;
	/* a ring: frames with their length (uint32_t) before them; both count bytes ever, modulo 2^32 */
	uint32_t head, tail;
	uint8_t *ring; /* and OUTBOX_FRAME_MAX bytes behind it, for the frame that is being sent */
	uint64_t lost; /* frames */
};

/* `fd` stays the caller's. 0 or -ENOMEM. */
int outbox_open(struct outbox *box, int fd);
void outbox_close(struct outbox *box);

/* Sends a frame, or keeps it; where there is no room it is lost. 0, or -errno where the socket is at its end. */
int outbox_send(struct outbox *box, const void *frame, size_t len);
/* Sends what waits, as far as the socket takes it. 0, or -errno where the socket is at its end. */
int outbox_flush(struct outbox *box);
bool outbox_is_empty(const struct outbox *box);

#endif
