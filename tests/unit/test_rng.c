// SPDX-License-Identifier: GPL-2.0-only
/* The entropy device (virtio 1.2, 5.4): every buffer gets bytes that nobody knows, never more of them than rate= says,
 * and no driver gets more than its share of the host's time (checklist h18). */
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/pieces.h"
#include "tests/unit/support.h"

#define SECOND 1000000000ull

/* A device that is up, with a ring of `num`. */
static struct ring *rng_up(struct driver *d, struct rig *rig, const char *options, uint32_t num)
{
	assert_int_equal(driver_add(d, rig, "rng", options), 0);
	d->num = num;
	assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
	return &d->rings[0];
}

/* One chain of 4096 bytes at most; how many came. What lies behind those is untouched. */
static uint32_t ask(struct ring *ring, const struct piece *pieces, unsigned n)
{
	struct rig *rig = ring->driver->rig;
	uint16_t at = ring_used_idx(ring);
	uint32_t len, seen = 0;

	for (unsigned i = 0; i < n; i++)
		memset(gpa_ptr(rig, pieces[i].gpa, pieces[i].len), NOT_WRITTEN, pieces[i].len);
	pieces_add(ring, 0, pieces, n);
	kick(ring->driver, 0);
	assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
	assert_int_equal(ring_used_id(ring, at), 0);
	len = ring_used_len(ring, at);
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *bytes = gpa_ptr(rig, pieces[i].gpa, pieces[i].len);

		for (uint32_t j = 0; j < pieces[i].len; j++)
			if (!pieces[i].writable || seen++ >= len)
				assert_int_equal(bytes[j], NOT_WRITTEN);
	}
	return len;
}

static void identity(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "rng", NULL), 0);
	assert_int_equal(reg_get(&d, R_DEVICE_ID), 4);
	assert_int_equal(offered_features(&d) & 0xffffff, 0);
	reg_put(&d, R_QUEUE_SEL, 0);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 64);
	reg_put(&d, R_QUEUE_SEL, 1);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 0);
	window_put(&d, R_CONFIG, 4, 1); /* there is no configuration space */
	assert_int_equal(window_get(&d, R_CONFIG, 4), 0);
}

/* 64 KiB in buffers of 1 KiB: each value of a byte some 256 times, and no two buffers alike. */
static void bytes_differ(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, NULL, 8);
	uint64_t gpa = gpa_alloc(rig, 65536, 16);
	unsigned often[256] = { 0 };
	const uint8_t *bytes = gpa_ptr(rig, gpa, 65536);

	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(ask(ring, &(struct piece){ gpa + 1024 * i, 1024, true }, 1), 1024);
	for (unsigned i = 0; i < 65536; i++)
		often[bytes[i]]++;
	for (unsigned i = 0; i < 256; i++)
		assert_in_range(often[i], 128, 384); /* eight standard deviations */
	for (unsigned i = 1; i < 64; i++)
		assert_memory_not_equal(bytes, bytes + 1024 * i, 1024);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_USED);
	assert_int_equal(device_count(&d, "requests"), 64);
	assert_int_equal(device_count(&d, "bytes"), 65536);
}

static void buffers_of_all_kinds(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, NULL, 64);
	uint64_t gpa = gpa_alloc(rig, 16384, 16);
	struct piece pieces[64];
	uint32_t len;

	for (uint32_t size = 1; size < 100; size++) /* it may give less, but one at least (5.4.6.2) */
		assert_in_range(ask(ring, &(struct piece){ gpa + 1, size, true }, 1), 1, size);
	for (uint32_t step = 1; step < 40; step += 6) {
		unsigned n = pieces_cut(pieces, 0, gpa, 63 * step - (step > 1), step, true);

		assert_in_range(ask(ring, pieces, n), 1, 63 * step);
	}
	pieces[0] = (struct piece){ gpa, 5, false }; /* a driver must not, but may try (5.4.6.1) */
	pieces[1] = (struct piece){ gpa + 5, 7, true };
	assert_in_range(ask(ring, pieces, 2), 1, 7);
	len = ask(ring, &(struct piece){ gpa, 16384, true }, 1);
	assert_in_range(len, 1, 16384);
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
}

static void readable_only(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, NULL, 8);
	uint64_t gpa = gpa_alloc(rig, 64, 16);

	assert_int_equal(ask(ring, &(struct piece){ gpa, 64, false }, 1), 0);
	still_alive(&d);
	assert_true(driver_up(&d, F_VERSION_1));
	assert_int_equal(ask(ring, &(struct piece){ gpa, 64, true }, 1), 64);
}

static void options_refused(void **state)
{
	refuses_options(*state, "rng", "rate=0", "rate");
	refuses_options(*state, "rng", "rate=63", "rate");
	refuses_options(*state, "rng", "rate=", "rate");
	refuses_options(*state, "rng", "rate=fast", "rate");
	refuses_options(*state, "rng", "bytes=5", "bytes");
}

/* h18: a ring full of chains of (nearly) 4 GiB. Each is answered with something, in no time. */
static void h18_gigabytes_in_every_buffer(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, NULL, 64);
	uint64_t ram = gpa_alloc(rig, 64ull << 20, 4096);
	struct piece pieces[64];
	unsigned n = pieces_cut(pieces, 0, ram, 64u << 20, 1u << 20, true);
	uint64_t start;

	for (unsigned i = 0; i < n; i++)
		pieces[i] = (struct piece){ ram, 64u << 20, true };
	for (uint16_t head = 0; head < 64; head++)
		pieces_add_table(ring, head, pieces, n);
	start = thread_cpu_ns();
	kick(&d, 0);
	assert_true(thread_cpu_ns() - start < SECOND);
	rig_loop_start(rig);
	assert_true(used_comes(ring, 64));
	rig_loop_stop(rig);
	for (uint16_t at = 0; at < 64; at++)
		assert_in_range(ring_used_len(ring, at), 1, UINT32_MAX);
	assert_true(device_count(&d, "bytes") <= 64u << 20);
	still_alive(&d);
	assert_true(driver_up(&d, F_VERSION_1));
	assert_in_range(ask(ring, &(struct piece){ ram, 64, true }, 1), 1, 64);
}

