// SPDX-License-Identifier: GPL-2.0-only
/* The rest of the transport: notifications, shared memory, queue reset, and accesses that a driver must not make. */
#include "tests/unit/driver.h"

#include <string.h>

#include "devices/virtio/virtio.h"
#include "tests/unit/echo.h"

#define UNDEFINED_END 0x100u

/* Registers a driver may read, and write; every other word below UNDEFINED_END is neither. */
static const uint16_t readable[] = {
	R_MAGIC,         R_VERSION,      R_DEVICE_ID,        R_VENDOR_ID,   R_DEVICE_FEATURES,
	R_QUEUE_NUM_MAX, R_QUEUE_READY,  R_INTERRUPT_STATUS, R_STATUS,      R_SHM_LEN_LOW,
	R_SHM_LEN_HIGH,  R_SHM_BASE_LOW, R_SHM_BASE_HIGH,    R_QUEUE_RESET, R_CONFIG_GENERATION,
};
static const uint16_t writable[] = {
	R_DEVICE_FEATURES_SEL,
	R_DRIVER_FEATURES,
	R_DRIVER_FEATURES_SEL,
	R_QUEUE_SEL,
	R_QUEUE_NUM,
	R_QUEUE_READY,
	R_QUEUE_NOTIFY,
	R_INTERRUPT_ACK,
	R_STATUS,
	R_QUEUE_DESC_LOW,
	R_QUEUE_DESC_HIGH,
	R_QUEUE_DRIVER_LOW,
	R_QUEUE_DRIVER_HIGH,
	R_QUEUE_DEVICE_LOW,
	R_QUEUE_DEVICE_HIGH,
	R_SHM_SEL,
	R_QUEUE_RESET,
};

static bool among(const uint16_t *regs, size_t n, uint32_t reg)
{
	for (size_t i = 0; i < n; i++)
		if (regs[i] == reg)
			return true;
	return false;
}
#define IS(list, reg) among(list, sizeof(list) / sizeof((list)[0]), reg)

/* Everything a driver can see of a device, to tell whether something changed it. */
static void snapshot(struct driver *d, uint32_t *words)
{
	for (uint32_t reg = 0; reg < UNDEFINED_END; reg += 4)
		words[reg / 4] = reg_get(d, reg);
}

static void notify_takes_the_index(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	reg_put(d, R_QUEUE_SEL, 0); /* has no part in it */
	echo_add(d, ECHO_HOLD, 0, 4, 0);
	echo_add(d, 0, 0, 4, 0);
	kick(d, ECHO_HOLD);
	assert_int_equal(echo_of(d)->n_held, 1);
	assert_int_equal(ring_used_idx(&d->rings[0]), 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	assert_int_equal(echo_of(d)->kicks, 2);
}

static void no_shared_memory(void **state)
{
	static const uint32_t ids[] = { 0, 1, 2, 255, 256, 0xffffffff };
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		reg_put(d, R_SHM_SEL, ids[i]);
		assert_int_equal(reg_get(d, R_SHM_LEN_LOW), 0xffffffff);
		assert_int_equal(reg_get(d, R_SHM_LEN_HIGH), 0xffffffff);
		assert_int_equal(reg_get(d, R_SHM_BASE_LOW), 0xffffffff);
		assert_int_equal(reg_get(d, R_SHM_BASE_HIGH), 0xffffffff);
	}
}

static void queue_reset_reads_0(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	reg_put(d, R_QUEUE_SEL, 0);
	assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
	reg_put(d, R_QUEUE_RESET, 1);
	assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
	ring_place(&d->rings[0], 8);
	ring_program(&d->rings[0]);
	ring_ready(&d->rings[0], 1);
	assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
	reg_put(d, R_STATUS, 0);
	assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
}

static void writing_1_resets_that_queue(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	reg_put(d, R_QUEUE_SEL, 0);
	reg_put(d, R_QUEUE_RESET, 1);
	assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
	reg_put(d, R_QUEUE_SEL, 1);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 1); /* the other lives on */
	echo_add(d, ECHO_HOLD, 0, 4, 0);
	kick(d, ECHO_HOLD);
	echo_command(d, ECHO_GIVE_FIRST);
	assert_int_equal(ring_used_idx(&d->rings[ECHO_HOLD]), 1);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
}

static void writing_0_resets_nothing(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	reg_put(d, R_QUEUE_SEL, 0);
	reg_put(d, R_QUEUE_RESET, 0);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 1);
	assert_true(echo_serves(d));
}

static void queue_reset_wants_its_feature(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	reg_put(d, R_QUEUE_SEL, 0);
	reg_put(d, R_QUEUE_RESET, 1);
	assert_int_equal(reg_get(d, R_QUEUE_READY), 1);
	assert_true(echo_serves(d));
}

static void only_aligned_words_read(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned len = 1; len <= 8; len *= 2)
		for (uint32_t off = 0; off < UNDEFINED_END; off++)
			if (len != 4 || off % 4)
				assert_true(window_get(d, off, len) == 0);
}

