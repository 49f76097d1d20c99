// SPDX-License-Identifier: GPL-2.0-only
/* Items 1 to 22: the registers of the transport (virtio 1.2, 4.2). */
#include "tests/payload/conform.h"

#define BALLOON_ACTUAL 4            /* 5.5.4: the driver's to write */
#define TICK_TSC       10000000000u /* some seconds */

static void magic(void)
{
	same(reg(&rng, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976, "MagicValue");
	same(reg(&balloon, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976, "MagicValue of the balloon");
}

static void version(void)
{
	same(reg(&rng, VIRTIO_MMIO_VERSION), 2, "Version");
	same(reg(&balloon, VIRTIO_MMIO_VERSION), 2, "Version of the balloon");
}

static void device_id(void)
{
	same(reg(&rng, VIRTIO_MMIO_DEVICE_ID), 4, "DeviceID");
	same(reg(&balloon, VIRTIO_MMIO_DEVICE_ID), 5, "DeviceID of the balloon");
}

static void vendor_id(void)
{
	never(reg(&rng, VIRTIO_MMIO_VENDOR_ID) == 0, "VendorID is 0");
	same(reg(&rng, VIRTIO_MMIO_VENDOR_ID), reg(&balloon, VIRTIO_MMIO_VENDOR_ID), "VendorID of the balloon");
}

static void device_features(void)
{
	static const uint32_t beyond[] = { 4, 5, 32, 33, 0x80000000, 0xffffffff };

	set(&rng, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	same(reg(&rng, VIRTIO_MMIO_DEVICE_FEATURES) & 1, 1, "VERSION_1 in word 1");
	set(&rng, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 2);
	same(reg(&rng, VIRTIO_MMIO_DEVICE_FEATURES), 0, "DeviceFeatures with DeviceFeaturesSel 2");
	for (unsigned i = 0; i < 6; i++) {
		set(&rng, VIRTIO_MMIO_DEVICE_FEATURES_SEL, beyond[i]);
		same(reg(&rng, VIRTIO_MMIO_DEVICE_FEATURES), 0, "DeviceFeatures with a DeviceFeaturesSel beyond 3");
	}
}

/* A word that is not there is cleared: where that reaches word 0, EVENT_IDX is not negotiated, as used_event shows. */
static void driver_features(void)
{
	static const uint32_t other[] = { 2, 3, 32, 0x80000000 };

	if (!(offered(&rng) & F_EVENT_IDX)) {
		skip("EVENT_IDX is not offered");
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		set(&rng, VIRTIO_MMIO_STATUS, 0);
		set(&rng, VIRTIO_MMIO_STATUS, S_DRIVER);
		write_features(&rng, F_VERSION_1 | F_EVENT_IDX);
		set(&rng, VIRTIO_MMIO_DRIVER_FEATURES_SEL, other[i]);
		set(&rng, VIRTIO_MMIO_DRIVER_FEATURES, 0);
		set(&rng, VIRTIO_MMIO_STATUS, S_FEATURES);
		same(reg(&rng, VIRTIO_MMIO_STATUS), S_FEATURES,
		     "Status after DriverFeatures of word 2 and more were cleared");
		queue_up(&rng, 0, RING_MAX);
		rng.queue[0].avail[2 + RING_MAX] = 9; /* used_event */
		set(&rng, VIRTIO_MMIO_STATUS, S_UP);
		serves(&rng);
		settle();
		same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0,
		     "InterruptStatus, as if EVENT_IDX had gone with another word of features,");
	}
}

static void queue_sel(void)
{
	negotiate(&balloon, F_VERSION_1);
	queue_up(&balloon, 1, RING_MAX);
	same(reg(&balloon, VIRTIO_MMIO_QUEUE_READY), 1, "QueueReady of queue 1");
	set(&balloon, VIRTIO_MMIO_QUEUE_SEL, 0);
	same(reg(&balloon, VIRTIO_MMIO_QUEUE_READY), 0, "QueueReady of queue 0, when 1 is ready,");
	queue_up(&balloon, 0, 4);
	set(&balloon, VIRTIO_MMIO_QUEUE_READY, 0);
	set(&balloon, VIRTIO_MMIO_QUEUE_SEL, 1);
	same(reg(&balloon, VIRTIO_MMIO_QUEUE_READY), 1, "QueueReady of queue 1, when 0 was stopped,");
	set(&balloon, VIRTIO_MMIO_STATUS, 0);
}

static void queue_num_max(void)
{
	uint32_t max;

	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0);
	max = reg(&rng, VIRTIO_MMIO_QUEUE_NUM_MAX);
	never(!max || max > 32768, "QueueNumMax is not within 1 and 32768");
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 1);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_NUM_MAX), 0, "QueueNumMax with QueueSel 1, of one queue,");
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0);
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0x10000);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_NUM_MAX), 0, "QueueNumMax with QueueSel 0x10000");
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0xffffffff);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_NUM_MAX), 0, "QueueNumMax with QueueSel 0xffffffff");
}

