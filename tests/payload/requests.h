/* SPDX-License-Identifier: GPL-2.0-only */
/* What drivers ask of devices, by their ids: good requests most often, at random, the same in each run. */
#ifndef MINIVMM_PAYLOAD_REQUESTS_H
#define MINIVMM_PAYLOAD_REQUESTS_H

#include <linux/virtio_ids.h>

#include "tests/payload/guest.h"

static uint64_t random = 88172645463325252u;

static uint64_t next(void)
{
	random ^= random << 13;
	random ^= random >> 7;
	random ^= random << 17;
	return random;
}

static uint32_t pick(uint32_t n)
{
	return (uint32_t)(next() >> 33) % n;
}

/* The first bytes of a request for queue q, 64 of them. */
static void put_header(uint32_t id, unsigned q, uint64_t gpa)
{
	static const uint32_t blk_types[] = { 0, 0, 1, 1, 4, 8, 11, 13, 99 };

	for (unsigned i = 0; i < 64; i += 8)
		write64(gpa + i, next());
	if (pick(10) == 0)
		return;
	switch (id) {
	case VIRTIO_ID_BLOCK:
		write32(gpa, blk_types[pick(9)]);
		write64(gpa + 8, pick(10) ? pick(2048) : next());
		write64(gpa + 16, pick(2048));
		write64(gpa + 24, pick(64));
		break;
	case VIRTIO_ID_BALLOON: write32(gpa, pick(8)); break;
	case VIRTIO_ID_CONSOLE:
		write32(gpa, pick(3));
		write32(gpa + 4, pick(9) | pick(2) << 16);
		break;
	case VIRTIO_ID_NET:
		if (q == 2)
			write16(gpa, (uint16_t)(pick(6) | pick(3) << 8));
		break;
	case VIRTIO_ID_VSOCK:
		write64(gpa, 3);
		write64(gpa + 8, 2);
		write32(gpa + 16, pick(200));
		write32(gpa + 20, pick(8) ? 9 : 10);
		write32(gpa + 24, pick(2) ? pick(300) : pick(65536));
		write32(gpa + 28, 1 | (pick(2) ? 1 + 4 * pick(2) : pick(9)) << 16);
		write32(gpa + 32, pick(4));
		write64(gpa + 36, pick(1u << 20));
		break;
	default: break;
	}
}

/* Whether the device reads what is in the queue, or may. */
static bool is_read(uint32_t id, unsigned q)
{
	switch (id) {
	case VIRTIO_ID_BALLOON: return q < 3;
	case VIRTIO_ID_CONSOLE:
	case VIRTIO_ID_NET:
	case VIRTIO_ID_VSOCK: return q % 2;
	default: return true;
	}
}

#endif
