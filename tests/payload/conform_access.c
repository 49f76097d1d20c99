// SPDX-License-Identifier: GPL-2.0-only
/* Items 23 to 31: registers that are for something special, and accesses that a driver must not make. */
#include "tests/payload/conform.h"

#define GUEST_PAGE_SIZE 0x028 /* 4.2.4 */
#define QUEUE_ALIGN     0x03c
#define QUEUE_PFN       0x040

static void shared_memory(void)
{
	for (uint32_t id = 0; id < 3; id++) {
		set(&rng, VIRTIO_MMIO_SHM_SEL, id);
		same(reg(&rng, VIRTIO_MMIO_SHM_LEN_LOW), 0xffffffff, "SHMLenLow");
		same(reg(&rng, VIRTIO_MMIO_SHM_LEN_HIGH), 0xffffffff, "SHMLenHigh");
		same(reg(&rng, VIRTIO_MMIO_SHM_BASE_LOW), 0xffffffff, "SHMBaseLow");
		same(reg(&rng, VIRTIO_MMIO_SHM_BASE_HIGH), 0xffffffff, "SHMBaseHigh");
	}
}

static void queue_reset_at_start(void)
{
	up(&rng, 0, 1);
	set(&rng, VIRTIO_MMIO_STATUS, 0);
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_RESET), 0, "QueueReset after a reset");
}

static void queue_reset_when_enabled(void)
{
	up(&rng, 0, 1);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_RESET), 0, "QueueReset of a queue that is enabled");
}

static void queue_reset(void)
{
	if (!(offered(&rng) & F_RING_RESET)) {
		skip("RING_RESET is not offered");
		return;
	}
	up(&rng, F_RING_RESET, 1);
	serves(&rng);
	set(&rng, VIRTIO_MMIO_QUEUE_RESET, 1);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_RESET), 0, "QueueReset when the reset is done");
	same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 0, "QueueReady of a queue that was reset");
}

static void no_legacy(void)
{
	set(&rng, VIRTIO_MMIO_STATUS, S_DRIVER);
	set(&rng, GUEST_PAGE_SIZE, 4096);
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0);
	set(&rng, VIRTIO_MMIO_QUEUE_NUM, 8);
	set(&rng, QUEUE_ALIGN, 4096);
	set(&rng, QUEUE_PFN, (uint32_t)((uintptr_t)rng.queue[0].buffer >> 12));
	same(reg(&rng, QUEUE_PFN), 0, "QueuePFN");
	same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 0, "QueueReady after QueuePFN");
	set(&rng, VIRTIO_MMIO_STATUS, S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	same(reg(&rng, VIRTIO_MMIO_STATUS), S_DRIVER, "Status of a driver that goes on without FEATURES_OK");
}

static void parts(void)
{
	up(&rng, 0, 1);
	same(read8(rng.base + VIRTIO_MMIO_MAGIC_VALUE), 0, "a byte of MagicValue");
	same(read16(rng.base + VIRTIO_MMIO_MAGIC_VALUE), 0, "16 bits of MagicValue");
	same(read8(rng.base + VIRTIO_MMIO_STATUS), 0, "a byte of Status");
	write8(rng.base + VIRTIO_MMIO_STATUS, 0);
	write16(rng.base + VIRTIO_MMIO_STATUS, 0);
	same(reg(&rng, VIRTIO_MMIO_STATUS), S_UP, "Status after parts of it were written");
}

static void wrong_direction(void)
{
	static const uint16_t write_only[] = { VIRTIO_MMIO_DEVICE_FEATURES_SEL, VIRTIO_MMIO_DRIVER_FEATURES,
					       VIRTIO_MMIO_QUEUE_SEL,           VIRTIO_MMIO_QUEUE_NUM,
					       VIRTIO_MMIO_QUEUE_NOTIFY,        VIRTIO_MMIO_INTERRUPT_ACK,
					       VIRTIO_MMIO_QUEUE_DESC_LOW,      VIRTIO_MMIO_QUEUE_USED_HIGH };
	static const uint16_t undefined[] = { 0x018, 0x01c, 0x02c, 0x048, 0x054, 0x068, 0x074, 0x0d0, 0x0f8 };

	up(&rng, 0, 1);
	for (unsigned i = 0; i < sizeof(write_only) / 2; i++)
		same(reg(&rng, write_only[i]), 0, "a register that is write-only");
	for (unsigned i = 0; i < sizeof(undefined) / 2; i++) {
		set(&rng, undefined[i], 0xffffffff);
		same(reg(&rng, undefined[i]), 0, "a word that is no register");
	}
	set(&rng, VIRTIO_MMIO_MAGIC_VALUE, 1);
	set(&rng, VIRTIO_MMIO_INTERRUPT_STATUS, 3);
	same(reg(&rng, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976, "MagicValue after a write");
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after a write");
	serves(&rng);
}

static void past_config(void)
{
	same(read32(balloon.base + 0x1f0), 0, "32 bits past the balloon's configuration space");
	same(read16(balloon.base + 0x1f0), 0, "16 bits past it");
	same(read8(balloon.base + 0x1f0), 0, "8 bits past it");
	same(read32(rng.base + VIRTIO_MMIO_CONFIG), 0, "32 bits of a configuration space that has none");
	write32(balloon.base + 0x1f0, 0xffffffff);
	same(read32(balloon.base + 0x1f0), 0, "32 bits past it, after a write,");
}

static void frozen(void)
{
	static uint8_t elsewhere[4096] __attribute__((aligned(4096)));
	struct queue kept;

	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	kept = rng.queue[0];
	rng.queue[0].size = 4;
	rng.queue[0].desc = (void *)elsewhere;
	rng.queue[0].avail = (void *)(elsewhere + 1024);
	rng.queue[0].used = (void *)(elsewhere + 2048);
	queue_program(&rng, 0);
	rng.queue[0] = kept;
	for (unsigned i = 0; i < 6; i++)
		if (!serves(&rng))
			return;
	/* nor when the ring starts over where it was */
	set(&rng, VIRTIO_MMIO_QUEUE_READY, 0);
	rng.queue[0].avail[1] = rng.queue[0].added = 0;
	rng.queue[0].used[1] = 0;
	set(&rng, VIRTIO_MMIO_QUEUE_READY, 1);
	serves(&rng);
}

void conform_access(void)
{
	static const struct conform_item items[] = {
		{ ITEM_23, shared_memory },
		{ ITEM_24, queue_reset_at_start },
		{ ITEM_25, queue_reset_when_enabled },
		{ ITEM_26, queue_reset },
		{ ITEM_27, no_legacy },
		{ ITEM_28, parts },
		{ ITEM_29, wrong_direction },
		{ ITEM_30, past_config },
		{ ITEM_31, frozen },
	};

	conform_items(items, sizeof(items) / sizeof(items[0]));
}
