// SPDX-License-Identifier: GPL-2.0-only
/* The virtio-mmio transport, version 2: virtio 1.2, 4.2.2. The numbers are those of tests/items.h. */
#include "tests/unit/driver.h"

#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"

static void identity(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(reg_get(&rig->a, R_MAGIC), 0x74726976);
	assert_int_equal(reg_get(&rig->a, R_VERSION), 2);
	assert_int_equal(reg_get(&rig->a, R_DEVICE_ID), ECHO_ID);
	assert_int_not_equal(reg_get(&rig->a, R_VENDOR_ID), 0);
	assert_int_equal(reg_get(&rig->a, R_VENDOR_ID), reg_get(&rig->b, R_VENDOR_ID));
}

static void device_id_0_is_a_placeholder(void **state)
{
	struct rig *rig = *state;
	struct driver placeholder;

	assert_int_equal(driver_add(&placeholder, rig, "echo", "id=0"), 0);
	assert_int_equal(reg_get(&placeholder, R_DEVICE_ID), 0);
	assert_int_equal(reg_get(&placeholder, R_MAGIC), 0x74726976);
	assert_int_equal(reg_get(&placeholder, R_VERSION), 2);
}

static void device_features_by_words(void **state)
{
	static const uint32_t beyond[] = { 2, 3, 4, 5, 31, 32, 33, 64, 0x10000, 0x40000000, 0x80000000, 0xffffffff };
	struct driver *d = &((struct rig *)*state)->a;

	reg_put(d, R_DEVICE_FEATURES_SEL, 0);
	assert_int_equal(reg_get(d, R_DEVICE_FEATURES), BIT(ECHO_FEATURE_LOW) | F_INDIRECT | F_EVENT_IDX);
	reg_put(d, R_DEVICE_FEATURES_SEL, 1);
	assert_int_equal(reg_get(d, R_DEVICE_FEATURES), (BIT(ECHO_FEATURE_HIGH) | F_VERSION_1 | F_RING_RESET) >> 32);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		reg_put(d, R_DEVICE_FEATURES_SEL, beyond[i]);
		assert_int_equal(reg_get(d, R_DEVICE_FEATURES), 0);
	}
}

/* A driver that clears word 2^32/32 must not clear word 0: FEATURES_OK would then be refused. */
static void driver_features_do_not_alias(void **state)
{
	static const uint32_t other[] = { 2,       3,       4,          5,          32,         33,
					  0x10000, 0x10001, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff };
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
		reg_put(d, R_STATUS, 0);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
		write_features(d, F_VERSION_1 | F_INDIRECT | BIT(ECHO_FEATURE_LOW));
		reg_put(d, R_DRIVER_FEATURES_SEL, other[i]);
		reg_put(d, R_DRIVER_FEATURES, 0);
		reg_put(d, R_STATUS, S_FEATURES_DONE);
		assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE);
		assert_true(virtio_has_feature(d->dev, 28));
		assert_true(virtio_has_feature(d->dev, ECHO_FEATURE_LOW));
	}
}

/* The selectors of device and driver features are two. */
static void selectors_are_separate(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	write_features(d, F_VERSION_1); /* leaves word 1 selected */
	reg_put(d, R_DEVICE_FEATURES_SEL, 0);
	reg_put(d, R_DRIVER_FEATURES, (uint32_t)((F_VERSION_1 | BIT(ECHO_FEATURE_HIGH)) >> 32));
	assert_int_equal(reg_get(d, R_DEVICE_FEATURES), BIT(ECHO_FEATURE_LOW) | F_INDIRECT | F_EVENT_IDX);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	assert_int_equal(reg_get(d, R_STATUS), S_FEATURES_DONE);
	assert_true(virtio_has_feature(d->dev, ECHO_FEATURE_HIGH));
	assert_false(virtio_has_feature(d->dev, ECHO_FEATURE_LOW));
}

/* Both queues are programmed in turns, register by register; each must then serve with its own ring. */
static void queue_sel_scopes_every_register(void **state)
{
	static const struct {
		uint32_t reg;
		size_t offset;
		unsigned shift;
	} regs[] = {
		{ R_QUEUE_NUM, offsetof(struct ring, num), 0 },
		{ R_QUEUE_DESC_LOW, offsetof(struct ring, desc), 0 },
		{ R_QUEUE_DESC_HIGH, offsetof(struct ring, desc), 32 },
		{ R_QUEUE_DRIVER_LOW, offsetof(struct ring, avail), 0 },
		{ R_QUEUE_DRIVER_HIGH, offsetof(struct ring, avail), 32 },
		{ R_QUEUE_DEVICE_LOW, offsetof(struct ring, used), 0 },
		{ R_QUEUE_DEVICE_HIGH, offsetof(struct ring, used), 32 },
	};
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	rig->next_gpa = 4ull << 30; /* high halves that are not 0 */
	assert_true(driver_negotiate(d, F_VERSION_1));
	for (unsigned q = 0; q < 2; q++)
		ring_place(&d->rings[q], 4u << q);
	for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		for (unsigned q = 0; q < 2; q++) {
			uint64_t value = 0;

			memcpy(&value, (char *)&d->rings[q] + regs[i].offset, regs[i].reg == R_QUEUE_NUM ? 4 : 8);
			reg_put(d, R_QUEUE_SEL, q);
			reg_put(d, regs[i].reg, (uint32_t)(value >> regs[i].shift));
		}
	}
	ring_ready(&d->rings[0], 1);
	reg_put(d, R_QUEUE_SEL, 1);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
	ring_ready(&d->rings[1], 1);
	reg_put(d, R_STATUS, S_UP);
	for (unsigned i = 0; i < 5; i++)
		assert_true(echo_serves(d));
	for (unsigned i = 0; i < 9; i++) {
		echo_add(d, ECHO_HOLD, (uint16_t)(i % 8), 0, 4);
		kick(d, ECHO_HOLD);
		echo_command(d, ECHO_GIVE_FIRST);
	}
	assert_int_equal(ring_used_idx(&d->rings[1]), 9);
	assert_int_equal(ring_used_id(&d->rings[1], 8), 0);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
}