static void only_aligned_words_write(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint32_t before[UNDEFINED_END / 4], after[UNDEFINED_END / 4];
	struct echo *echo = echo_of(d);

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	assert_true(echo_serves(d)); /* an interrupt that could be acknowledged */
	echo_add(d, 0, 0, 4, 0);     /* a buffer that could be kicked */
	snapshot(d, before);
	for (unsigned len = 1; len <= 8; len *= 2) {
		for (uint32_t off = 0; off < UNDEFINED_END; off++) {
			if (len == 4 && off % 4 == 0)
				continue;
			window_put(d, off, len, 0);
			window_put(d, off, len, UINT64_MAX);
			window_put(d, off, len, 1);
		}
	}
	snapshot(d, after);
	assert_memory_equal(before, after, sizeof(before));
	assert_int_equal(echo->kicks, 1);
	assert_int_equal(echo->resets, 1);
	assert_int_equal(echo->config_writes, 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 2); /* the addresses are as they were, too */
}

static void undefined_and_write_only_read_0(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	reg_put(d, R_QUEUE_SEL, 1); /* something in every register */
	reg_put(d, R_DEVICE_FEATURES_SEL, 1);
	reg_put(d, R_DRIVER_FEATURES_SEL, 1);
	reg_put(d, R_SHM_SEL, 1);
	for (uint32_t reg = 0; reg < UNDEFINED_END; reg += 4)
		if (!IS(readable, reg))
			assert_int_equal(reg_get(d, reg), 0);
}

static void writes_to_read_only_and_undefined(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	uint32_t before[UNDEFINED_END / 4], after[UNDEFINED_END / 4];

	for (unsigned up = 0; up < 2; up++) {
		if (up) {
			assert_true(driver_up(d, F_VERSION_1));
			assert_true(echo_serves(d));
		}
		snapshot(d, before);
		for (uint32_t reg = 0; reg < UNDEFINED_END; reg += 4) {
			if (IS(writable, reg))
				continue;
			reg_put(d, reg, 0);
			reg_put(d, reg, 1);
			reg_put(d, reg, 0xffffffff);
		}
		snapshot(d, after);
		assert_memory_equal(before, after, sizeof(before));
	}
	assert_true(echo_serves(d));
}

static void config_past_the_end(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct echo *echo = echo_of(d);
	unsigned writes;

	for (unsigned off = 0; off < ECHO_CONFIG_SIZE; off++)
		window_put(d, R_CONFIG + off, 1, 0x80 + off);
	writes = echo->config_writes;
	for (unsigned len = 1; len <= 8; len *= 2) {
		for (unsigned off = ECHO_CONFIG_SIZE - len + 1; R_CONFIG + off + len <= 0x1000; off++) {
			window_put(d, R_CONFIG + off, len, 0x0101010101010101);
			assert_true(window_get(d, R_CONFIG + off, len) == 0);
		}
	}
	for (unsigned off = 0; off < ECHO_CONFIG_SIZE; off++)
		assert_int_equal(window_get(d, R_CONFIG + off, 1), 0x80 + off);
	assert_int_equal(echo->config_writes, writes);
}

/* A driver that moves a live ring: the device goes on with the one that it was given. */
static void queue_registers_are_frozen_while_ready(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring elsewhere = { .driver = d, .q = 0 };

	assert_true(driver_up(d, F_VERSION_1));
	assert_true(echo_serves(d));
	ring_place(&elsewhere, 4);
	ring_program(&elsewhere);
	ring_ready(&elsewhere, 1); /* it is already: this starts nothing anew */
	for (unsigned i = 0; i < 9; i++)
		assert_true(echo_serves(d));
	assert_int_equal(ring_used_idx(&elsewhere), 0);
	assert_int_equal(ring_used_idx(&d->rings[0]), 10);
	assert_int_equal(echo_of(d)->pops, 10); /* none was served twice */
	/* and none of it waits for the next time: the old ring starts over where it was */
	ring_ready(&d->rings[0], 0);
	memset(gpa_ptr(d->rig, d->rings[0].avail, 4), 0, 4);
	memset(gpa_ptr(d->rig, d->rings[0].used, 4), 0, 4);
	d->rings[0].avail_idx = 0;
	ring_ready(&d->rings[0], 1);
	assert_true(echo_serves(d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(22, notify_takes_the_index),
		RIG_ITEM(23, no_shared_memory),
		RIG_ITEM(25, queue_reset_reads_0),
		RIG_ITEM(26, writing_1_resets_that_queue),
		RIG_ITEM(26, writing_0_resets_nothing),
		RIG_ITEM(26, queue_reset_wants_its_feature),
		RIG_ITEM(28, only_aligned_words_read),
		RIG_ITEM(28, only_aligned_words_write),
		RIG_ITEM(29, undefined_and_write_only_read_0),
		RIG_ITEM(29, writes_to_read_only_and_undefined),
		RIG_ITEM(30, config_past_the_end),
		RIG_ITEM(31, queue_registers_are_frozen_while_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
