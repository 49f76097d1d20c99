// SPDX-License-Identifier: GPL-2.0-only
/* Status, features and configuration: virtio 1.2, 2.1, 2.2, 2.5, 3.1 and 6. The numbers are those of tests/items.h. */
#include "tests/unit/driver.h"

#include <stdlib.h>

#include "devices/virtio/virtio.h"
#include "tests/unit/echo.h"

#define ECHO_FEATURES (BIT(ECHO_FEATURE_LOW) | BIT(ECHO_FEATURE_HIGH))
#define ALL_FEATURES  (ECHO_FEATURES | F_INDIRECT | F_EVENT_IDX | F_VERSION_1 | F_RING_RESET)

static void status_0_at_start_and_after_reset(void **state)
{
	struct rig *rig = *state;
	struct driver fresh;

	assert_int_equal(driver_add(&fresh, rig, "echo", NULL), 0);
	assert_int_equal(reg_get(&fresh, R_STATUS), 0);
	assert_int_equal(reg_get(&fresh, R_INTERRUPT_STATUS), 0);
	assert_true(driver_up(&rig->a, F_VERSION_1));
	reg_put(&rig->a, R_STATUS, S_UP | S_FAILED);
	reg_put(&rig->a, R_STATUS, 0);
	assert_int_equal(reg_get(&rig->a, R_STATUS), 0);
	assert_true(driver_up(&rig->a, F_VERSION_1));
	echo_command(&rig->a, ECHO_FAIL);
	reg_put(&rig->a, R_STATUS, 0);
	assert_int_equal(reg_get(&rig->a, R_STATUS), 0);
}

/* A buffer lies ready at each step of 3.1.1; only behind the last one it is served. */
static void nothing_before_driver_ok(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_negotiate(d, F_VERSION_1));
	ring_place(&d->rings[0], 8);
	ring_program(&d->rings[0]);
	ring_ready(&d->rings[0], 1);
	echo_add(d, 0, 0, 4, 4);
	kick(d, 0);
	ring_place(&d->rings[ECHO_HOLD], 8);
	ring_program(&d->rings[ECHO_HOLD]);
	ring_ready(&d->rings[ECHO_HOLD], 1);
	echo_add(d, ECHO_HOLD, 0, 4, 4);
	echo_command(d, ECHO_TAKE); /* a device that does not wait for a kick gets nothing either */
	assert_int_equal(echo_of(d)->pops, 0);
	echo_command(d, ECHO_CHANGE); /* a driver that is not up is not told of this either */
	assert_int_equal(echo_of(d)->kicks, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 0);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	assert_int_equal(edges(d), 0);
	reg_put(d, R_STATUS, S_UP);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	assert_int_equal(edges(d), 1);
	echo_command(d, ECHO_TAKE);
	assert_int_equal(echo_of(d)->n_held, 1);
}

static void fatal_error_needs_reset(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	char *text;

	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, 0, 0, 4, 4);
	echo_command(d, ECHO_FAIL);
	assert_int_equal(reg_get(d, R_STATUS), S_UP | S_NEEDS_RESET);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_CONFIG);
	assert_int_equal(edges(d), 1);
	text = rig_errors(d->rig);
	assert_int_equal(count_of(text, "a test wants rule 7 broken"), 1); /* the log names the rule */
	free(text);
	/* all ring work has ended, and the driver cannot take the bit away but by a reset */
	kick(d, 0);
	reg_put(d, R_STATUS, S_UP);
	kick(d, 0);
	assert_int_equal(reg_get(d, R_STATUS), S_UP | S_NEEDS_RESET);
	assert_int_equal(ring_used_idx(&d->rings[0]), 0);
	echo_add(d, ECHO_HOLD, 0, 4, 4);
	echo_command(d, ECHO_TAKE);
	assert_int_equal(echo_of(d)->pops, 0);
	free(rig_errors(d->rig));
	reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG);
	echo_command(d, ECHO_FAIL); /* it is broken already: nothing new to say */
	assert_int_equal(edges(d), 0);
	text = rig_errors(d->rig);
	assert_int_equal(count_of(text, "rule 7"), 0);
	free(text);
	assert_true(driver_up(d, F_VERSION_1));
	assert_true(echo_serves(d));
}

