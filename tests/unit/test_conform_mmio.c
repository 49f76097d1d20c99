// SPDX-License-Identifier: GPL-2.0-only
/* Items 1 to 31 for every kind of device: the transport (virtio 1.2, 4.2). test_mmio.c has more of them. */
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/every.h"
#include "tests/unit/pieces.h"
#include "vmm/bus.h"

/* virtio 1.2, 4.2.4: what a legacy driver knows */
#define R_GUEST_PAGE_SIZE 0x028u
#define R_QUEUE_ALIGN     0x03cu
#define R_QUEUE_PFN       0x040u

static void magic_value(void **state)
{
	struct driver *d;

	for_every(every, state, d) assert_int_equal(reg_get(d, R_MAGIC), 0x74726976);
}

static void version(void **state)
{
	struct driver *d;

	for_every(every, state, d) assert_int_equal(reg_get(d, R_VERSION), 2);
}

static void device_id(void **state)
{
	struct driver *d;

	for_every(every, state, d) assert_int_equal(reg_get(d, R_DEVICE_ID), every->type);
}

static void vendor_id(void **state)
{
	struct every *list = *state;
	struct driver *d;

	for_every(every, state, d)
	{
		assert_int_not_equal(reg_get(d, R_VENDOR_ID), 0);
		assert_int_equal(reg_get(d, R_VENDOR_ID), reg_get(&list->d, R_VENDOR_ID));
	}
}

static void feature_words_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		reg_put(d, R_DEVICE_FEATURES_SEL, 1);
		uint32_t high = reg_get(d, R_DEVICE_FEATURES);

		reg_put(d, R_DEVICE_FEATURES_SEL, 0);
		assert_true(high & (uint32_t)(F_VERSION_1 >> 32));
		assert_int_not_equal(reg_get(d, R_DEVICE_FEATURES), high);
		assert_true(reg_get(d, R_DEVICE_FEATURES) & F_EVENT_IDX); /* as often as it is read */
		for (unsigned bit = 1; bit < 32; bit++) {
			reg_put(d, R_DEVICE_FEATURES_SEL, 1u << bit);
			assert_int_equal(reg_get(d, R_DEVICE_FEATURES), 0);
		}
	}
}

static void queues_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		unsigned n = d->dev->n_queues;

		for (uint32_t q = 0; q < n + 20; q++) {
			reg_put(d, R_QUEUE_SEL, q);
			uint32_t max = reg_get(d, R_QUEUE_NUM_MAX);

			if (q >= n)
				assert_int_equal(max, 0);
			else
				assert_true(max > 0 && max <= 32768 && !(max & (max - 1)));
		}
		assert_true(n > 0);
	}
}

/* Buffers that a rate keeps waiting are forgotten with the ring: the window's end must not bring them back. A sibling
 * with the same rate, asked later, tells that the window is over. */
static void a_ring_stopped_while_its_buffers_wait(void **state)
{
	struct rig *rig = *state;
	struct driver rng[2];
	struct ring *ring[2];

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(driver_add(&rng[i], rig, "rng", "rate=640"), 0);
		assert_true(driver_up(&rng[i], F_VERSION_1));
		ring[i] = &rng[i].rings[0];
		for (uint16_t head = 0; head < 4; head++) { /* a window has 64 bytes */
			ring_desc(ring[i], head, gpa_alloc(rig, 64, 1), 64, D_WRITE, 0);
			ring_add(ring[i], head);
		}
		kick(&rng[i], 0);
		assert_int_equal(ring_used_idx(ring[i]), 1);
		if (i == 0)
			ring_ready(ring[0], 0);
	}
	reg_put(&rng[0], R_INTERRUPT_ACK, ISR_USED);
	edges(&rng[0]);
	memset(gpa_ptr(rig, ring[0]->used, 6 + 8 * 8), 0x5a, 6 + 8 * 8);
	rig_loop_start(rig);
	assert_true(used_comes(ring[1], 4));
	rig_loop_stop(rig);
	for (unsigned i = 0; i < 6 + 8 * 8; i += 2)
		assert_int_equal(get16(rig, ring[0]->used + i), 0x5a5a);
	assert_int_equal(reg_get(&rng[0], R_INTERRUPT_STATUS), 0);
	assert_int_equal(edges(&rng[0]), 0);
}

/* All of a driver's life without an event, then with one of each kind: no bit that has no event, no other bit ever. */
static void no_bit_without_its_event(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	static const uint32_t steps[] = { 0, S_ACKNOWLEDGE, S_ACKNOWLEDGE | S_DRIVER, S_FEATURES_DONE };

	for (unsigned i = 0; i < 4; i++) {
		if (i == 3)
			write_features(d, F_VERSION_1);
		reg_put(d, R_STATUS, steps[i]);
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	}
	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned q = 0; q < 2; q++)
		kick(d, q);
	window_put(d, R_CONFIG, 1, 1); /* the driver's own write */
	reg_put(d, R_INTERRUPT_ACK, 0xffffffff);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	echo_add(d, ECHO_HOLD, 0, 4, 4);
	kick(d, ECHO_HOLD); /* taken, not used */
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	echo_command(d, ECHO_GIVE_FIRST);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED);
	echo_command(d, ECHO_CHANGE);
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), ISR_USED | ISR_CONFIG);
}

