// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drivers that break the rules, checklist E. After each: the machine lives, the device ignored it or needs a reset and
 * says so, its sibling serves, and it serves again after a reset: oracle().
 */
#include "tests/unit/driver.h"

#include <string.h>

#include "devices/virtio/virtio.h"
#include "tests/unit/echo.h"

#define UP(d, features) assert_true(driver_up(d, F_VERSION_1 | (features)))

/* The rule that was broken leaves the device no way to go on, and it served nothing. */
#define assert_fatal(d)                                                                \
	do {                                                                           \
		assert_int_equal(reg_get(d, R_STATUS) & S_NEEDS_RESET, S_NEEDS_RESET); \
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_CONFIG);          \
		assert_int_equal(ring_used_idx(&(d)->rings[0]), 0);                    \
	} while (0)

static const uint32_t numbers[] = { 0,      1,       2,       3,          0xff,       0x100,     0x8000,
				    0xffff, 0x10000, 0x10001, 0x80000000, 0xfffffffe, 0xffffffff };
#define N_NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void h01_queue_sel_beyond(void **state)
{
	static const uint16_t regs[] = {
		R_QUEUE_NUM,        R_QUEUE_DESC_LOW,    R_QUEUE_DESC_HIGH, R_QUEUE_DRIVER_LOW, R_QUEUE_DRIVER_HIGH,
		R_QUEUE_DEVICE_LOW, R_QUEUE_DEVICE_HIGH, R_QUEUE_RESET,     R_QUEUE_READY,      R_QUEUE_NUM_MAX,
	};
	struct rig *rig = *state;

	UP(&rig->a, F_RING_RESET);
	for (unsigned i = 2; i < N_NUMBERS; i++) {
		reg_put(&rig->a, R_QUEUE_SEL, numbers[i]);
		for (unsigned r = 0; r < sizeof(regs) / sizeof(regs[0]); r++) {
			for (unsigned v = 0; v < N_NUMBERS; v++)
				reg_put(&rig->a, regs[r], numbers[v]);
			assert_int_equal(reg_get(&rig->a, regs[r]), 0);
		}
	}
	assert_int_equal(reg_get(&rig->a, R_STATUS), S_UP);
	assert_true(echo_serves(&rig->a)); /* no queue that exists was hit */
	oracle(rig);
}

static void h02_notify_of_absent_queues(void **state)
{
	struct rig *rig = *state;

	UP(&rig->a, 0);
	echo_add(&rig->a, 0, 0, 4, 0);
	echo_add(&rig->a, 1, 0, 4, 0);
	for (unsigned i = 2; i < N_NUMBERS; i++)
		kick(&rig->a, numbers[i]);
	assert_int_equal(echo_of(&rig->a)->kicks, 0);
	assert_int_equal(reg_get(&rig->a, R_STATUS), S_UP);
	oracle(rig);
}

static void h03_queue_sizes(void **state)
{
	static const uint32_t sizes[] = { 0,      3,       5,       6,          255,       257, 2 * ECHO_QUEUE_MAX,
					  0xffff, 0x10000, 0x10008, 0x80000000, 0xffffffff };
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_true(driver_negotiate(d, F_VERSION_1));
		ring_place(&d->rings[0], 8);
		ring_program(&d->rings[0]);
		reg_put(d, R_QUEUE_NUM, sizes[i]);
		ring_ready(&d->rings[0], 1);
		assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
		reg_put(d, R_STATUS, S_UP);
		echo_add(d, 0, 0, 4, 4);
		kick(d, 0);
		assert_int_equal(ring_used_idx(&d->rings[0]), 0);
		oracle(rig);
	}
}

/* Starts the device with queue 0 where the driver says; true where the device agreed to use it. */
static bool rings_at(struct driver *d, uint32_t num, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct ring *ring = &d->rings[0];

	assert_true(driver_negotiate(d, F_VERSION_1));
	*ring = (struct ring){ .driver = d, .num = num, .desc = desc, .avail = avail, .used = used };
	ring_program(ring);
	ring_ready(ring, 1);
	bool ready = reg_get(d, R_QUEUE_READY);

	reg_put(d, R_STATUS, S_UP);
	kick(d, 0);
	return ready;
}

/* Each of the three areas at a bad place, while the two others are good. */
static void rings_refused(struct rig *rig, uint64_t where)
{
	uint64_t desc = gpa_alloc(rig, 128, 16), avail = gpa_alloc(rig, 22, 2), used = gpa_alloc(rig, 70, 4);

	memset(gpa_ptr(rig, desc, 128), 0, 128);
	memset(gpa_ptr(rig, avail, 22), 0, 22);
	assert_false(rings_at(&rig->a, 8, where, avail, used));
	oracle(rig);
	assert_false(rings_at(&rig->a, 8, desc, where, used));
	oracle(rig);
	assert_false(rings_at(&rig->a, 8, desc, avail, where));
	oracle(rig);
}

