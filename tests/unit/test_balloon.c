// SPDX-License-Identifier: GPL-2.0-only
/* The memory balloon (virtio 1.2, 5.5). test_balloon_more.c has hints and reports,
 * test_balloon_hostile.c the drivers that keep no rule. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio/core.h"
#include "tests/unit/balloondrive.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define MS 1000000ull

static uint64_t stat_of(struct driver *d, const char *name)
{
	return device_count(d, name);
}

/* --- what it says of itself --------------------------------------------------------------------------------------- */

static void identity(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "balloon", NULL), 0);
	assert_int_equal(reg_get(&d, R_DEVICE_ID), 5);
	assert_int_equal(offered_features(&d) & 0xffffff, BALLOON_F_STATS | BALLOON_F_ON_OOM | BALLOON_F_POISON);
	for (uint32_t q = 0; q < 3; q++) {
		reg_put(&d, R_QUEUE_SEL, q);
		assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 128);
	}
	for (uint32_t q = 3; q < 6; q++) { /* exist with features that are not offered (5.5.2) */
		reg_put(&d, R_QUEUE_SEL, q);
		assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 0);
	}
	for (unsigned off = 0; off < 16; off += 4)
		assert_int_equal(window_get(&d, R_CONFIG + off, 4), 0);
}

static void features_by_options(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "balloon",
				    "size=6M,free-page-reporting=on,free-page-hint=on,deflate-on-oom=off"),
			 0);
	assert_int_equal(offered_features(&d) & 0xffffff,
			 BALLOON_F_STATS | BALLOON_F_HINT | BALLOON_F_POISON | BALLOON_F_REPORTING);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 6 * 256);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0);
	reg_put(&d, R_QUEUE_SEL, HINT);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 128);
	reg_put(&d, R_QUEUE_SEL, REPORT);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 32);
	reg_put(&d, R_QUEUE_SEL, REPORT + 1);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 0);
}

static void hint_without_reporting(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "balloon", "free-page-hint=on"), 0);
	reg_put(&d, R_QUEUE_SEL, HINT);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 128);
	reg_put(&d, R_QUEUE_SEL, REPORT);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 0);
}

static void options_refused(void **state)
{
	static char one[] = "balloon", two[] = "balloon,size=1M", *both[] = { one, two };
	struct vm_config config = plain_config();
	struct rig *rig = *state;
	struct vm *vm;
	char *text;

	refuses_options(rig, "balloon", "size=65M", "size"); /* there are 64 */
	refuses_options(rig, "balloon", "size=1T", "size");
	refuses_options(rig, "balloon", "size=-1", "size");
	refuses_options(rig, "balloon", "stats-interval=1ms", "stats-interval");
	refuses_options(rig, "balloon", "stats-interval=5", "stats-interval");
	refuses_options(rig, "balloon", "free-page-hint=yes", "free-page-hint");
	config.devices = both;
	config.n_devices = 2;
	assert_int_equal(vm_create(&vm, &config), 0);
	free(rig_errors(rig));
	assert_int_not_equal(devices_create(vm), 0);
	text = rig_errors(rig);
	assert_one_message(text, "only one balloon device is supported");
	free(text);
	vm_destroy(vm);
}

static void all_of_ram_is_a_size(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "balloon", "size=64M"), 0);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 64 * 256);
}

/* `actual` and `poison_val` are the driver's (5.5.4), by any access; the rest is not. */
static void config_writes(void **state)
{
	struct driver d;

	balloon_up(&d, *state, "size=4M,free-page-hint=on", 8);
	uint32_t id = (uint32_t)window_get(&d, COMMAND, 4), edges_before = (uint32_t)edges(&d);

	(void)edges_before;
	for (unsigned len = 1; len <= 8; len *= 2)
		for (unsigned off = 0; off + len <= 16; off++)
			window_put(&d, R_CONFIG + off, len, UINT64_MAX);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 1024);
	assert_int_equal(window_get(&d, COMMAND, 4), id);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0xffffffff);
	assert_int_equal(window_get(&d, POISON, 4), 0xffffffff);
	window_put(&d, ACTUAL, 4, 0x01020304);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0x01020304);
	window_put(&d, POISON, 4, 0xaa);
	window_put(&d, NUM_PAGES, 8, 0x1122334455667788);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 1024);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0x11223344);
	assert_int_equal(window_get(&d, POISON, 4), 0xaa);
	assert_int_equal(edges(&d), 0); /* it knows what it wrote */
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

