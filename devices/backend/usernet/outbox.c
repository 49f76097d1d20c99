// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/usernet/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert((OUTBOX_BYTES & (OUTBOX_BYTES - 1)) == 0, "positions wrap with 2^32");

int outbox_open(struct outbox *box, int fd)
{
	*box = (struct outbox){ .fd = fd, .ring = malloc(OUTBOX_BYTES + OUTBOX_FRAME_MAX) };
	return box->ring ? 0 : -ENOMEM;
}

void outbox_close(struct outbox *box)
{
	free(box->ring);
	box->ring = NULL;
}

bool outbox_is_empty(const struct outbox *box)
{
	return box->head == box->tail;
}

/* The part of [at, at + len) that lies before the ring's end. */
static size_t first_part(uint32_t at, size_t len)
{
	size_t to_end = OUTBOX_BYTES - at % OUTBOX_BYTES;

	return len < to_end ? len : to_end;
}

static void put(struct outbox *box, const void *bytes, size_t len)
{
	size_t first = first_part(box->tail, len);

	memcpy(box->ring + box->tail % OUTBOX_BYTES, bytes, first);
	memcpy(box->ring, (const uint8_t *)bytes + first, len - first);
	box->tail += (uint32_t)len;
}

static void get(const struct outbox *box, uint32_t at, void *bytes, size_t len)
{
	size_t first = first_part(at, len);

	memcpy(bytes, box->ring + at % OUTBOX_BYTES, first);
	memcpy((uint8_t *)bytes + first, box->ring, len - first);
}

/* 0, -EAGAIN where the socket is full, or another -errno where it is at its end. */
static int try(struct outbox *box, const void *frame, size_t len)
{
	if (send(box->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	switch (errno) {
	case EAGAIN:
	case EINTR: return -EAGAIN;
	case EMSGSIZE:
	case ENOBUFS:
	case ENOMEM: /* waiting would not help: nothing tells when there is memory again */ box->lost++; return 0;
	default: return -errno;
	}
}

int outbox_send(struct outbox *box, const void *frame, size_t len)
{
	uint32_t size = (uint32_t)len;

	if (outbox_is_empty(box)) {
		int err = try(box, frame, len);

		if (err != -EAGAIN)
			return err;
	}
	if (len > OUTBOX_FRAME_MAX || OUTBOX_BYTES - (box->tail - box->head) < sizeof(size) + len) {
		box->lost++;
		return 0;
	}
	put(box, &size, sizeof(size));
	put(box, frame, len);
	return 0;
}

int outbox_flush(struct outbox *box)
{
	uint8_t *frame = box->ring + OUTBOX_BYTES;

	while (!outbox_is_empty(box)) {
		uint32_t size;
		int err;

		get(box, box->head, &size, sizeof(size));
		get(box, box->head + (uint32_t)sizeof(size), frame, size);
		err = try(box, frame, size);
		if (err)
			return err == -EAGAIN ? 0 : err;
		box->head += (uint32_t)sizeof(size) + size;
	}
	return 0;
}
