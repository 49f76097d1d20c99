// SPDX-License-Identifier: GPL-2.0-only
/* Requests that break the rules of their device: h18 to h21, and what is like them for a console and a socket device.
 */
#include "tests/payload/hostile.h"

#define PAGE_TABLES  0x1000u /* of minivmm's boot: six pages */
#define ABOVE        (1ull << 32)
#define HOLE_PFN     0xd0000u
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static uint8_t bytes[8192] __attribute__((aligned(4096)));

static void put(unsigned at, unsigned size, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		bytes[at + i] = (uint8_t)(value >> (8 * i));
}

/* One descriptor of `bytes` on a queue of a device that is up; what became of it. */
static enum answer send(unsigned q, uint32_t len)
{
	any_desc(&any, q, 0, (uintptr_t)bytes, len, 0, 0);
	any_add(&any, q, 0);
	return any_answer(&any, q);
}

/* --- rng ---------------------------------------------------------------------------------------------------------- */

/* A ring full of buffers of nearly 4 GiB: each is answered with something. */
static void h18_gigabytes(void)
{
	bool judged;

	any_up(&any);
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) {
		any_desc(&any, 0, i, ABOVE, 0xffffffff, VRING_DESC_F_WRITE, 0);
		any_offer(&any, 0, i);
	}
	any_kick(&any, 0);
	judged = any_answer(&any, 0) == ANSWER_USED;
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		judged = judged && any.rings[0]->used.ring[i].len > 0;
	oracle_and(judged, "h18: rng with buffers of 4 GiB");
}

/* The device is told to write where the processor finds its page tables: that ends the guest, and only the guest. */
static void h40_page_tables(void)
{
	uint64_t tables;

	__asm__ volatile("mov %%cr3, %0" : "=r"(tables));
	any_up(&any);
	for (uint16_t i = 0; i < 6; i++) {
		any_desc(&any, 0, i, tables + 4096ull * i, 4096, VRING_DESC_F_WRITE, 0);
		any_offer(&any, 0, i);
	}
	any_kick(&any, 0);
	__asm__ volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
	for (;;)
		any_kick(&any, 0);
}

/* --- balloon ------------------------------------------------------------------------------------------------------ */

static void send_pfns(unsigned q, const uint32_t *pfns, unsigned n, uint32_t len)
{
	for (unsigned i = 0; i < n; i++)
		put(4 * i, 4, pfns[i]);
	if (any_read(&any, VIRTIO_MMIO_STATUS) & NEEDS_RESET)
		any_up(&any);
	send(q, len);
}

static void h19_balloon(void)
{
	static struct ring spare; /* a page of its own, which nobody needs */
	const uint32_t ring = (uint32_t)((uintptr_t)any.rings[0] / 4096), dup = (uint32_t)((uintptr_t)&spare / 4096);
	const uint32_t bad[] = { 0xffffffff, HOLE_PFN, 0xfee00, (uint32_t)(ram_end / 4096), 0x80000000, dup, dup, dup };

	any_up(&any);
	for (unsigned q = 0; q < 2; q++)
		send_pfns(q, bad, COUNT(bad), sizeof(bad));
	for (uint32_t len = 0; len < 8; len++)
		send_pfns(0, &dup, 1, len);
	send_pfns(0, bad, COUNT(bad), sizeof(bytes)); /* more numbers than it takes, most of them page 0 */
	oracle("h19: page numbers of no page, of one page often, of odd length");
	any_up(&any);
	put(0, 4, ring);
	any_desc(&any, 0, 0, (uintptr_t)bytes, 4, 0, 0);
	any_add(&any, 0, 0); /* the page of its own ring, which is zeros from then on */
	for (unsigned i = 0; i < 3; i++)
		any_kick(&any, 0);
	oracle("h19: the page of a ring in the balloon");
	any_up(&any);
	memset(bytes, 0xff, sizeof(bytes));
	for (unsigned len = 1; len <= sizeof(bytes); len += len) { /* statistics: the device keeps the last */
		any_desc(&any, 2, 0, (uintptr_t)bytes, len, 0, 0);
		any_add(&any, 2, 0);
		any_kick(&any, 2);
		if (any_read(&any, VIRTIO_MMIO_STATUS) & NEEDS_RESET)
			any_up(&any);
	}
	oracle("h19: oversized statistics");
}

/* --- blk ---------------------------------------------------------------------------------------------------------- */

/* A request of one header, `len` bytes and a status, whose type and sector are any. The status, or -1. */
static int blk(uint32_t type, uint64_t sector, uint32_t len, uint16_t data_flags)
{
	any_up(&any);
	put(0, 4, type);
	put(4, 4, 0);
	put(8, 8, sector);
	bytes[16] = NOT_WRITTEN;
	any_desc(&any, 0, 0, (uintptr_t)bytes, 16, VRING_DESC_F_NEXT, 1);
	any_desc(&any, 0, 1, (uintptr_t)bytes + 4096, len, VRING_DESC_F_NEXT | data_flags, 2);
	any_desc(&any, 0, 2, (uintptr_t)bytes + 16, 1, VRING_DESC_F_WRITE, 0);
	any_add(&any, 0, 0);
	return any_answer(&any, 0) == ANSWER_USED ? *(volatile uint8_t *)&bytes[16] : -1;
}

