// SPDX-License-Identifier: GPL-2.0-only
/* Items 46 to 65: the split ring (virtio 1.2, 2.6.1, 2.7). */
#include "tests/payload/conform.h"

#define USED_EVENT(dut) ((dut)->queue[0].avail[2 + (dut)->queue[0].size])
#define AVAIL_FLAGS     0 /* index of a 16-bit word of the ring, as the next */
#define USED_FLAGS      0

static struct vring_desc table[8] __attribute__((aligned(16)));

/* Waits for the one chain that was added, and looks at its length. */
static bool one_comes(uint32_t max)
{
	const uint16_t at = (uint16_t)(rng.queue[0].added - 1);

	kick(&rng, 0);
	if (!used_comes(&rng, 0, rng.queue[0].added))
		return false;
	never(used_len(&rng, 0, at) == 0, "a buffer comes back with nothing in it");
	never(used_len(&rng, 0, at) > max, "a buffer comes back with more in it than it can hold");
	return true;
}

static void framing(void)
{
	static const uint8_t cuts[][5] = { { 0, 64 }, { 0, 1, 64 }, { 0, 63, 64 }, { 0, 7, 8, 31, 64 } };
	uint8_t *bytes = rng.queue[0].buffer[0];

	if (!up(&rng, 0, 1))
		return;
	for (unsigned i = 0; i < 4; i++) {
		unsigned n = i == 0 ? 1 : i == 3 ? 4 : 2;

		memset(bytes, BYTE, BUFFER);
		for (unsigned piece = 0; piece < n; piece++)
			put_desc(&rng.queue[0].desc[(piece * 5 + 3) % RING_MAX], bytes + cuts[i][piece],
				 cuts[i][piece + 1] - cuts[i][piece],
				 (uint16_t)(VRING_DESC_F_WRITE | (piece + 1 < n ? VRING_DESC_F_NEXT : 0)),
				 (uint16_t)((piece * 5 + 8) % RING_MAX));
		add(&rng, 0, 3);
		if (!one_comes(BUFFER))
			return;
		never(untouched(bytes, BUFFER), "a buffer in pieces is not written");
	}
}

static void readable_kept(void)
{
	uint8_t *in = rng.queue[0].buffer[0], *out = rng.queue[0].buffer[1];

	if (!up(&rng, 0, 1))
		return;
	memset(in, BYTE, BUFFER);
	memset(out, BYTE, BUFFER);
	put_desc(&rng.queue[0].desc[0], in, BUFFER, VRING_DESC_F_NEXT, 1);
	put_desc(&rng.queue[0].desc[1], out, BUFFER, VRING_DESC_F_WRITE, 0);
	add(&rng, 0, 0);
	if (!one_comes(BUFFER))
		return;
	never(!untouched(in, BUFFER), "a readable buffer is written");
	never(untouched(out, BUFFER), "the writable buffer behind it is not written");
}

static void table_kept(void)
{
	static uint8_t before[RING_MAX * 16];
	bool served = true;

	if (!up(&rng, 0, 1))
		return;
	for (uint16_t head = 0; head < RING_MAX; head++)
		put_desc(&rng.queue[0].desc[head], rng.queue[0].buffer[head], BUFFER, VRING_DESC_F_WRITE, 7);
	memcpy(before, (const void *)(uintptr_t)rng.queue[0].desc, sizeof(before));
	for (uint16_t head = 0; head < RING_MAX && served; head++) {
		add(&rng, 0, head);
		served = one_comes(BUFFER);
	}
	same(memcmp(before, (const void *)(uintptr_t)rng.queue[0].desc, sizeof(before)), 0,
	     "the difference of the descriptor table from before");
}

/* `direct` descriptors of a byte, then a table of two. */
static bool indirect(unsigned direct, uint16_t flags)
{
	uint8_t *bytes = rng.queue[0].buffer[0];

	memset(bytes, BYTE, BUFFER);
	for (uint16_t i = 0; i < direct; i++)
		put_desc(&rng.queue[0].desc[i], bytes + i, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT,
			 (uint16_t)(i + 1));
	put_desc(&table[0], bytes + direct, 16, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1);
	put_desc(&table[1], bytes + direct + 16, 16, VRING_DESC_F_WRITE, 0);
	put_desc(&rng.queue[0].desc[direct], table, 32, (uint16_t)(flags | VRING_DESC_F_INDIRECT), 0);
	add(&rng, 0, 0);
	return one_comes(32 + direct) && !untouched(bytes, BUFFER);
}

static bool with_indirect(void)
{
	if (offered(&rng) & F_INDIRECT)
		return up(&rng, F_INDIRECT, 1);
	skip("INDIRECT_DESC is not offered");
	return false;
}

static void write_on_indirect(void)
{
	if (with_indirect())
		never(!indirect(0, 0) || !indirect(0, VRING_DESC_F_WRITE), "an indirect table is not served");
}

