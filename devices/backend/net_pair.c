// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/net_pair.h"

#include <errno.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUDGET     256 /* frames received in one go */
#define HEADER_LEN sizeof(struct virtio_net_hdr_v1)
#define FRAME_MIN  (HEADER_LEN + ETH_HLEN)
#define EVENTS     (EPOLLIN | EPOLLOUT | EPOLLET) /* what is not moved when it is told waits for the driver's kick */

static void lost(struct net_pair *pair, int err)
{
	if (pair->wire->gone)
		return;
	pair->wire->gone = true;
	pair->wire->on_gone(pair->dev, err);
}

int net_wire_offload(struct net_wire *wire, const struct virtio_dev *dev, uint64_t features)
{
	static const struct {
		unsigned bit, flag;
	} offloads[] = { { VIRTIO_NET_F_GUEST_CSUM, TUN_F_CSUM },
			 { VIRTIO_NET_F_GUEST_TSO4, TUN_F_TSO4 },
			 { VIRTIO_NET_F_GUEST_TSO6, TUN_F_TSO6 },
			 { VIRTIO_NET_F_GUEST_ECN, TUN_F_TSO_ECN } };

	wire->offloads = 0;
	for (unsigned i = 0; i < sizeof(offloads) / sizeof(offloads[0]); i++)
		if ((features & 1ull << offloads[i].bit) && virtio_has_feature(dev, offloads[i].bit))
			wire->offloads |= offloads[i].flag;
	return link_set_offloads(&wire->link, wire->offloads);
}

/* --- transmission ------------------------------------------------------------------------------------------------- */

/* False where the link takes nothing now. */
static bool send_frame(struct net_pair *pair)
{
	struct net_wire *wire = pair->wire;
	ssize_t n;

	do {
		n = wire->gone ? 0 : writev(wire->link.fds[pair->index], pair->tx_iov, (int)pair->n_tx_iov);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0 && (errno == EPIPE || errno == EBADFD || errno == ECONNREFUSED))
		lost(pair, errno);
	*(n > 0 ? &wire->tx_frames : &wire->tx_dropped) += 1;
	wire->tx_bytes += n > 0 ? (uint64_t)n : 0;
	pair->n_tx_iov = 0;
	vq_push(pair->dev, 2 * pair->index + 1, &pair->tx, 0);
	return true;
}

void net_pair_transmit(struct net_pair *pair)
{
	struct net_wire *wire = pair->wire;
	uint8_t header[HEADER_LEN];
	unsigned q = 2 * pair->index + 1;

	if (pair->n_tx_iov && !send_frame(pair))
		return;
	while (vq_pop(pair->dev, q, &pair->tx) > 0) {
		if (pair->tx.readable_len < FRAME_MIN || pair->tx.readable_len > LINK_FRAME_MAX) {
			wire->tx_dropped++;
			vq_push(pair->dev, q, &pair->tx, 0);
			continue;
		}
		if (!wire->link.vnet_hdr) /* no offload was offered: it says nothing */
			chain_read(&pair->tx, header, sizeof(header));
		pair->tx_iov = chain_rest_readable(&pair->tx, &pair->n_tx_iov);
		if (!send_frame(pair))
			return;
	}
}

/* --- reception ---------------------------------------------------------------------------------------------------- */

/* False where the driver has no use for it: it waited in the tap since there was one that agreed on more. */
static bool suits(const struct net_wire *wire, struct virtio_net_hdr_v1 *header)
{
	unsigned wanted = header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM ? TUN_F_CSUM : 0;

	switch (header->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE: break;
	case VIRTIO_NET_HDR_GSO_TCPV4: wanted |= TUN_F_TSO4; break;
	case VIRTIO_NET_HDR_GSO_TCPV6: wanted |= TUN_F_TSO6; break;
	default: return false;
	}
	if (header->gso_type & VIRTIO_NET_HDR_GSO_ECN)
		wanted |= TUN_F_TSO_ECN;
	if (!(wire->offloads & TUN_F_CSUM)) /* DATA_VALID as well is only for whoever knows it (5.1.6.4.1) */
		header->flags = 0;
	return !(wanted & ~wire->offloads);
}

