// SPDX-License-Identifier: GPL-2.0-only
/* More of checklist E: indirect tables, indices, directions, status and configuration. See test_hostile.c. */
#include "tests/unit/driver.h"

#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio.h"
#include "tests/unit/echo.h"
#include "vmm/log.h"

#define UP(d, features) assert_true(driver_up(d, F_VERSION_1 | (features)))

static void assert_fatal(struct driver *d, uint16_t used)
{
	assert_int_equal(reg_get(d, R_STATUS) & S_NEEDS_RESET, S_NEEDS_RESET);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS) & ISR_CONFIG, ISR_CONFIG);
	assert_int_equal(ring_used_idx(&d->rings[0]), used);
}

/* A table of two good descriptors; the descriptor that leads to it is as the test says. */
static void indirect_is_fatal(struct rig *rig, uint64_t features, uint64_t table, uint32_t len, uint16_t flags)
{
	struct driver *d = &rig->a;

	UP(d, features);
	ring_desc(&d->rings[0], 0, table, len, flags, 1);
	ring_desc(&d->rings[0], 1, gpa_alloc(rig, 4, 1), 4, 0, 0);
	ring_add(&d->rings[0], 0);
	kick(d, 0);
	assert_fatal(d, 0);
	oracle(rig);
}

static void h09_indirect_tables(void **state)
{
	struct rig *rig = *state;
	uint64_t table = gpa_alloc(rig, 1 << 20, 16);

	put_desc(rig, table, 0, gpa_alloc(rig, 4, 1), 4, D_NEXT, 1);
	put_desc(rig, table, 1, gpa_alloc(rig, 4, 1), 4, 0, 0);
	indirect_is_fatal(rig, F_INDIRECT, table, 0, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, table, 8, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, table, 15, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, table, 31, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, table, 33, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, table, 16, D_INDIRECT); /* next is outside of it */
	indirect_is_fatal(rig, F_INDIRECT, table, 32, D_INDIRECT | D_NEXT);
	indirect_is_fatal(rig, 0, table, 32, D_INDIRECT); /* not negotiated */
	indirect_is_fatal(rig, F_INDIRECT, RAM_SIZE - 16, 32, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, RAM_SIZE, 32, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, 0xd0000000, 32, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, UINT64_MAX - 15, 32, D_INDIRECT);
	indirect_is_fatal(rig, F_INDIRECT, table, 0xfffffff0, D_INDIRECT);
	put_desc(rig, table, 1, table, 32, D_INDIRECT, 0); /* nested */
	indirect_is_fatal(rig, F_INDIRECT, table, 32, D_INDIRECT);
	put_desc(rig, table, 0, table, 32, D_INDIRECT, 0);
	indirect_is_fatal(rig, F_INDIRECT, table, 32, D_INDIRECT);
	put_desc(rig, table, 0, table, 4, D_NEXT, 0); /* a loop inside */
	indirect_is_fatal(rig, F_INDIRECT, table, 32, D_INDIRECT);
	put_desc(rig, table, 0, table, 0, D_NEXT, 0);
	indirect_is_fatal(rig, F_INDIRECT, table, 32, D_INDIRECT);
}

/* 65536 descriptors, each a step of work: bounded by the size of the queue that the device offers. */
static void h09_a_huge_indirect_table(void **state)
{
	for (unsigned len = 0; len < 2; len++) {
		struct rig *rig = *state;
		uint64_t table = gpa_alloc(rig, 1 << 20, 16), byte = gpa_alloc(rig, 1, 1);

		for (uint32_t i = 0; i < 65536; i++)
			put_desc(rig, table, (uint16_t)i, byte, len, i < 65535 ? D_NEXT : 0, (uint16_t)(i + 1));
		indirect_is_fatal(rig, F_INDIRECT, table, 1 << 20, D_INDIRECT);
	}
}

/* Neither table is too long, but both together are longer than any queue of the device. */
static void h09_direct_and_indirect_too_long_together(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	uint64_t table = gpa_alloc(rig, 16 * ECHO_QUEUE_MAX, 16), byte = gpa_alloc(rig, 1, 1);

	for (uint16_t i = 0; i < ECHO_QUEUE_MAX; i++)
		put_desc(rig, table, i, byte, 1, i + 1 < ECHO_QUEUE_MAX ? D_NEXT : 0, (uint16_t)(i + 1));
	for (uint16_t direct = 1; direct < 8; direct++) {
		UP(d, F_INDIRECT);
		for (uint16_t i = 0; i < direct; i++)
			ring_desc(&d->rings[0], i, byte, 1, D_NEXT, (uint16_t)(i + 1));
		ring_desc(&d->rings[0], direct, table, 16 * ECHO_QUEUE_MAX, D_INDIRECT, 0);
		ring_add(&d->rings[0], 0);
		kick(d, 0);
		assert_fatal(d, 0);
		oracle(rig);
	}
}