static void direct_then_indirect(void)
{
	if (!with_indirect())
		return;
	never(!indirect(0, 0), "an indirect table without direct descriptors before it is not served");
	for (unsigned direct = 1; direct < 4; direct++)
		if (!indirect(direct, 0)) {
			never(true, "an indirect table behind a direct descriptor is not served");
			return;
		}
}

/* No more than the alignment that is asked for, in every size up to RING_MAX. */
static void sizes(void)
{
	static uint8_t area[2048] __attribute__((aligned(4096)));

	for (uint16_t size = 1; size <= RING_MAX; size = (uint16_t)(size * 2)) {
		struct queue *queue = &rng.queue[0];

		negotiate(&rng, F_VERSION_1);
		memset(area, 0, sizeof(area));
		queue->size = size;
		queue->added = 0;
		queue->desc = (void *)(area + 16);
		queue->avail = (void *)(area + 1024 + 2);
		queue->used = (void *)(area + 1536 + 4);
		queue_program(&rng, 0);
		set(&rng, VIRTIO_MMIO_QUEUE_READY, 1);
		same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 1, "QueueReady of a legal ring");
		set(&rng, VIRTIO_MMIO_STATUS, S_UP);
		for (unsigned i = 0; i < 3; i++)
			if (!serves(&rng))
				return;
	}
}

/* Sixteen buffers of a byte a kick, around 65536 and on. */
static void wraps(void)
{
	if (!up(&rng, 0, 1))
		return;
	for (uint16_t head = 0; head < RING_MAX; head++) {
		put_desc(&rng.queue[0].desc[head], rng.queue[0].buffer[head], 1, VRING_DESC_F_WRITE, 0);
		rng.queue[0].avail[2 + head] = head; /* the same in every round */
	}
	for (unsigned round = 0; round < 65536 / RING_MAX + 4; round++) {
		rng.queue[0].added = (uint16_t)(rng.queue[0].added + RING_MAX);
		rng.queue[0].avail[1] = rng.queue[0].added;
		kick(&rng, 0);
		if (!used_comes(&rng, 0, rng.queue[0].added))
			return;
	}
	same(used_idx(&rng, 0), 4 * RING_MAX, "used.idx after 65600 buffers");
}

static void heads(void)
{
	static const uint16_t order[] = { 9, 2, 15, 0, 7 };
	uint32_t seen = 0, wanted = 0;

	if (!up(&rng, 0, 1))
		return;
	for (unsigned i = 0; i < 5; i++) {
		add_buffer(&rng, 0, order[i]);
		wanted |= 1u << order[i];
	}
	kick(&rng, 0);
	if (!used_comes(&rng, 0, 5))
		return;
	for (uint16_t i = 0; i < 5; i++)
		seen |= used_id(&rng, 0, i) < RING_MAX ? 1u << used_id(&rng, 0, i) : 0;
	same(seen, wanted, "the set of ids that came back");
}

static void len_before_idx(void)
{
	if (!up(&rng, 0, 1))
		return;
	for (uint16_t i = 0; i < 200; i++) {
		const uint64_t entry = (uintptr_t)rng.queue[0].used + 4 + 8u * (i % RING_MAX);

		write32(entry, 0xdead);
		write32(entry + 4, 0xdead);
		add_buffer(&rng, 0, i % RING_MAX);
		kick(&rng, 0);
		if (!used_comes(&rng, 0, (uint16_t)(i + 1)))
			return;
		same(read32(entry), i % RING_MAX, "the id of a used element, as soon as used.idx shows it,");
		never(read32(entry + 4) > BUFFER, "the length of a used element is not set when used.idx shows it");
	}
}

/* Random bytes may be what was there, but eight in a row are not. */
static void bytes_before_idx(void)
{
	if (!up(&rng, 0, 1))
		return;
	for (unsigned i = 0; i < 100; i++) {
		if (!serves(&rng))
			return;
		uint32_t len = used_len(&rng, 0, (uint16_t)i);

		for (uint32_t at = 0; at + 8 <= len; at++)
			never(untouched(rng.queue[0].buffer[0] + at, 8), "a part of `len` bytes is not written");
	}
}

/* One buffer; InterruptStatus when it is over. */
static uint32_t isr_of_one(void)
{
	serves(&rng);
	settle();
	uint32_t isr = reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS);

	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	return isr;
}

static void flags_0(void)
{
	if (!up(&rng, 0, 1))
		return;
	for (unsigned i = 0; i < 4; i++) {
		USED_EVENT(&rng) = (uint16_t)(i * 1000);
		same(isr_of_one(), ISR_USED, "InterruptStatus with flags 0");
	}
}

static void flags_1(void)
{
	if (!up(&rng, 0, 1))
		return;
	rng.queue[0].avail[AVAIL_FLAGS] = 1;
	for (uint16_t i = 0; i < 4; i++) {
		USED_EVENT(&rng) = i;
		same(isr_of_one(), 0, "InterruptStatus with flags 1");
	}
}

