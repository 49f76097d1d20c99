// SPDX-License-Identifier: GPL-2.0-only
/* What each class's driver sends and expects; numbers are written here once more, from virtio 1.2, 5. */
#include <endian.h>
#include <string.h>

#include "tests/stress/stress.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define PAGE 4096u

static uint8_t *slot_of(struct lane_ring *ring, unsigned slot)
{
	return ring->slots + slot * (size_t)SLOT_SIZE;
}

static uint32_t choose(struct lane_ring *ring, unsigned slot, uint32_t n)
{
	return (uint32_t)(random_next(&ring->seed[slot]) % n);
}

static void bad(struct lane_ring *ring, const char *what)
{
	give_up("%s, queue %u: %s", ring->lane->class->name, ring->class->q, what);
}

/* --- any class ---------------------------------------------------------------------------------------------------- */

static unsigned room_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	memset(slot_of(ring, slot), 0, 64);
	parts[0] = (struct part){ 0, PAGE, true };
	return 1;
}

/* --- echo: the second half is the first, as far as there is of it --------------------------------------------------
 */

static unsigned echo_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	uint8_t *bytes = slot_of(ring, slot);

	ring->len[slot] = 1 + choose(ring, slot, 200);
	for (uint32_t i = 0; i < ring->len[slot]; i++)
		bytes[i] = (uint8_t)random_next(&ring->seed[slot]);
	memset(bytes + PAGE, 0, ring->len[slot]);
	parts[0] = (struct part){ 0, ring->len[slot], false };
	parts[1] = (struct part){ PAGE, 256, true };
	return 2;
}

static void echo_check(struct lane_ring *ring, unsigned slot, uint32_t len)
{
	if (len != ring->len[slot] || memcmp(slot_of(ring, slot), slot_of(ring, slot) + PAGE, len) != 0)
		bad(ring, "what comes back is not what was sent");
}

/* --- test, rng ---------------------------------------------------------------------------------------------------- */

static unsigned numbers_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	uint32_t n = 1 + choose(ring, slot, 4);

	memset(slot_of(ring, slot), (int)n, 4 * n);
	parts[0] = (struct part){ 0, 4 * n, false };
	return 1;
}

static unsigned random_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	ring->len[slot] = 32 + choose(ring, slot, 512);
	memset(slot_of(ring, slot), 0, ring->len[slot]);
	parts[0] = (struct part){ 0, ring->len[slot], true };
	return 1;
}

static void random_check(struct lane_ring *ring, unsigned slot, uint32_t len)
{
	static const uint8_t zeros[32];

	if (len != ring->len[slot] || memcmp(slot_of(ring, slot), zeros, sizeof(zeros)) == 0)
		bad(ring, "no random bytes");
}

/* --- blk: a slot has sectors of its own, written and read back -----------------------------------------------------
 */

#define SECTORS 4u
enum { BLK_READ = 0, BLK_WRITE = 1, BLK_FLUSH = 4, BLK_ID = 8 };

/* Behind the data: the type, and what the sectors hold while the slot is in use. */
static uint8_t *blk_copy(struct lane_ring *ring, unsigned slot)
{
	static __thread uint8_t bytes[SECTORS * 512];

	for (uint32_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(ring->len[slot] + i * 7 + slot);
	return bytes;
}

static unsigned blk_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	static const uint32_t types[] = { BLK_READ, BLK_READ, BLK_WRITE, BLK_WRITE, BLK_WRITE, BLK_FLUSH, BLK_ID };
	uint8_t *bytes = slot_of(ring, slot);
	uint32_t type = types[choose(ring, slot, 7)];
	uint32_t len = type == BLK_ID ? 20 : type == BLK_FLUSH ? 0 : SECTORS * 512;
	uint64_t header[2] = { htole64(type), htole64((uint64_t)slot * SECTORS) };

	memcpy(bytes, header, sizeof(header));
	bytes[16] = 0xff;
	if (type == BLK_WRITE) {
		ring->len[slot] = choose(ring, slot, 251);
		ring->known[slot] = true;
		memcpy(bytes + PAGE, blk_copy(ring, slot), len);
	} else {
		memset(bytes + PAGE, 0, len);
	}
	parts[0] = (struct part){ 0, 16, false };
	parts[1] = (struct part){ PAGE, len, type != BLK_WRITE };
	parts[len ? 2 : 1] = (struct part){ 16, 1, true };
	return len ? 3 : 2;
}

