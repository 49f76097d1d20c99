// SPDX-License-Identifier: GPL-2.0-only
#include "tests/payload/conform.h"

#define SOON_TSC     20000000u    /* what comes at once is there by then */
#define LATE_TSC     10000000000u /* some seconds: the machine has come to a halt */
#define FINDINGS_MAX 4u
#define AREA         256u /* bytes of descriptors; more than the others need */

struct dut rng, second_rng, balloon, disk, ticker;

/* Of each queue: descriptors, avail, used. */
static uint64_t areas[4][2][3 * AREA / 8] __attribute__((aligned(4096)));

/* --- an item's verdict -------------------------------------------------------------------------------------------- */

static struct {
	const char *what;
	uint64_t got, wanted; /* the same where there are no numbers */
} findings[FINDINGS_MAX];
static unsigned n_findings, n_items;
static const char *skipped;

static void finding(uint64_t got, uint64_t wanted, const char *what)
{
	for (unsigned i = 0; i < n_findings && i < FINDINGS_MAX; i++)
		if (findings[i].what == what && findings[i].got == got && findings[i].wanted == wanted)
			return; /* once is enough */
	if (n_findings < FINDINGS_MAX) {
		findings[n_findings].what = what;
		findings[n_findings].got = got;
		findings[n_findings].wanted = wanted;
	}
	n_findings++;
}

void same(uint64_t got, uint64_t wanted, const char *what)
{
	if (got != wanted)
		finding(got, wanted, what);
}

void never(bool happens, const char *what)
{
	if (happens)
		finding(0, 0, what);
}

void skip(const char *why)
{
	skipped = why;
}

static void verdict(const char *name)
{
	if (skipped && !n_findings) {
		check_skipped(name, skipped);
		return;
	}
	check(n_findings == 0, name);
	for (unsigned i = 0; i < n_findings && i < FINDINGS_MAX; i++) {
		print("# ");
		print(findings[i].what);
		if (findings[i].got != findings[i].wanted) {
			print(" is ");
			print_hex(findings[i].got);
			print(", not ");
			print_hex(findings[i].wanted);
		}
		print("\n");
	}
}

void conform_items(const struct conform_item *items, unsigned n)
{
	for (unsigned i = 0; i < n; i++, n_items++) {
		n_findings = 0;
		skipped = NULL;
		if (n_items) /* the very first finds the device untouched */
			set(&rng, VIRTIO_MMIO_STATUS, 0);
		items[i].fn();
		verdict(items[i].name);
	}
}

/* --- registers ---------------------------------------------------------------------------------------------------- */

uint32_t reg(const struct dut *dut, uint32_t at)
{
	return read32(dut->base + at);
}

void set(const struct dut *dut, uint32_t at, uint32_t value)
{
	write32(dut->base + at, value);
}

