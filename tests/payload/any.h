/* SPDX-License-Identifier: GPL-2.0-only */
/* A driver of any virtio-mmio device, by its DeviceID: all of its queues, and one request that it must serve. */
#ifndef MINIVMM_PAYLOAD_ANY_H
#define MINIVMM_PAYLOAD_ANY_H

#include <linux/virtio_ids.h>

#include "tests/payload/virtio.h"

#define ANY_QUEUES      8u /* that are driven; a device may have more */
#define VIRTIO_ID_TEST  21u
#define NEEDS_RESET     VIRTIO_CONFIG_S_NEEDS_RESET
#define WORD1_VERSION_1 (1u << (VIRTIO_F_VERSION_1 - 32))
#define NOT_WRITTEN     0xee
#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0
#endif

struct any {
	uint64_t base;
	unsigned pin;
	uint32_t id;
	unsigned n_queues;    /* that the device has, and that are driven */
	unsigned work;        /* the queue of any_request() */
	unsigned config_size; /* bytes */
	uint32_t number;      /* the next to send, where it is a test device */
	uint32_t with[2];     /* feature words to accept, of what is offered */
	volatile struct ring *rings[ANY_QUEUES];
	uint16_t added[ANY_QUEUES]; /* avail.idx */
};

/* The n-th virtio-mmio device of the tree. Accepts all that is offered but EVENT_IDX, INDIRECT_DESC and, of a console,
 * MULTIPORT. */
bool any_find(struct any *any, unsigned n);
const char *any_name(const struct any *any);
uint32_t any_read(const struct any *any, uint32_t reg);
void any_write(const struct any *any, uint32_t reg, uint32_t value);

/* Reset to FEATURES_OK; true where the device kept that bit. */
bool any_negotiate(struct any *any);
/* Empties the ring and writes its place to the registers of queue q, but QueueReady. */
void any_place(struct any *any, unsigned q);
void any_place_at(const struct any *any, unsigned q, uint32_t num, uint64_t desc, uint64_t avail, uint64_t used);
bool any_ready(const struct any *any, unsigned q); /* sets QueueReady; true where it reads back */
/* From reset to DRIVER_OK, with all queues; true where status says just that. */
bool any_up(struct any *any);

/* A descriptor of queue q; and a chain made available, with and without a kick. */
void any_desc(const struct any *any, unsigned q, unsigned at, uint64_t addr, uint32_t len, uint16_t flags,
	      uint16_t next);
void any_offer(struct any *any, unsigned q, uint16_t head);
void any_add(struct any *any, unsigned q, uint16_t head);
void any_kick(const struct any *any, unsigned q);

/* Waits, a second at most, for the device's answer on queue q: it used what was added, or it needs a reset. */
enum answer { ANSWER_NONE, ANSWER_USED, ANSWER_FAILED };
enum answer any_answer(const struct any *any, unsigned q);

/* Lays out a request that the device must serve, from descriptor 0 of its work queue on. */
void any_request(struct any *any);
/* ... and sends it; true where it is used, and answered as it should be. */
bool any_serves(struct any *any);

/* Memory for buffers: of a console it is text, which may come out. */
#define SCRATCH 4096u
extern uint8_t any_scratch[2 * SCRATCH];

#endif