static bool with_event_idx(void)
{
	if (offered(&rng) & F_EVENT_IDX)
		return up(&rng, F_EVENT_IDX, 1);
	skip("EVENT_IDX is not offered");
	return false;
}

static void used_event(void)
{
	if (!with_event_idx())
		return;
	for (uint16_t flags = 0; flags < 2; flags++) {
		rng.queue[0].avail[AVAIL_FLAGS] = flags;
		for (unsigned i = 0; i < 3; i++) {
			USED_EVENT(&rng) = rng.queue[0].added;
			same(isr_of_one(), ISR_USED, "InterruptStatus after the entry at used_event");
		}
		USED_EVENT(&rng) = (uint16_t)(rng.queue[0].added + 9);
		for (unsigned i = 0; i < 3; i++)
			same(isr_of_one(), 0, "InterruptStatus after another entry than the one at used_event");
	}
}

static void used_flags(void)
{
	if (!up(&rng, 0, 1))
		return;
	for (unsigned i = 0; i < 4; i++) {
		serves(&rng);
		never(rng.queue[0].used[USED_FLAGS] > 1, "used.flags is neither 0 nor 1");
	}
}

static void used_flags_with_event_idx(void)
{
	if (!with_event_idx())
		return;
	for (unsigned i = 0; i < 4; i++) {
		serves(&rng);
		same(rng.queue[0].used[USED_FLAGS], 0, "used.flags with EVENT_IDX");
	}
}

static void kicks_without_buffers(void)
{
	if (!up(&rng, 0, 1))
		return;
	for (unsigned i = 0; i < 100; i++)
		kick(&rng, 0);
	settle();
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after kicks without a buffer");
	same(used_idx(&rng, 0), 0, "used.idx after kicks without a buffer");
	serves(&rng);
}

/* 2.7.13.4: a driver that kicks only where avail_event asks for it; the device must take every buffer all the same. */
static void kicks_where_asked(void)
{
	if (!with_event_idx())
		return;
	for (uint16_t i = 0; i < 300; i++) {
		volatile uint16_t *avail_event = &rng.queue[0].used[2 + 4 * RING_MAX];

		add_buffer(&rng, 0, i % RING_MAX);
		__asm__ volatile("mfence" : : : "memory");
		if ((uint16_t)(rng.queue[0].added - *avail_event - 1) < 1)
			kick(&rng, 0);
		if (i % 3 == 2 && !used_comes(&rng, 0, (uint16_t)(i + 1)))
			return;
	}
}

static void in_order(void)
{
	if (offered(&rng) & F_IN_ORDER)
		skip("IN_ORDER is offered");
	else
		never(negotiate(&rng, F_VERSION_1 | F_IN_ORDER),
		      "FEATURES_OK stays set for IN_ORDER, which is not offered");
}

static bool with_ring_reset(void)
{
	if (offered(&rng) & F_RING_RESET)
		return up(&rng, F_RING_RESET, 1);
	skip("RING_RESET is not offered");
	return false;
}

static void reset_queue(void)
{
	if (!with_ring_reset() || !serves(&rng))
		return;
	settle();
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	add_buffer(&rng, 0, 1);
	set(&rng, VIRTIO_MMIO_QUEUE_RESET, 1);
	kick(&rng, 0);
	settle();
	same(used_idx(&rng, 0), 1, "used.idx of a queue that was reset");
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after the reset of a queue");
}

static void enabled_again(void)
{
	if (!with_ring_reset() || !serves(&rng))
		return;
	set(&rng, VIRTIO_MMIO_QUEUE_RESET, 1);
	queue_up(&rng, 0, 4);
	for (unsigned i = 0; i < 6; i++)
		if (!serves(&rng))
			return;
	same(used_idx(&rng, 0), 6, "used.idx of a queue that was enabled again, with four entries,");
}

void conform_ring(void)
{
	static const struct conform_item items[] = {
		{ ITEM_46, framing },
		{ ITEM_47, readable_kept },
		{ ITEM_48, table_kept },
		{ ITEM_49, write_on_indirect },
		{ ITEM_50, direct_then_indirect },
		{ ITEM_51, sizes },
		{ ITEM_52, wraps },
		{ ITEM_53, heads },
		{ ITEM_54, len_before_idx },
		{ ITEM_55, bytes_before_idx },
		{ ITEM_56, flags_0 },
		{ ITEM_57, flags_1 },
		{ ITEM_58, used_event },
		{ ITEM_59, used_flags },
		{ ITEM_60, used_flags_with_event_idx },
		{ ITEM_61, kicks_without_buffers },
		{ ITEM_62, kicks_where_asked },
		{ ITEM_63, in_order },
		{ ITEM_64, reset_queue },
		{ ITEM_65, enabled_again },
	};

	conform_items(items, sizeof(items) / sizeof(items[0]));
}
