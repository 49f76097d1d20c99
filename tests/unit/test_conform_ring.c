// SPDX-License-Identifier: GPL-2.0-only
/* Items 46 to 65 on devices that are no echo: the split ring (virtio 1.2, 2.6.1 and 2.7). test_queue.c and
 * test_notify.c have more of them. */
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/every.h"
#include "tests/unit/pieces.h"

#define LEN 96u

/* The random bytes' device, once a test, in the machine of RIG_ITEM(), with a ring of `num`. */
static struct driver *rng_up(struct rig *rig, const char *options, uint32_t num, uint64_t features)
{
	static struct driver rng;

	assert_int_equal(driver_add(&rng, rig, "rng", options), 0);
	rng.num = num;
	assert_true(driver_up(&rng, F_VERSION_1 | features));
	return &rng;
}

static uint64_t filled(struct rig *rig, uint32_t len, uint8_t byte)
{
	uint64_t gpa = gpa_alloc(rig, len, 1);

	memset(gpa_ptr(rig, gpa, len), byte, len);
	return gpa;
}

static bool all_are(struct rig *rig, uint64_t gpa, uint32_t len, uint8_t byte)
{
	const uint8_t *bytes = gpa_ptr(rig, gpa, len);

	for (uint32_t i = 0; i < len; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

/* True where a random byte seems to be in each of `len`: one in 256 is what it was, eight in a row are not. */
static bool all_are_random(struct rig *rig, uint64_t gpa, uint32_t len)
{
	const uint8_t *bytes = gpa_ptr(rig, gpa, len);
	unsigned same = 0;

	for (uint32_t i = 0; i < len; i++) {
		same = bytes[i] == NOT_WRITTEN ? same + 1 : 0;
		if (same == 8)
			return false;
	}
	return same < 4 || len < 4;
}

/* The pieces of LEN writable bytes, `step` each, are one buffer to a device that writes as well. */
static void framing_of_a_device_that_writes(void **state)
{
	struct rig *rig = *state;
	struct driver *d = rng_up(rig, NULL, 64, 0);

	for (uint32_t step = 2; step <= LEN; step += 7) {
		struct piece pieces[64];
		uint64_t gpa = filled(rig, LEN + 8, NOT_WRITTEN);
		uint16_t at = ring_used_idx(&d->rings[0]);

		pieces_add(&d->rings[0], 0, pieces, pieces_cut(pieces, 0, gpa, LEN, step, true));
		kick(d, 0);
		assert_int_equal(ring_used_idx(&d->rings[0]), (uint16_t)(at + 1));
		assert_int_equal(ring_used_len(&d->rings[0], at), LEN);
		assert_true(all_are_random(rig, gpa, LEN));
		assert_true(all_are(rig, gpa + LEN, 8, NOT_WRITTEN));
	}
}

/* A device that only writes, given something to read: before what it may write, and alone. */
static void readable_part_of_a_device_that_writes(void **state)
{
	struct rig *rig = *state;
	struct driver *d = rng_up(rig, NULL, 64, 0);
	struct ring *ring = &d->rings[0];
	uint64_t in = filled(rig, LEN, 0x5a), out = filled(rig, LEN, NOT_WRITTEN);

	pieces_add(ring, 0, (struct piece[]){ { in, LEN, false }, { out, LEN, true } }, 2);
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), 1);
	assert_int_equal(ring_used_len(ring, 0), LEN); /* of the writable part */
	assert_true(all_are_random(rig, out, LEN));
	pieces_add(ring, 4, (struct piece[]){ { in, LEN, false } }, 1);
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), 2);
	assert_int_equal(ring_used_len(ring, 1), 0);
	assert_true(all_are(rig, in, LEN, 0x5a));
}

static void readable_part_of_the_echo(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	uint64_t in = filled(rig, LEN, 0x5a), out = filled(rig, LEN, NOT_WRITTEN);
	struct piece pieces[64];

	d->num = 64;
	for (uint32_t step = 3; step <= LEN; step += 5) {
		assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
		unsigned n = pieces_cut(pieces, 0, in, LEN, step, false);

		pieces_add_table(&d->rings[0], 0, pieces, pieces_cut(pieces, n, out, LEN, LEN, true));
		kick(d, 0);
		assert_int_equal(ring_used_idx(&d->rings[0]), 1);
		assert_true(all_are(rig, in, LEN, 0x5a));
		assert_true(all_are(rig, out, LEN, 0x5a));
	}
}

