// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of every class of device that break the rules of the transport and of the rings: checklist E, h1 to h17. What
 * only an echo device shows is in test_hostile.c, what only one class has in its own test. */
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/anydrive.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define HOLE         0xd0000000u

static const uint32_t numbers[] = { 18,      0xff,    0x8000,     0xffff,     0x10000,
				    0x10001, 0x12345, 0x80000000, 0xfffffffe, 0xffffffff };

static void h1(struct anydrive *any)
{
	struct driver *d = &any->d;

	any_up(any);
	for (unsigned i = 0; i < COUNT(numbers); i++) {
		reg_put(d, R_QUEUE_SEL, numbers[i]);
		for (uint32_t reg = R_QUEUE_NUM; reg < R_CONFIG_GENERATION; reg += 4)
			if (reg != R_STATUS && reg != R_QUEUE_NOTIFY)
				reg_put(d, reg, 0xffffffff);
		assert_int_equal(reg_get(d, R_QUEUE_NUM_MAX), 0);
		assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
	}
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
	any_oracle(any);
}

static void h2(struct anydrive *any)
{
	any_up(any);
	for (unsigned i = 0; i < COUNT(numbers); i++)
		any_kick(any, numbers[i]);
	assert_int_equal(reg_get(&any->d, R_STATUS), S_UP);
	any_oracle(any);
}

static void h3(struct anydrive *any)
{
	struct driver *d = &any->d;
	struct ring *ring = &d->rings[any->work];
	uint32_t sizes[] = { 0, 3, 0, 0x10000, 0x80000000, 0xffffffff };

	reg_put(d, R_QUEUE_SEL, any->work);
	sizes[2] = 2 * reg_get(d, R_QUEUE_NUM_MAX);
	for (unsigned i = 0; i < COUNT(sizes); i++) {
		assert_true(driver_negotiate(d, any->features));
		ring_place(ring, ANY_NUM);
		ring_program(ring);
		reg_put(d, R_QUEUE_NUM, sizes[i]);
		ring_ready(ring, 1);
		assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
		reg_put(d, R_STATUS, S_UP);
		any_kick(any, any->work);
		any_oracle(any);
	}
}

static void h5(struct anydrive *any)
{
	struct driver *d = &any->d;
	struct ring *ring = &d->rings[any->work];
	const uint64_t places[] = { RAM_SIZE - 1,      RAM_SIZE - 16,   RAM_SIZE,       HOLE,       d->base,
				    any->sibling.base, UINT64_MAX - 15, UINT64_MAX - 3, 1ull << 63, any->scratch + 1 };

	for (unsigned i = 0; i < COUNT(places); i++) {
		for (unsigned part = 0; part < 3; part++) {
			assert_true(driver_negotiate(d, any->features));
			ring_place(ring, ANY_NUM);
			*(part == 0 ? &ring->desc : part == 1 ? &ring->avail : &ring->used) = places[i];
			ring_program(ring);
			ring_ready(ring, 1);
			assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
			reg_put(d, R_STATUS, S_UP);
			any_kick(any, any->work);
		}
	}
	any_oracle(any);
}

static void h6(struct anydrive *any)
{
	const struct piece bad[] = {
		{ UINT64_MAX - 7, 16, false }, { RAM_SIZE - 1, 2, false },
		{ RAM_SIZE, 1, false },        { HOLE, 4, false },
		{ any->d.base, 4, false },     { 1, 0xffffffff, false },
		{ UINT64_MAX, 1, false },      { RAM_SIZE - 4096, 8192, false },
	};

	for (unsigned q = 0; q < any->n_queues; q++) {
		for (unsigned shape = 0; shape < 4 * COUNT(bad); shape++) { /* either direction, alone or second */
			struct ring *ring = &any->d.rings[q];
			uint16_t write = shape & 1 ? D_WRITE : 0;

			any_up(any);
			ring_desc(ring, 4, any->scratch, 64, write | D_NEXT, 5);
			ring_desc(ring, 5, bad[shape / 4].gpa, bad[shape / 4].len, write, 0);
			any_refused(any, q, shape & 2 ? 4 : 5);
		}
		any_oracle(any);
	}
}

static void h7(struct anydrive *any)
{
	for (unsigned q = 0; q < any->n_queues; q++) {
		for (uint16_t write = 0; write <= ANY_NUM; write = (uint16_t)(write + ANY_NUM / 2)) {
			any_up(any);
			for (uint16_t i = 0; i < ANY_NUM; i++)
				ring_desc(&any->d.rings[q], i, i % 2 ? UINT64_MAX : 0, 0,
					  (uint16_t)((i + 1u < ANY_NUM ? D_NEXT : 0) | (i >= write ? D_WRITE : 0)),
					  (uint16_t)(i + 1));
			ring_add(&any->d.rings[q], 0);
			any_kick(any, q);
			if (q == any->work)
				assert_int_not_equal(any_answer(any, q), ANY_NONE);
		}
		any_oracle(any);
	}
}

