// SPDX-License-Identifier: GPL-2.0-only
#include "tests/payload/virtio.h"

#define WAIT_TSC 2000000000u /* about a second: an ioeventfd's kick is served by another thread */

static struct ring rings[DEVICES_MAX];
static uint32_t numbers[DEVICES_MAX];

bool device_find(struct device *device, unsigned n)
{
	struct node node;

	if (n >= DEVICES_MAX || !tree_find("virtio,mmio", n, &node))
		return false;
	*device = (struct device){
		.base = node.address, .pin = node.pin, .ring = &rings[n], .features = 1u << FEATURE_CAN_PRINT
	};
	return true;
}

uint32_t reg_read(const struct device *device, uint32_t reg)
{
	return read32(device->base + reg);
}

void reg_write(const struct device *device, uint32_t reg, uint32_t value)
{
	write32(device->base + reg, value);
}

bool device_negotiate(struct device *device)
{
	reg_write(device, VIRTIO_MMIO_STATUS, 0);
	reg_write(device, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	reg_write(device, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	reg_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(device, VIRTIO_MMIO_DRIVER_FEATURES, device->features);
	reg_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(device, VIRTIO_MMIO_DRIVER_FEATURES, 1u << (VIRTIO_F_VERSION_1 - 32));
	reg_write(device, VIRTIO_MMIO_STATUS, STATUS_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
	return reg_read(device, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

bool device_queue(struct device *device)
{
	const uint64_t desc = (uintptr_t)&device->ring->desc, avail = (uintptr_t)&device->ring->avail,
		       used = (uintptr_t)&device->ring->used;

	memset((void *)(uintptr_t)device->ring, 0, sizeof(*device->ring));
	device->added = 0;
	reg_write(device, VIRTIO_MMIO_QUEUE_SEL, 0);
	reg_write(device, VIRTIO_MMIO_QUEUE_NUM, QUEUE_SIZE);
	reg_write(device, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
	reg_write(device, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
	reg_write(device, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)avail);
	reg_write(device, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(avail >> 32));
	reg_write(device, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)used);
	reg_write(device, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(used >> 32));
	reg_write(device, VIRTIO_MMIO_QUEUE_READY, 1);
	return reg_read(device, VIRTIO_MMIO_QUEUE_READY) == 1;
}

bool device_up(struct device *device)
{
	if (!device_negotiate(device) || !device_queue(device))
		return false;
	reg_write(device, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	return reg_read(device, VIRTIO_MMIO_STATUS) == STATUS_LIVE;
}

void device_add(struct device *device, uint16_t head)
{
	device->ring->avail.ring[device->added % QUEUE_SIZE] = head;
	__asm__ volatile("" : : : "memory"); /* x86 keeps stores in order; the compiler must too */
	device->ring->avail.idx = ++device->added;
	reg_write(device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
}

bool device_send(struct device *device, uint32_t number)
{
	uint32_t *cell = &numbers[device->ring - rings];
	uint64_t start = rdtsc();

	*cell = number;
	device->ring->desc[0] = (struct vring_desc){ .addr = (uintptr_t)cell, .len = 4 };
	device_add(device, 0);
	while (device->ring->used.idx != device->added)
		if (rdtsc() - start > WAIT_TSC)
			return false;
	return device->ring->used.ring[(device->added - 1) % QUEUE_SIZE].len == 0;
}
