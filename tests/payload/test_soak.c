// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest gone mad, for as long as `soak=` of its command line says, in 10^9 cycles: on all devices but the last, which
 * has to serve meanwhile, and at the end all have to. soak.t looks at minivmm when it is "warm", before all that, and
 * when it is "calm", after it; a byte on the serial port has us go on.
 */
#include "tests/payload/requests.h"
#include "tests/payload/virtio.h"

#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0 /* virtio 1.2, 4.2.2; younger than some kernel headers */
#endif

#define PORTS     8u
#define QUEUES    8u
#define NUM       64u
#define LOW       (16ull << 20) /* gpa of BUFFERS bytes, which devices may write to */
#define BUFFERS   (8u << 20)
#define TABLES    (LOW - (2u << 20)) /* where none does */
#define NUMBERS   (LOW - 4096)       /* of pages, likewise */
#define PAGES     (32u << 8)         /* a balloon's, from here on up: 32 MiB and more */
#define TABLE_MAX 300u               /* entries: more than a queue has by default */
#define PATIENCE  100000000u         /* looks at a ring */

struct port {
	uint64_t base;
	uint32_t id, n_queues;
	struct queue {
		uint32_t num;
		uint16_t added;
	} queues[QUEUES];
};

struct area {
	struct vring_desc desc[NUM];
	struct {
		uint16_t flags, idx, ring[NUM], used_event;
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[NUM];
		uint16_t avail_event;
	} used __attribute__((aligned(4)));
} __attribute__((aligned(16)));

static struct port ports[PORTS];
static volatile struct area areas[PORTS][QUEUES];
static unsigned n_ports;
static void reg(const struct port *port, uint32_t off, uint32_t value)
{
	write32(port->base + off, value);
}

static volatile struct area *area_of(const struct port *port, unsigned q)
{
	return &areas[port - ports][q];
}

/* --- coming up ---------------------------------------------------------------------------------------------------- */

static void place(struct port *port, unsigned q, bool well)
{
	volatile struct area *area = area_of(port, q);
	uint64_t desc = (uintptr_t)&area->desc, avail = (uintptr_t)&area->avail, used = (uintptr_t)&area->used;

	area->avail.idx = area->avail.flags = 0;
	area->used.idx = area->used.flags = 0;
	port->queues[q].added = 0;
	reg(port, VIRTIO_MMIO_QUEUE_SEL, q);
	reg(port, VIRTIO_MMIO_QUEUE_NUM, port->queues[q].num);
	reg(port, VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)desc);
	reg(port, VIRTIO_MMIO_QUEUE_DESC_HIGH, 0);
	reg(port, VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)avail);
	reg(port, VIRTIO_MMIO_QUEUE_AVAIL_HIGH, 0);
	reg(port, VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)used);
	reg(port, VIRTIO_MMIO_QUEUE_USED_HIGH, well || pick(200) ? 0 : 1);
	reg(port, VIRTIO_MMIO_QUEUE_READY, 1);
}