static void queue_ready(void)
{
	negotiate(&rng, F_VERSION_1);
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 0, "QueueReady at the start");
	queue_up(&rng, 0, RING_MAX);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 1, "QueueReady after 1");
	set(&rng, VIRTIO_MMIO_QUEUE_READY, 0);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 0, "QueueReady after 0");
}

static void not_ready(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	set(&rng, VIRTIO_MMIO_QUEUE_READY, 0);
	add_buffer(&rng, 0, 1);
	kick(&rng, 0);
	settle();
	same(used_idx(&rng, 0), 1, "used.idx of a ring that is not ready");
	never(!untouched(rng.queue[0].buffer[1], BUFFER), "a buffer in it is written");
}

static void isr_bits(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	settle();
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_USED, "InterruptStatus after a used buffer");
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	add(&rng, 0, 0xffff); /* no such head: the device needs a reset, and says so */
	kick(&rng, 0);
	settle();
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_CONFIG, "InterruptStatus after a configuration change");
}

static void isr_stays(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	settle();
	for (unsigned i = 0; i < 3; i++)
		same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_USED, "InterruptStatus, each time that it is read,");
	serves(&rng);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_USED, "InterruptStatus after another event");
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after InterruptACK");
}

static void isr_of_no_event(void)
{
	set(&rng, VIRTIO_MMIO_STATUS, S_DRIVER);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus without an event");
	up(&rng, 0, 1);
	kick(&rng, 0);
	settle();
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus of a driver that is up, without an event,");
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after InterruptACK of nothing");
}

static void isr_ack(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	settle();
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, 0);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_USED, "InterruptStatus after InterruptACK of 0");
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_CONFIG);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_USED, "InterruptStatus after InterruptACK of the other bit");
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after InterruptACK of it");
}

static void interrupt_comes(void)
{
	if (!up(&rng, 0, 1))
		return;
	interrupts_enable(rng.pin);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t before = interrupts_count(rng.pin);

		serves(&rng);
		never(!interrupts_come(rng.pin, before), "no interrupt comes for a used buffer");
		same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), ISR_USED, "InterruptStatus in an interrupt");
		set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
		same(interrupts_count(rng.pin), before + 1, "interrupts");
	}
	interrupts_disable(rng.pin);
}

static void reset_clears(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	settle();
	set(&rng, VIRTIO_MMIO_STATUS, 0);
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after a reset");
	set(&rng, VIRTIO_MMIO_QUEUE_SEL, 0);
	same(reg(&rng, VIRTIO_MMIO_QUEUE_READY), 0, "QueueReady after a reset");
}

static void status_0(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	set(&rng, VIRTIO_MMIO_STATUS, 0);
	same(reg(&rng, VIRTIO_MMIO_STATUS), 0, "Status after 0");
	if (up(&rng, 0, 1))
		serves(&rng);
}

