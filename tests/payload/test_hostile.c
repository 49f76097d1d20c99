// SPDX-License-Identifier: GPL-2.0-only
/* Drivers that break the rules of the transport and of the rings, h1 to h17 of those without a second processor, on any
 * device; see hostile.h for what each comes to. */
#include "tests/payload/hostile.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOLE         0xd0000000u /* no RAM below 4 GiB from 3 GiB on */
#define FLOOD        5000u
#define FLOOD_LONG   1000000u

static void h1_queue_sel(void)
{
	static const uint32_t sels[] = { 0xffffffff, 0x10000, 18, 0x80000000 };
	bool absent = true;

	for (unsigned i = 0; i < COUNT(sels); i++) {
		any_negotiate(&any);
		any_write(&any, VIRTIO_MMIO_QUEUE_SEL, sels[i]);
		for (uint32_t reg = VIRTIO_MMIO_QUEUE_NUM; reg < 0x0fc; reg += 4)
			if (reg != VIRTIO_MMIO_STATUS)
				any_write(&any, reg, 0xffffffff);
		absent = absent && any_read(&any, VIRTIO_MMIO_QUEUE_NUM_MAX) == 0 &&
			 any_read(&any, VIRTIO_MMIO_QUEUE_READY) == 0;
	}
	oracle_and(absent, "h1: a queue that is not there");
}

static void h2_notify(void)
{
	static const uint32_t queues[] = { 18, 0xffff, 0x10000, 0x80000000, 0xffffffff };

	any_up(&any);
	for (unsigned i = 0; i < COUNT(queues); i++)
		any_write(&any, VIRTIO_MMIO_QUEUE_NOTIFY, queues[i]);
	oracle_and(any_read(&any, VIRTIO_MMIO_STATUS) == STATUS_LIVE, "h2: kicks of queues that are not there");
}

static void h3_queue_num(void)
{
	const volatile struct ring *ring = any.rings[any.work];
	uint32_t sizes[] = { 0, 3, 0, 0x10000, 0x80000000, 0xffffffff };
	bool refused = true;

	any_write(&any, VIRTIO_MMIO_QUEUE_SEL, any.work);
	sizes[2] = any_read(&any, VIRTIO_MMIO_QUEUE_NUM_MAX) + 1;
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		any_negotiate(&any);
		any_place_at(&any, any.work, sizes[i], (uintptr_t)&ring->desc, (uintptr_t)&ring->avail,
			     (uintptr_t)&ring->used);
		refused = !any_ready(&any, any.work) && refused;
		any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
		any_kick(&any, any.work);
	}
	oracle_and(refused, "h3: no such queue size");
}

/* While the queue is ready its registers are fixed (4.2.2.2); a second processor comes to it in test_hostile_race.c. */
static void h4_frozen(void)
{
	static const uint32_t values[] = { 0, 1, 0x8000, 0xffffffff };
	bool serves = true;

	any_up(&any);
	any_write(&any, VIRTIO_MMIO_QUEUE_SEL, any.work);
	for (unsigned i = 0; i < COUNT(values); i++) {
		any_write(&any, VIRTIO_MMIO_QUEUE_NUM, values[i]);
		for (uint32_t reg = VIRTIO_MMIO_QUEUE_DESC_LOW; reg <= VIRTIO_MMIO_QUEUE_USED_HIGH; reg += 4)
			any_write(&any, reg, values[i]);
		serves = any_serves(&any) && serves;
	}
	any_add(&any, any.work, QUEUE_SIZE); /* a head beyond the size that it was enabled with */
	serves = any_answer(&any, any.work) == ANSWER_FAILED && serves;
	oracle_and(serves, "h4: a queue's registers are written while it is ready");
}