static void inflate_gives_memory_back(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 64 * PAGE, PAGE);
	unsigned char resident[64];
	uint32_t pfns[32];

	balloon_up(&d, rig, "size=1M", 8);
	fill_pages(rig, pages, 64);
	for (unsigned i = 0; i < 32; i++) /* every other, backwards */
		pfns[i] = (uint32_t)(pages / PAGE) + 62 - 2 * i;
	assert_int_equal(send_pfns(&d, INFLATE, pfns, 32, 4 * 32), 0);
	assert_int_equal(mincore(gpa_ptr(rig, pages, 64 * PAGE), 64 * PAGE, resident), 0);
	for (unsigned i = 0; i < 64; i++)
		assert_int_equal(resident[i] & 1, i % 2);
	for (unsigned i = 0; i < 64; i++)
		assert_true(page_is(rig, pages + i * PAGE, i % 2 ? FULL : 0));
	assert_int_equal(stat_of(&d, "inflated-pages"), 32);
	assert_int_equal(stat_of(&d, "bad-pages"), 0);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_USED);
	/* back, and used again: nothing of the device's comes in between */
	assert_int_equal(send_pfns(&d, DEFLATE, pfns, 32, 4 * 32), 0);
	assert_int_equal(stat_of(&d, "deflated-pages"), 32);
	assert_int_equal(stat_of(&d, "inflated-pages"), 32);
	fill_pages(rig, pages, 64);
	assert_true(page_is(rig, pages + 62 * PAGE, FULL));
}

/* An array of page numbers in pieces, and several buffers before one kick. */
static void arrays_in_pieces(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = &d.rings[INFLATE];
	uint64_t pages = gpa_alloc(rig, 24 * PAGE, PAGE), list = gpa_alloc(rig, 4 * 24, 4);
	struct piece pieces[64];

	balloon_up(&d, rig, NULL, 128);
	for (uint32_t step = 1; step < 14; step++) {
		fill_pages(rig, pages, 24);
		for (uint32_t i = 0; i < 24; i++)
			put32(rig, list + 4 * i, (uint32_t)(pages / PAGE) + i);
		unsigned n = pieces_cut(pieces, 0, list, 32, step, false);

		pieces_add(ring, 0, pieces, n);
		n = pieces_cut(pieces, 0, list + 32, 32, step, false);
		pieces_add(ring, 40, pieces, n);
		n = pieces_cut(pieces, 0, list + 64, 32, step, false);
		pieces_add(ring, 80, pieces, n);
		kick(&d, INFLATE);
		assert_int_equal(ring_used_idx(ring), (uint16_t)(3 * step));
		for (uint64_t i = 0; i < 24; i++)
			assert_true(page_is(rig, pages + i * PAGE, 0));
	}
	assert_int_equal(stat_of(&d, "inflated-pages"), 24 * 13);
}

/* --- statistics (5.5.6.3) ----------------------------------------------------------------------------------------- */

static uint64_t put_stats(struct driver *d, uint16_t head, const struct stat_entry *entries, unsigned n)
{
	uint64_t gpa = gpa_alloc(d->rig, 10ull * n, 2);

	for (unsigned i = 0; i < n; i++) {
		put16(d->rig, gpa + 10 * i, entries[i].tag);
		put64(d->rig, gpa + 10 * i + 2, entries[i].value);
	}
	pieces_add(&d->rings[STATS], head, &(struct piece){ gpa, 10 * n, false }, 1);
	return gpa;
}

static void statistics_when_asked_for(void **state)
{
	struct driver d;
	struct ring *ring = &d.rings[STATS];

	balloon_up(&d, *state, "stats-interval=1m", 8);
	put_stats(&d, 0, (struct stat_entry[]){ { 5, 64 << 20 }, { 4, 1234567890123 }, { 0, 7 } }, 3);
	kick(&d, STATS);
	assert_int_equal(stat_of(&d, "total-memory"), 64 << 20);
	assert_int_equal(stat_of(&d, "free-memory"), 1234567890123);
	assert_int_equal(stat_of(&d, "swap-in"), 7);
	assert_int_equal(ring_used_idx(ring), 0); /* kept, to ask with */
	kick(&d, STATS);
	assert_int_equal(ring_used_idx(ring), 0);
	assert_int_equal(edges(&d), 0);
	for (uint16_t i = 1; i < 5; i++) {
		virtio_timer_expired(d.dev, 1);
		assert_int_equal(ring_used_idx(ring), i);
		assert_int_equal(ring_used_id(ring, (uint16_t)(i - 1)), i - 1);
		assert_int_equal(ring_used_len(ring, (uint16_t)(i - 1)), 0);
		assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_USED);
		assert_int_equal(edges(&d), 1);
		reg_put(&d, R_INTERRUPT_ACK, ISR_USED);
		virtio_timer_expired(d.dev, 1); /* nothing to ask with */
		assert_int_equal(ring_used_idx(ring), i);
		put_stats(&d, i, (struct stat_entry[]){ { 4, 1000 + i } }, 1);
		kick(&d, STATS);
		assert_int_equal(stat_of(&d, "free-memory"), 1000 + i);
	}
	assert_int_equal(stat_of(&d, "total-memory"), 64 << 20); /* as it last said */
}

static void statistics_by_the_clock(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t start = now_ns();

	balloon_up(&d, rig, "stats-interval=50ms", 8);
	put_stats(&d, 0, (struct stat_entry[]){ { 4, 1 } }, 1);
	kick(&d, STATS);
	rig_loop_start(rig);
	for (uint16_t i = 1; i < 4; i++) {
		assert_true(used_comes(&d.rings[STATS], i));
		put_stats(&d, i, (struct stat_entry[]){ { 4, 1 } }, 1);
		kick(&d, STATS);
	}
	rig_loop_stop(rig);
	assert_in_range(now_ns() - start, 100 * MS, 5000 * MS);
}