static void h20_blk(void)
{
	static const uint64_t sectors[] = { 0xffffffffffffffff, 1ull << 55, 1ull << 63, 4096, 4095, 0x7fffffffffffff };
	bool refused = true, judged = true, serves;

	for (unsigned i = 0; i < COUNT(sectors); i++) /* the image is of 4096 sectors */
		for (uint32_t type = 0; type < 2; type++)
			refused = blk(type, sectors[i], 1024, type ? 0 : VRING_DESC_F_WRITE) == 1 && refused;
	for (uint32_t len = 1; len < 1024; len += 170)
		refused = blk(0, 0, len, VRING_DESC_F_WRITE) == 1 && blk(1, 0, len, 0) == 1 && refused;
	oracle_and(refused, "h20: blk beyond its end, sectors that overflow, odd lengths");

	any_up(&any); /* a header of sixteen pieces, and then no room for a status */
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		any_desc(&any, 0, i, (uintptr_t)bytes + i, 1, i + 1 < QUEUE_SIZE ? VRING_DESC_F_NEXT : 0,
			 (uint16_t)(i + 1));
	any_add(&any, 0, 0);
	judged = any_answer(&any, 0) != ANSWER_NONE;
	any_up(&any); /* a header of fourteen pieces is legal */
	memset(bytes, 0, 16);
	bytes[16] = NOT_WRITTEN;
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		any_desc(&any, 0, i,
			 i < 14  ? (uintptr_t)bytes + i :
			 i == 14 ? (uintptr_t)bytes + 4096 :
				   (uintptr_t)bytes + 16,
			 i < 13  ? 1 :
			 i == 13 ? 3 :
			 i == 14 ? 512 :
				   1,
			 (i + 1 < QUEUE_SIZE ? VRING_DESC_F_NEXT : 0) | (i > 13 ? VRING_DESC_F_WRITE : 0),
			 (uint16_t)(i + 1));
	any_add(&any, 0, 0);
	serves = any_answer(&any, 0) == ANSWER_USED && *(volatile uint8_t *)&bytes[16] == 0;
	any_up(&any);
	any_desc(&any, 0, 0, (uintptr_t)bytes, 16, 0, 0); /* no status byte */
	any_add(&any, 0, 0);
	judged = any_answer(&any, 0) != ANSWER_NONE && judged;
	for (uint32_t len = 0; len < 16; len++) { /* nor all of a header */
		any_up(&any);
		any_desc(&any, 0, 0, (uintptr_t)bytes, len, VRING_DESC_F_NEXT, 1);
		any_desc(&any, 0, 1, (uintptr_t)bytes + 16, 1, VRING_DESC_F_WRITE, 0);
		any_add(&any, 0, 0);
		judged = any_answer(&any, 0) != ANSWER_NONE && judged;
	}
	oracle_and(judged && serves, "h20: blk with headers in pieces and in part, and without a status");
	for (uint32_t type = 2; type < 64; type++) /* of no meaning, or with segments that are noise */
		judged = blk(type, type * 0x0101010101010101ull, 512, type & 1 ? VRING_DESC_F_WRITE : 0) >= 0 && judged;
	oracle_and(judged, "h20: blk requests of every type");
}

/* --- net ---------------------------------------------------------------------------------------------------------- */

/* A command with a number for its data, on the last queue; true where it is used. */
static bool control(uint8_t class, uint8_t command, uint32_t value, uint32_t len)
{
	unsigned q = any.n_queues - 1;

	memset(bytes, 0, 16);
	bytes[0] = class;
	bytes[1] = command;
	put(2, 4, value);
	any_desc(&any, q, 0, (uintptr_t)bytes, 2 + len, VRING_DESC_F_NEXT, 1);
	any_desc(&any, q, 1, (uintptr_t)bytes + 4096, 1, VRING_DESC_F_WRITE, 0);
	any_add(&any, q, 0);
	return any_answer(&any, q) == ANSWER_USED;
}

