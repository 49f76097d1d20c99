// SPDX-License-Identifier: GPL-2.0-only
#include "tests/payload/any.h"

#define WAIT_TSC 2500000000u /* about a second: an ioeventfd's kick is served by another thread */

/* Device-type features: those of the ring are from 24 on, RING_RESET is bit 40 (virtio 1.2, 6). */
#define RING_FEATURES  (1u << VIRTIO_RING_F_EVENT_IDX | 1u << VIRTIO_RING_F_INDIRECT_DESC)
#define MULTIPORT      (1u << 1)
#define NET_HEADER     12u
#define VSOCK_HEADER   44u
#define BLK_SECTOR     512u
#define ARP_FRAME      42u
#define BALLOON_PAGE   4096u
#define VSOCK_HOST_CID 2u

uint8_t any_scratch[2 * SCRATCH] __attribute__((aligned(4096)));

static struct ring rings[ANY_QUEUES];
static uint8_t request[1024] __attribute__((aligned(64)));
static uint8_t page[BALLOON_PAGE] __attribute__((aligned(4096)));

static const struct kind {
	uint32_t id;
	const char *name;
	unsigned work, config_size;
} kinds[] = {
	{ VIRTIO_ID_TEST, "test", 0, 12 },       { VIRTIO_ID_RNG, "rng", 0, 0 },
	{ VIRTIO_ID_BLOCK, "blk", 0, 60 },       { VIRTIO_ID_BALLOON, "balloon", 0, 16 },
	{ VIRTIO_ID_CONSOLE, "console", 1, 12 }, { VIRTIO_ID_NET, "net", 1, 10 },
	{ VIRTIO_ID_VSOCK, "vsock", 1, 8 },
};

static const struct kind *kind_of(uint32_t id)
{
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].id == id)
			return &kinds[i];
	return NULL;
}

uint32_t any_read(const struct any *any, uint32_t reg)
{
	return read32(any->base + reg);
}

void any_write(const struct any *any, uint32_t reg, uint32_t value)
{
	write32(any->base + reg, value);
}

const char *any_name(const struct any *any)
{
	return kind_of(any->id)->name;
}