static void blk_check(struct lane_ring *ring, unsigned slot, uint32_t len)
{
	const uint8_t *bytes = slot_of(ring, slot);

	if (bytes[16] != 0 || len == 0)
		bad(ring, "a request failed");
	if (bytes[0] == BLK_READ && ring->known[slot] && memcmp(bytes + PAGE, blk_copy(ring, slot), SECTORS * 512) != 0)
		bad(ring, "a sector does not hold what was written");
}

/* --- balloon: the page behind the slot's first ---------------------------------------------------------------------
 */

static unsigned pages_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	uint32_t pfn = htole32((uint32_t)((ring->slots_gpa + slot * (uint64_t)SLOT_SIZE) / PAGE + 1));

	memcpy(slot_of(ring, slot), &pfn, sizeof(pfn));
	parts[0] = (struct part){ 0, sizeof(pfn), false };
	return 1;
}

static unsigned stats_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	memset(slot_of(ring, slot), 0, 30);
	parts[0] = (struct part){ 0, 30, false };
	return 1;
}

static unsigned report_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	memset(slot_of(ring, slot) + PAGE, 0x55, 16);
	parts[0] = (struct part){ PAGE, PAGE, true };
	return 1;
}

/* --- console ------------------------------------------------------------------------------------------------------ */

static unsigned text_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	uint32_t len = 1 + choose(ring, slot, 100);

	memset(slot_of(ring, slot), 'a', len);
	parts[0] = (struct part){ 0, len, false };
	return 1;
}

/* DEVICE_READY, PORT_READY, PORT_OPEN (5.3.6.2), in any order. */
static unsigned control_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	static const uint16_t events[] = { 0, 3, 6, 6 };
	uint16_t message[4] = { htole16((uint16_t)choose(ring, slot, 2)), 0, htole16(events[choose(ring, slot, 4)]),
				htole16(choose(ring, slot, 8) != 0) };

	memcpy(slot_of(ring, slot), message, sizeof(message));
	parts[0] = (struct part){ 0, sizeof(message), false };
	return 1;
}

/* --- net ---------------------------------------------------------------------------------------------------------- */

static unsigned frame_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	uint32_t len = 60 + choose(ring, slot, 1400);

	memset(slot_of(ring, slot), 0, 12);
	memset(slot_of(ring, slot) + 12, (int)len & 0xff, len);
	parts[0] = (struct part){ 0, 12 + len, false };
	return 1;
}

/* The host sends back what it gets: bytes that are all the same. */
static void frame_check(struct lane_ring *ring, unsigned slot, uint32_t len)
{
	const uint8_t *frame = slot_of(ring, slot) + 12;

	if (len < 72 || frame[0] != ((len - 12) & 0xff) || memcmp(frame, frame + 1, len - 13) != 0)
		bad(ring, "a frame is broken");
}

/* CTRL_RX_PROMISC (5.1.6.5.1) */
static unsigned promisc_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	memset(slot_of(ring, slot), 0, 3);
	slot_of(ring, slot)[PAGE] = 0xff;
	parts[0] = (struct part){ 0, 3, false };
	parts[1] = (struct part){ PAGE, 1, true };
	return 2;
}

static void promisc_check(struct lane_ring *ring, unsigned slot, uint32_t len)
{
	if (len != 1 || slot_of(ring, slot)[PAGE] != 0)
		bad(ring, "a command is refused");
}

