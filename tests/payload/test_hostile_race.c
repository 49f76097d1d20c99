// SPDX-License-Identifier: GPL-2.0-only
/* Drivers whose two processors are not at one: what the first kicks the second changes meanwhile. */
#include "tests/payload/hostile.h"

#define RACE_MS     100u
#define RACE_LONG   5000u  /* where the command line ends in "long" */
#define RACE_MINUTE 60000u /* those for which CHECKLIST says so */
#define RESETS      2000u
#define RESETS_LONG 1000000u

void second_cpu(void)
{
	race_second_cpu();
}

/* The first processor's half of each race: good requests, and from the start where that did not go well. Each is
 * kicked several times, so that the other's work falls between. */
static void work(void)
{
	if (any_read(&any, VIRTIO_MMIO_STATUS) != STATUS_LIVE)
		any_up(&any);
	any_request(&any);
	any_offer(&any, any.work, 0);
	for (unsigned q = 0; q < any.n_queues; q++)
		any_kick(&any, q);
}

static void race(void (*step)(void), uint32_t long_ms, const char *name)
{
	any_up(&any);
	race_begin(step);
	while (race_goes_on(asked("long") ? long_ms : RACE_MS))
		work();
	race_end();
	oracle(name);
}

/* --- what the second processor does ------------------------------------------------------------------------------- */

/* What the device writes to a ring at the wrong place must not be the payload itself. */
static uint64_t place(uint64_t random)
{
	const uint64_t places[] = { (uintptr_t)any_scratch,
				    (uintptr_t)any_scratch + 2048,
				    ram_end - 16,
				    0xd0000000,
				    any.base,
				    (uintptr_t)any_scratch + 1,
				    0 - 16ull,
				    (uintptr_t)any_scratch + SCRATCH };

	return places[random & 7];
}

static void registers_of_the_queue(void)
{
	static const uint32_t regs[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
					 VIRTIO_MMIO_QUEUE_USED_LOW };
	uint64_t random = random_next();
	uint32_t reg = regs[random % 3];

	any_write(&any, VIRTIO_MMIO_QUEUE_SEL, any.work);
	if (random & 0x300)
		any_write(&any, VIRTIO_MMIO_QUEUE_READY, random >> 10 & 1);
	if (random & 0x3000) {
		any_write(&any, reg, (uint32_t)place(random >> 20));
		any_write(&any, reg + 4, (uint32_t)(place(random >> 20) >> 32));
	} else {
		any_write(&any, VIRTIO_MMIO_QUEUE_NUM, random & 0x4000 ? 0xffffffff : 1u << (random >> 20 & 7));
	}
}

/* Of the chain's first descriptors; what they become is almost right. */
static void descriptors(void)
{
	static const uint32_t lens[] = { 0, 1, 4, 16, 2048, 0x7fffffff, 0xffffffff, 512 };

	for (unsigned i = 0; i < 8; i++) {
		uint64_t random = random_next();
		volatile struct vring_desc *desc = &any.rings[any.work]->desc[random % 3];

		switch (random >> 8 & 3) {
		case 0: desc->addr = place(random >> 16); break;
		case 1: desc->len = lens[random >> 16 & 7]; break;
		case 2: desc->flags = random >> 16 & 7; break;
		default: desc->next = random >> 16 & (random & 0x1000 ? 0xffff : 3);
		}
	}
}

static volatile uint32_t resets;

static void reset(void)
{
	any_write(&any, VIRTIO_MMIO_STATUS, 0);
	resets++;
}

/* It adds entries without a word, each a head of its own choice. */
static void avail_index(void)
{
	volatile struct ring *ring = any.rings[any.work];
	uint64_t random = random_next();

	ring->avail.ring[random % QUEUE_SIZE] = random >> 8 & (random & 0x100000 ? 0xffff : QUEUE_SIZE - 1);
	ring->avail.idx += random & 0x200000 ? 1 : (uint16_t)(random >> 32) & 3;
}

static void queue_reset(void)
{
	volatile struct ring *ring = any.rings[any.work];

	any_write(&any, VIRTIO_MMIO_QUEUE_SEL, any.work);
	any_write(&any, VIRTIO_MMIO_QUEUE_RESET, 1);
	any_place_at(&any, any.work, QUEUE_SIZE, (uintptr_t)&ring->desc, (uintptr_t)&ring->avail,
		     (uintptr_t)&ring->used);
	any_ready(&any, any.work);
}

static void status(void)
{
	static const uint32_t values[] = { 0, 1, 3, 11, STATUS_LIVE, 0x80, 0xff, NEEDS_RESET };

	any_write(&any, VIRTIO_MMIO_STATUS, values[random_next() >> 32 & 7]);
}

static void config_space(void)
{
	uint64_t random = random_next(), at = any.base + VIRTIO_MMIO_CONFIG + (random & 0x3f);

	write8(at, (uint8_t)(random >> 8));
	write32(at, (uint32_t)(random >> 16));
	read64(at);
	any_read(&any, VIRTIO_MMIO_CONFIG_GENERATION);
}

/* What the device has written, and event indices. */
static void used_ring(void)
{
	volatile struct ring *ring = any.rings[any.work];
	uint64_t random = random_next();

	ring->used.idx = (uint16_t)random;
	ring->used.flags = (uint16_t)(random >> 16);
	ring->used.avail_event = (uint16_t)(random >> 32);
	ring->avail.used_event = (uint16_t)(random >> 48);
	ring->avail.flags = (uint16_t)(random >> 8);
}

/* --- the cases ---------------------------------------------------------------------------------------------------- */

static void h13_resets(void)
{
	const uint32_t wanted = asked("long") ? RESETS_LONG : RESETS;

	any_up(&any);
	resets = 0;
	race_begin(reset);
	while (resets < wanted)
		work();
	race_end();
	oracle("h13: resets race kicks and the configuration's timer");
}

void payload(void)
{
	if (!hostile_begin())
		return;
	race(registers_of_the_queue, RACE_MINUTE,
	     "h4: a queue's registers are rewritten while the other processor kicks");
	race(descriptors, RACE_MINUTE, "h12: descriptors change while the other processor kicks");
	h13_resets();
	race(avail_index, RACE_LONG, "h33: avail.idx runs away while buffers are popped");
	race(queue_reset, RACE_LONG, "h35: a queue is reset while the other processor kicks it");
	race(status, RACE_LONG, "h43: status is written while the other processor is at the handshake");
	race(config_space, RACE_LONG, "h36: a storm on configuration space while the other processor kicks");
	any.with[0] |= 1u << VIRTIO_RING_F_EVENT_IDX | 1u << VIRTIO_RING_F_INDIRECT_DESC;
	race(used_ring, RACE_LONG, "h51: the used ring and event indices are written over by the driver");
	race(descriptors, RACE_LONG, "h52: descriptors that are now indirect, now not");
	any.with[0] &= ~(1u << VIRTIO_RING_F_EVENT_IDX | 1u << VIRTIO_RING_F_INDIRECT_DESC);
	hostile_end();
}
