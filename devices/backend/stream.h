/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bytes between a pair of queues and something of the host's, both ways, none lost: what the guest sends stays in its
 * buffer until the host takes it, what the host sends stays with the host until the guest has a buffer. All under the
 * device's lock; only what is called here moves anything.
 */
#ifndef MINIVMM_STREAM_H
#define MINIVMM_STREAM_H

#include <sys/types.h>

#include "devices/virtio/virtio.h"

struct stream_counts {
	uint64_t rx, tx, dropped; /* bytes: to the guest, from the guest, from the guest to nobody */
};

struct stream {
	unsigned rx_queue, tx_queue; /* buffers to be filled, and filled ones */
	/* Takes up to `len` bytes from the host; 0 where there are none now. */
	size_t (*read)(struct virtio_dev *dev, void *end, void *bytes, size_t len);
	/* Gives up to `len` bytes to the host, and returns how many it takes now; -1: nobody is there to take any. */
	ssize_t (*write)(struct virtio_dev *dev, void *end, const void *bytes, size_t len);
	void *end; /* theirs */
	struct stream_counts *counts;

	struct virtio_chain rx, tx; /* kept until there is something to fill in, or room for the rest */
	bool has_rx, has_tx;
	uint64_t sent; /* bytes of tx */
};

/* Whether the guest has a buffer to be filled. */
bool stream_has_room(struct virtio_dev *dev, struct stream *stream);
/* Moves what the host has into buffers of the guest's, until one of them has no more. */
void stream_receive(struct virtio_dev *dev, struct stream *stream);
/* Moves what the guest has. False where there may be more, but others should have their turn: call it again soon. */
bool stream_send(struct virtio_dev *dev, struct stream *stream);
/* Whoever had the first part of a buffer is gone: nobody gets the rest. */
void stream_drop(struct virtio_dev *dev, struct stream *stream);
/* The queue was reset, and so its buffers are gone. */
void stream_queue_reset(struct stream *stream, unsigned q);

#endif
