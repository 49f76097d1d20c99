// SPDX-License-Identifier: GPL-2.0-only
/* The split ring: buffers and completions (virtio 1.2, 2.7). The numbers are those of tests/items.h. */
#include "tests/unit/driver.h"

#include "tests/unit/echo.h"
#include <string.h>

#define LEN 60

/* Fills guest memory with a pattern that tells every byte of it apart from its neighbours. */
static uint64_t pattern(struct rig *rig, uint32_t len)
{
	uint64_t gpa = gpa_alloc(rig, len, 1);
	uint8_t *bytes = gpa_ptr(rig, gpa, len);

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	return gpa;
}

/* Cuts `len` bytes at gpa into descriptors of `step` bytes from `first` on; the last points at `then` with D_NEXT. */
static uint16_t cut(struct ring *ring, uint16_t first, uint64_t gpa, uint32_t len, uint32_t step, uint16_t flags,
		    bool more)
{
	for (uint32_t done = 0; done < len; done += step) {
		uint32_t here = len - done < step ? len - done : step;
		bool next = done + here < len || more;

		ring_desc(ring, first, gpa + done, here, (uint16_t)(flags | (next ? D_NEXT : 0)),
			  (uint16_t)(first + 1));
		first++;
	}
	return first;
}

static void no_assumption_on_framing(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];

	d->num = 128;
	assert_true(driver_up(d, F_VERSION_1));
	for (uint32_t in = 1; in <= LEN; in += 3) {
		for (uint32_t out = 1; out <= LEN; out += 4) {
			uint64_t from = pattern(rig, LEN), to = gpa_alloc(rig, LEN, 1);
			uint16_t at = ring_used_idx(ring);

			cut(ring, cut(ring, 3, from, LEN, in, 0, true), to, LEN, out, D_WRITE, false);
			ring_add(ring, 3);
			kick(d, 0);
			assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
			assert_int_equal(ring_used_len(ring, at), LEN);
			assert_memory_equal(gpa_ptr(rig, from, LEN), gpa_ptr(rig, to, LEN), LEN);
			assert_int_equal(echo_of(d)->readable_len, LEN);
			assert_int_equal(echo_of(d)->writable_len, LEN);
		}
	}
}

/* A chain as long as the queue is legal; descriptors need not be in order. */
static void as_long_as_the_queue_and_in_any_order(void **state)
{
	static const uint16_t order[] = { 5, 2, 7, 0, 1, 6, 4, 3 };
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	uint64_t from = pattern(rig, 4), to = gpa_alloc(rig, 4, 1);

	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned i = 0; i < 8; i++)
		ring_desc(&d->rings[0], order[i], (i < 4 ? from : to) + i % 4, 1,
			  (uint16_t)((i < 4 ? 0 : D_WRITE) | (i < 7 ? D_NEXT : 0)), i < 7 ? order[i + 1] : 5);
	ring_add(&d->rings[0], 5);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	assert_int_equal(ring_used_id(&d->rings[0], 0), 5);
	assert_memory_equal(gpa_ptr(rig, from, 4), gpa_ptr(rig, to, 4), 4);
}

static void readable_and_table_are_not_written(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];
	uint8_t table[8 * 16], avail[6 + 2 * 8], in[LEN];
	uint64_t from = pattern(rig, LEN);

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	cut(ring, cut(ring, 0, from, LEN, 20, 0, true), gpa_alloc(rig, LEN, 1), LEN, 30, D_WRITE, false);
	memcpy(in, gpa_ptr(rig, from, LEN), LEN);
	memcpy(table, gpa_ptr(rig, ring->desc, sizeof(table)), sizeof(table));
	for (unsigned i = 0; i < 20; i++) {
		ring_add(ring, 0);
		memcpy(avail, gpa_ptr(rig, ring->avail, sizeof(avail)), sizeof(avail));
		kick(d, 0);
		assert_int_equal(ring_used_idx(ring), i + 1);
		assert_memory_equal(avail, gpa_ptr(rig, ring->avail, sizeof(avail)), sizeof(avail));
	}
	assert_memory_equal(in, gpa_ptr(rig, from, LEN), LEN);
	assert_memory_equal(table, gpa_ptr(rig, ring->desc, sizeof(table)), sizeof(table));
}