/* --- rate= -------------------------------------------------------------------------------------------------------- */

#define RATE 20000u

/* What came, and every buffer given again at once. */
struct ledger {
	uint64_t total;
	uint16_t seen;
};

static void offer_again(struct ledger *ledger, struct ring *ring, uint64_t gpa, uint32_t size)
{
	bool any = false;

	for (; ledger->seen != ring_used_idx(ring); ledger->seen++, any = true) {
		assert_in_range(ring_used_len(ring, ledger->seen), 1, size);
		ledger->total += ring_used_len(ring, ledger->seen);
		pieces_add(ring, (uint16_t)ring_used_id(ring, ledger->seen), &(struct piece){ gpa, size, true }, 1);
	}
	if (any)
		kick(ring->driver, 0);
}

/* No tenth of a second has more than its share, nor less while the driver wants more; a second no more than the rate.
 */
static void rate_is_kept(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, "rate=20000", 64);
	struct ledger *ledger = calloc(1, sizeof(*ledger));
	uint64_t gpa = gpa_alloc(rig, 700, 1);

	for (uint16_t head = 0; head < 64; head++)
		pieces_add(ring, head, &(struct piece){ gpa, 700, true }, 1);
	kick(&d, 0);
	for (unsigned window = 1; window <= 25; window++) {
		for (unsigned i = 0; i < 10; i++) /* asking again does not help */
			offer_again(ledger, ring, gpa, 700);
		assert_int_equal(ledger->total, window * RATE / 10);
		virtio_timer_expired(d.dev, 1); /* a tenth of a second */
	}
	assert_int_equal(device_count(&d, "waits"), 26);
	assert_int_equal(device_count(&d, "bytes"), 26 * RATE / 10);
	free(ledger);
}

/* Linux's driver, whose buffers have 64 bytes, does not take less well: a slow device gives them whole, and late. */
static void small_buffers_are_whole(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, "rate=100", 8);
	uint64_t gpa = gpa_alloc(rig, 64, 1);
	unsigned windows = 0;

	for (uint16_t head = 0; head < 8; head++)
		pieces_add(ring, head, &(struct piece){ gpa, 64, true }, 1);
	for (kick(&d, 0); ring_used_idx(ring) < 8 && windows < 1000; windows++)
		virtio_timer_expired(d.dev, 1); /* a tenth of a second */
	assert_in_range(windows, 44, 60);
	for (uint16_t at = 0; at < 8; at++)
		assert_int_equal(ring_used_len(ring, at), 64);
}

/* A reset is no way to more. */
static void rate_holds_across_resets(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, "rate=1000", 8);
	uint64_t gpa = gpa_alloc(rig, 4096, 16), total = 0, start = now_ns();

	for (unsigned round = 0; round < 50; round++) {
		for (uint16_t head = 0; head < 8; head++)
			pieces_add(ring, head, &(struct piece){ gpa, 4096, true }, 1);
		for (unsigned i = 0; i < 10; i++)
			kick(&d, 0);
		for (uint16_t at = 0; at < ring_used_idx(ring); at++)
			total += ring_used_len(ring, at);
		assert_true(driver_up(&d, F_VERSION_1));
	}
	assert_true(total > 0);
	assert_true(total <= 100 + 1000 * (now_ns() - start) / SECOND);
	assert_true(echo_serves(&rig->b));
}

/* The bytes come when they may, without another kick; those of before a reset do not. */
static void waiting_ends_by_itself(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = rng_up(&d, rig, "rate=640", 8);
	uint64_t gpa = gpa_alloc(rig, 64, 1);

	for (uint16_t head = 0; head < 8; head++)
		pieces_add(ring, head, &(struct piece){ gpa, 64, true }, 1);
	kick(&d, 0);
	uint16_t at_once = ring_used_idx(ring);

	assert_in_range(at_once, 1, 7);
	edges(&d);
	reg_put(&d, R_INTERRUPT_ACK, ISR_USED);
	virtio_timer_expired(d.dev, 1);
	assert_true(ring_used_idx(ring) > at_once);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_USED);
	assert_int_equal(edges(&d), 1);
	reg_put(&d, R_STATUS, 0);
	memset(gpa_ptr(rig, gpa, 64), NOT_WRITTEN, 64);
	at_once = ring_used_idx(ring);
	for (unsigned i = 0; i < 20; i++)
		virtio_timer_expired(d.dev, 1);
	assert_int_equal(ring_used_idx(ring), at_once);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(*(uint8_t *)gpa_ptr(rig, gpa + i, 1), NOT_WRITTEN);
	assert_int_equal(edges(&d), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	virtio_timer_expired(d.dev, 1);
	assert_int_equal(ring_used_idx(ring), 0);
	assert_in_range(ask(ring, &(struct piece){ gpa, 64, true }, 1), 1, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(identity),
		RIG_TEST(bytes_differ),
		RIG_TEST(buffers_of_all_kinds),
		RIG_TEST(readable_only),
		RIG_TEST(options_refused),
		cmocka_unit_test_setup_teardown(h18_gigabytes_in_every_buffer, rig_setup_5gib, rig_teardown),
		RIG_TEST(rate_is_kept),
		RIG_TEST(small_buffers_are_whole),
		RIG_TEST(rate_holds_across_resets),
		RIG_TEST(waiting_ends_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
