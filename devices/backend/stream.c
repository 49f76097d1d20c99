// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/stream.h"

#define PIECE  4096u /* bytes that are moved at a time: a page, as Linux's buffers are */
#define PIECES 64u   /* sent in one go; a chain may have a million */

bool stream_has_room(struct virtio_dev *dev, struct stream *stream)
{
	while (!stream->has_rx && vq_pop(dev, stream->rx_queue, &stream->rx) > 0) {
		stream->has_rx = stream->rx.writable_len > 0;
		if (!stream->has_rx)
			vq_push(dev, stream->rx_queue, &stream->rx, 0);
	}
	return stream->has_rx;
}

void stream_receive(struct virtio_dev *dev, struct stream *stream)
{
	uint8_t bytes[PIECE];

	while (stream_has_room(dev, stream)) {
		uint64_t room = stream->rx.writable_len;
		size_t len = stream->read(dev, stream->end, bytes, room < PIECE ? (size_t)room : PIECE);

		if (!len)
			return;
		chain_write(&stream->rx, bytes, len);
		vq_push(dev, stream->rx_queue, &stream->rx, (uint32_t)len);
		stream->has_rx = false;
		stream->counts->rx += len;
	}
}

static void give_back(struct virtio_dev *dev, struct stream *stream)
{
	vq_push(dev, stream->tx_queue, &stream->tx, 0);
	stream->has_tx = false;
	stream->sent = 0;
}

void stream_drop(struct virtio_dev *dev, struct stream *stream)
{
	if (!stream->has_tx)
		return;
	stream->counts->dropped += stream->tx.readable_len - stream->sent;
	give_back(dev, stream);
}

bool stream_send(struct virtio_dev *dev, struct stream *stream)
{
	uint8_t bytes[PIECE];

	for (unsigned pieces = 0; stream->has_tx || vq_pop(dev, stream->tx_queue, &stream->tx) > 0; pieces++) {
		struct virtio_chain ahead = stream->tx; /* how much of it goes is not known yet */
		size_t len = chain_read(&ahead, bytes, sizeof(bytes));
		ssize_t taken;

		stream->has_tx = true;
		if (pieces == PIECES)
			return false;
		taken = len ? stream->write(dev, stream->end, bytes, len) : 0;
		if (taken < 0) {
			stream_drop(dev, stream);
			continue;
		}
		chain_skip(&stream->tx, (size_t)taken); /* they were read above, and only once */
		stream->sent += (size_t)taken;
		stream->counts->tx += (size_t)taken;
		if ((size_t)taken < len)
			return true; /* the host says when it takes more */
		if (stream->sent == stream->tx.readable_len)
			give_back(dev, stream);
	}
	return true;
}

void stream_queue_reset(struct stream *stream, unsigned q)
{
	if (q == stream->rx_queue)
		stream->has_rx = false;
	if (q == stream->tx_queue) {
		stream->has_tx = false;
		stream->sent = 0;
	}
}
