/* SPDX-License-Identifier: GPL-2.0-only */
/* The least driver of a virtio-test device on virtio-mmio: one queue, everything in static memory. */
#ifndef MINIVMM_PAYLOAD_VIRTIO_H
#define MINIVMM_PAYLOAD_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "tests/payload/guest.h"

#define QUEUE_SIZE        16u
#define DEVICES_MAX       2
#define FEATURE_CAN_PRINT 0
#define STATUS_LIVE \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | VIRTIO_CONFIG_S_DRIVER_OK)

/* A ring of QUEUE_SIZE, in guest memory; its alignment is more than enough for each part. */
struct ring {
	struct vring_desc desc[QUEUE_SIZE];
	struct {
		uint16_t flags, idx, ring[QUEUE_SIZE], used_event;
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[QUEUE_SIZE];
		uint16_t avail_event;
	} used __attribute__((aligned(4)));
} __attribute__((aligned(4096)));

struct device {
	uint64_t base;
	unsigned pin;
	volatile struct ring *ring;
	uint16_t added;    /* avail.idx */
	uint32_t features; /* word 0 to accept; word 1 is VERSION_1 */
};

/* The n-th virtio-mmio device of the tree. */
bool device_find(struct device *device, unsigned n);
uint32_t reg_read(const struct device *device, uint32_t reg);
void reg_write(const struct device *device, uint32_t reg, uint32_t value);

/* Reset, ACKNOWLEDGE, DRIVER, features, FEATURES_OK: true where the device took them. */
bool device_negotiate(struct device *device);
/* Tells the device where the (emptied) ring is; true where QueueReady reads back. */
bool device_queue(struct device *device);
/* All of the hand-shake, to DRIVER_OK. */
bool device_up(struct device *device);

/* Makes the chain that starts at descriptor `head` available, and kicks. */
void device_add(struct device *device, uint16_t head);
/* Sends one number with descriptor 0 and waits, for a while, until it is used. */
bool device_send(struct device *device, uint32_t number);

#endif