static void h8(struct anydrive *any)
{
	static const uint16_t nexts[][2] = { { 4, 0 }, { 5, 4 }, { ANY_NUM, 0 }, { 0xffff, 0 }, { 5, 0x8000 } };

	for (unsigned q = 0; q < any->n_queues; q++) {
		struct ring *ring = &any->d.rings[q];

		for (unsigned i = 0; i < 4 * COUNT(nexts); i++) { /* either direction, some bytes or none */
			any_up(any);
			for (uint16_t at = 0; at < 2; at++)
				ring_desc(ring, (uint16_t)(4 + at), any->scratch, i & 2 ? 4 : 0,
					  (uint16_t)(D_NEXT | (i & 1 ? D_WRITE : 0)), nexts[i / 4][at]);
			any_refused(any, q, 4);
		}
		any_up(any); /* a chain of size + 1 */
		for (uint16_t i = 0; i < ANY_NUM; i++)
			ring_desc(ring, i, any->scratch, 1, D_NEXT, (uint16_t)((i + 1) % ANY_NUM));
		ring_add(ring, 0);
		any_kick(any, q);
		if (q == any->work)
			assert_int_equal(any_answer(any, q), ANY_FAILED);
		any_oracle(any);
	}
}

static void indirect(struct anydrive *any, unsigned q, uint64_t table, uint32_t len, uint16_t flags)
{
	any_up(any);
	ring_desc(&any->d.rings[q], 4, table, len, D_INDIRECT | flags, 5);
	ring_desc(&any->d.rings[q], 5, any->scratch, 4, 0, 0);
	any_refused(any, q, 4);
}

static void h9(struct anydrive *any)
{
	struct rig *rig = any->rig;
	uint64_t table = gpa_alloc(rig, 1 << 20, 16);

	any->features |= F_INDIRECT;
	for (unsigned q = 0; q < any->n_queues; q++) {
		put_desc(rig, table, 0, any->scratch, 4, 0, 0);
		indirect(any, q, table, 0, 0);
		indirect(any, q, table, 8, 0);
		indirect(any, q, table, 15, 0);
		indirect(any, q, table, 16, D_NEXT);
		indirect(any, q, RAM_SIZE - 16, 32, 0);
		indirect(any, q, HOLE, 16, 0);
		indirect(any, q, UINT64_MAX - 15, 32, 0);
		put_desc(rig, table, 0, table, 16, D_INDIRECT, 0); /* nested */
		indirect(any, q, table, 16, 0);
		for (uint32_t i = 0; i < 65536; i++) /* 2^20 bytes */
			put_desc(rig, table, (uint16_t)i, any->scratch, 0, D_NEXT, (uint16_t)(i + 1));
		indirect(any, q, table, 1 << 20, 0);
		any_oracle(any);
	}
	any->features &= ~F_INDIRECT;
	put_desc(rig, table, 0, any->scratch, 4, 0, 0);
	indirect(any, any->work, table, 16, 0); /* not negotiated */
	any_oracle(any);
}

static void h10(struct anydrive *any)
{
	static const uint16_t jumps[] = { ANY_NUM + 1, 0x7fff, 0x8000, 0xffff };
	struct ring *ring = &any->d.rings[any->work];

	for (unsigned i = 0; i < COUNT(jumps); i++) {
		any_up(any);
		any_request(any);
		ring_add(ring, 0);
		any_kick(any, any->work);
		assert_int_equal(any_answer(any, any->work), ANY_USED);
		ring->avail_idx = (uint16_t)(1 + jumps[i]);
		put16(any->rig, ring->avail + 2, ring->avail_idx);
		any_kick(any, any->work);
		assert_int_equal(any_answer(any, any->work), ANY_FAILED);
		any_oracle(any);
	}
	any_up(any);
	any_refused(any, any->work, ANY_NUM);
	any_up(any);
	any_refused(any, any->work, 0xffff);
	any_oracle(any);
}

static void h11(struct anydrive *any)
{
	for (unsigned q = 0; q < any->n_queues; q++) {
		struct ring *ring = &any->d.rings[q];

		any_up(any);
		ring_desc(ring, 4, any->scratch, 16, D_WRITE | D_NEXT, 5);
		ring_desc(ring, 5, any->scratch + 16, 16, 0, 0);
		any_refused(any, q, 4);
		for (uint16_t write = 0; write <= D_WRITE; write = (uint16_t)(write + D_WRITE)) {
			any_up(any);
			ring_desc(ring, 4, any->scratch, 16, write, 0);
			any_judged(any, q, 4);
		}
		any_oracle(any);
	}
}