/* Negotiated by the driver before, but not by this one. */
static void h09_not_negotiated_any_more(void **state)
{
	struct rig *rig = *state;
	uint64_t table = gpa_alloc(rig, 32, 16);

	put_desc(rig, table, 0, gpa_alloc(rig, 4, 1), 4, 0, 0);
	UP(&rig->a, F_INDIRECT);
	indirect_is_fatal(rig, 0, table, 16, D_INDIRECT);
}

static void h10_avail_idx_jumps(void **state)
{
	static const uint16_t jumps[] = { 9, 10, 255, 256, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff };
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (unsigned served = 0; served < 3; served++) {
		for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
			UP(d, 0);
			for (unsigned n = 0; n < served; n++)
				assert_true(echo_serves(d));
			put16(rig, d->rings[0].avail + 2, (uint16_t)(served + jumps[i])); /* 0xffff: goes back */
			kick(d, 0);
			assert_fatal(d, (uint16_t)served);
			oracle(rig);
		}
	}
}

/* The same buffer twice: the second comes while the device still has the first. */
static void h10_a_head_that_is_out(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	UP(d, 0);
	echo_add(d, ECHO_HOLD, 0, 4, 4);
	ring_add(&d->rings[ECHO_HOLD], 0);
	kick(d, ECHO_HOLD);
	assert_fatal(d, 0);
	assert_int_equal(echo_of(d)->n_held, 1);
	echo_command(d, ECHO_GIVE_FIRST); /* no ring work from here on */
	assert_int_equal(ring_used_idx(&d->rings[ECHO_HOLD]), 0);
	oracle(rig);
}

static void h11_writable_before_readable(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (unsigned indirect = 0; indirect < 2; indirect++) {
		uint64_t table;

		UP(d, F_INDIRECT);
		table = indirect ? gpa_alloc(rig, 48, 16) : d->rings[0].desc;
		put_desc(rig, table, 0, gpa_alloc(rig, 4, 1), 4, D_NEXT, 1);
		put_desc(rig, table, 1, gpa_alloc(rig, 4, 1), 4, D_NEXT | D_WRITE, 2);
		put_desc(rig, table, 2, gpa_alloc(rig, 4, 1), 4, 0, 0);
		if (indirect)
			ring_desc(&d->rings[0], 0, table, 48, D_INDIRECT, 0);
		ring_add(&d->rings[0], 0);
		kick(d, 0);
		assert_fatal(d, 0);
		oracle(rig);
	}
}

/* Legal for the ring; the device gets no byte to read, or no room to write. */
static void h11_only_wrong_directions(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	UP(d, 0);
	echo_add(d, 0, 0, 0, 16);
	echo_add(d, 0, 1, 16, 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 2);
	assert_int_equal(ring_used_len(&d->rings[0], 0), 0);
	assert_int_equal(ring_used_len(&d->rings[0], 1), 0);
	oracle(rig);
}

static void h14_kicks_at_the_wrong_time(void **state)
{
	static const uint32_t steps[] = { S_ACKNOWLEDGE, S_ACKNOWLEDGE | S_DRIVER, S_FEATURES_DONE };
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct echo *echo = echo_of(d);

	kick(d, 0); /* nobody ever touched it */
	for (unsigned i = 0; i < 3; i++) {
		reg_put(d, R_STATUS, steps[i]);
		write_features(d, F_VERSION_1);
		kick(d, 0); /* before Ready */
		ring_place(&d->rings[0], 8);
		ring_program(&d->rings[0]);
		ring_ready(&d->rings[0], 1);
		echo_add(d, 0, 0, 4, 0);
		kick(d, 0); /* before DRIVER_OK */
		ring_ready(&d->rings[0], 0);
	}
	reg_put(d, R_STATUS, S_UP);
	kick(d, 0); /* not ready any more */
	assert_int_equal(echo->kicks, 0);
	oracle(rig);

	assert_true(driver_negotiate(d, F_VERSION_1));
	reg_put(d, R_STATUS, S_FEATURES_DONE | S_FAILED); /* it gave up; it cannot go on (3.1.1) but from the start */
	reg_put(d, R_STATUS, S_UP | S_FAILED);
	reg_put(d, R_STATUS, S_UP);
	assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE | S_FAILED);
	oracle(rig);

	UP(d, 0);
	echo_add(d, 0, 0, 4, 0);
	unsigned kicks = echo->kicks;

	reg_put(d, R_STATUS, S_UP | S_FAILED);
	assert_int_equal(reg_get(d, R_STATUS), S_UP | S_FAILED);
	kick(d, 0);
	reg_put(d, R_STATUS, S_UP); /* FAILED stays until a reset */
	kick(d, 0);
	assert_int_equal(reg_get(d, R_STATUS), S_UP | S_FAILED);
	reg_put(d, R_STATUS, 0);
	kick(d, 0);
	assert_int_equal(echo->kicks, kicks);
	assert_int_equal(ring_used_idx(&d->rings[0]), 0);
	oracle(rig);
}

