// SPDX-License-Identifier: GPL-2.0-only
/* Drivers that lay things over each other, and accesses of every kind: what CHECKLIST's cases do not name, h26 on. */
#include "tests/payload/hostile.h"

#define SERVED_MAX 32u
#define STORM      2000u
#define WRITES     3000u
#define UART       0x3f8
#define I8042_DATA 0x60
#define WINDOW     0x1000u

/* The areas of the work queue lie where `place` says; requests are made in them all the same. */
static void overlapped(uint64_t desc, uint64_t avail, uint64_t used, const char *name)
{
	unsigned q = any.work;

	any_negotiate(&any);
	memset((void *)(uintptr_t)any.rings[q], 0, sizeof(*any.rings[q]));
	any.added[q] = 0;
	any_place_at(&any, q, QUEUE_SIZE, desc, avail, used);
	any_ready(&any, q);
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	for (uint16_t i = 0; i < SERVED_MAX; i++) {
		volatile struct vring_desc *table = (void *)(uintptr_t)desc;
		volatile uint16_t *ring = (void *)(uintptr_t)avail;

		table[i % 4] = (struct vring_desc){ .addr = (uintptr_t)any_scratch + 16 * i,
						    .len = 16,
						    .flags = i & 1 ? VRING_DESC_F_WRITE : 0 };
		ring[2 + i % QUEUE_SIZE] = i % 4;
		ring[1] = (uint16_t)(i + 1);
		any_kick(&any, q);
	}
	oracle(name);
}

static void areas_over_each_other(void)
{
	const volatile struct ring *ring = any.rings[any.work];
	uint64_t desc = (uintptr_t)&ring->desc, avail = (uintptr_t)&ring->avail, used = (uintptr_t)&ring->used;

	overlapped(desc, avail, desc, "h26: the used ring lies over the descriptor table");
	overlapped(desc, used, used, "h27: the used ring lies over the available ring");
	overlapped(desc, desc, used, "h28: the available ring lies over the descriptor table");
	overlapped(desc, desc, desc, "h28: all three areas are one");
	overlapped(desc, used + 2, used, "h27: two indices are the same sixteen bits, shifted");
}

/* One chain of two buffers, then a good request. */
static void chain_of(uint64_t first, uint32_t first_len, uint16_t first_flags, uint64_t second, uint32_t second_len)
{
	for (unsigned q = 0; q < any.n_queues; q++) {
		any_up(&any);
		any_desc(&any, q, 4, first, first_len, VRING_DESC_F_NEXT | first_flags, 5);
		any_desc(&any, q, 5, second, second_len, VRING_DESC_F_WRITE, 0);
		is_judged(q, 4);
		if (!(any_read(&any, VIRTIO_MMIO_STATUS) & NEEDS_RESET)) {
			any_request(&any);
			any_add(&any, any.work, 0);
		}
	}
}

static void buffers_over_the_ring(void)
{
	const volatile struct ring *ring = any.rings[any.work];
	uint64_t desc = (uintptr_t)&ring->desc, used = (uintptr_t)&ring->used, scratch = (uintptr_t)any_scratch;

	chain_of(scratch, 16, 0, used, sizeof(ring->used));
	oracle("h29: a buffer that the device writes lies over its used ring");
	chain_of(scratch, 16, 0, desc, sizeof(ring->desc));
	oracle("h44: a buffer that the device writes lies over its descriptors");
	chain_of(scratch, 64, 0, scratch, 64);
	oracle("h31: the same memory is readable and writable in one chain");
	chain_of(scratch, 64, VRING_DESC_F_WRITE, scratch + 32, 64);
	oracle("h31: buffers that overlap, to be written both");
}

static void indirect_over_used(void)
{
	volatile struct ring *ring = any.rings[any.work];
	volatile struct vring_desc *table = (void *)(((uintptr_t)&ring->used + 15) & ~15ull);

	any.with[0] |= 1u << VIRTIO_RING_F_INDIRECT_DESC;
	for (uint16_t i = 0; i < 4; i++) {
		any_up(&any);
		table[0] = (struct vring_desc){ .addr = (uintptr_t)table,
						.len = 64,
						.flags = i & 1 ? VRING_DESC_F_WRITE : 0 };
		any_desc(&any, any.work, 4, (uintptr_t)table, 16, VRING_DESC_F_INDIRECT, 0);
		for (unsigned again = 0; again < 3; again++)
			any_add(&any, any.work, 4);
	}
	any.with[0] &= ~(1u << VIRTIO_RING_F_INDIRECT_DESC);
	oracle("h30: an indirect table lies over the used ring, and describes itself");
}

