/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One pair of a network device's queues on one descriptor of its link. A frame that the link does not take at once
 * waits in its chain; one that the driver has no room for waits here, and the rest in the link. All calls are under the
 * device's lock.
 */
#ifndef MINIVMM_NET_PAIR_H
#define MINIVMM_NET_PAIR_H

#include <linux/virtio_net.h>

#include "devices/backend/link.h"
#include "devices/virtio/virtio.h"

#define NET_MERGE_MAX 64u /* buffers of one received frame; Linux gives some 1500 bytes in each */

/* What all pairs of a device share. */
struct net_wire {
	struct link link;
	bool gone;         /* the link's other end: frames are dropped */
	unsigned offloads; /* TUN_F_CSUM and its kind, that the driver wants of what it receives */
	/* Called once, when it is found to be so. `err`: errno, or 0 where the other end was closed. */
	void (*on_gone)(struct virtio_dev *dev, int err);
	uint64_t rx_frames, rx_bytes, rx_dropped, tx_frames, tx_bytes, tx_dropped;
};

struct net_pair {
	struct virtio_dev *dev;
	struct net_wire *wire;
	unsigned index; /* queues 2 * index, to receive, and 2 * index + 1, to transmit (virtio 1.2, 5.1.2) */
	struct virtio_watch *watch;
	bool idle; /* the driver does not use it */
	/* transmission: the chain that the link did not take yet, and what is to be sent of it */
	struct virtio_chain tx;
	const struct iovec *tx_iov;
	unsigned n_tx_iov; /* 0: none waits */
	/* reception: a frame with its header, and the chains that it is to go to */
	struct virtio_chain rx[NET_MERGE_MAX];
	unsigned n_rx;
	uint64_t rx_room; /* bytes that they hold */
	size_t frame_len; /* 0: none waits */
	uint8_t frame[LINK_FRAME_MAX];
};

/* Of `features`, by feature bit, those offloads that were agreed on are for the frames from now on. 0 or -errno. */
int net_wire_offload(struct net_wire *wire, const struct virtio_dev *dev, uint64_t features);

/* In create(): has the link's descriptor watched. 0 or -errno, with a message. */
int net_pair_init(struct net_pair *pair, struct virtio_dev *dev, struct net_wire *wire, unsigned index);
/* Whether the link's descriptor is listened to, and frames are handed out: not while the driver does not use the pair.
 */
void net_pair_watch(struct net_pair *pair, bool on);
/* The driver's chains are gone, from both queues or from one of them. */
void net_pair_reset(struct net_pair *pair);
void net_pair_reset_queue(struct net_pair *pair, bool transmit);
/* Moves what can be moved now. */
void net_pair_transmit(struct net_pair *pair);
void net_pair_receive(struct net_pair *pair);

#endif