static void h15_status_out_of_order(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (uint32_t value = 1; value < 0x100; value++) { /* from 0 nothing may lead to DRIVER_OK in one step */
		reg_put(d, R_STATUS, 0);
		write_features(d, F_VERSION_1);
		reg_put(d, R_STATUS, value);
		assert_int_equal(reg_get(d, R_STATUS) & S_DRIVER_OK, 0);
		assert_int_equal(reg_get(d, R_STATUS) & (0x30 | S_NEEDS_RESET), 0); /* not the driver's, or nobody's */
	}
	oracle(rig);

	for (uint64_t features = 0; features < 2; features++) { /* none, and one that was not offered */
		assert_false(driver_negotiate(d, features ? F_VERSION_1 | BIT(1) : 0));
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK);
		assert_int_equal(reg_get(d, R_STATUS) & S_DRIVER_OK, 0);
		reg_put(d, R_STATUS, S_UP);
		assert_int_equal(reg_get(d, R_STATUS) & (S_DRIVER_OK | S_FEATURES_OK), 0);
		oracle(rig);
	}
}

static void h15_status_bits_cleared(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	for (uint32_t value = 1; value < 0x100; value++) {
		UP(d, 0);
		reg_put(d, R_STATUS, value);
		assert_int_equal(reg_get(d, R_STATUS) & S_UP, S_UP); /* only a reset clears */
	}
	UP(d, 0);
	reg_put(d, R_STATUS, 0x100); /* is not 0 */
	reg_put(d, R_STATUS, 0xffffff00);
	reg_put(d, R_STATUS, 0x80000000 | S_UP);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
	assert_true(echo_serves(d));
	oracle(rig);
}

static void h16_config_at_the_edge(void **state)
{
	static const unsigned at[] = { ECHO_CONFIG_SIZE - 1, ECHO_CONFIG_SIZE, 0xefc, 0xeff };
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	UP(d, 0);
	window_put(d, R_CONFIG + ECHO_CONFIG_SIZE - 1, 1, 0x77);
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		for (unsigned len = 1; len <= 8 && R_CONFIG + at[i] + len <= 0x1000; len *= 2) {
			bool inside = at[i] + len <= ECHO_CONFIG_SIZE;

			assert_true(window_get(d, R_CONFIG + at[i], len) == (inside ? 0x77 : 0));
			if (!inside)
				window_put(d, R_CONFIG + at[i], len, UINT64_MAX);
		}
	}
	window_put(d, R_CONFIG - 2, 4, UINT32_MAX); /* half register, half config: neither */
	window_put(d, R_CONFIG - 4, 8, UINT64_MAX);
	assert_int_equal(window_get(d, R_CONFIG, 4), 0);
	assert_true(window_get(d, R_CONFIG - 4, 8) == 0);
	assert_int_equal(echo_of(d)->wrong_config_writes, 0);
	assert_int_equal(window_get(d, R_CONFIG + ECHO_CONFIG_SIZE - 1, 1), 0x77);
	oracle(rig);
}

/* What a guest can cause must not fill the host's log. */
static void h_log_lines_are_bounded(void **state)
{
	struct rig *rig = *state;
	char *text;

	UP(&rig->a, 0);
	for (unsigned i = 0; i < 10000; i++)
		kick(&rig->a, 99);
	text = rig_errors(rig);
	assert_in_range(count_of(text, "\n"), 1, 2 * LOG_GUEST_BURST);
	free(text);
	oracle(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(h09_indirect_tables),
		RIG_TEST(h09_a_huge_indirect_table),
		RIG_TEST(h09_direct_and_indirect_too_long_together),
		RIG_TEST(h09_not_negotiated_any_more),
		RIG_TEST(h10_avail_idx_jumps),
		RIG_TEST(h10_a_head_that_is_out),
		RIG_TEST(h11_writable_before_readable),
		RIG_TEST(h11_only_wrong_directions),
		RIG_TEST(h14_kicks_at_the_wrong_time),
		RIG_TEST(h15_status_out_of_order),
		RIG_TEST(h15_status_bits_cleared),
		RIG_TEST(h16_config_at_the_edge),
		RIG_TEST(h_log_lines_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