static void event_index_extremes(void)
{
	static const uint16_t events[] = { 0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff };
	bool serves = true;

	any.with[0] |= 1u << VIRTIO_RING_F_EVENT_IDX;
	for (unsigned i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		any_up(&any);
		any.rings[any.work]->avail.used_event = events[i];
		any.rings[any.work]->avail.flags = 0xffff;
		any.rings[any.work]->used.avail_event = events[i];
		serves = any_serves(&any) && any_serves(&any) && any_serves(&any) && serves;
	}
	any.with[0] &= ~(1u << VIRTIO_RING_F_EVENT_IDX);
	oracle_and(serves, "h32: event indices that never come, or always");
}

static void early_queue(void)
{
	bool serves;

	any_write(&any, VIRTIO_MMIO_STATUS, 0);
	any_place(&any, any.work);
	any_ready(&any, any.work); /* before ACKNOWLEDGE */
	any_write(&any, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	any_write(&any, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned word = 0; word < 2; word++) {
		any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES, any.with[word]);
	}
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	serves = any_serves(&any);
	oracle_and(serves, "h34: a queue is enabled before FEATURES_OK");
	any_negotiate(&any);
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE); /* with no queue at all */
	for (unsigned q = 0; q < any.n_queues; q++)
		any_kick(&any, q);
	oracle("h34: DRIVER_OK without a queue");
}

static void widths(void)
{
	bool nothing = true;

	for (uint32_t reg = 0; reg < VIRTIO_MMIO_CONFIG; reg += 4) {
		any_up(&any);
		for (unsigned off = 0; off < 4; off++) {
			nothing = read8(any.base + reg + off) == 0 && nothing;
			write8(any.base + reg + off, 0xff);
		}
		nothing = read16(any.base + reg) == 0 && read16(any.base + reg + 1) == 0 && nothing;
		write16(any.base + reg, 0xffff);
		write64(any.base + reg, UINT64_MAX);
		read64(any.base + reg);
		nothing = read32(any.base + reg + 2) == 0 && nothing;
		write32(any.base + reg + 1, 0xffffffff);
	}
	oracle_and(nothing, "h37: registers by 8, 16, 64 bits, and misaligned");
}

static void strings(void)
{
	static uint32_t copy[WINDOW / 4];
	uint64_t count = WINDOW / 4;
	const void *from = (const void *)any.base;
	void *to = copy;
	bool magic;

	any_up(&any);
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	magic = copy[0] == 0x74726976 && count == 0;
	from = copy;
	to = (void *)any.base;
	count = WINDOW / 4;
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	to = (void *)any.base;
	count = WINDOW;
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0xff) : "memory");
	to = (void *)any.base;
	from = (const void *)sibling.base;
	count = VIRTIO_MMIO_STATUS / 4; /* from window to window */
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
	oracle_and(magic, "h38: rep movs and rep stos over the whole window");
}

static void ports(void)
{
	static char noise[512];
	const void *from = noise;
	uint64_t count = sizeof(noise);

	any_up(&any);
	memset(noise, '\n', sizeof(noise));
	__asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"((uint16_t)UART) : "memory");
	for (unsigned i = 0; i < STORM; i++) {
		out32((uint16_t)(UART - 2 + i % 12), 0); /* over its edges */
		in32((uint16_t)(UART + i % 8));
		if (i % 8 != 3 && i % 8 != 0) /* not the divisor, nor text */
			out8((uint16_t)(UART + i % 8), i % 8 == 1 ? 0 : (uint8_t)i & 0xe0);
		out8(I8042_DATA, (uint8_t)i);
	}
	out8(UART + 1, 0);
	out8(UART + 3, 3);
	out8(UART + 4, 3);
	oracle("h39: the serial port's registers and the keyboard's flooded, rep outs");
}

