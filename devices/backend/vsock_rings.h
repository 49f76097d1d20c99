/* SPDX-License-Identifier: GPL-2.0-only */
/* Packets between a socket device's queues and the Unix sockets of the host (vsock_unix.h). Under the device's lock. */
#ifndef MINIVMM_VSOCK_RINGS_H
#define MINIVMM_VSOCK_RINGS_H

#include "devices/backend/vsock_unix.h"
#include "devices/virtio/virtio.h"

/* EVENT stays empty: only where a guest went on elsewhere there would be something to tell. */
enum vsock_queue { VSOCK_RX, VSOCK_TX, VSOCK_EVENT, VSOCK_QUEUES };

struct vsock_rings {
	struct vsock_unix *unix_;   /* NULL where the host's kernel has the rings */
	struct virtio_chain buffer; /* of rx: popped before there was a packet for it */
	bool has_buffer;
	struct vsock_counts counts;
	struct vsock_packet packet; /* the one that is on its way */
};

/* All that can be done now, both ways; where there is no driver, this closes all connections. */
void vsock_rings_carry(struct virtio_dev *dev, struct vsock_rings *rings);
/* What was popped of rx is the driver's again. */
void vsock_rings_forget(struct vsock_rings *rings);

#endif