static void reset_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		ring_add(&d->rings[0], 0xffff); /* no such head: an interrupt of each device that looks there */
		kick(d, 0);
		reg_put(d, R_STATUS, 0);
		assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
		for (uint32_t q = 0; q < d->dev->n_queues; q++) {
			reg_put(d, R_QUEUE_SEL, q);
			assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
		}
	}
}

/* Where the last driver left its marks, the next must find none: features, selectors, the queues' places. */
static void reset_is_complete_for_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		reg_put(d, R_STATUS, S_UP | S_FAILED);
		reg_put(d, R_STATUS, 0);
		assert_int_equal(reg_get(d, R_STATUS), 0);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
		reg_put(d, R_STATUS, S_FEATURES_DONE); /* nothing was accepted, so no VERSION_1 */
		assert_int_equal(reg_get(d, R_STATUS), S_ACKNOWLEDGE | S_DRIVER);
		every_up(every, 0);
	}
}

static void config_generation_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		uint32_t before = reg_get(d, R_CONFIG_GENERATION);

		for (unsigned off = 0; off < 0x100; off++)
			window_get(d, R_CONFIG + off, 1);
		every_kick(every, 8, 0);
		assert_int_equal(reg_get(d, R_CONFIG_GENERATION), before);
	}
}

/* The balloon's new size, by the user's key. */
static void config_generation_when_the_balloon_is_resized(void **state)
{
	struct driver *d = &((struct every *)*state)[4].d;
	uint32_t before, size;

	assert_int_equal(reg_get(d, R_DEVICE_ID), 5);
	before = reg_get(d, R_CONFIG_GENERATION);
	size = (uint32_t)window_get(d, R_CONFIG, 4);
	virtio_key(d->dev, '+');
	assert_int_not_equal(window_get(d, R_CONFIG, 4), size);
	assert_int_not_equal(reg_get(d, R_CONFIG_GENERATION), before);
}

static void config_space_of_every_device(void **state)
{
	unsigned seen = 0;
	struct driver *d;

	for_every(every, state, d)
	{
		unsigned size = d->dev->class->config_size;

		for (unsigned len = 2; len <= 8; len *= 2) {
			for (unsigned off = 0; off + len <= size; off++) {
				uint64_t want = 0;

				for (unsigned i = len; i > 0; i--)
					want = want << 8 | window_get(d, R_CONFIG + off + i - 1, 1);
				assert_true(window_get(d, R_CONFIG + off, len) == want);
				seen += want != 0;
			}
		}
	}
	assert_true(seen > 20); /* it was not zeros that were compared */
}

static void capacity_is_little_endian(void **state)
{
	static const uint8_t megabyte[8] = { 0x00, 0x08 }; /* in sectors */
	struct driver *d = &((struct every *)*state)[1].d;
	uint8_t bytes[8];

	assert_int_equal(reg_get(d, R_DEVICE_ID), 2);
	for (unsigned i = 0; i < 8; i++)
		assert_non_null(bus_access(&d->rig->vm->mmio, d->base + R_CONFIG + i, 1, 0, &bytes[i]));
	assert_memory_equal(bytes, megabyte, 8);
}

static void queue_reset_after_device_reset(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		for (unsigned up = 0; up < 2; up++) {
			for (uint32_t q = 0; q < d->dev->n_queues; q++) {
				reg_put(d, R_QUEUE_SEL, q);
				assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
			}
			every_up(every, 0);
			reg_put(d, R_QUEUE_SEL, 0);
			reg_put(d, R_QUEUE_RESET, 1);
			reg_put(d, R_STATUS, 0);
		}
	}
}

static void queue_reset_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		every_up(every, 0);
		for (uint32_t q = 0; q < d->dev->n_queues; q++) {
			reg_put(d, R_QUEUE_SEL, q);
			reg_put(d, R_QUEUE_RESET, 1);
			assert_int_equal(reg_get(d, R_QUEUE_RESET), 0);
			assert_int_equal(reg_get(d, R_QUEUE_READY), 0);
			for (uint32_t other = q + 1; other < d->dev->n_queues; other++) {
				reg_put(d, R_QUEUE_SEL, other);
				assert_int_equal(reg_get(d, R_QUEUE_READY), 1);
			}
		}
		assert_int_equal(reg_get(d, R_STATUS), S_UP);
	}
}

