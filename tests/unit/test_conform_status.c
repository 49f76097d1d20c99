// SPDX-License-Identifier: GPL-2.0-only
/* Items 32 to 45 for every kind of device: virtio 1.2, 2.1 to 2.5, 3.1 and 6. test_status.c has more of them. */
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/every.h"
#include "tests/unit/pieces.h"

/* 2.2: bits for the queues and the negotiation that our devices may know, and those of nobody. */
#define KNOWN    (F_INDIRECT | F_EVENT_IDX | F_VERSION_1 | F_RING_RESET)
#define RESERVED (BIT(41) | BIT(42) | BIT(43) | BIT(44) | BIT(45) | BIT(46) | BIT(47) | BIT(48) | BIT(49))
#define GENERAL  0x000001ffff000000ull /* 24 to 40 */

/* What a device's features require (5.1.3.1; the other kinds have no such rule): all of `bits` want one of `one_of`. */
static const struct {
	uint32_t type;
	uint64_t bits, one_of;
} requires[] = {
	{ 1, BIT(7), BIT(1) },             /* GUEST_TSO4: GUEST_CSUM */
	{ 1, BIT(8), BIT(1) },             /* GUEST_TSO6 */
	{ 1, BIT(9), BIT(7) | BIT(8) },    /* GUEST_ECN: GUEST_TSO4 or 6 */
	{ 1, BIT(10), BIT(1) },            /* GUEST_UFO */
	{ 1, BIT(11), BIT(0) },            /* HOST_TSO4: CSUM */
	{ 1, BIT(12), BIT(0) },            /* HOST_TSO6 */
	{ 1, BIT(13), BIT(11) | BIT(12) }, /* HOST_ECN: HOST_TSO4 or 6 */
	{ 1, BIT(14), BIT(0) },            /* HOST_UFO */
	{ 1, BIT(18), BIT(17) },           /* CTRL_RX: CTRL_VQ */
	{ 1, BIT(19), BIT(17) },           /* CTRL_VLAN */
	{ 1, BIT(21), BIT(17) },           /* GUEST_ANNOUNCE */
	{ 1, BIT(22), BIT(17) },           /* MQ */
	{ 1, BIT(23), BIT(17) },           /* CTRL_MAC_ADDR */
	{ 1, BIT(60), BIT(17) },           /* RSS */
};
#define N_REQUIRES (sizeof(requires) / sizeof(requires[0]))

/* The bit with what it requires of `offered`, as deep as that goes. */
static uint64_t with_required(uint32_t type, uint64_t features, uint64_t offered)
{
	for (unsigned again = 0; again < 3; again++)
		for (unsigned i = 0; i < N_REQUIRES; i++)
			if (requires[i].type == type && (features & requires[i].bits) &&
			    !(features & requires[i].one_of))
	features |= requires[i].one_of & offered;
	return features;
}

static void status_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		assert_int_equal(reg_get(d, R_STATUS), 0);
		every_up(every, 0);
		reg_put(d, R_STATUS, 0);
		assert_int_equal(reg_get(d, R_STATUS), 0);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_FAILED);
		reg_put(d, R_STATUS, 0);
		assert_int_equal(reg_get(d, R_STATUS), 0);
	}
}

static void nothing_used(struct driver *d, const char *name, const char *when)
{
	for (unsigned q = 0; q < d->dev->n_queues; q++)
		if (ring_used_idx(&d->rings[q]) || ring_used_id(&d->rings[q], 0) || ring_used_len(&d->rings[q], 0))
			fail_msg("%s: queue %u has a used buffer %s", name, q, when);
	if (reg_get(d, R_INTERRUPT_STATUS) || edges(d))
		fail_msg("%s: an interrupt %s", name, when);
}

/* Queues are ready, with buffers, and kicked, at each step before the last. */
static void every_device_waits_for_driver_ok(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		edges(d);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
		for (unsigned q = 0; q < d->dev->n_queues; q++) {
			ring_place(&d->rings[q], d->num);
			ring_program(&d->rings[q]);
			ring_ready(&d->rings[q], 1);
		}
		every_kick(every, 16, 16);
		nothing_used(d, every->name, "before FEATURES_OK");
		write_features(d, offered_features(d));
		reg_put(d, R_STATUS, S_FEATURES_DONE);
		every_kick(every, 16, 16);
		nothing_used(d, every->name, "before DRIVER_OK");
		assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE);
	}
}

