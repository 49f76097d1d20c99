/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The items of tests/items.h as a guest sees them, on any machine that has virtio-mmio: minivmm, where a device tree
 * says what there is, and QEMU's microvm, where the command line does. The device under test is an entropy device,
 * which both have; a second one of the kind tells when the first has had its time; a balloon and a disk of DISK_SECTORS
 * have configuration spaces.
 *
 * No item can keep the others from being tried: each begins with a reset, and each wait has an end.
 */
#ifndef MINIVMM_PAYLOAD_CONFORM_H
#define MINIVMM_PAYLOAD_CONFORM_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "tests/items.h"
#include "tests/payload/guest.h"

#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0 /* virtio 1.2, 4.2.2; younger than some kernel headers */
#endif

#define BIT(n)         (1ull << (n))
#define S_DRIVER       (VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define S_FEATURES     (S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK)
#define S_UP           (S_FEATURES | VIRTIO_CONFIG_S_DRIVER_OK)
#define F_INDIRECT     BIT(28)
#define F_EVENT_IDX    BIT(29)
#define F_VERSION_1    BIT(32)
#define F_IN_ORDER     BIT(35)
#define F_SR_IOV       BIT(37)
#define F_RING_RESET   BIT(40)
#define ISR_USED       1u
#define ISR_CONFIG     2u
#define RING_MAX       16u
#define BUFFER         64u /* bytes of a buffer */
#define BYTE           0xa5
#define VIRTIO_ID_TEST 21
#define DISK_SECTORS   2048u

/* The three areas of a queue, each where it is, and the buffers that belong to its descriptors. */
struct queue {
	uint16_t size;
	volatile struct vring_desc *desc;
	volatile uint16_t *avail; /* flags, idx, ring, used_event */
	volatile uint16_t *used;  /* flags, idx, then pairs of id and len, avail_event */
	uint16_t added;           /* avail.idx */
	uint8_t buffer[RING_MAX][BUFFER];
};

struct dut {
	uint64_t base;
	unsigned pin;
	struct queue queue[2];
};

extern struct dut rng, second_rng, balloon, disk;
extern struct dut ticker; /* base 0: not there */

/* --- an item's verdict -------------------------------------------------------------------------------------------- */

/* What was found against what the item wants; the item fails where they differ, and says so in these words. */
void same(uint64_t got, uint64_t wanted, const char *what);
/* The item fails where this happens, in words that tell of it. */
void never(bool happens, const char *what);
/* The item cannot be tried here. */
void skip(const char *why);

struct conform_item {
	const char *name;
	void (*fn)(void);
};
void conform_items(const struct conform_item *items, unsigned n);
/* These run all that they have. */
void conform_status(void);
void conform_mmio(void);
void conform_access(void);
void conform_ring(void);

/* --- a driver ----------------------------------------------------------------------------------------------------- */

uint32_t reg(const struct dut *dut, uint32_t at);
void set(const struct dut *dut, uint32_t at, uint32_t value);
uint64_t offered(const struct dut *dut);
void write_features(const struct dut *dut, uint64_t features);
/* Reset to FEATURES_OK; true where it is kept. */
bool negotiate(const struct dut *dut, uint64_t features);
/* An empty ring of `size`, its place into the registers, QueueReady; or at areas of the caller's. */
void queue_up(struct dut *dut, unsigned q, uint16_t size);
void queue_program(const struct dut *dut, unsigned q);
/* All of that to DRIVER_OK, `n` queues of RING_MAX; what goes wrong is the item's failure. */
bool up(struct dut *dut, uint64_t features, unsigned n);

/* Descriptor `head` as one writable buffer of BUFFER bytes, all BYTE; available. No kick. */
void add_buffer(struct dut *dut, unsigned q, uint16_t head);
/* A descriptor of any kind, and a chain made available that begins with it. */
void put_desc(volatile struct vring_desc *desc, const void *at, uint32_t len, uint16_t flags, uint16_t next);
void add(struct dut *dut, unsigned q, uint16_t head);
void kick(const struct dut *dut, unsigned q);
uint16_t used_idx(const struct dut *dut, unsigned q);
uint32_t used_id(const struct dut *dut, unsigned q, uint16_t at);
uint32_t used_len(const struct dut *dut, unsigned q, uint16_t at);
/* Waits until used.idx is `idx`, or the sibling is served that was asked later: then the item fails. */
bool used_comes(const struct dut *dut, unsigned q, uint16_t idx);
/* Waits until a request of the sibling's that is made now is served: by then the device has seen its kicks. */
void settle(void);
/* All BYTE, as add_buffer() left it. */
bool untouched(const uint8_t *bytes, uint32_t len);
/* One buffer through queue 0; true where it came back with bytes in it, else the item fails. */
bool serves(struct dut *dut);

#endif
