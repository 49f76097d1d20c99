// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/vsock_rings.h"

/* The guest's packets; true where it stopped since replies wait for rx buffers. */
static bool take_packets(struct virtio_dev *dev, struct vsock_rings *rings)
{
	struct vsock_packet *packet = &rings->packet;
	struct virtio_chain chain;

	while (vsock_unix_can_take(rings->unix_)) {
		if (vq_pop(dev, VSOCK_TX, &chain) <= 0)
			return false;
		if (chain_read(&chain, &packet->hdr, sizeof(packet->hdr)) == sizeof(packet->hdr)) {
			packet->len = (uint32_t)chain_read(&chain, packet->payload, sizeof(packet->payload));
			vsock_unix_take(rings->unix_, packet);
		} else {
			rings->counts.ignored++; /* whose it is cannot be told */
		}
		vq_push(dev, VSOCK_TX, &chain, 0);
	}
	return true;
}

static void give_packets(struct virtio_dev *dev, struct vsock_rings *rings)
{
	const struct vsock_packet *packet = &rings->packet;
	const uint32_t header = sizeof(packet->hdr);

	while (rings->has_buffer || vq_pop(dev, VSOCK_RX, &rings->buffer) > 0) {
		uint64_t len = rings->buffer.writable_len;

		rings->has_buffer = true;
		if (len <= header) {
			virtio_fail(dev, "an rx buffer has no room for a packet (virtio 1.2, 5.10.6.4)");
			return;
		}
		if (!vsock_unix_give(rings->unix_, len - header, &rings->packet))
			return;
		chain_write(&rings->buffer, &packet->hdr, header);
		chain_write(&rings->buffer, packet->payload, packet->len);
		vq_push(dev, VSOCK_RX, &rings->buffer, header + packet->len);
		rings->has_buffer = false;
	}
}

/* Room that is made for replies lets more packets be taken. */
void vsock_rings_carry(struct virtio_dev *dev, struct vsock_rings *rings)
{
	bool more = virtio_driver_ok(dev);

	if (!rings->unix_)
		return;
	while (more) {
		more = take_packets(dev, rings);
		give_packets(dev, rings);
		more = more && vsock_unix_can_take(rings->unix_);
	}
	vsock_unix_set_up(rings->unix_, virtio_driver_ok(dev)); /* it came up just now, or failed */
}

void vsock_rings_forget(struct vsock_rings *rings)
{
	rings->has_buffer = false;
}