/* Buffers one behind the other: a byte too many or in the wrong place would be seen in a neighbour. */
static void writes_stay_inside_the_writable_part(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	uint64_t area = gpa_alloc(rig, 64, 1), from = pattern(rig, 10);
	uint8_t *bytes = gpa_ptr(rig, area, 64), want[64];

	assert_true(driver_up(d, F_VERSION_1));
	memset(bytes, 0xcc, 64);
	memset(want, 0xcc, 64);
	ring_desc(&d->rings[0], 0, from, 10, D_NEXT, 1);
	ring_desc(&d->rings[0], 1, area + 40, 4, D_WRITE | D_NEXT, 2); /* from the first writable on, ... */
	ring_desc(&d->rings[0], 2, area + 8, 3, D_WRITE | D_NEXT, 3);
	ring_desc(&d->rings[0], 3, area + 20, 8, D_WRITE, 0); /* ... and the last is not full */
	ring_add(&d->rings[0], 0);
	kick(d, 0);
	memcpy(want + 40, gpa_ptr(rig, from, 4), 4);
	memcpy(want + 8, gpa_ptr(rig, from + 4, 3), 3);
	memcpy(want + 20, gpa_ptr(rig, from + 7, 3), 3);
	assert_memory_equal(bytes, want, 64);
	assert_int_equal(ring_used_len(&d->rings[0], 0), 10);
}