/* Its own rings are those of the sibling, or both queues share one. */
static void shared_rings(void)
{
	volatile struct ring *theirs = sibling.ring, *ours = any.rings[any.work];

	any_negotiate(&any);
	any_place_at(&any, any.work, QUEUE_SIZE, (uintptr_t)&theirs->desc, (uintptr_t)&theirs->avail,
		     (uintptr_t)&any_scratch[1024]);
	any_ready(&any, any.work);
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	for (unsigned i = 0; i < 4; i++) {
		sibling_takes(); /* both pop it, one answers where the driver looks */
		any_kick(&any, any.work);
	}
	memset(any_scratch, '\n', SCRATCH);
	oracle("h41: the sibling's rings are given to the device as its own");

	any_negotiate(&any);
	any_place(&any, any.work);
	for (unsigned q = 0; q < any.n_queues; q++) {
		any_place_at(&any, q, QUEUE_SIZE, (uintptr_t)&ours->desc, (uintptr_t)&ours->avail,
			     (uintptr_t)&ours->used);
		any_ready(&any, q);
	}
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	for (unsigned i = 0; i < 8; i++) {
		any_request(&any);
		any_offer(&any, any.work, 0);
		for (unsigned q = 0; q < any.n_queues; q++)
			any_kick(&any, q);
	}
	oracle("h42: all queues of the device share one ring");
}

static void random_registers(void)
{
	for (unsigned i = 0; i < WRITES; i++) {
		uint64_t random = random_next();

		if (random % 64 == 0)
			any_up(&any);
		write32(any.base + (random >> 8 & 0x1ff & ~3u), (uint32_t)(random >> 32) >> (random >> 20 & 31));
		read32(any.base + (random >> 16 & 0x1ff & ~3u));
	}
	oracle("h45: random values in random registers");
}

static void random_descriptors(void)
{
	any.with[0] |= 1u << VIRTIO_RING_F_INDIRECT_DESC;
	for (unsigned i = 0; i < WRITES / 20; i++) {
		unsigned q = i % any.n_queues;

		any_up(&any);
		for (unsigned at = 0; at < QUEUE_SIZE; at++) {
			uint64_t random = random_next();

			any_desc(&any, q, at, (uintptr_t)any_scratch + (random & 0x7ff),
				 (uint32_t)(random >> 16) & 0x3f,
				 (uint16_t)(random >> 32 & 0x100 ? random >> 40 & 7 : random >> 40 & 3),
				 (uint16_t)(random >> 48 & (QUEUE_SIZE - 1)));
		}
		for (unsigned head = 0; head < 8; head++)
			any_offer(&any, q, (uint16_t)(random_next() >> 32 & (QUEUE_SIZE - 1)));
		any_kick(&any, q);
		any_request(&any);
		any_add(&any, any.work, 0);
	}
	any.with[0] &= ~(1u << VIRTIO_RING_F_INDIRECT_DESC);
	oracle("h46: random descriptors");
}

static void features_words(void)
{
	bool refused = true;

	any_negotiate(&any);
	for (uint32_t word = 2; word; word *= 2) {
		any_write(&any, VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		refused = (word < 4 || any_read(&any, VIRTIO_MMIO_DEVICE_FEATURES) == 0) && refused;
		any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES, 0xffffffff); /* after FEATURES_OK */
	}
	any_write(&any, VIRTIO_MMIO_STATUS, 0);
	any_write(&any, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0x80000000);
	any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	any_write(&any, VIRTIO_MMIO_DRIVER_FEATURES, WORD1_VERSION_1);
	any_write(&any, VIRTIO_MMIO_STATUS, STATUS_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
	refused = !(any_read(&any, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK) && refused;
	oracle_and(refused, "h47: feature words that do not exist");
}

/* The device holds what it popped; the queue stops, moves and goes on elsewhere. */
static void queue_moves(void)
{
	unsigned q = any.work;
	bool serves = true;

	any_up(&any);
	for (unsigned i = 0; i < 8 && serves; i++) {
		any_request(&any);
		any_add(&any, q, 0);
		any_write(&any, VIRTIO_MMIO_QUEUE_SEL, q);
		any_write(&any, VIRTIO_MMIO_QUEUE_READY, 0);
		any_place(&any, q);
		any_ready(&any, q);
	}
	serves = any_serves(&any);
	oracle_and(serves, "h50: a queue is stopped and begun anew with a buffer out");
}

void payload(void)
{
	if (!hostile_begin())
		return;
	areas_over_each_other();
	buffers_over_the_ring();
	indirect_over_used();
	event_index_extremes();
	early_queue();
	widths();
	strings();
	ports();
	shared_rings();
	random_registers();
	random_descriptors();
	features_words();
	queue_moves();
	hostile_end();
}