/* 4.2.4, as such a driver goes about it: page size, ring by page number, no FEATURES_OK. */
static void no_legacy_interface(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		struct ring *ring = &d->rings[0];
		uint64_t page = gpa_alloc(d->rig, 3 * 4096, 4096); /* all three areas, the used one page-aligned */

		assert_int_not_equal(reg_get(d, R_VERSION), 1);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE);
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
		reg_put(d, R_DRIVER_FEATURES_SEL, 0);
		reg_put(d, R_DRIVER_FEATURES, 0);
		reg_put(d, R_GUEST_PAGE_SIZE, 4096);
		reg_put(d, R_QUEUE_SEL, 0);
		reg_put(d, R_QUEUE_NUM, 8);
		reg_put(d, R_QUEUE_ALIGN, 4096);
		reg_put(d, R_QUEUE_PFN, (uint32_t)(page >> 12));
		assert_int_equal(reg_get(d, R_QUEUE_PFN), 0);
		assert_int_equal(reg_get(d, R_QUEUE_ALIGN), 0);
		assert_int_equal(reg_get(d, R_GUEST_PAGE_SIZE), 0);
		*ring = (struct ring){
			.driver = d, .num = 8, .desc = page, .avail = page + 16 * 8, .used = page + 4096
		};
		reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER | S_DRIVER_OK);
		assert_int_equal(reg_get(d, R_STATUS) & S_DRIVER_OK, 0);
		ring_desc(ring, 0, gpa_alloc(d->rig, 64, 1), 64, D_WRITE, 0);
		ring_add(ring, 0);
		kick(d, 0);
		assert_int_equal(ring_used_idx(ring), 0);
		assert_int_equal(edges(d), 0);
		ring->q = 0;
		every_up(every, 0);
	}
}

static void past_the_configuration_space_of_every_device(void **state)
{
	struct driver *d;

	for_every(every, state, d)
	{
		unsigned size = d->dev->class->config_size;
		uint8_t before[VIRTIO_CONFIG_MAX];

		for (unsigned off = 0; off < size; off++)
			before[off] = (uint8_t)window_get(d, R_CONFIG + off, 1);
		for (unsigned len = 1; len <= 8; len *= 2) {
			for (unsigned off = size < len ? 0 : size - len + 1; off < size + 64; off++) {
				window_put(d, R_CONFIG + off, len, UINT64_MAX);
				assert_true(window_get(d, R_CONFIG + off, len) == 0);
			}
		}
		for (unsigned off = 0; off < size; off++)
			assert_int_equal(window_get(d, R_CONFIG + off, 1), before[off]);
	}
}

/* Each register for itself: a driver that changes only one of a ready queue must not move it by that one either. */
static void each_register_of_a_ready_queue(void **state)
{
	static const uint32_t regs[] = { R_QUEUE_NUM,        R_QUEUE_DESC_LOW,    R_QUEUE_DESC_HIGH,
					 R_QUEUE_DRIVER_LOW, R_QUEUE_DRIVER_HIGH, R_QUEUE_DEVICE_LOW,
					 R_QUEUE_DEVICE_HIGH };
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned i = 0; i < sizeof(regs) / sizeof(regs[0]); i++) {
		assert_true(driver_up(d, F_VERSION_1));
		reg_put(d, R_QUEUE_SEL, 0);
		reg_put(d, regs[i], 0x10);
		for (unsigned n = 0; n < 9; n++)
			assert_true(echo_serves(d));
		/* nor does it wait until the queue starts over where it was */
		ring_ready(&d->rings[0], 0);
		memset(gpa_ptr(d->rig, d->rings[0].avail, 4), 0, 4);
		memset(gpa_ptr(d->rig, d->rings[0].used, 4), 0, 4);
		d->rings[0].avail_idx = 0;
		ring_ready(&d->rings[0], 1);
		assert_true(echo_serves(d));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EVERY_ITEM(1, magic_value),
		EVERY_ITEM(2, version),
		EVERY_ITEM(3, device_id),
		EVERY_ITEM(4, vendor_id),
		EVERY_ITEM(5, feature_words_of_every_device),
		EVERY_ITEM(8, queues_of_every_device),
		RIG_ITEM(10, a_ring_stopped_while_its_buffers_wait),
		RIG_ITEM(13, no_bit_without_its_event),
		EVERY_ITEM(16, reset_of_every_device),
		EVERY_ITEM(17, reset_is_complete_for_every_device),
		EVERY_ITEM(18, config_generation_when_the_balloon_is_resized),
		EVERY_ITEM(19, config_generation_of_every_device),
		EVERY_ITEM(20, config_space_of_every_device),
		EVERY_ITEM(20, capacity_is_little_endian),
		EVERY_ITEM(24, queue_reset_after_device_reset),
		EVERY_ITEM(26, queue_reset_of_every_device),
		EVERY_ITEM(27, no_legacy_interface),
		EVERY_ITEM(30, past_the_configuration_space_of_every_device),
		RIG_ITEM(31, each_register_of_a_ready_queue),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