/* Each of the three areas where there is no RAM for it, or not at that address, or not all of it. */
static void h5_ring_place(void)
{
	const volatile struct ring *ring = any.rings[any.work];
	const uint64_t good[] = { (uintptr_t)&ring->desc, (uintptr_t)&ring->avail, (uintptr_t)&ring->used };
	const uint64_t places[] = {
		ram_end - 1, ram_end - 16, ram_end,   HOLE,           any.base,   sibling.base, 0xfee00000,
		0xfffffff0u, 0xbffffff0,   0 - 16ull, UINT64_MAX - 3, 1ull << 63, 0x100000001,  good[0] + 1,
	};
	bool refused = true;

	for (unsigned i = 0; i < COUNT(places); i++) {
		for (unsigned part = 0; part < 3; part++) {
			any_negotiate(&any);
			any_place_at(&any, any.work, QUEUE_SIZE, part == 0 ? places[i] : good[0],
				     part == 1 ? places[i] : good[1], part == 2 ? places[i] : good[2]);
			refused = !any_ready(&any, any.work) && refused;
			any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
			any_kick(&any, any.work);
		}
	}
	oracle_and(refused, "h5: rings where there is no RAM for them");
}

/* On each queue, readable and writable. */
static void h6_buffer_place(void)
{
	const struct {
		uint64_t addr;
		uint32_t len;
	} outside[] = {
		{ 0 - 8ull, 16 },  { ram_end - 1, 2 }, { 1ull << 63, 1 }, { HOLE, 4 },
		{ 0, 0xffffffff }, { any.base, 4 },    { UINT64_MAX, 1 },
	};
	bool refused = true;

	for (unsigned q = 0; q < any.n_queues; q++) {
		for (unsigned i = 0; i < 2 * COUNT(outside); i++) {
			any_up(&any);
			any_desc(&any, q, 4, outside[i / 2].addr, outside[i / 2].len, i % 2 ? VRING_DESC_F_WRITE : 0,
				 0);
			refused = is_refused(q, 4) && refused;
		}
	}
	oracle_and(refused, "h6: buffers outside the RAM");
}

static void h7_zero_length(void)
{
	bool judged = true;

	for (unsigned q = 0; q < any.n_queues; q++) {
		for (unsigned write = 0; write <= QUEUE_SIZE; write += QUEUE_SIZE / 2) { /* from this one on */
			any_up(&any);
			for (unsigned i = 0; i < QUEUE_SIZE; i++)
				any_desc(&any, q, i, i % 2 ? 0 : 0 - 1ull, 0,
					 (i + 1 < QUEUE_SIZE ? VRING_DESC_F_NEXT : 0) |
						 (i >= write ? VRING_DESC_F_WRITE : 0),
					 (uint16_t)(i + 1));
			any_add(&any, q, 0);
			judged = judged && (q != any.work || any_answer(&any, q) != ANSWER_NONE);
		}
	}
	oracle_and(judged, "h7: nothing but empty descriptors");
}

static void h8_loops(void)
{
	static const uint16_t nexts[][2] = { { 4, 0 }, { 5, 4 }, { QUEUE_SIZE, 0 }, { 0xffff, 0 }, { 5, 0x8000 } };
	bool refused = true;

	for (unsigned q = 0; q < any.n_queues; q++) {
		for (unsigned i = 0; i < 4 * COUNT(nexts); i++) { /* readable and writable, of some bytes and of none */
			uint16_t flags = VRING_DESC_F_NEXT | (i & 1 ? VRING_DESC_F_WRITE : 0);

			any_up(&any);
			any_desc(&any, q, 4, (uintptr_t)any_scratch, i & 2 ? 4 : 0, flags, nexts[i / 4][0]);
			any_desc(&any, q, 5, (uintptr_t)any_scratch, i & 2 ? 4 : 0, flags, nexts[i / 4][1]);
			refused = is_refused(q, 4) && refused;
		}
		any_up(&any); /* as long as the ring, and then on */
		for (uint16_t i = 0; i < QUEUE_SIZE; i++)
			any_desc(&any, q, i, (uintptr_t)any_scratch, 1, VRING_DESC_F_NEXT,
				 (uint16_t)((i + 1) % QUEUE_SIZE));
		any_add(&any, q, 0);
		refused = (q != any.work || any_answer(&any, q) == ANSWER_FAILED) && refused;
	}
	oracle_and(refused, "h8: chains without an end");
}