/* An indirect table is a descriptor table, too. */
static void indirect_table_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct driver *d = rng_up(rig, NULL, 8, F_INDIRECT);
	uint64_t table = gpa_alloc(rig, 3 * 16, 16), out = filled(rig, LEN, NOT_WRITTEN);
	uint8_t before[3 * 16];

	for (uint16_t i = 0; i < 3; i++)
		put_desc(rig, table, i, out + i * LEN / 3, LEN / 3, i < 2 ? D_WRITE | D_NEXT : D_WRITE,
			 (uint16_t)(i + 1));
	memcpy(before, gpa_ptr(rig, table, sizeof(before)), sizeof(before));
	for (uint16_t i = 0; i < 20; i++) {
		ring_desc(&d->rings[0], i % 8, table, sizeof(before), D_INDIRECT, 0);
		ring_add(&d->rings[0], i % 8);
		kick(d, 0);
		assert_int_equal(ring_used_idx(&d->rings[0]), i + 1);
		assert_int_equal(ring_used_len(&d->rings[0], i), LEN);
	}
	assert_memory_equal(before, gpa_ptr(rig, table, sizeof(before)), sizeof(before));
}

static void sizes_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		reg_put(d, R_QUEUE_SEL, 0);
		uint32_t max = reg_get(d, R_QUEUE_NUM_MAX);

		for (unsigned q = 1; q < d->dev->n_queues; q++) {
			reg_put(d, R_QUEUE_SEL, q);
			if (reg_get(d, R_QUEUE_NUM_MAX) < max)
				max = reg_get(d, R_QUEUE_NUM_MAX);
		}
		for (d->num = 1; d->num <= max; d->num *= 2)
			every_up(every, 0);
	}
}

/* Each head that there is comes back as itself, once, whatever the order in which they were added. */
static void every_head_comes_back(void **state)
{
	struct rig *rig = *state;
	struct driver *d = rng_up(rig, NULL, 64, 0);
	struct ring *ring = &d->rings[0];

	for (uint16_t i = 0; i < 64; i++) {
		uint16_t head = (uint16_t)(i * 37 % 64);

		ring_desc(ring, head, gpa_alloc(rig, 4, 1), 4, D_WRITE, 0);
		ring_add(ring, head);
	}
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), 64);
	for (uint16_t i = 0, seen[64] = { 0 }; i < 64; i++) {
		uint32_t id = ring_used_id(ring, i);

		assert_true(id < 64);
		assert_int_equal(seen[id]++, 0);
	}
}

/* A device may write less than there is room for: then the first `len` bytes are it. */
static void len_bytes_are_written(void **state)
{
	struct rig *rig = *state;
	struct driver *d = rng_up(rig, NULL, 8, 0);
	uint64_t big = filled(rig, 3 * 4096, NOT_WRITTEN);

	pieces_add(&d->rings[0], 0,
		   (struct piece[]){ { big + 4096, 4096, true }, { big, 4096, true }, { big + 2 * 4096, 4096, true } },
		   3);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	uint32_t len = ring_used_len(&d->rings[0], 0);

	assert_in_range(len, 1, 3 * 4096);
	for (unsigned page = 0; page < 3; page++) {
		static const unsigned order[] = { 1, 0, 2 };
		uint32_t here = len < 4096 ? len : 4096;

		assert_true(all_are_random(rig, big + order[page] * 4096, here));
		len -= here;
	}
}

/* A ring that is started again by QueueReady counts from 0, also in what was notified of it. */
static void used_event_of_a_ring_started_again(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	for (unsigned i = 0; i < 3; i++) {
		ring_set_used_event(&d->rings[0], (uint16_t)i);
		assert_true(echo_serves(d));
	}
	ring_ready(&d->rings[0], 0);
	ring_place(&d->rings[0], 8);
	ring_program(&d->rings[0]);
	ring_ready(&d->rings[0], 1);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	edges(d);
	ring_set_used_event(&d->rings[0], 5);
	for (unsigned i = 0; i < 7; i++) {
		assert_true(echo_serves(d));
		assert_int_equal(edges(d), i == 5);
		reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	}
}

static void flags_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, F_EVENT_IDX);
		every_kick(every, 8, 8);
		for (unsigned q = 0; q < d->dev->n_queues; q++)
			assert_true(ring_used_flags(&d->rings[q]) <= 1);
	}
}

static void flags_of_every_device_with_event_idx(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		every_kick(every, 8, 8);
		for (unsigned q = 0; q < d->dev->n_queues; q++)
			assert_int_equal(ring_used_flags(&d->rings[q]), 0);
	}
}

static void kicks_without_buffers_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		for (unsigned i = 0; i < 50; i++)
			kick(d, i % d->dev->n_queues);
		assert_int_equal(reg_get(d, R_STATUS), S_UP);
		for (unsigned q = 0; q < d->dev->n_queues; q++)
			assert_int_equal(ring_used_idx(&d->rings[q]), 0);
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS) & ISR_USED, 0);
		assert_int_equal(edges(d), 0);
	}
}

