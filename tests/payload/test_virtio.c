// SPDX-License-Identifier: GPL-2.0-only
/* The whole way: handshake, numbers, used buffers, and both interrupts through the IOAPIC. */
#include "tests/payload/virtio.h"

#define ISR_USED         1
#define ISR_CONFIG       2
#define CONFIG_NUM_PAGES 0
#define CONFIG_ACTUAL    4
#define CONFIG_EVENT     8

static struct device device;

static void test_registers(void)
{
	check_is(reg_read(&device, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976, "MagicValue");
	check_is(reg_read(&device, VIRTIO_MMIO_VERSION), 2, "Version");
	check_is(reg_read(&device, VIRTIO_MMIO_DEVICE_ID), 21, "DeviceID");
	reg_write(&device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	check(reg_read(&device, VIRTIO_MMIO_DEVICE_FEATURES) & (1u << FEATURE_CAN_PRINT), "CAN_PRINT is offered");
	reg_write(&device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	check(reg_read(&device, VIRTIO_MMIO_DEVICE_FEATURES) & 1, "VERSION_1 is offered");
	check_is(reg_read(&device, VIRTIO_MMIO_STATUS), 0, "status at start");
}

/* One number over many descriptors, split at odd bytes, then several in one. */
static void test_chains(void)
{
	static uint8_t bytes[12] = { 0x01, 0x10, 0, 0, 0x02, 0x20, 0, 0, 0x03, 0x30, 0, 0 };
	static const uint8_t cuts[] = { 0, 1, 4, 6, 7, 12 };

	for (unsigned i = 0; i < 5; i++)
		device.ring->desc[i] = (struct vring_desc){ .addr = (uintptr_t)bytes + cuts[i],
							    .len = cuts[i + 1] - cuts[i],
							    .flags = i < 4 ? VRING_DESC_F_NEXT : 0,
							    .next = (uint16_t)(i + 1) };
	uint16_t before = device.ring->used.idx;

	device_add(&device, 0);
	for (uint64_t start = rdtsc(); device.ring->used.idx == before && rdtsc() - start < 2000000000u;)
		;
	check_is(device.ring->used.idx, (uint16_t)(before + 1), "a chain of five is one used buffer");
	check_is(device.ring->used.ring[before % QUEUE_SIZE].id, 0, "with its head as id");
}

static void test_used_interrupt(void)
{
	uint32_t before = interrupts_count(device.pin);

	check(device_send(&device, 1000), "a number with interrupts");
	interrupts_wait(device.pin, before);
	check(reg_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_USED, "InterruptStatus says used buffer");
	reg_write(&device, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	check_is(reg_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_USED, 0,
		 "and no more after the acknowledgement");
}

/* The device's timer, by irqfd, wakes a halted guest; each tick shows in configuration space. */
static void test_config_interrupt(void)
{
	uint32_t event = 0, generation = 0;
	bool moves = true, tells = true;

	for (unsigned tick = 0; tick < 4; tick++) {
		uint32_t before = interrupts_count(device.pin);

		while (!(reg_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_CONFIG)) {
			interrupts_wait(device.pin, before);
			before = interrupts_count(device.pin);
		}
		uint32_t now, now_generation;

		/* both of one moment; before the ACK: a tick behind it is told anew, however slow this machine is */
		do {
			now_generation = reg_read(&device, VIRTIO_MMIO_CONFIG_GENERATION);
			now = reg_read(&device, VIRTIO_MMIO_CONFIG + CONFIG_EVENT);
		} while (reg_read(&device, VIRTIO_MMIO_CONFIG_GENERATION) != now_generation);
		reg_write(&device, VIRTIO_MMIO_INTERRUPT_ACK, reg_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS));
		tells = tells && device_send(&device, 2000 + tick);
		if (tick)
			moves = moves && now > event && now_generation != generation;
		event = now;
		generation = now_generation;
	}
	check(moves, "event and ConfigGeneration move with each config interrupt");
	check(tells, "each was answered with a number");
}

void payload(void)
{
	bool sent = true;

	check(device_find(&device, 0), "the device is in the tree");
	test_registers();
	interrupts_init();
	check(device_up(&device), "handshake");
	for (uint32_t i = 1; i <= 40; i++) /* more than the ring holds: it goes around */
		sent = sent && device_send(&device, i);
	check(sent, "forty numbers");
	test_chains();
	reg_write(&device, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	interrupts_enable(device.pin);
	test_used_interrupt();
	reg_write(&device, VIRTIO_MMIO_CONFIG + CONFIG_ACTUAL, 7);
	reg_write(&device, VIRTIO_MMIO_CONFIG + CONFIG_NUM_PAGES, 9);
	check_is(reg_read(&device, VIRTIO_MMIO_CONFIG + CONFIG_ACTUAL), 7, "actual is the driver's to write");
	check_is(reg_read(&device, VIRTIO_MMIO_CONFIG + CONFIG_NUM_PAGES), 3, "num_pages is the host's");
	test_config_interrupt();
	reg_write(&device, VIRTIO_MMIO_STATUS, 0);
	check_is(reg_read(&device, VIRTIO_MMIO_STATUS), 0, "reset");
}