static bool indirect(unsigned q, uint64_t table, uint32_t len, uint16_t flags)
{
	any_up(&any);
	any_desc(&any, q, 4, table, len, VRING_DESC_F_INDIRECT | flags, 5);
	any_desc(&any, q, 5, (uintptr_t)any_scratch, 4, 0, 0);
	return is_refused(q, 4);
}

static void h9_indirect(void)
{
	static volatile struct vring_desc table[4];
	static const uint32_t sizes[] = { 0, 8, 15, 17, 0xfffffff0, 0xffffffff };
	const uint64_t at = (uintptr_t)table, byte = (uintptr_t)any_scratch;
	bool refused = true;

	any.with[0] |= 1u << VIRTIO_RING_F_INDIRECT_DESC;
	for (unsigned q = 0; q < any.n_queues; q++) {
		for (unsigned i = 0; i < COUNT(sizes); i++)
			refused = indirect(q, at, sizes[i], 0) && refused;
		refused = indirect(q, ram_end - 16, 32, 0) && refused;
		refused = indirect(q, HOLE, 16, 0) && refused;
		refused = indirect(q, 0 - 16ull, 32, 0) && refused;
		table[0] = (struct vring_desc){ .addr = byte, .len = 4 };
		refused = indirect(q, at, 16, VRING_DESC_F_NEXT) && refused;
		table[0] = (struct vring_desc){ .addr = at, .len = 16, .flags = VRING_DESC_F_INDIRECT };
		refused = indirect(q, at, 16, 0) && refused; /* nested */
		table[0] = (struct vring_desc){ .addr = byte, .len = 0, .flags = VRING_DESC_F_NEXT, .next = 0 };
		refused = indirect(q, at, 16, 0) && refused; /* a loop inside */
		table[0].next = 1;
		refused = indirect(q, at, 16, 0) && refused; /* and out of it */
		/* a mebibyte of descriptors, all alike: the page tables and what follows */
		refused = indirect(q, 0x100000, 1 << 20, 0) && refused;
	}
	any.with[0] &= ~(1u << VIRTIO_RING_F_INDIRECT_DESC);
	table[0] = (struct vring_desc){ .addr = byte, .len = 4 };
	refused = indirect(any.work, at, 16, 0) && refused;
	oracle_and(refused, "h9: indirect tables of every wrong kind");
}

static void h10_avail_jumps(void)
{
	static const uint16_t jumps[] = { QUEUE_SIZE + 1, 0x7fff, 0x8000, 0xffff };
	unsigned q = any.work;
	bool refused = true;

	for (unsigned i = 0; i < COUNT(jumps); i++) {
		for (unsigned served = 0; served < 2; served++) {
			any_up(&any);
			refused = (!served || any_serves(&any)) && refused;
			any.added[q] = any.rings[q]->avail.idx = (uint16_t)(served + jumps[i]); /* 0xffff: back */
			any_kick(&any, q);
			refused = any_answer(&any, q) == ANSWER_FAILED && refused;
		}
	}
	any_up(&any);
	any_add(&any, q, 0xffff);
	refused = any_answer(&any, q) == ANSWER_FAILED && refused;
	any_up(&any);
	any_add(&any, q, QUEUE_SIZE);
	refused = any_answer(&any, q) == ANSWER_FAILED && refused;
	oracle_and(refused, "h10: avail.idx jumps, goes back; a head beyond the ring");
}

static void h11_directions(void)
{
	bool judged = true;

	for (unsigned q = 0; q < any.n_queues; q++) {
		any_up(&any);
		any_desc(&any, q, 4, (uintptr_t)any_scratch, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 5);
		any_desc(&any, q, 5, (uintptr_t)any_scratch, 16, 0, 0);
		judged = is_refused(q, 4) && judged;
		for (unsigned write = 0; write < 2; write++) {
			any_up(&any);
			any_desc(&any, q, 4, (uintptr_t)any_scratch + 64, 16, write ? VRING_DESC_F_WRITE : 0, 0);
			judged = is_judged(q, 4) && judged;
		}
	}
	oracle_and(judged, "h11: writable before readable, and only wrong directions");
}