/* As Linux does it: the buffer is there before DRIVER_OK, when its kick is void (3.1.1). And once is enough. */
static void statistics_before_driver_ok(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "balloon", NULL), 0);
	assert_true(driver_negotiate(&d, F_VERSION_1 | BALLOON_F_STATS));
	for (unsigned q = 0; q < 3; q++) {
		ring_place(&d.rings[q], 8);
		ring_program(&d.rings[q]);
		ring_ready(&d.rings[q], 1);
	}
	put_stats(&d, 0, (struct stat_entry[]){ { 4, 99 } }, 1);
	kick(&d, STATS);
	assert_int_equal(stat_of(&d, "free-memory"), 0);
	reg_put(&d, R_STATUS, S_UP);
	assert_int_equal(stat_of(&d, "free-memory"), 99);
	assert_int_equal(ring_used_idx(&d.rings[STATS]), 0);
}

static void unknown_statistics(void **state)
{
	struct driver d;

	balloon_up(&d, *state, "stats-interval=1m", 8);
	put_stats(&d, 0, (struct stat_entry[]){ { 300, 1 }, { 0xffff, 2 }, { 4, 3 }, { 16, 4 }, { 6, 5 }, { 4, 6 } },
		  6);
	kick(&d, STATS);
	assert_int_equal(stat_of(&d, "free-memory"), 6);
	assert_int_equal(stat_of(&d, "available-memory"), 5);
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
	still_alive(&d);
}

/* The driver's mistake: of two buffers the device needs one. */
static void second_statistics_buffer(void **state)
{
	struct driver d;
	struct ring *ring = &d.rings[STATS];

	balloon_up(&d, *state, "stats-interval=1m", 8);
	put_stats(&d, 0, (struct stat_entry[]){ { 4, 1 } }, 1);
	put_stats(&d, 1, (struct stat_entry[]){ { 4, 2 } }, 1);
	kick(&d, STATS);
	assert_in_range(ring_used_idx(ring), 0, 1);
	virtio_timer_expired(d.dev, 1);
	virtio_timer_expired(d.dev, 1);
	assert_int_equal(ring_used_idx(ring), 2);
	assert_int_not_equal(ring_used_id(ring, 0), ring_used_id(ring, 1));
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
}

/* --- the user ----------------------------------------------------------------------------------------------------- */

static void keys(void **state)
{
	struct driver d;
	uint32_t generation, before;

	balloon_up(&d, *state, "size=8M", 8);
	generation = reg_get(&d, R_CONFIG_GENERATION);
	for (unsigned i = 0; i < 2; i++) {
		before = (uint32_t)window_get(&d, NUM_PAGES, 4);
		virtio_key(d.dev, i ? '-' : '+');
		if (i)
			assert_true(window_get(&d, NUM_PAGES, 4) < before);
		else
			assert_true(window_get(&d, NUM_PAGES, 4) > before);
		assert_int_not_equal(reg_get(&d, R_CONFIG_GENERATION), generation + i);
		assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_CONFIG);
		assert_int_equal(edges(&d), 1);
		reg_put(&d, R_INTERRUPT_ACK, ISR_CONFIG);
	}
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 8 * 256);
	for (unsigned i = 0; i < 100; i++)
		virtio_key(d.dev, '+');
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 64 * 256);
	for (unsigned i = 0; i < 100; i++)
		virtio_key(d.dev, '-');
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 0);
	virtio_key(d.dev, '+');
	before = (uint32_t)window_get(&d, NUM_PAGES, 4);
	generation = reg_get(&d, R_CONFIG_GENERATION);
	virtio_key(d.dev, 'x'); /* is none of its */
	virtio_key(d.dev, ' ');
	virtio_key(d.dev, 'f'); /* hints are not offered */
	assert_int_equal(reg_get(&d, R_CONFIG_GENERATION), generation);
	assert_int_equal(window_get(&d, COMMAND, 4), 0);
	reg_put(&d, R_STATUS, 0);
	edges(&d);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), before); /* the user's wish outlives a reset */
	virtio_key(d.dev, '+');
	assert_int_equal(edges(&d), 0); /* nobody to be told (2.4.1) */
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), 0);
	assert_true(window_get(&d, NUM_PAGES, 4) > before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(identity),
		RIG_TEST(features_by_options),
		RIG_TEST(hint_without_reporting),
		RIG_TEST(options_refused),
		RIG_TEST(all_of_ram_is_a_size),
		RIG_TEST(config_writes),
		RIG_TEST(inflate_gives_memory_back),
		RIG_TEST(arrays_in_pieces),
		RIG_TEST(statistics_when_asked_for),
		RIG_TEST(statistics_by_the_clock),
		RIG_TEST(statistics_before_driver_ok),
		RIG_TEST(unknown_statistics),
		RIG_TEST(second_statistics_buffer),
		RIG_TEST(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