/* Waits for a tick of the test device, which changes its configuration space by itself. */
static bool tick(void)
{
	for (uint64_t start = rdtsc(); !(reg(&ticker, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_CONFIG);)
		if (rdtsc() - start > TICK_TSC)
			return false;
	return true;
}

static void generation_changes(void)
{
	if (!ticker.base) {
		skip("no device here changes its configuration space by itself");
		return;
	}
	up(&ticker, 1, 1);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t before = reg(&ticker, VIRTIO_MMIO_CONFIG_GENERATION),
			 event = reg(&ticker, VIRTIO_MMIO_CONFIG + 8);

		set(&ticker, VIRTIO_MMIO_INTERRUPT_ACK, ISR_CONFIG);
		never(!tick(), "no configuration change comes");
		never(reg(&ticker, VIRTIO_MMIO_CONFIG + 8) == event, "no field has changed");
		never(reg(&ticker, VIRTIO_MMIO_CONFIG_GENERATION) == before,
		      "ConfigGeneration is the same after a change");
	}
	set(&ticker, VIRTIO_MMIO_STATUS, 0);
}

static void generation_stays(void)
{
	uint32_t before = reg(&balloon, VIRTIO_MMIO_CONFIG_GENERATION);

	for (unsigned off = 0; off < 8; off++)
		read8(balloon.base + VIRTIO_MMIO_CONFIG + off);
	same(reg(&balloon, VIRTIO_MMIO_CONFIG_GENERATION), before, "ConfigGeneration, read again,");
}

static void config_bytes(void)
{
	const uint64_t actual = balloon.base + VIRTIO_MMIO_CONFIG + BALLOON_ACTUAL;

	up(&balloon, 0, 2);
	write32(actual, 0x00332211);
	same(read32(actual), 0x00332211, "the balloon's `actual`, as it was written,");
	same(read8(actual), 0x11, "its first byte");
	same(read8(actual + 1), 0x22, "its second byte");
	same(read16(actual + 2), 0x0033, "its upper half");
	same(read16(actual + 1), 0x3322, "16 bits of it at an odd offset");
	write32(actual, 0);
	for (unsigned at = 0; at < 8; at++)
		same(read8(disk.base + VIRTIO_MMIO_CONFIG + at), (uint8_t)((uint64_t)DISK_SECTORS >> 8 * at),
		     "a byte of the disk's capacity");
	set(&balloon, VIRTIO_MMIO_STATUS, 0);
}

static void little_endian(void)
{
	static const char wanted[4] = "virt";
	uint32_t magic_value = reg(&rng, VIRTIO_MMIO_MAGIC_VALUE);

	same(memcmp(&magic_value, wanted, 4), 0, "the difference of MagicValue's bytes from \"virt\"");
}

/* The balloon's second queue, where pages come back: a list of one that it never had. */
static void notify_index(void)
{
	static uint32_t page[2];

	if (!up(&balloon, 0, 2))
		return;
	page[0] = (uint32_t)((uintptr_t)balloon.queue[0].buffer >> 12);
	for (unsigned q = 0; q < 2; q++) {
		put_desc(&balloon.queue[q].desc[0], page, 4, 0, 0);
		add(&balloon, q, 0);
	}
	set(&balloon, VIRTIO_MMIO_QUEUE_SEL, 0); /* has no part in it */
	kick(&balloon, 1);
	used_comes(&balloon, 1, 1);
	same(used_idx(&balloon, 0), 0, "used.idx of queue 0, when 1 was notified,");
	set(&balloon, VIRTIO_MMIO_STATUS, 0);
}

void conform_mmio(void)
{
	static const struct conform_item items[] = {
		{ ITEM_1, magic },
		{ ITEM_2, version },
		{ ITEM_3, device_id },
		{ ITEM_4, vendor_id },
		{ ITEM_5, device_features },
		{ ITEM_6, driver_features },
		{ ITEM_7, queue_sel },
		{ ITEM_8, queue_num_max },
		{ ITEM_9, queue_ready },
		{ ITEM_10, not_ready },
		{ ITEM_11, isr_bits },
		{ ITEM_12, isr_stays },
		{ ITEM_13, isr_of_no_event },
		{ ITEM_14, isr_ack },
		{ ITEM_15, interrupt_comes },
		{ ITEM_16, reset_clears },
		{ ITEM_17, status_0 },
		{ ITEM_18, generation_changes },
		{ ITEM_19, generation_stays },
		{ ITEM_20, config_bytes },
		{ ITEM_21, little_endian },
		{ ITEM_22, notify_index },
	};

	conform_items(items, sizeof(items) / sizeof(items[0]));
}