/* Sees to it that there is a frame; false where the link has none. */
static bool take_frame(struct net_pair *pair)
{
	struct net_wire *wire = pair->wire;
	size_t header = wire->link.vnet_hdr ? 0 : HEADER_LEN;

	if (pair->frame_len || wire->gone)
		return pair->frame_len;
	ssize_t n;

	do { /* nobody would say again that there is a frame */
		n = read(wire->link.fds[pair->index], pair->frame + header, sizeof(pair->frame) - header);
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		lost(pair, n ? errno : 0);
	if (n <= 0)
		return false;
	memset(pair->frame, 0, header);
	pair->frame_len = header + (size_t)n;
	return true;
}

static void drop(struct net_pair *pair)
{
	pair->wire->rx_dropped++;
	pair->frame_len = 0;
}

/* Sees to it that the frame has room; false where the driver has to give more, or it can never have. */
static bool make_room(struct net_pair *pair)
{
	unsigned most = virtio_has_feature(pair->dev, VIRTIO_NET_F_MRG_RXBUF) ? NET_MERGE_MAX : 1;

	while (pair->rx_room < pair->frame_len && pair->n_rx < most) {
		if (vq_pop(pair->dev, 2 * pair->index, &pair->rx[pair->n_rx]) <= 0)
			return false;
		pair->rx_room += pair->rx[pair->n_rx++].writable_len;
	}
	if (pair->rx_room >= pair->frame_len)
		return true;
	drop(pair);
	return false;
}

/* Copies the frame into as many of the chains as it takes, and gives those back in one (5.1.6.4). */
static void deliver(struct net_pair *pair)
{
	struct net_wire *wire = pair->wire;
	struct virtio_net_hdr_v1 *header = (struct virtio_net_hdr_v1 *)pair->frame;
	uint32_t lens[NET_MERGE_MAX];
	uint64_t room = 0;
	unsigned n = 0;

	while (room < pair->frame_len)
		room += pair->rx[n++].writable_len;
	header->num_buffers = htole16((uint16_t)n);
	for (size_t i = 0, at = 0; i < n; at += lens[i++])
		lens[i] = (uint32_t)chain_write(&pair->rx[i], pair->frame + at, pair->frame_len - at);
	vq_push_all(pair->dev, 2 * pair->index, pair->rx, lens, n);
	wire->rx_frames++;
	wire->rx_bytes += pair->frame_len - HEADER_LEN;
	pair->n_rx -= n;
	pair->rx_room -= room;
	memmove(pair->rx, pair->rx + n, pair->n_rx * sizeof(pair->rx[0]));
	pair->frame_len = 0;
}

void net_pair_receive(struct net_pair *pair)
{
	int budget = BUDGET;

	while (virtio_driver_ok(pair->dev) && !pair->idle && take_frame(pair)) {
		if (!suits(pair->wire, (struct virtio_net_hdr_v1 *)pair->frame))
			drop(pair);
		else if (make_room(pair))
			deliver(pair);
		else if (pair->frame_len)
			return; /* the driver kicks */
		if (--budget == 0) {
			virtio_watch_events(pair->watch, EVENTS); /* says once more that it is readable */
			return;
		}
	}
}

static void on_link(struct virtio_dev *dev, void *ctx, uint32_t events)
{
	struct net_pair *pair = ctx;

	(void)dev;
	(void)events;
	if (pair->n_tx_iov)
		net_pair_transmit(pair);
	net_pair_receive(pair);
}

/* --- from birth to death ------------------------------------------------------------------------------------------ */

int net_pair_init(struct net_pair *pair, struct virtio_dev *dev, struct net_wire *wire, unsigned index)
{
	pair->dev = dev;
	pair->wire = wire;
	pair->index = index;
	return virtio_watch(dev, wire->link.fds[index], EVENTS, on_link, pair, &pair->watch);
}

void net_pair_watch(struct net_pair *pair, bool on)
{
	virtio_watch_events(pair->watch, on && !pair->wire->gone ? EVENTS : 0);
	pair->idle = !on && !pair->wire->gone; /* what came before the end is still the driver's */
	if (pair->idle)
		pair->frame_len = 0;
}

void net_pair_reset_queue(struct net_pair *pair, bool transmit)
{
	if (transmit)
		pair->n_tx_iov = 0;
	else
		pair->n_rx = 0, pair->rx_room = 0;
}

void net_pair_reset(struct net_pair *pair)
{
	net_pair_reset_queue(pair, true);
	net_pair_reset_queue(pair, false);
	pair->frame_len = 0;
}