uint64_t offered(const struct dut *dut)
{
	set(dut, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	uint64_t high = reg(dut, VIRTIO_MMIO_DEVICE_FEATURES);

	set(dut, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return high << 32 | reg(dut, VIRTIO_MMIO_DEVICE_FEATURES);
}

void write_features(const struct dut *dut, uint64_t features)
{
	for (uint32_t word = 0; word < 2; word++) {
		set(dut, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		set(dut, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> (32 * word)));
	}
}

bool negotiate(const struct dut *dut, uint64_t features)
{
	set(dut, VIRTIO_MMIO_STATUS, 0);
	set(dut, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	set(dut, VIRTIO_MMIO_STATUS, S_DRIVER);
	write_features(dut, features);
	set(dut, VIRTIO_MMIO_STATUS, S_FEATURES);
	return reg(dut, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

/* --- queues ------------------------------------------------------------------------------------------------------- */

void queue_program(const struct dut *dut, unsigned q)
{
	const struct queue *queue = &dut->queue[q];
	const uint64_t desc = (uintptr_t)queue->desc, avail = (uintptr_t)queue->avail, used = (uintptr_t)queue->used;

	set(dut, VIRTIO_MMIO_QUEUE_SEL, q);
	set(dut, VIRTIO_MMIO_QUEUE_NUM, queue->size);
	set(dut, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
	set(dut, VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(desc >> 32));
	set(dut, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)avail);
	set(dut, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(avail >> 32));
	set(dut, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)used);
	set(dut, VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(used >> 32));
}

void queue_up(struct dut *dut, unsigned q, uint16_t size)
{
	struct queue *queue = &dut->queue[q];
	volatile uint64_t *area = areas[dut == &rng ? 0 : dut == &second_rng ? 1 : dut == &balloon ? 2 : 3][q];

	for (unsigned i = 0; i < 3 * AREA / 8; i++) /* by words: a KVM in software emulates each instruction */
		area[i] = 0;
	queue->size = size;
	queue->added = 0;
	queue->desc = (void *)(uintptr_t)area;
	queue->avail = (void *)((uintptr_t)area + AREA);
	queue->used = (void *)((uintptr_t)area + 2 * AREA);
	queue_program(dut, q);
	set(dut, VIRTIO_MMIO_QUEUE_READY, 1);
}

bool up(struct dut *dut, uint64_t features, unsigned n)
{
	bool agreed = negotiate(dut, features | F_VERSION_1);

	never(!agreed, "features that are offered are refused");
	for (unsigned q = 0; q < n; q++)
		queue_up(dut, q, RING_MAX);
	set(dut, VIRTIO_MMIO_STATUS, S_UP);
	same(reg(dut, VIRTIO_MMIO_STATUS), S_UP, "Status of a driver that is up");
	return reg(dut, VIRTIO_MMIO_STATUS) == S_UP;
}

void put_desc(volatile struct vring_desc *desc, const void *at, uint32_t len, uint16_t flags, uint16_t next)
{
	desc->addr = (uintptr_t)at;
	desc->len = len;
	desc->flags = flags;
	desc->next = next;
}

void add(struct dut *dut, unsigned q, uint16_t head)
{
	struct queue *queue = &dut->queue[q];

	queue->avail[2 + queue->added % queue->size] = head;
	__asm__ volatile("" : : : "memory"); /* x86 keeps stores in order; the compiler must too */
	queue->avail[1] = ++queue->added;
}

void add_buffer(struct dut *dut, unsigned q, uint16_t head)
{
	struct queue *queue = &dut->queue[q];

	memset(queue->buffer[head], BYTE, BUFFER);
	put_desc(&queue->desc[head], queue->buffer[head], BUFFER, VRING_DESC_F_WRITE, 0);
	add(dut, q, head);
}

void kick(const struct dut *dut, unsigned q)
{
	set(dut, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

uint16_t used_idx(const struct dut *dut, unsigned q)
{
	return dut->queue[q].used[1];
}

static uint32_t used_word(const struct dut *dut, unsigned q, uint16_t at, unsigned word)
{
	const struct queue *queue = &dut->queue[q];

	return read32((uintptr_t)queue->used + 4 + 8u * (at % queue->size) + 4 * word);
}

uint32_t used_id(const struct dut *dut, unsigned q, uint16_t at)
{
	return used_word(dut, q, at, 0);
}

uint32_t used_len(const struct dut *dut, unsigned q, uint16_t at)
{
	return used_word(dut, q, at, 1);
}

static bool is_used(const struct dut *dut, unsigned q, uint16_t idx, uint64_t within)
{
	for (uint64_t start = rdtsc(); used_idx(dut, q) != idx;)
		if (rdtsc() - start > within)
			return false;
	return true;
}

bool used_comes(const struct dut *dut, unsigned q, uint16_t idx)
{
	if (is_used(dut, q, idx, SOON_TSC))
		return true;
	settle(); /* not by time: where the sibling had its turn, this one had its */
	if (used_idx(dut, q) == idx)
		return true;
	same(used_idx(dut, q), idx, "used.idx, of buffers that were kicked,");
	return false;
}

void settle(void)
{
	if (reg(&second_rng, VIRTIO_MMIO_STATUS) != S_UP)
		up(&second_rng, 0, 1);
	for (unsigned twice = 0; twice < 2; twice++) { /* what one's service left to be done is done by the other's */
		add_buffer(&second_rng, 0, 0);
		kick(&second_rng, 0);
		if (!is_used(&second_rng, 0, second_rng.queue[0].added, LATE_TSC)) {
			same(used_idx(&second_rng, 0), second_rng.queue[0].added, "used.idx of another device");
			set(&second_rng, VIRTIO_MMIO_STATUS, 0);
			return;
		}
	}
	set(&second_rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
}

bool untouched(const uint8_t *bytes, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (bytes[i] != BYTE)
			return false;
	return true;
}

bool serves(struct dut *dut)
{
	add_buffer(dut, 0, 0);
	kick(dut, 0);
	if (!used_comes(dut, 0, dut->queue[0].added))
		return false;
	uint32_t len = used_len(dut, 0, (uint16_t)(dut->queue[0].added - 1));

	never(len == 0, "a buffer comes back with nothing in it");
	never(len > BUFFER, "a buffer comes back with more in it than it can hold");
	return len > 0 && len <= BUFFER;
}