static bool up(struct port *port, bool well)
{
	uint32_t features[2];

	for (unsigned word = 0; word < 2; word++) {
		reg(port, VIRTIO_MMIO_DEVICE_FEATURES_SEL, word);
		features[word] = read32(port->base + VIRTIO_MMIO_DEVICE_FEATURES);
	}
	if (well || pick(2))
		features[0] &= ~(1u << VIRTIO_RING_F_EVENT_IDX);
	if (!well && pick(8) == 0)
		features[0] &= (uint32_t)next();
	reg(port, VIRTIO_MMIO_STATUS, 0);
	reg(port, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	for (unsigned word = 0; word < 2; word++) {
		reg(port, VIRTIO_MMIO_DRIVER_FEATURES_SEL, word);
		reg(port, VIRTIO_MMIO_DRIVER_FEATURES, features[word]);
	}
	reg(port, VIRTIO_MMIO_STATUS, STATUS_LIVE & ~VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned q = 0; q < port->n_queues; q++)
		place(port, q, well);
	reg(port, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	return read32(port->base + VIRTIO_MMIO_STATUS) == STATUS_LIVE;
}

static void find_all(void)
{
	struct node node;

	for (; n_ports < PORTS && tree_find("virtio,mmio", n_ports, &node); n_ports++) {
		struct port *port = &ports[n_ports];

		port->base = node.address;
		port->id = read32(node.address + VIRTIO_MMIO_DEVICE_ID);
		for (; port->n_queues < QUEUES; port->n_queues++) {
			reg(port, VIRTIO_MMIO_QUEUE_SEL, port->n_queues);
			uint32_t most = read32(port->base + VIRTIO_MMIO_QUEUE_NUM_MAX);

			if (!most)
				break;
			port->queues[port->n_queues].num = most < NUM ? most : NUM;
		}
	}
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void put_desc(volatile struct vring_desc *desc, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next_desc)
{
	desc->addr = addr;
	desc->len = len;
	desc->flags = (uint16_t)flags;
	desc->next = (uint16_t)next_desc;
}

/* Nothing that has a device do us harm: outside RAM, or in the buffers, but what lies there is no table of ours. */
static void put_strange(volatile struct vring_desc *desc, uint32_t len, uint32_t next_desc)
{
	switch (pick(4)) {
	case 0: put_desc(desc, next() | 1ull << 40, len, pick(8), next_desc); break;
	case 1: put_desc(desc, 0 - 8ull, len, pick(8), next_desc); break;
	case 2: put_desc(desc, ports[0].base + pick(512), len, pick(8), next_desc); break;
	default: put_desc(desc, LOW + pick(BUFFERS), len, pick(4), next_desc);
	}
}

static void make_available(struct port *port, unsigned q, unsigned head)
{
	struct queue *queue = &port->queues[q];
	volatile struct area *area = area_of(port, q);

	area->avail.ring[queue->added % queue->num] = (uint16_t)head;
	__asm__ volatile("" : : : "memory");
	area->avail.idx = ++queue->added;
}

/* What a balloon takes for the number of a page is gone, so it gets no others than these. */
static void add_pages(struct port *port)
{
	unsigned head = port->queues[0].added % port->queues[0].num;

	write32(NUMBERS + pick(1024) * 4, PAGES + pick(3072));
	put_desc(&area_of(port, 0)->desc[head], NUMBERS, pick(4097), 0, 0);
	make_available(port, 0, head);
}

static void add(struct port *port, unsigned q, bool broken)
{
	struct queue *queue = &port->queues[q];
	volatile struct area *area = area_of(port, q);
	unsigned n = 2 + pick(pick(4) ? 3 :
			      pick(4) ? 12 :
					TABLE_MAX),
		 readable = is_read(port->id, q) ? 1 + pick(n - 1) : 0;
	unsigned head = queue->added * 12u % queue->num, at = head;
	uint64_t header = LOW + pick(1024) * 64;
	volatile struct vring_desc *table = area->desc;

	if (port->id == VIRTIO_ID_BALLOON && q == 0) {
		add_pages(port);
		return;
	}
	put_header(port->id, q, header);
	if (pick(2) || head + n > queue->num) {
		uint64_t gpa = TABLES + 8192ull * pick(16);

		put_desc(&area->desc[head], gpa, 16 * n, VRING_DESC_F_INDIRECT, 0);
		table = (void *)(uintptr_t)gpa;
		at = 0;
	}
	for (unsigned i = 0; i < n; i++, at++) {
		uint64_t gpa = i ? LOW + (1u << 20) + pick(BUFFERS - (2u << 20)) : header;
		uint32_t len = i ? (pick(8) ? 512 * pick(9) : pick(1u << 19)) : 64;
		uint32_t flags = (i >= readable ? VRING_DESC_F_WRITE : 0) | (i + 1 < n ? VRING_DESC_F_NEXT : 0);

		if (port->id == VIRTIO_ID_BLOCK && (i == 0 || i + 1 == n))
			len = i + 1 == n ? 1 : pick(3) ? 16 : 32;
		if (broken && pick(3) == 0)
			put_strange(&table[at], len, pick(queue->num + 2));
		else
			put_desc(&table[at], gpa, len, flags, at + 1);
	}
	make_available(port, q, head);
}

/* --- the storm ---------------------------------------------------------------------------------------------------- */

static void poke(const struct port *port)
{
	uint64_t gpa = port->base + (pick(4) ? pick(0x44) * 4 : pick(0x140) & ~7u), value = next() >> pick(64);

	if ((gpa & ~7ull) == port->base + (VIRTIO_MMIO_QUEUE_READY & ~7u)) /* a ring could lie over us */
		return;
	switch (pick(6)) {
	case 0: read8(gpa); break;
	case 1: read32(gpa); break;
	case 2: read64(gpa & ~7ull); break;
	case 3: write8(gpa, (uint8_t)value); break;
	case 4: write64(gpa & ~7ull, value); break;
	default: write32(gpa, (uint32_t)value);
	}
}

static void step(struct port *port)
{
	unsigned q = pick(port->n_queues), what = pick(100);

	if (what == 0 || (pick(4) == 0 && read32(port->base + VIRTIO_MMIO_STATUS) != STATUS_LIVE)) {
		up(port, false);
	} else if (what < 4) {
		reg(port, VIRTIO_MMIO_QUEUE_SEL, q);
		if (pick(2))
			reg(port, VIRTIO_MMIO_QUEUE_RESET, pick(2));
		else
			reg(port, VIRTIO_MMIO_QUEUE_READY, 0);
		if (pick(2))
			place(port, q, false);
	} else if (what < 12) {
		poke(port);
	} else if (what < 14) {
		area_of(port, q)->avail.idx = (uint16_t)next();
	} else if (what < 17) {
		reg(port, VIRTIO_MMIO_QUEUE_NOTIFY, pick(20));
	} else if (what < 22) {
		reg(port, VIRTIO_MMIO_INTERRUPT_ACK, pick(4));
	} else {
		add(port, q, what < 26);
	}
	if (pick(3))
		reg(port, VIRTIO_MMIO_QUEUE_NOTIFY, q);
}

/* --- those that have to serve ------------------------------------------------------------------------------------- */

/* The last device is a virtio-test: a number comes back. */
static bool serves(struct port *port, uint32_t number)
{
	volatile struct area *area = area_of(port, 0);
	struct queue *queue = &port->queues[0];

	write32(LOW - 8192, number);
	put_desc(&area->desc[0], LOW - 8192, 4, 0, 0);
	make_available(port, 0, 0);
	reg(port, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	for (unsigned i = 0; i < PATIENCE; i++)
		if (area->used.idx == queue->added)
			return true;
	return false;
}

/* Each was up, and had a request; now none has anything of ours. */
static bool all_come_up(void)
{
	bool good = true;

	for (unsigned i = 0; i + 1 < n_ports; i++) {
		good = up(&ports[i], true) && good;
		for (unsigned q = 0; q < ports[i].n_queues; q++) {
			add(&ports[i], q, false);
			reg(&ports[i], VIRTIO_MMIO_QUEUE_NOTIFY, q);
		}
		reg(&ports[i], VIRTIO_MMIO_STATUS, 0);
	}
	return good;
}

static void wait_for(const char *what)
{
	print("\nsoak: ");
	print(what);
	print("\n");
	wait_byte();
}

static uint64_t cycles_wanted(void)
{
	const char *args = tree_chosen("bootargs");
	uint64_t n = 0;

	for (; args && *args && memcmp(args, "soak=", 5) != 0; args++)
		;
	for (args += 5; args && *args >= '0' && *args <= '9'; args++)
		n = n * 10 + (uint64_t)(*args - '0');
	return n * 1000000000u;
}

void payload(void)
{
	uint64_t wanted = cycles_wanted(), n = 0, unserved = 0, ram_end = 0;
	struct port *sibling;

	for (unsigned i = 0; i < boot_params->e820_entries; i++)
		if (boot_params->e820_table[i].type == 1)
			ram_end = boot_params->e820_table[i].addr + boot_params->e820_table[i].size;
	for (uint64_t gpa = 1u << 20; gpa < ram_end; gpa += 4096)
		write32(gpa, read32(gpa)); /* what it has it has */
	for (unsigned i = 0; i < 1024; i++)
		write32(NUMBERS + 4 * i, PAGES + i);
	find_all();
	sibling = &ports[n_ports - 1];
	check(n_ports == PORTS, "all devices are there");
	bool good = all_come_up() && up(sibling, true) && serves(sibling, 1);

	print("\n"); /* behind what a device may have printed */
	check(good, "and work");
	wait_for("warm");
	for (uint64_t start = rdtsc(); rdtsc() - start < wanted; n++) {
		step(&ports[pick(n_ports - 1)]);
		if (n % 4096 == 0)
			unserved += !serves(sibling, (uint32_t)n);
	}
	for (unsigned i = 0; i + 1 < n_ports; i++)
		reg(&ports[i], VIRTIO_MMIO_STATUS, 0);
	wait_for("calm");
	check_is(unserved, 0, "the sibling served all the time");
	good = serves(sibling, 2) && all_come_up();
	print("\n");
	check(good, "all devices work again");
	check(n > 100, "there was a storm");
	print("# ");
	print_hex(n);
	print(" steps\n");
}