static void in_order_is_not_offered(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		assert_false(offered_features(d) & BIT(35));
		assert_false(driver_negotiate(d, F_VERSION_1 | BIT(35)));
	}
}

/* Buffers that wait for a window of rate= when their queue is reset; the later window must not find them. */
static void a_reset_queue_whose_buffers_wait(void **state)
{
	struct rig *rig = *state;
	struct driver *d = rng_up(rig, "rate=640", 8, F_RING_RESET), sibling;
	struct ring *ring = &d->rings[0];

	assert_int_equal(driver_add(&sibling, rig, "rng", "rate=640"), 0);
	assert_true(driver_up(&sibling, F_VERSION_1));
	for (unsigned second = 0; second < 2; second++) {
		struct driver *driver = second ? &sibling : d;

		for (uint16_t head = 0; head < 4; head++) {
			ring_desc(&driver->rings[0], head, gpa_alloc(rig, 64, 1), 64, D_WRITE, 0);
			ring_add(&driver->rings[0], head);
		}
		kick(driver, 0);
	}
	assert_int_equal(ring_used_idx(ring), 1);
	reg_put(d, R_QUEUE_SEL, 0);
	reg_put(d, R_QUEUE_RESET, 1);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	edges(d);
	memset(gpa_ptr(rig, ring->used, 6 + 8 * 8), 0x5a, 6 + 8 * 8);
	rig_loop_start(rig);
	assert_true(used_comes(&sibling.rings[0], 4));
	rig_loop_stop(rig);
	assert_true(all_are(rig, ring->used, 6 + 8 * 8, 0x5a));
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	assert_int_equal(edges(d), 0);
}

/* The reset queue's registers are as at the start: a QueueReady alone has no ring to serve. */
static void a_reset_queue_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		for (unsigned q = 0; q < d->dev->n_queues; q++) {
			every_up(every, 0);
			reg_put(d, R_QUEUE_SEL, q);
			reg_put(d, R_QUEUE_RESET, 1);
			reg_put(d, R_QUEUE_READY, 1); /* a size of 0, as at the start, is no queue */
			assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
			assert_int_equal(reg_get(d, R_STATUS), S_UP | S_NEEDS_RESET);
		}
	}
}

/* In another place and of another size, from 0 on. */
static void every_queue_enabled_again(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		for (unsigned q = 0; q < d->dev->n_queues; q++) {
			struct ring old = d->rings[q];

			reg_put(d, R_QUEUE_SEL, q);
			reg_put(d, R_QUEUE_RESET, 1);
			ring_place(&d->rings[q], 4);
			ring_program(&d->rings[q]);
			ring_ready(&d->rings[q], 1);
			assert_int_equal(reg_get(d, R_QUEUE_READY), 1);
			assert_int_equal(reg_get(d, R_STATUS), S_UP);
			memset(gpa_ptr(d->rig, old.used, 6 + 8ull * old.num), 0x5a, 6 + 8ull * old.num);
			kick(d, q);
			assert_true(all_are(d->rig, old.used, (uint32_t)(6 + 8 * old.num), 0x5a));
		}
		if (every->type != 4)
			continue;
		for (uint16_t i = 0; i < 9; i++) { /* further than the new size, and than the old one */
			ring_desc(&d->rings[0], 0, gpa_alloc(d->rig, 8, 1), 8, D_WRITE, 0);
			ring_add(&d->rings[0], 0);
			kick(d, 0);
			assert_int_equal(ring_used_idx(&d->rings[0]), i + 1);
			assert_int_equal(ring_used_len(&d->rings[0], i), 8);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(46, framing_of_a_device_that_writes),
		RIG_ITEM(47, readable_part_of_a_device_that_writes),
		RIG_ITEM(47, readable_part_of_the_echo),
		RIG_ITEM(48, indirect_table_is_not_written),
		EVERY_ITEM(51, sizes_of_every_device),
		RIG_ITEM(53, every_head_comes_back),
		RIG_ITEM(55, len_bytes_are_written),
		RIG_ITEM(58, used_event_of_a_ring_started_again),
		EVERY_ITEM(59, flags_of_every_device),
		EVERY_ITEM(60, flags_of_every_device_with_event_idx),
		EVERY_ITEM(61, kicks_without_buffers_of_every_device),
		EVERY_ITEM(63, in_order_is_not_offered),
		RIG_ITEM(64, a_reset_queue_whose_buffers_wait),
		EVERY_ITEM(64, a_reset_queue_of_every_device),
		EVERY_ITEM(65, every_queue_enabled_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