static void queue_num_max(void **state)
{
	static const uint32_t absent[] = { 2, 3, 8, 9, 0xff, 0x100, 0x10000, 0x10001, 0x80000000, 0xffffffff };
	struct driver *d = &((struct rig *)*state)->a;

	for (uint32_t q = 0; q < 2; q++) {
		reg_put(d, R_QUEUE_SEL, q);
		assert_int_equal(reg_get(d, R_QUEUE_NUM_MAX), ECHO_QUEUE_MAX);
	}
	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		reg_put(d, R_QUEUE_SEL, absent[i]);
		assert_int_equal(reg_get(d, R_QUEUE_NUM_MAX), 0);
		assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
	}
}

static void queue_ready_reads_back(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_negotiate(d, F_VERSION_1));
	ring_place(&d->rings[1], 8);
	ring_program(&d->rings[1]);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
	ring_ready(&d->rings[1], 1);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 1);
	reg_put(d, R_QUEUE_SEL, 0);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
	ring_ready(&d->rings[1], 0);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
}

static void not_ready_ring_is_not_touched(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[ECHO_HOLD];

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	echo_add(d, ECHO_HOLD, 0, 4, 0);
	kick(d, ECHO_HOLD);
	echo_add(d, ECHO_HOLD, 1, 4, 0);
	assert_int_equal(echo_of(d)->n_held, 1);
	ring_ready(ring, 0);
	memset(gpa_ptr(d->rig, ring->used, 6 + 8 * 8), 0x5a, 6 + 8 * 8);
	echo_command(d, ECHO_GIVE_FIRST); /* a buffer of before is not given back any more */
	kick(d, ECHO_HOLD);               /* and none is taken */
	for (unsigned i = 0; i < 6 + 8 * 8; i += 2)
		assert_int_equal(get16(d->rig, ring->used + i), 0x5a5a);
	assert_int_equal(echo_of(d)->pops, 1);
	assert_int_equal(edges(d), 0);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	assert_true(echo_serves(d)); /* the other queue does not care */
}

static void interrupt_status_bits(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	assert_true(echo_serves(d));
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	echo_command(d, ECHO_CHANGE);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_CONFIG);
	assert_true(echo_serves(d));
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED | ISR_CONFIG);
}

static void bit_stays_until_ack(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	assert_true(echo_serves(d));
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED); /* reading does not clear it (as on PCI) */
	kick(d, 0);
	echo_command(d, ECHO_CHANGE);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED | ISR_CONFIG);
}

static void ack_clears_only_what_is_written(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	echo_command(d, ECHO_CHANGE);
	assert_true(echo_serves(d));
	reg_put(d, R_INTERRUPT_ACK, 0);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED | ISR_CONFIG);
	reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED);
	reg_put(d, R_INTERRUPT_ACK, 0xfffffffe);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED);
	reg_put(d, R_INTERRUPT_ACK, 0xffffffff);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED); /* of a bit that is clear: nothing */
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
}

static void an_edge_for_each_0_to_1(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	assert_int_equal(edges(d), 0);
	assert_true(echo_serves(d));
	assert_int_equal(edges(d), 1);
	assert_true(echo_serves(d)); /* the bit is set already */
	assert_int_equal(edges(d), 0);
	echo_command(d, ECHO_CHANGE); /* another bit */
	assert_int_equal(edges(d), 1);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	assert_int_equal(edges(d), 0);
	assert_true(echo_serves(d)); /* again, while the other stays set */
	assert_int_equal(edges(d), 1);
	assert_int_equal(edges(&d->rig->b), 0); /* a line each */
}

static void status_0_resets(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	assert_true(echo_serves(d));
	echo_command(d, ECHO_CHANGE);
	reg_put(d, R_STATUS, 0);
	assert_int_equal(reg_get(d, R_STATUS), 0);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	for (uint32_t q = 0; q < 2; q++) {
		reg_put(d, R_QUEUE_SEL, q);
		assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
		assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
	}
	assert_int_equal(echo_of(d)->resets, 2); /* driver_up() did one */
}