/* One indirect table of an in and an out descriptor, reached through `direct` descriptors before it. */
static void indirect(struct driver *d, unsigned direct, uint16_t flags)
{
	struct rig *rig = d->rig;
	struct ring *ring = &d->rings[0];
	uint64_t table = gpa_alloc(rig, 32, 1), from = pattern(rig, 16),
		 to = gpa_alloc(rig, 16, 1); /* a table has no alignment */
	uint16_t at = ring_used_idx(ring);

	for (uint16_t i = 0; i < direct; i++)
		ring_desc(ring, i, from + i, 1, D_NEXT, (uint16_t)(i + 1));
	put_desc(rig, table, 0, from + direct, 16 - direct, D_NEXT, 1);
	put_desc(rig, table, 1, to, 16, D_WRITE, 0);
	ring_desc(ring, (uint16_t)direct, table, 32, flags, 7);
	ring_add(ring, 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
	assert_int_equal(ring_used_id(ring, at), 0);
	assert_int_equal(ring_used_len(ring, at), 16);
	assert_memory_equal(gpa_ptr(rig, from, 16), gpa_ptr(rig, to, 16), 16);
}

static void write_on_indirect_is_ignored(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
	indirect(d, 0, D_INDIRECT);
	indirect(d, 0, D_INDIRECT | D_WRITE);
	indirect(d, 2, D_INDIRECT | D_WRITE);
}

static void direct_then_one_indirect(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
	for (unsigned direct = 1; direct < 8; direct++)
		indirect(d, direct, D_INDIRECT);
}

/* An indirect table may be longer than the ring is wide; the device's bound is the size that it offers. */
static void indirect_table_of_queue_num_max(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	uint64_t table = gpa_alloc(rig, 16 * ECHO_QUEUE_MAX, 16), from = pattern(rig, ECHO_QUEUE_MAX);

	assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
	for (uint16_t i = 0; i < ECHO_QUEUE_MAX; i++)
		put_desc(rig, table, i, from + i, 1, i + 1 < ECHO_QUEUE_MAX ? D_NEXT : 0, (uint16_t)(i + 1));
	ring_desc(&d->rings[0], 0, table, 16 * 8, D_INDIRECT, 0); /* as long as the ring: no driver rule is broken */
	put_desc(rig, table, 7, from + 7, 1, 0, 0);
	ring_add(&d->rings[0], 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	assert_int_equal(echo_of(d)->readable_len, 8);

	d->num = ECHO_QUEUE_MAX;
	assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
	put_desc(rig, table, 7, from + 7, 1, D_NEXT, 8);
	ring_desc(&d->rings[0], 0, table, 16 * ECHO_QUEUE_MAX, D_INDIRECT, 0);
	ring_add(&d->rings[0], 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	assert_int_equal(echo_of(d)->readable_len, ECHO_QUEUE_MAX);
	assert_memory_equal(echo_of(d)->seen, gpa_ptr(rig, from, ECHO_QUEUE_MAX), ECHO_QUEUE_MAX);
}

/* Every legal size, with areas that are aligned to 16, 2 and 4 but to no more. */
static void sizes_and_alignment(void **state)
{
	struct rig *rig = *state;
	struct driver big;

	assert_int_equal(driver_add(&big, rig, "echo", "queue-size=32768"), 0);
	for (uint32_t num = 1; num <= 32768; num *= 2) {
		assert_true(driver_negotiate(&big, F_VERSION_1 | F_INDIRECT));
		gpa_alloc(rig, 16, 1);
		rig->next_gpa = (rig->next_gpa | 31) + 17;
		ring_place(&big.rings[0], num);
		big.rings[0].avail = gpa_alloc(rig, 6 + 2ull * num, 4) + 2;
		rig->next_gpa = (rig->next_gpa | 7) + 5;
		big.rings[0].used = gpa_alloc(rig, 6 + 8ull * num, 4);
		assert_int_equal(big.rings[0].desc % 32, 16);
		assert_int_equal(big.rings[0].avail % 4, 2);
		assert_int_equal(big.rings[0].used % 8, 4);
		ring_program(&big.rings[0]);
		ring_ready(&big.rings[0], 1);
		reg_put(&big, R_STATUS, S_UP);
		assert_int_equal(reg_get(&big, R_STATUS), S_UP);
		for (unsigned i = 0; i < 3; i++)
			indirect(&big, 0, D_INDIRECT);
	}
	assert_int_equal(reg_get(&big, R_QUEUE_NUM_MAX), 32768);
}

static void avail_idx_wraps_at_65536(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[0];

	assert_true(driver_up(d, F_VERSION_1));
	for (uint32_t i = 0; i < 8; i++)
		ring_desc(ring, (uint16_t)i, gpa_alloc(d->rig, 1, 1), 1, 0, 0);
	for (uint32_t i = 0; i < 65536 + 100; i++) {
		uint16_t head = (uint16_t)(i * 5 % 8);

		ring_add(ring, head);
		kick(d, 0);
		if (ring_used_idx(ring) != (uint16_t)(i + 1) || ring_used_id(ring, (uint16_t)i) != head)
			fail_msg("buffer %u", i);
	}
	assert_int_equal(ring->avail_idx, 100);
}

/* Several at a time, and a full ring across the wrap. */
static void a_full_ring_a_kick(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[0];

	assert_true(driver_up(d, F_VERSION_1));
	for (uint16_t i = 0; i < 8; i++)
		ring_desc(ring, i, gpa_alloc(d->rig, 1, 1), 1, 0, 0);
	for (uint32_t done = 0; done < 65536 + 64; done += 8) {
		for (uint16_t i = 0; i < 8; i++)
			ring_add(ring, (uint16_t)(7 - i));
		kick(d, 0);
		assert_int_equal(ring_used_idx(ring), (uint16_t)(done + 8));
		for (uint16_t i = 0; i < 8; i++)
			assert_int_equal(ring_used_id(ring, i), 7 - i);
	}
}

/* A device that completes out of order: the id tells which. */
static void used_id_is_the_head(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, ECHO_HOLD, 4, 1, 2);
	echo_add(d, ECHO_HOLD, 0, 1, 2);
	echo_add(d, ECHO_HOLD, 6, 1, 2);
	kick(d, ECHO_HOLD);
	assert_int_equal(ring_used_idx(ring), 0);
	assert_int_equal(edges(d), 0);
	echo_command(d, ECHO_GIVE_LAST);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED); /* told at once, without a kick of the driver's */
	assert_int_equal(edges(d), 1);
	echo_command(d, ECHO_GIVE_FIRST);
	echo_command(d, ECHO_GIVE_LAST);
	assert_int_equal(ring_used_idx(ring), 3);
	assert_int_equal(ring_used_id(ring, 0), 6);
	assert_int_equal(ring_used_id(ring, 1), 4);
	assert_int_equal(ring_used_id(ring, 2), 0);
}

/* A device that claims more than it can have written: the driver would believe it. */
static void len_never_exceeds_the_writable_part(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, ECHO_HOLD, 0, 9, 5);
	echo_add(d, ECHO_HOLD, 2, 9, 0);
	kick(d, ECHO_HOLD);
	echo_command(d, ECHO_GIVE_TOO_LONG);
	echo_command(d, ECHO_GIVE_TOO_LONG);
	assert_int_equal(ring_used_idx(ring), 2);
	assert_int_equal(ring_used_len(ring, 0), 5);
	assert_int_equal(ring_used_len(ring, 1), 0);
}