/* Heads that are in no table: each device that looks there breaks; which queues those are is the device's affair. */
static void break_it(struct driver *d)
{
	for (unsigned q = 0; q < d->dev->n_queues; q++) {
		for (unsigned i = 0; i < 8; i++)
			ring_add(&d->rings[q], 0xffff);
		kick(d, q);
	}
}

static void a_broken_ring_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		break_it(d);
		if (reg_get(d, R_STATUS) != (S_UP | S_NEEDS_RESET))
			fail_msg("%s: status is 0x%x", every->name, reg_get(d, R_STATUS));
		every_up(every, 0);
	}
}

static void a_broken_ring_is_told_by_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		break_it(d);
		if (!(reg_get(d, R_INTERRUPT_STATUS) & ISR_CONFIG) || edges(d) == 0)
			fail_msg("%s: no configuration change notification", every->name);
		reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG | ISR_USED);
		break_it(d);
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0); /* once */
	}
}

/* A device whose second buffer comes by a timer, later than all that waits in the loop when it is asked. */
static void wait_for_the_loop(struct rig *rig)
{
	struct driver rng;

	assert_int_equal(driver_add(&rng, rig, "rng", "rate=640"), 0); /* 64 bytes a tenth of a second */
	assert_true(driver_up(&rng, F_VERSION_1));
	for (uint16_t head = 0; head < 2; head++) {
		ring_desc(&rng.rings[0], head, gpa_alloc(rig, 64, 1), 64, D_WRITE, 0);
		ring_add(&rng.rings[0], head);
	}
	kick(&rng, 0);
	rig_loop_start(rig);
	assert_true(used_comes(&rng.rings[0], 2));
	rig_loop_stop(rig);
}

static void silence_of_every_device_after_reset(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		every_kick(every, 16, 0); /* some of it may still be under way */
		reg_put(d, R_STATUS, 0);
		edges(d);
		for (unsigned q = 0; q < d->dev->n_queues; q++)
			memset(gpa_ptr(d->rig, d->rings[q].used, 6 + 8 * 8), 0, 6 + 8 * 8);
		every_kick(every, 16, 16);
		virtio_config_changed(d->dev);
	}
	wait_for_the_loop(((struct every *)*state)->d.rig);
	for_every(every, state, d)
	{
		reg_put(d, R_STATUS, S_ACKNOWLEDGE);
		nothing_used(d, every->name, "after a reset");
	}
}

/* What the device took before the reset is not given back to the next driver, also where that used the same head. */
static void a_chain_of_before_the_reset(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *hold = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, ECHO_HOLD, 0, 0, 8);
	kick(d, ECHO_HOLD);
	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, ECHO_HOLD, 0, 0, 2);
	kick(d, ECHO_HOLD);
	assert_int_equal(echo_of(d)->n_held, 2);
	echo_command(d, ECHO_GIVE_FIRST);
	assert_int_equal(ring_used_idx(hold), 0);
	assert_int_equal(edges(d), 0);
	echo_command(d, ECHO_GIVE_TOO_LONG);
	assert_int_equal(ring_used_idx(hold), 1);
	assert_int_equal(ring_used_len(hold, 0), 2);
}

static void offers_of_every_device_are_whole(void **state)
{
	unsigned seen = 0;
	struct driver *d;

	for_every(every, state, d)
	{
		uint64_t offered = offered_features(d);

		for (unsigned i = 0; i < N_REQUIRES; i++) {
			if (requires[i].type != every->type || !(offered & requires[i].bits))
				continue;
			seen++;
			if (!(offered & requires[i].one_of))
				fail_msg("%s: 0x%llx without 0x%llx", every->name,
					 (unsigned long long) requires[i].bits,
					 (unsigned long long) requires[i].one_of);
		}
	}
	assert_true(seen >= 2);
}

/* One bit more than VERSION_1, with what that requires, and everything but it. */
static void subsets_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		uint64_t offered = offered_features(d);

		assert_true(driver_negotiate(d, F_VERSION_1));
		assert_true(driver_negotiate(d, offered));
		for (unsigned bit = 0; bit < 64; bit++) {
			uint64_t one = with_required(every->type, F_VERSION_1 | BIT(bit), offered);

			if (driver_negotiate(d, one) != !!(offered & BIT(bit)))
				fail_msg("%s: bit %u", every->name, bit);
		}
	}
}

/* A set that lacks what one of it requires is no valid one. */
static void subsets_that_lack_what_they_require(void **state)
{
	unsigned seen = 0;
	struct driver *d;

	for_every(every, state, d)
	{
		uint64_t offered = offered_features(d);

		for (unsigned i = 0; i < N_REQUIRES; i++) {
			if (requires[i].type != every->type || !(offered & requires[i].bits))
				continue;
			seen++;
			assert_false(driver_negotiate(d, F_VERSION_1 | requires[i].bits));
			assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER);
		}
	}
	assert_true(seen >= 2);
}