/* --- vsock: packets of any kind, to the connection that the host asked for last, or to nobody (5.10.6) --------------
 */

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
} __attribute__((packed));

static unsigned packet_fill(struct lane_ring *ring, unsigned slot, struct part *parts)
{
	uint32_t dialled = atomic_load(&ring->lane->dialled);
	bool data = choose(ring, slot, 3) == 0;
	struct packet packet = { .src_cid = htole64(3),
				 .dst_cid = htole64(2),
				 .src_port = htole32(1 + choose(ring, slot, VSOCK_PORTS)),
				 .dst_port = htole32(dialled ? dialled : 99),
				 .len = htole32(data ? 64 : 0),
				 .type = htole16(1),
				 .op = htole16(data ? 5 : (uint16_t)(1 + choose(ring, slot, 7))),
				 .flags = htole32(3),
				 .buf_alloc = htole32(65536) };

	memcpy(slot_of(ring, slot), &packet, sizeof(packet));
	memset(slot_of(ring, slot) + sizeof(packet), 'v', 64);
	parts[0] = (struct part){ 0, sizeof(packet) + (data ? 64 : 0), false };
	return 1;
}

static void packet_check(struct lane_ring *ring, unsigned slot, uint32_t len)
{
	struct packet packet;

	memcpy(&packet, slot_of(ring, slot), sizeof(packet));
	if (len != sizeof(packet) + le32toh(packet.len) || le64toh(packet.dst_cid) != 3)
		bad(ring, "a packet is broken");
	if (le16toh(packet.op) == 1)
		atomic_store(&ring->lane->dialled, le32toh(packet.src_port));
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

const struct lane_class lane_classes[] = {
	{ "echo", "", 0, 1, { { 0, SEND, echo_fill, echo_check } }, ECHO_COMMAND },
	{ "test", "delay=1ms,period=1ms", BIT(0), 1, { { 0, SEND, numbers_fill, NULL } }, 4 },
	{ "rng", "", 0, 1, { { 0, SEND, random_fill, random_check } }, UINT32_MAX },
	{ "blk", "io=auto,path=%s", BIT(9), 1, { { 0, SEND, blk_fill, blk_check } }, UINT32_MAX },
	{ "blk", "io=threads,path=%s", BIT(9), 1, { { 0, SEND, blk_fill, blk_check } }, UINT32_MAX },
	{ "balloon",
	  "stats-interval=10ms,free-page-reporting=on",
	  BIT(1) | BIT(5),
	  4,
	  { { 0, SEND, pages_fill, NULL },
	    { 1, SEND, pages_fill, NULL },
	    { 2, SEND, stats_fill, NULL },
	    { 4, SEND, report_fill, NULL } },
	  4 },
	{ "console",
	  "port=" PORT_NAME ":%s",
	  BIT(1),
	  6,
	  { { 0, FILL, room_fill, NULL },
	    { 1, SEND, text_fill, NULL },
	    { 2, FILL, room_fill, NULL },
	    { 3, SEND, control_fill, NULL },
	    { 4, FILL, room_fill, NULL },
	    { 5, SEND, text_fill, NULL } },
	  UINT32_MAX },
	{ "net",
	  "fd=%s",
	  BIT(5) | BIT(16) | BIT(17) | BIT(18),
	  3,
	  { { 0, FILL, room_fill, frame_check },
	    { 1, SEND, frame_fill, NULL },
	    { 2, SEND, promisc_fill, promisc_check } },
	  UINT32_MAX },
	{ "vsock",
	  "socket=%s",
	  BIT(0),
	  3,
	  { { 0, FILL, room_fill, packet_check }, { 1, SEND, packet_fill, NULL }, { 2, FILL, room_fill, NULL } },
	  UINT32_MAX },
};
const unsigned n_lane_classes = sizeof(lane_classes) / sizeof(lane_classes[0]);