/* Without DRIVER_OK nobody is told, but the driver finds the bit; and once DRIVER_OK comes, it is told. */
static void needs_reset_before_driver_ok(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_negotiate(d, F_VERSION_1));
	echo_command(d, ECHO_FAIL);
	assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE | S_NEEDS_RESET);
	assert_int_equal(edges(d), 0);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	reg_put(d, R_STATUS, S_UP | S_NEEDS_RESET); /* a driver that reads, adds its bit and writes */
	assert_int_equal(reg_get(d, R_STATUS), S_UP | S_NEEDS_RESET);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_CONFIG);
	assert_int_equal(edges(d), 1);
}

static void silence_after_reset(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *hold = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, ECHO_HOLD, 0, 4, 4);
	echo_add(d, ECHO_HOLD, 2, 4, 4);
	kick(d, ECHO_HOLD);
	echo_add(d, 0, 0, 4, 4);
	edges(d);
	reg_put(d, R_STATUS, 0);
	echo_command(d, ECHO_GIVE_FIRST); /* the device finishes late */
	echo_command(d, ECHO_CHANGE);
	kick(d, 0);
	kick(d, ECHO_HOLD);
	assert_int_equal(echo_of(d)->pops, 2);
	assert_int_equal(ring_used_idx(&d->rings[0]), 0);
	assert_int_equal(ring_used_idx(hold), 0);
	assert_int_equal(ring_used_id(hold, 0) | ring_used_len(hold, 0), 0);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	assert_int_equal(edges(d), 0);
	/* nor once another driver is up, whose buffers have the same heads, but are not out */
	assert_true(driver_up(d, F_VERSION_1));
	echo_command(d, ECHO_GIVE_FIRST);
	assert_int_equal(ring_used_idx(hold), 0);
	assert_int_equal(edges(d), 0);
}

/* No feature that is offered depends on one that is not: none of ours depends on any but VERSION_1. */
static void offered(void **state)
{
	struct rig *rig = *state;
	struct driver plain;

	assert_true(offered_features(&rig->a) == ALL_FEATURES);
	assert_false(offered_features(&rig->a) & F_SR_IOV);
	assert_int_equal(driver_add(&plain, rig, "echo", "indirect=off,event-idx=off"), 0);
	assert_true(offered_features(&plain) == (ALL_FEATURES & ~(F_INDIRECT | F_EVENT_IDX)));
	assert_false(driver_negotiate(&plain, F_VERSION_1 | F_INDIRECT));
	assert_false(driver_negotiate(&plain, F_VERSION_1 | F_EVENT_IDX));
}

static void valid_subsets_are_accepted(void **state)
{
	static const unsigned bits[] = { ECHO_FEATURE_LOW, ECHO_FEATURE_HIGH, 28, 29, 40 };
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned set = 0; set < 1u << 5; set++) {
		uint64_t features = F_VERSION_1;

		for (unsigned i = 0; i < 5; i++)
			if (set & (1u << i))
				features |= BIT(bits[i]);
		assert_true(driver_up(d, features));
		assert_true(echo_serves(d));
		for (unsigned i = 0; i < 5; i++)
			assert_int_equal(virtio_has_feature(d->dev, bits[i]), !!(set & (1u << i)));
	}
}

static void others_are_refused(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned bit = 0; bit < 64; bit++) {
		if (BIT(bit) & ALL_FEATURES)
			continue;
		assert_false(driver_negotiate(d, F_VERSION_1 | BIT(bit)));
		assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER); /* nothing but FEATURES_OK is lost */
		assert_false(virtio_has_feature(d->dev, bit));
	}
	for (uint32_t word = 2; word < 4; word++) { /* bits 64 to 127 exist as well */
		reg_put(d, R_STATUS, 0);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
		write_features(d, F_VERSION_1);
		reg_put(d, R_DRIVER_FEATURES_SEL, word);
		reg_put(d, R_DRIVER_FEATURES, 0x10);
		reg_put(d, R_STATUS, S_FEATURES_DONE);
		assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER);
	}
}

/* virtio 1.2, 2.2: bits from 128 on are reserved; 2.2.2: what is no subset must fail, wherever the driver puts it. */
static void bits_beyond_127_are_refused(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	write_features(d, F_VERSION_1);
	reg_put(d, R_DRIVER_FEATURES_SEL, 4);
	reg_put(d, R_DRIVER_FEATURES, 1);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER);
}