/* As the next driver finds it, the device is as at the start, selectors too. */
static void reset_restores_every_register(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint32_t before[R_CONFIG_GENERATION / 4], reg;

	for (reg = 0; reg < R_CONFIG_GENERATION; reg += 4)
		before[reg / 4] = reg_get(d, reg);
	assert_true(driver_up(d, F_VERSION_1));
	assert_true(echo_serves(d));
	reg_put(d, R_QUEUE_SEL, 5);
	reg_put(d, R_DEVICE_FEATURES_SEL, 1);
	reg_put(d, R_DRIVER_FEATURES_SEL, 1);
	reg_put(d, R_STATUS, 0);
	for (reg = 0; reg < R_CONFIG_GENERATION; reg += 4)
		assert_int_equal(reg_get(d, reg), before[reg / 4]);
}

static void config_generation_changes_when_config_does(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint32_t before = reg_get(d, R_CONFIG_GENERATION);

	echo_command(d, ECHO_CHANGE); /* before any driver is up, too: it may be reading */
	assert_int_not_equal(reg_get(d, R_CONFIG_GENERATION), before);
	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned i = 0; i < 300; i++) { /* further than a byte counts */
		before = reg_get(d, R_CONFIG_GENERATION);
		echo_command(d, ECHO_CHANGE);
		assert_int_not_equal(reg_get(d, R_CONFIG_GENERATION), before);
	}
}

static void config_generation_is_the_same_when_nothing_changed(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint32_t before;

	assert_true(driver_up(d, F_VERSION_1));
	before = reg_get(d, R_CONFIG_GENERATION);
	for (unsigned off = 0; off < ECHO_CONFIG_SIZE; off++)
		window_get(d, R_CONFIG + off, 1);
	assert_true(echo_serves(d));
	echo_command(&d->rig->b, ECHO_CHANGE);
	reg_put(d, R_INTERRUPT_ACK, 3);
	assert_int_equal(reg_get(d, R_CONFIG_GENERATION), before);
}

static void config_any_byte_little_endian(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint8_t bytes[16];

	for (unsigned i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (uint8_t)(0x11 * (i + 1));
		window_put(d, R_CONFIG + i, 1, bytes[i]);
	}
	for (unsigned len = 1; len <= 8; len *= 2) {
		for (unsigned off = 0; off + len <= sizeof(bytes); off++) {
			uint64_t want = 0;

			for (unsigned i = len; i > 0; i--)
				want = want << 8 | bytes[off + i - 1];
			assert_true(window_get(d, R_CONFIG + off, len) == want);
		}
	}
	window_put(d, R_CONFIG + 3, 4, 0xa4a3a2a1);
	assert_int_equal(window_get(d, R_CONFIG + 3, 1), 0xa1);
	assert_int_equal(window_get(d, R_CONFIG + 6, 1), 0xa4);
	assert_int_equal(window_get(d, R_CONFIG + 2, 1), bytes[2]);
	assert_int_equal(window_get(d, R_CONFIG + 7, 1), bytes[7]);
	assert_int_equal(echo_of(d)->wrong_config_writes, 0);
}

/* On the bus, in bytes: what a guest of any byte order sees. */
static void registers_little_endian(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint8_t bytes[4], sel[4] = { 1, 0, 0, 0 };

	assert_non_null(bus_access(&d->rig->vm->mmio, d->base + R_MAGIC, 4, 0, bytes));
	assert_memory_equal(bytes, "virt", 4);
	assert_non_null(bus_access(&d->rig->vm->mmio, d->base + R_DEVICE_FEATURES_SEL, 4, 1, sel));
	assert_non_null(bus_access(&d->rig->vm->mmio, d->base + R_DEVICE_FEATURES, 4, 0, bytes));
	assert_int_equal(bytes[0] & 1, 1); /* VERSION_1, bit 32 */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(1, identity),
		RIG_ITEM(3, device_id_0_is_a_placeholder),
		RIG_ITEM(5, device_features_by_words),
		RIG_ITEM(6, driver_features_do_not_alias),
		RIG_ITEM(6, selectors_are_separate),
		RIG_ITEM_5GIB(7, queue_sel_scopes_every_register),
		RIG_ITEM(8, queue_num_max),
		RIG_ITEM(9, queue_ready_reads_back),
		RIG_ITEM(10, not_ready_ring_is_not_touched),
		RIG_ITEM(11, interrupt_status_bits),
		RIG_ITEM(12, bit_stays_until_ack),
		RIG_ITEM(14, ack_clears_only_what_is_written),
		RIG_ITEM(15, an_edge_for_each_0_to_1),
		RIG_ITEM(16, status_0_resets),
		RIG_ITEM(17, reset_restores_every_register),
		RIG_ITEM(18, config_generation_changes_when_config_does),
		RIG_ITEM(19, config_generation_is_the_same_when_nothing_changed),
		RIG_ITEM(20, config_any_byte_little_endian),
		RIG_ITEM(21, registers_little_endian),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