static void h14_early_and_late_kicks(void)
{
	volatile struct ring *ring = any.rings[any.work];
	bool untouched;

	any_negotiate(&any);
	any_kick(&any, any.work); /* no queue yet */
	any_place(&any, any.work);
	any_request(&any);
	any_add(&any, any.work, 0); /* not ready yet */
	any_ready(&any, any.work);
	any_kick(&any, any.work); /* not DRIVER_OK yet */
	untouched = ring->used.idx == 0;
	any_write(&any, VIRTIO_MMIO_STATUS, 0);
	any_kick(&any, any.work);
	any_up(&any);
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
	any_request(&any);
	any_add(&any, any.work, 0);
	untouched = untouched && ring->used.idx == 0;
	any_write(&any, VIRTIO_MMIO_STATUS, 0);
	any_kick(&any, any.work);
	untouched = untouched && ring->used.idx == 0;
	oracle_and(untouched, "h14: kicks before Ready, before DRIVER_OK, after FAILED, after reset");
}

static void h15_status(void)
{
	const uint32_t early = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct any other = any;
	bool refused;

	other.with[0] = 0xffffffff;
	refused = !any_negotiate(&other);
	other.with[0] = any.with[0];
	other.with[1] = 0;
	refused = !any_negotiate(&other) && refused;
	any_write(&any, VIRTIO_MMIO_STATUS, early | VIRTIO_CONFIG_S_DRIVER_OK);
	refused = !(any_read(&any, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK) && refused;
	any_up(&any);
	any_write(&any, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	any_write(&any, VIRTIO_MMIO_STATUS, 0xffffffff);
	any_write(&any, VIRTIO_MMIO_STATUS, 0x100);
	refused = any_read(&any, VIRTIO_MMIO_STATUS) == STATUS_LIVE && refused;
	oracle_and(refused, "h15: features and status bits against the rules");
}

static void h16_config(void)
{
	const uint64_t config = any.base + VIRTIO_MMIO_CONFIG;
	bool nothing;

	any_up(&any);
	nothing = read32(config + any.config_size) == 0 && read32(any.base + 0xffc) == 0 &&
		  read64(config + any.config_size) == 0 &&
		  (!any.config_size || read32(config + any.config_size - 1) == 0);
	read64(any.base + 0xffc); /* over the window's end: KVM makes two accesses of that, a page each */
	write32(config + any.config_size - 1, 0xffffffff);
	write32(config + any.config_size, 0xffffffff);
	write64(any.base + 0xff8, UINT64_MAX);
	nothing = nothing && read32(config + any.config_size) == 0;
	oracle_and(nothing, "h16: configuration space at its end and behind");
}

/* Interrupts that nobody takes, then more acknowledgements than there are bits, and kicks for nothing. */
static void h17_floods(void)
{
	unsigned kicks = asked("long") ? FLOOD_LONG : FLOOD;
	bool serves;

	any_up(&any);
	serves = any_serves(&any) && any_serves(&any); /* and no ACK */
	any_write(&any, VIRTIO_MMIO_INTERRUPT_ACK, 0xffffffff);
	for (unsigned i = 0; i < kicks; i++)
		any_kick(&any, i % any.n_queues);
	any_write(&any, VIRTIO_MMIO_INTERRUPT_ACK, 0xffffffff);
	oracle_and(serves, "h17: interrupts never acknowledged, and kicks for nothing");
}

void payload(void)
{
	if (!hostile_begin())
		return;
	h1_queue_sel();
	h2_notify();
	h3_queue_num();
	h4_frozen();
	h5_ring_place();
	h6_buffer_place();
	h7_zero_length();
	h8_loops();
	h9_indirect();
	h10_avail_jumps();
	h11_directions();
	h14_early_and_late_kicks();
	h15_status();
	h16_config();
	h17_floods();
	hostile_end();
}