static void offers_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		uint64_t offered = offered_features(d);

		if ((offered & (RESERVED | (GENERAL & ~KNOWN))) || (offered & ~GENERAL & ~every->features))
			fail_msg("%s: offers 0x%llx", every->name, (unsigned long long)offered);
	}
}

static void every_device_accepts_again(void **state)
{
	struct driver *d;

	for_every(every, state, d) for (unsigned i = 0; i < 3; i++)
	{
		every_up(every, i % 2 ? F_EVENT_IDX : 0);
		break_it(d);
		reg_put(d, R_STATUS, S_UP | S_FAILED);
	}
}

static void version_1_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		assert_true(offered_features(d) & F_VERSION_1);
		assert_false(driver_negotiate(d, offered_features(d) & ~F_VERSION_1));
		assert_false(driver_negotiate(d, 0));
		assert_true(driver_negotiate(d, F_VERSION_1));
	}
}

static void no_sr_iov(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		assert_false(offered_features(d) & F_SR_IOV);
		assert_false(driver_negotiate(d, F_VERSION_1 | F_SR_IOV));
	}
}

static void config_of_every_device_before_features_ok(void **state)
{
	unsigned seen = 0;
	struct driver *d;

	for_every(every, state, d)
	{
		unsigned size = d->dev->class->config_size;
		uint8_t early[3][VIRTIO_CONFIG_MAX];

		for (unsigned step = 0; step < 3; step++) {
			reg_put(d, R_STATUS, (1u << step) - 1); /* 0, ACKNOWLEDGE, and DRIVER */
			for (unsigned off = 0; off < size; off++)
				early[step][off] = (uint8_t)window_get(d, R_CONFIG + off, 1);
		}
		/* vsock's buffers and the balloon's hints begin with DRIVER_OK, not before */
		assert_true(driver_negotiate(d, offered_features(d)));
		for (unsigned off = 0; off < size; off++) {
			uint8_t late = (uint8_t)window_get(d, R_CONFIG + off, 1);

			for (unsigned step = 0; step < 3; step++)
				assert_int_equal(early[step][off], late);
			seen += late != 0;
		}
	}
	assert_true(seen > 10);
}

static void a_new_balloon_size_is_notified(void **state)
{
	struct driver *d = &((struct every *)*state)[4].d;

	assert_int_equal(reg_get(d, R_DEVICE_ID), 5);
	every_up(&((struct every *)*state)[4], 0);
	for (unsigned i = 0; i < 3; i++) {
		virtio_key(d->dev, '+');
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_CONFIG);
		assert_int_equal(edges(d), 1);
		reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG);
	}
}

/* Frozen also where the driver goes on to a set that would be a valid one, and where it writes FEATURES_OK again. */
static void features_of_every_device_are_frozen(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		assert_true(driver_negotiate(d, F_VERSION_1));
		write_features(d, offered_features(d));
		reg_put(d, R_STATUS, S_FEATURES_DONE);
		for (unsigned bit = 0; bit < 64; bit++)
			assert_int_equal(virtio_has_feature(d->dev, bit), bit == 32);
		write_features(d, 0);
		reg_put(d, R_STATUS, S_UP);
		assert_int_equal(reg_get(d, R_STATUS), S_UP);
		assert_true(virtio_has_feature(d->dev, 32));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVERY_ITEM(32, status_of_every_device),
		EVERY_ITEM(33, every_device_waits_for_driver_ok),
		EVERY_ITEM(34, a_broken_ring_of_every_device),
		EVERY_ITEM(35, a_broken_ring_is_told_by_every_device),
		EVERY_ITEM(36, silence_of_every_device_after_reset),
		RIG_ITEM(36, a_chain_of_before_the_reset),
		EVERY_ITEM(37, offers_of_every_device_are_whole),
		EVERY_ITEM(38, subsets_of_every_device),
		EVERY_ITEM(38, subsets_that_lack_what_they_require),
		EVERY_ITEM(39, offers_of_every_device),
		EVERY_ITEM(40, every_device_accepts_again),
		EVERY_ITEM(41, version_1_of_every_device),
		EVERY_ITEM(42, no_sr_iov),
		EVERY_ITEM(43, config_of_every_device_before_features_ok),
		EVERY_ITEM(44, a_new_balloon_size_is_notified),
		EVERY_ITEM(45, features_of_every_device_are_frozen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