bool any_find(struct any *any, unsigned n)
{
	struct node node;

	if (!tree_find("virtio,mmio", n, &node))
		return false;
	*any = (struct any){ .base = node.address, .pin = node.pin, .number = 0x40000000 };
	any->id = any_read(any, VIRTIO_MMIO_DEVICE_ID);
	const struct kind *kind = kind_of(any->id);

	if (!kind)
		return false;
	any->work = kind->work;
	any->config_size = kind->config_size;
	for (unsigned q = 0; q < ANY_QUEUES; q++) {
		any_write(any, VIRTIO_MMIO_QUEUE_SEL, q);
		if (!any_read(any, VIRTIO_MMIO_QUEUE_NUM_MAX))
			break;
		any->n_queues = q + 1;
		any->rings[q] = &rings[q];
	}
	any_write(any, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	any->with[0] = any_read(any, VIRTIO_MMIO_DEVICE_FEATURES) & ~RING_FEATURES;
	any_write(any, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	any->with[1] = any_read(any, VIRTIO_MMIO_DEVICE_FEATURES);
	memset(any_scratch, '.', sizeof(any_scratch));
	if (any->id == VIRTIO_ID_CONSOLE) {
		any->with[0] &= ~MULTIPORT;
		memset(any_scratch, '\n', sizeof(any_scratch));
	}
	return any->work < any->n_queues;
}

/* --- from reset to DRIVER_OK -------------------------------------------------------------------------------------- */

bool any_negotiate(struct any *any)
{
	any_write(any, VIRTIO_MMIO_STATUS, 0);
	any_write(any, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	any_write(any, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned word = 0; word < 2; word++) {
		any_write(any, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		any_write(any, VIRTIO_MMIO_DRIVER_FEATURES, any->with[word]);
	}
	any_write(any, VIRTIO_MMIO_STATUS, STATUS_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
	return any_read(any, VIRTIO_MMIO_STATUS) == (STATUS_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
}

void any_place_at(const struct any *any, unsigned q, uint32_t num, uint64_t desc, uint64_t avail, uint64_t used)
{
	const uint64_t values[] = { desc, avail, used };
	static const uint32_t regs[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
					 VIRTIO_MMIO_QUEUE_USED_LOW };

	any_write(any, VIRTIO_MMIO_QUEUE_SEL, q);
	any_write(any, VIRTIO_MMIO_QUEUE_NUM, num);
	for (unsigned i = 0; i < 3; i++) {
		any_write(any, regs[i], (uint32_t)values[i]);
		any_write(any, regs[i] + 4, (uint32_t)(values[i] >> 32));
	}
}

void any_place(struct any *any, unsigned q)
{
	volatile struct ring *ring = any->rings[q];

	memset((void *)(uintptr_t)ring, 0, offsetof(struct ring, used) + sizeof(ring->used));
	any->added[q] = 0;
	any_place_at(any, q, QUEUE_SIZE, (uintptr_t)&ring->desc, (uintptr_t)&ring->avail, (uintptr_t)&ring->used);
}

bool any_ready(const struct any *any, unsigned q)
{
	any_write(any, VIRTIO_MMIO_QUEUE_SEL, q);
	any_write(any, VIRTIO_MMIO_QUEUE_READY, 1);
	return any_read(any, VIRTIO_MMIO_QUEUE_READY) == 1;
}

bool any_up(struct any *any)
{
	bool ready = any_negotiate(any);

	for (unsigned q = 0; q < any->n_queues && ready; q++) {
		any_place(any, q);
		ready = any_ready(any, q);
	}
	any_write(any, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	return ready && any_read(any, VIRTIO_MMIO_STATUS) == STATUS_LIVE;
}

/* --- chains ------------------------------------------------------------------------------------------------------- */

void any_desc(const struct any *any, unsigned q, unsigned at, uint64_t addr, uint32_t len, uint16_t flags,
	      uint16_t next)
{
	any->rings[q]->desc[at] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

void any_offer(struct any *any, unsigned q, uint16_t head)
{
	any->rings[q]->avail.ring[any->added[q] % QUEUE_SIZE] = head;
	__asm__ volatile("" : : : "memory"); /* x86 keeps stores in order; the compiler must too */
	any->rings[q]->avail.idx = ++any->added[q];
}

void any_kick(const struct any *any, unsigned q)
{
	any_write(any, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

void any_add(struct any *any, unsigned q, uint16_t head)
{
	any_offer(any, q, head);
	any_kick(any, q);
}

enum answer any_answer(const struct any *any, unsigned q)
{
	for (uint64_t start = rdtsc(); rdtsc() - start < WAIT_TSC;) {
		if (any_read(any, VIRTIO_MMIO_STATUS) & NEEDS_RESET)
			return ANSWER_FAILED;
		if (any->rings[q]->used.idx == any->added[q])
			return ANSWER_USED;
	}
	return ANSWER_NONE;
}

/* --- a request that must be served -------------------------------------------------------------------------------- */

static void put16(unsigned at, uint16_t value)
{
	*(volatile uint16_t *)(request + at) = value;
}

static void put32(unsigned at, uint32_t value)
{
	*(volatile uint32_t *)(request + at) = value;
}

/* Who has 10.0.2.2? A user network answers, so that something is received too. */
static void request_arp(void)
{
	memset(request + NET_HEADER, 0xff, 6);
	memset(request + NET_HEADER + 6, 0x52, 6); /* from a unicast address */
	put32(NET_HEADER + 12, 0x01000608);        /* ARP of Ethernet, for IPv4, a request: in network order */
	put32(NET_HEADER + 16, 0x04060008);
	put16(NET_HEADER + 20, 0x0100);
	memset(request + NET_HEADER + 22, 0x52, 6);
	put32(NET_HEADER + 28, 0x0f02000a);
	put32(NET_HEADER + 38, 0x0202000a);
}

/* A connection to a port where nobody listens: the answer is a reset (5.10.6). */
static void request_connection(void)
{
	put32(0, 3); /* from the guest's CID */
	put32(8, VSOCK_HOST_CID);
	put32(16, 1000);
	put32(20, 1001);
	put16(28, 1); /* stream */
	put16(30, 1); /* REQUEST */
	put32(36, 65536);
}

void any_request(struct any *any)
{
	const uint64_t at = (uintptr_t)request;
	unsigned q = any->work;

	/* no page of a balloon that gets more of it than it should */
	memset(request, any->id == VIRTIO_ID_BALLOON ? 0xff : 0, sizeof(request));
	switch (any->id) {
	case VIRTIO_ID_TEST:
		put32(0, any->number++);
		any_desc(any, q, 0, at, 4, 0, 0);
		break;
	case VIRTIO_ID_RNG: any_desc(any, q, 0, at, 16, VRING_DESC_F_WRITE, 0); break;
	case VIRTIO_ID_BLOCK: /* sector 0 */
		any_desc(any, q, 0, at, 16, VRING_DESC_F_NEXT, 1);
		any_desc(any, q, 1, at + 64, BLK_SECTOR, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
		any_desc(any, q, 2, at + 64 + BLK_SECTOR, 1, VRING_DESC_F_WRITE, 0);
		request[64 + BLK_SECTOR] = NOT_WRITTEN;
		break;
	case VIRTIO_ID_BALLOON:
		put32(0, (uint32_t)((uintptr_t)page / BALLOON_PAGE));
		page[0] = NOT_WRITTEN;
		any_desc(any, q, 0, at, 4, 0, 0);
		break;
	case VIRTIO_ID_CONSOLE:
		put16(0, '\n');
		any_desc(any, q, 0, at, 1, 0, 0);
		break;
	case VIRTIO_ID_NET:
		request_arp();
		any_desc(any, q, 0, at, NET_HEADER + ARP_FRAME, 0, 0);
		break;
	default: request_connection(); any_desc(any, q, 0, at, VSOCK_HEADER, 0, 0);
	}
}

bool any_serves(struct any *any)
{
	volatile struct ring *ring = any->rings[any->work];

	any_request(any);
	any_add(any, any->work, 0);
	if (any_answer(any, any->work) != ANSWER_USED)
		return false;
	uint32_t len = ring->used.ring[(uint16_t)(any->added[any->work] - 1) % QUEUE_SIZE].len;

	switch (any->id) {
	case VIRTIO_ID_RNG: return len >= 1 && len <= 16;
	case VIRTIO_ID_BLOCK: return len == BLK_SECTOR + 1 && request[64 + BLK_SECTOR] == 0;
	case VIRTIO_ID_BALLOON: return len == 0 && *(volatile uint8_t *)page == 0;
	default: return len == 0;
	}
}