static void h21_net(void)
{
	static const uint16_t offsets[] = { 0, 1, 14, 0x7fff, 0xfffe, 0xffff };
	bool used = true;

	any_up(&any);
	memset(bytes, 0, sizeof(bytes));
	for (uint32_t len = 0; len < 12 + 14; len++)
		used = send(1, len) == ANSWER_USED && used;
	oracle_and(used, "h21: frames shorter than their headers");
	any_up(&any);
	for (unsigned i = 0; i < QUEUE_SIZE; i++) /* sixteen times 8 KiB */
		any_desc(&any, 1, i, (uintptr_t)bytes, sizeof(bytes), i + 1 < QUEUE_SIZE ? VRING_DESC_F_NEXT : 0,
			 (uint16_t)(i + 1));
	any_add(&any, 1, 0);
	oracle_and(any_answer(&any, 1) != ANSWER_NONE, "h21: a frame of more than 64 KiB");
	any_up(&any);
	used = true;
	for (unsigned i = 0; i < COUNT(offsets); i++) {
		for (unsigned type = 0; type < 6; type++) {
			bytes[0] = (uint8_t)(i & 1 ? 1 : 0xff); /* NEEDS_CSUM, or all */
			bytes[1] = (uint8_t)(type < 5 ? type : 0x80 | type);
			put(2, 2, offsets[(i + 1) % COUNT(offsets)]); /* hdr_len */
			put(4, 2, offsets[(i + type) % COUNT(offsets)]);
			put(6, 2, offsets[i]);
			put(8, 2, offsets[(i + 3) % COUNT(offsets)]);
			used = send(1, 12 + 60 + 300 * type) == ANSWER_USED && used;
		}
	}
	oracle_and(used, "h21: bad offsets of checksums and segments");
	any_up(&any);
	for (unsigned i = 0; i < 64; i++) { /* class, command, and data that is too little or none of it */
		bytes[0] = (uint8_t)(i / 8);
		bytes[1] = (uint8_t)(i % 8);
		any_desc(&any, 2, 0, (uintptr_t)bytes, 1 + i % 12, VRING_DESC_F_NEXT, 1);
		any_desc(&any, 2, 1, (uintptr_t)bytes + 4096, 1, VRING_DESC_F_WRITE, 0);
		any_add(&any, 2, 0);
		used = any_answer(&any, 2) == ANSWER_USED && used;
	}
	oracle_and(used, "h53: control commands of every class, cut short");
	any_up(&any);
	used = true;
	for (unsigned i = 0; i < 8;
	     i++) /* which pairs there are, and what may be left to the driver: of a tap, the host's */
		used = control(4, 0, i % 3, 2) && control(5, 0, i & 1 ? UINT32_MAX : 0, 8) && used;
	oracle_and(used, "h53: pairs of queues and offloads that come and go");
}

/* --- console and vsock -------------------------------------------------------------------------------------------- */

static void h54_console(void)
{
	static const uint32_t ports[] = { 0, 1, 7, 31, 32, 0x80000000, 0xffffffff };
	bool used = true;

	any.with[0] |= 1u << 1; /* MULTIPORT */
	any_up(&any);
	for (unsigned event = 0; event < 10; event++) {
		for (unsigned i = 0; i < COUNT(ports); i++) {
			put(0, 4, ports[i]);
			put(4, 2, event);
			put(6, 2, i);
			used = send(3, i == 3 ? event : 8) == ANSWER_USED && used;
		}
	}
	any.with[0] &= ~(1u << 1);
	oracle_and(used, "h54: control messages of ports that are not there, cut short");
}

static void h55_vsock(void)
{
	static const uint32_t lens[] = { 0, 1, 0x7fffffff, 0xffffffff };
	bool used = true;

	for (unsigned i = 0; i < 256; i++) {
		if (i % 8 ==
		    0) { /* with room for the answers: a device that cannot answer stops to listen (5.10.6.1) */
			any_up(&any);
			for (uint16_t head = 0; head < QUEUE_SIZE; head++) {
				any_desc(&any, 0, head, (uintptr_t)any_scratch, 512, VRING_DESC_F_WRITE, 0);
				any_offer(&any, 0, head);
			}
			any_kick(&any, 0);
		}
		memset(bytes, 0, 44);
		put(0, 8, i & 1 ? 3 : random_next());
		put(8, 8, i & 2 ? 2 : random_next());
		put(16, 4, i & 4 ? 1000 : random_next());
		put(20, 4, i & 4 ? 1001 : random_next());
		put(24, 4, lens[i % COUNT(lens)]);
		put(28, 2, i & 8 ? 1 : i);
		put(30, 2, i >> 4);
		put(32, 4, random_next());
		used = send(1, 44 + (i % 3)) == ANSWER_USED && used;
		if (i % 16 == 0)
			used = send(1, i % 44) == ANSWER_USED && used;
	}
	any_up(&any);
	for (unsigned i = 0; i < 3 * QUEUE_SIZE && any_serves(&any); i++) /* and nobody to take what it answers */
		;
	oracle_and(used, "h55: packets with lying lengths, foreign addresses and no meaning");
}

void payload(void)
{
	if (!hostile_begin())
		return;
	switch (any.id) {
	case VIRTIO_ID_RNG:
		if (asked("tables"))
			h40_page_tables();
		h18_gigabytes();
		break;
	case VIRTIO_ID_BLOCK: h20_blk(); break;
	case VIRTIO_ID_BALLOON: h19_balloon(); break;
	case VIRTIO_ID_NET: h21_net(); break;
	case VIRTIO_ID_CONSOLE: h54_console(); break;
	case VIRTIO_ID_VSOCK: h55_vsock(); break;
	}
	hostile_end();
}