static void h05_rings_outside_ram(void **state)
{
	struct rig *rig = *state;

	rings_refused(rig, RAM_SIZE - 16);       /* begins inside */
	rings_refused(rig, RAM_SIZE);            /* the first byte that is none */
	rings_refused(rig, 0xc0000000);          /* in the hole */
	rings_refused(rig, rig->a.base);         /* over its own registers */
	rings_refused(rig, rig->b.base + 0x100); /* over another's */
	rings_refused(rig, UINT64_MAX - 15);     /* the sum overflows */
	rings_refused(rig, 1ull << 63);
}

static void h05_rings_across_the_hole(void **state)
{
	struct rig *rig = *state;

	rings_refused(rig, 0xc0000000 - 16);   /* ends in the hole */
	rings_refused(rig, 0x100000000 - 16);  /* begins in it */
	rings_refused(rig, (6ull << 30) - 16); /* at the end: 5 GiB of RAM and a hole of 1 */
	assert_true(rings_at(&rig->a, 8, 0x100000000, 0xc0000000 - 22, (6ull << 30) - 72));
}

static void h05_rings_misaligned(void **state)
{
	struct rig *rig = *state;
	uint64_t good = gpa_alloc(rig, 4096, 4096);

	memset(gpa_ptr(rig, good, 4096), 0, 4096);
	for (unsigned off = 1; off < 16; off++) {
		assert_false(rings_at(&rig->a, 8, good + off, good + 0x400, good + 0x800));
		oracle(rig);
		assert_int_equal(rings_at(&rig->a, 8, good, good + 0x400 + off, good + 0x800), off % 2 == 0);
		oracle(rig);
		assert_int_equal(rings_at(&rig->a, 8, good, good + 0x400, good + 0x800 + off), off % 4 == 0);
		oracle(rig);
	}
}

/* A ring may end with the last byte of RAM; its last field counts, whether or not EVENT_IDX gives it a meaning (2.7).
 */
static void h05_rings_that_just_fit(void **state)
{
	struct rig *rig = *state;
	uint64_t area = gpa_alloc(rig, 4096, 4096);

	memset(gpa_ptr(rig, area, 4096), 0, 4096);
	assert_true(rings_at(&rig->a, 8, RAM_SIZE - 128, area, area + 0x400));
	assert_true(rings_at(&rig->a, 8, area, RAM_SIZE - 22, area + 0x400));
	assert_true(rings_at(&rig->a, 8, area, area + 0x400, RAM_SIZE - 72));
	assert_false(rings_at(&rig->a, 8, RAM_SIZE - 112, area, area + 0x400));
	assert_false(rings_at(&rig->a, 8, area, RAM_SIZE - 20, area + 0x400));
	assert_false(rings_at(&rig->a, 8, area, area + 0x400, RAM_SIZE - 68));
	oracle(rig);
}

static void h06_buffers_outside_ram(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {
		{ UINT64_MAX - 7, 16 },
		{ RAM_SIZE - 1, 2 },
		{ RAM_SIZE, 1 },
		{ UINT64_MAX, 1 },
		{ 0xd0000000, 4 },
		{ 0, RAM_SIZE + 1 },
		{ 1, 0xffffffff },
		{ RAM_SIZE - 4096, 0xffffffff },
		{ UINT64_MAX - 0xffff, 0x20000 },
	};
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		for (unsigned shape = 0; shape < 4; shape++) { /* readable or writable, alone or behind a good one */
			uint16_t write = shape & 1 ? D_WRITE : 0;

			UP(d, 0);
			ring_desc(&d->rings[0], 0, gpa_alloc(rig, 4, 1), 4, D_NEXT | write, 1);
			ring_desc(&d->rings[0], 1, bad[i].addr, bad[i].len, write, 0);
			ring_add(&d->rings[0], shape & 2 ? 0 : 1);
			kick(d, 0);
			assert_fatal(d);
			oracle(rig);
		}
	}
	UP(d, 0); /* the last byte of RAM is RAM */
	ring_desc(&d->rings[0], 0, RAM_SIZE - 1, 1, D_WRITE, 0);
	ring_add(&d->rings[0], 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
}

static void h06_a_buffer_across_the_hole(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	UP(d, 0);
	ring_desc(&d->rings[0], 0, 0xc0000000 - 4, 8, 0, 0);
	ring_add(&d->rings[0], 0);
	kick(d, 0);
	assert_fatal(d);
	oracle(rig);
}

