// SPDX-License-Identifier: GPL-2.0-only
/* Power goes off while a disk has much to write: what was asked for before is done. */
#include "tests/payload/any.h"

#define BYTES  (16u << 20) /* from the second half of 32 MiB on: the payload is below */
#define PIECES 8u

static struct any any;
static uint64_t header[2];
static uint8_t status;

void payload(void)
{
	unsigned n = 0;

	while (any_find(&any, n) && any.id != VIRTIO_ID_BLOCK)
		n++;
	check(any.id == VIRTIO_ID_BLOCK && any_up(&any), "a disk");
	memset((void *)(uintptr_t)BYTES, 'x', 4096);
	header[0] = 1; /* VIRTIO_BLK_T_OUT, of sector 0 on */
	any_desc(&any, 0, 0, (uintptr_t)header, sizeof(header), VRING_DESC_F_NEXT, 1);
	for (unsigned i = 1; i <= PIECES; i++)
		any_desc(&any, 0, i, BYTES, 8u << 20, VRING_DESC_F_NEXT, (uint16_t)(i + 1));
	any_desc(&any, 0, PIECES + 1, (uintptr_t)&status, 1, VRING_DESC_F_WRITE, 0);
	any_add(&any, 0, 0);
	out8(0x64, 0xfe); /* and not a word more */
}