/* A driver may then try with less, without a reset (3.1.1 lets it read the features again). */
static void a_second_try_with_less(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_false(driver_negotiate(d, F_VERSION_1 | BIT(0)));
	write_features(d, F_VERSION_1);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE);
}

static void same_set_again_after_reset(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned i = 0; i < 3; i++) {
		assert_true(offered_features(d) == ALL_FEATURES);
		assert_true(driver_up(d, ALL_FEATURES & ~F_EVENT_IDX));
		assert_true(echo_serves(d));
		echo_command(d, ECHO_FAIL);
	}
}

/* What one driver accepted is not there for the next. */
static void reset_forgets_what_was_accepted(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, ALL_FEATURES));
	reg_put(d, R_STATUS, 0);
	assert_false(virtio_has_feature(d->dev, ECHO_FEATURE_LOW));
	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER); /* not even VERSION_1 */
}

static void reset_forgets_bits_beyond_127(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	reg_put(d, R_DRIVER_FEATURES_SEL, 4);
	reg_put(d, R_DRIVER_FEATURES, 1);
	assert_true(driver_negotiate(d, ALL_FEATURES));
}

static void a_driver_without_version_1_is_refused(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(offered_features(d) & F_VERSION_1);
	assert_false(driver_negotiate(d, 0));
	assert_false(driver_negotiate(d, ALL_FEATURES & ~F_VERSION_1));
	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK); /* as a legacy driver goes on */
	assert_int_equal(reg_get(d, R_STATUS) & S_DRIVER_OK, 0);
}

static void config_readable_before_features_ok(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	window_put(d, R_CONFIG, 4, 0x04030201);
	for (unsigned step = 0; step < 3; step++) {
		reg_put(d, R_STATUS, (1u << step) - 1);
		assert_int_equal(window_get(d, R_CONFIG, 4), 0x04030201);
	}
}

static void config_change_is_notified(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned i = 0; i < 3; i++) {
		echo_command(d, ECHO_CHANGE);
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_CONFIG);
		assert_int_equal(edges(d), 1);
		reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG);
	}
	window_put(d, R_CONFIG, 4, 5); /* a driver's own write is no change that it must hear of */
	assert_int_equal(edges(d), 0);
}

static void features_are_frozen_after_features_ok(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_negotiate(d, F_VERSION_1 | BIT(ECHO_FEATURE_LOW)));
	for (unsigned up = 0; up < 2; up++) {
		write_features(d, ECHO_FEATURES & ~BIT(ECHO_FEATURE_LOW));
		assert_true(virtio_has_feature(d->dev, ECHO_FEATURE_LOW));
		assert_false(virtio_has_feature(d->dev, ECHO_FEATURE_HIGH));
		assert_true(virtio_has_feature(d->dev, 32));
		reg_put(d, R_STATUS, S_UP);
	}
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
}

static void acknowledge_and_driver_in_one_write(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER);
	write_features(d, F_VERSION_1);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(32, status_0_at_start_and_after_reset),
		RIG_ITEM(33, nothing_before_driver_ok),
		RIG_ITEM(34, fatal_error_needs_reset),
		RIG_ITEM(35, needs_reset_before_driver_ok),
		RIG_ITEM(36, silence_after_reset),
		RIG_ITEM(39, offered),
		RIG_ITEM(38, valid_subsets_are_accepted),
		RIG_ITEM(38, others_are_refused),
		RIG_ITEM(38, bits_beyond_127_are_refused),
		RIG_ITEM(38, a_second_try_with_less),
		RIG_ITEM(40, same_set_again_after_reset),
		RIG_ITEM(40, reset_forgets_what_was_accepted),
		RIG_ITEM(40, reset_forgets_bits_beyond_127),
		RIG_ITEM(41, a_driver_without_version_1_is_refused),
		RIG_ITEM(43, config_readable_before_features_ok),
		RIG_ITEM(44, config_change_is_notified),
		RIG_ITEM(45, features_are_frozen_after_features_ok),
		RIG_TEST(acknowledge_and_driver_in_one_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