static void queue_reset(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *hold = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	echo_add(d, ECHO_HOLD, 0, 4, 4);
	kick(d, ECHO_HOLD);
	echo_add(d, ECHO_HOLD, 2, 4, 4);
	reg_put(d, R_QUEUE_SEL, ECHO_HOLD);
	reg_put(d, R_QUEUE_RESET, 1);
	memset(gpa_ptr(d->rig, hold->used, 6 + 8 * 8), 0x5a, 6 + 8 * 8);
	echo_command(d, ECHO_GIVE_FIRST);
	kick(d, ECHO_HOLD);
	for (unsigned i = 0; i < 6 + 8 * 8; i += 2)
		assert_int_equal(get16(d->rig, hold->used + i), 0x5a5a);
	assert_int_equal(echo_of(d)->pops, 1);
	assert_int_equal(edges(d), 0);
	/* default state: nothing of the old programming is left, so this has no size and no place */
	reg_put(d, R_QUEUE_READY, 1);
	kick(d, ECHO_HOLD);
	assert_int_equal(echo_of(d)->pops, 1);
	assert_true(driver_up(d, F_VERSION_1));
	assert_true(echo_serves(d));
}

/* A buffer of before the reset is gone, also where one of behind it has the same head. */
static void stale_chain_is_not_given_back(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *hold = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	echo_add(d, ECHO_HOLD, 0, 0, 8);
	kick(d, ECHO_HOLD);
	reg_put(d, R_QUEUE_SEL, ECHO_HOLD);
	reg_put(d, R_QUEUE_RESET, 1);
	ring_place(hold, 8);
	ring_program(hold);
	ring_ready(hold, 1);
	echo_add(d, ECHO_HOLD, 0, 0, 2);
	kick(d, ECHO_HOLD);
	assert_int_equal(echo_of(d)->n_held, 2);
	echo_command(d, ECHO_GIVE_TOO_LONG); /* the old one */
	assert_int_equal(ring_used_idx(hold), 0);
	echo_command(d, ECHO_GIVE_TOO_LONG);
	assert_int_equal(ring_used_idx(hold), 1);
	assert_int_equal(ring_used_len(hold, 0), 2);
}

static void re_enable_takes_the_new_values(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring old;

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET | F_EVENT_IDX));
	for (unsigned i = 0; i < 11; i++)
		assert_true(echo_serves(d));
	old = d->rings[0];
	reg_put(d, R_QUEUE_SEL, 0);
	reg_put(d, R_QUEUE_RESET, 1);
	ring_place(&d->rings[0], 2);
	ring_program(&d->rings[0]);
	ring_ready(&d->rings[0], 1);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	edges(d);
	assert_true(echo_serves(d));   /* indices begin at 0 */
	assert_int_equal(edges(d), 1); /* and so does the notification state: used_event 0 */
	assert_int_equal(ring_avail_event(&d->rings[0]), 1);
	ring_set_used_event(&d->rings[0], 1);
	assert_true(echo_serves(d));
	assert_true(echo_serves(d));
	assert_int_equal(ring_used_idx(&old), 11);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(46, no_assumption_on_framing),
		RIG_ITEM(46, as_long_as_the_queue_and_in_any_order),
		RIG_ITEM(46, indirect_table_of_queue_num_max),
		RIG_ITEM(48, readable_and_table_are_not_written),
		RIG_ITEM(55, writes_stay_inside_the_writable_part),
		RIG_ITEM(49, write_on_indirect_is_ignored),
		RIG_ITEM(50, direct_then_one_indirect),
		RIG_ITEM(51, sizes_and_alignment),
		RIG_ITEM(52, avail_idx_wraps_at_65536),
		RIG_ITEM(52, a_full_ring_a_kick),
		RIG_ITEM(53, used_id_is_the_head),
		RIG_ITEM(55, len_never_exceeds_the_writable_part),
		RIG_ITEM(64, queue_reset),
		RIG_ITEM(64, stale_chain_is_not_given_back),
		RIG_ITEM(65, re_enable_takes_the_new_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