/* They carry nothing, wherever they point to; a buffer of nothing else is given back empty. */
static void h07_zero_length_descriptors(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];

	UP(d, 0);
	for (uint16_t i = 0; i < 8; i++)
		ring_desc(ring, i, i % 2 ? UINT64_MAX : 0x1000, 0,
			  (uint16_t)((i < 7 ? D_NEXT : 0) | (i > 3 ? D_WRITE : 0)), (uint16_t)(i + 1));
	ring_add(ring, 0);
	kick(d, 0);
	if (!(reg_get(d, R_STATUS) & S_NEEDS_RESET)) {
		assert_int_equal(ring_used_idx(ring), 1);
		assert_int_equal(ring_used_len(ring, 0), 0);
		assert_int_equal(echo_of(d)->readable_len + echo_of(d)->writable_len, 0);
	}
	oracle(rig);
	/* between others they are skipped */
	UP(d, 0);
	ring_desc(ring, 0, 0x1000, 0, D_NEXT, 1);
	ring_desc(ring, 1, gpa_alloc(rig, 4, 1), 4, D_NEXT, 2);
	ring_desc(ring, 2, 0x1000, 0, D_NEXT | D_WRITE, 3);
	ring_desc(ring, 3, gpa_alloc(rig, 4, 1), 4, D_NEXT | D_WRITE, 4);
	ring_desc(ring, 4, 0x1000, 0, D_WRITE, 0);
	ring_add(ring, 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), 1);
	assert_int_equal(ring_used_len(ring, 0), 4);
	oracle(rig);
}

static void h08_loops_and_bad_next(void **state)
{
	static const struct {
		uint32_t len;
		uint16_t next[8]; /* of each descriptor in turn */
	} chains[] = {
		{ 1, { 0 } },    /* self-loop */
		{ 0, { 0 } },    /* ... that carries nothing, so that no total grows */
		{ 1, { 1, 0 } }, /* 2-cycle */
		{ 0, { 1, 0 } },
		{ 1, { 1, 2, 3, 4, 5, 6, 7, 0 } }, /* size + 1 */
		{ 0, { 1, 2, 3, 4, 5, 6, 7, 3 } },
		{ 1, { 8 } }, /* next = size */
		{ 0, { 8 } },
		{ 1, { 1, 2, 0xffff } },
		{ 1, { 0x8000 } },
	};
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (unsigned i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		for (unsigned write = 0; write <= D_WRITE; write += D_WRITE) {
			UP(d, 0);
			for (uint16_t at = 0; at < 8; at++)
				ring_desc(&d->rings[0], at, gpa_alloc(rig, 1, 1), chains[i].len,
					  (uint16_t)(D_NEXT | write), chains[i].next[at]);
			ring_add(&d->rings[0], 0);
			kick(d, 0);
			assert_fatal(d);
			oracle(rig);
		}
	}
}

/* 2^32 bytes are the most that a chain may have (2.7.5.2); one more does not fit into any length of the ring. */
static void h08_a_chain_of_more_than_4_gib(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (uint32_t extra = 0; extra < 2; extra++) {
		UP(d, 0);
		ring_desc(&d->rings[ECHO_HOLD], 0, 0, 0xc0000000, D_WRITE | D_NEXT, 1);
		ring_desc(&d->rings[ECHO_HOLD], 1, 0x100000000, 0x40000000 + extra, D_WRITE, 0);
		ring_add(&d->rings[ECHO_HOLD], 0);
		kick(d, ECHO_HOLD);
		assert_int_equal(echo_of(d)->pops, 1);
		if (!extra)
			assert_true(echo_of(d)->writable_len == BIT(32));
	}
	assert_fatal(d);
	oracle(rig);
}

static void h08_heads_outside_the_table(void **state)
{
	static const uint16_t heads[] = { 8, 9, 255, 256, 0x7fff, 0x8000, 0xffff };
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		UP(d, 0);
		ring_add(&d->rings[0], heads[i]);
		kick(d, 0);
		assert_fatal(d);
		oracle(rig);
	}
	d->num = ECHO_QUEUE_MAX; /* here "one behind the end" is behind all that the device has for a queue */
	UP(d, 0);
	ring_add(&d->rings[0], ECHO_QUEUE_MAX);
	kick(d, 0);
	assert_fatal(d);
	oracle(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(h01_queue_sel_beyond),
		RIG_TEST(h02_notify_of_absent_queues),
		RIG_TEST(h03_queue_sizes),
		RIG_TEST(h05_rings_outside_ram),
		RIG_TEST_5GIB(h05_rings_across_the_hole),
		RIG_TEST(h05_rings_misaligned),
		RIG_TEST(h05_rings_that_just_fit),
		RIG_TEST(h06_buffers_outside_ram),
		RIG_TEST_5GIB(h06_a_buffer_across_the_hole),
		RIG_TEST(h07_zero_length_descriptors),
		RIG_TEST(h08_loops_and_bad_next),
		RIG_TEST_5GIB(h08_a_chain_of_more_than_4_gib),
		RIG_TEST(h08_heads_outside_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