static void h14(struct anydrive *any)
{
	static const uint32_t steps[] = { S_ACKNOWLEDGE, S_ACKNOWLEDGE | S_DRIVER, S_FEATURES_DONE };
	struct driver *d = &any->d;
	struct ring *ring = &d->rings[any->work];

	reg_put(d, R_STATUS, 0);
	any_kick(any, any->work);
	for (unsigned i = 0; i < COUNT(steps); i++) {
		reg_put(d, R_STATUS, steps[i]);
		write_features(d, any->features);
		ring_place(ring, ANY_NUM);
		ring_program(ring);
		any_request(any);
		ring_add(ring, 0);
		any_kick(any, any->work); /* before Ready */
		ring_ready(ring, 1);
		any_kick(any, any->work); /* before DRIVER_OK */
		nap_ms(any->eventfd);     /* its eventfd is read by now, or soon */
		assert_int_equal(ring_used_idx(ring), 0);
		ring_ready(ring, 0);
	}
	any_up(any);
	reg_put(d, R_STATUS, S_UP | S_FAILED);
	any_request(any);
	ring_add(ring, 0);
	any_kick(any, any->work);
	reg_put(d, R_STATUS, 0);
	any_kick(any, any->work);
	nap_ms(any->eventfd);
	assert_int_equal(ring_used_idx(ring), 0);
	any_oracle(any);
}

static void h15(struct anydrive *any)
{
	struct driver *d = &any->d;

	assert_false(driver_negotiate(d, any->features | 1ull << 63));
	assert_false(driver_negotiate(d, any->features & ~F_VERSION_1));
	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK);
	assert_int_equal(reg_get(d, R_STATUS) & S_DRIVER_OK, 0);
	any_oracle(any);
	any_up(any);
	for (uint32_t value = 1; value < 0x200; value++) {
		if (value & S_FAILED)
			continue;
		reg_put(d, R_STATUS, value);
		assert_int_equal(reg_get(d, R_STATUS), S_UP); /* only a reset clears */
	}
	any_oracle(any);
}

static void h16(struct anydrive *any)
{
	struct driver *d = &any->d;
	unsigned size = d->dev->class->config_size;
	const unsigned at[] = { size - 1, size, size + 1, 0xef8, 0xefc };

	any_up(any);
	for (unsigned i = size ? 0 : 1; i < COUNT(at); i++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			if (at[i] + len <= size || R_CONFIG + at[i] + len > 0x1000)
				continue;
			window_put(d, R_CONFIG + at[i], len, UINT64_MAX);
			assert_true(window_get(d, R_CONFIG + at[i], len) == 0);
		}
	}
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
	any_oracle(any);
}

static void h17(struct anydrive *any)
{
	any_up(any);
	for (unsigned i = 0; i < 4; i++) { /* and no acknowledgement */
		any_request(any);
		ring_add(&any->d.rings[any->work], 0);
		any_kick(any, any->work);
		assert_int_equal(any_answer(any, any->work), ANY_USED);
	}
	reg_put(&any->d, R_INTERRUPT_ACK, 0xffffffff);
	for (unsigned i = 0; i < 20000; i++)
		any_kick(any, i % any->n_queues);
	reg_put(&any->d, R_INTERRUPT_ACK, 0xffffffff);
	any_oracle(any);
}

int main(void)
{
	static const struct any_test tests[] = {
		{ "h1: a queue that is not there", h1 },
		{ "h2: kicks of queues that are not there", h2 },
		{ "h3: no such queue size", h3 },
		{ "h5: rings where there is no RAM for them", h5 },
		{ "h6: buffers outside the RAM", h6 },
		{ "h7: nothing but empty descriptors", h7 },
		{ "h8: chains without an end", h8 },
		{ "h9: indirect tables of every wrong kind", h9 },
		{ "h10: avail.idx jumps, goes back; a head beyond the ring", h10 },
		{ "h11: writable before readable, and only wrong directions", h11 },
		{ "h14: kicks before Ready, before DRIVER_OK, after FAILED, after reset", h14 },
		{ "h15: features and status bits against the rules", h15 },
		{ "h16: configuration space at its end and behind", h16 },
		{ "h17: interrupts never acknowledged, and kicks for nothing", h17 },
	};

	return any_run_group("hostile drivers", tests, COUNT(tests));
}
