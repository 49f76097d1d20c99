// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support.h"
#include "vmm/bus.h"

/* What a handler was asked last. */
struct seen {
	uint64_t off, value;
	unsigned len, reads, writes;
};

static uint64_t note_read(void *ctx, uint64_t off, unsigned len)
{
	struct seen *seen = ctx;

	seen->off = off;
	seen->len = len;
	seen->reads++;
	return 0x8877665544332211u;
}

static void note_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct seen *seen = ctx;

	*seen = (struct seen){
		.off = off, .len = len, .value = value, .reads = seen->reads, .writes = seen->writes + 1
	};
}

static const struct bus_ops ops = { .read = note_read, .write = note_write };

static int add(struct bus *bus, uint64_t base, uint64_t len, struct seen *seen)
{
	struct bus_range range = { .base = base, .len = len, .name = "range", .ops = &ops, .ctx = seen };

	return bus_add(bus, &range);
}

static void test_overlap(void **state)
{
	struct bus bus = { .name = "mmio" };

	(void)state;
	assert_int_equal(add(&bus, 0x1000, 0x1000, NULL), 0);
	assert_int_equal(add(&bus, 0x1000, 0x1000, NULL), -EEXIST);
	assert_int_equal(add(&bus, 0x1800, 1, NULL), -EEXIST);
	assert_int_equal(add(&bus, 0x1fff, 1, NULL), -EEXIST);
	assert_int_equal(add(&bus, 0x1fff, 0x10000, NULL), -EEXIST);
	assert_int_equal(add(&bus, 0xfff, 2, NULL), -EEXIST);
	assert_int_equal(add(&bus, 0, 0x1001, NULL), -EEXIST);
	assert_int_equal(add(&bus, 0, UINT64_MAX, NULL), -EEXIST);
	assert_int_equal(bus.n_ranges, 1);
	/* neighbours touch, they do not overlap */
	assert_int_equal(add(&bus, 0x2000, 0x1000, NULL), 0);
	assert_int_equal(add(&bus, 0, 0x1000, NULL), 0);
	assert_int_equal(add(&bus, 0x2fff, 2, NULL), -EEXIST); /* the one in front is not always the first */
	assert_int_equal(bus.n_ranges, 3);
}

static void test_empty_and_wrapping(void **state)
{
	struct bus bus = { .name = "mmio" };

	(void)state;
	assert_int_equal(add(&bus, 0x1000, 0, NULL), -EINVAL);
	assert_int_equal(add(&bus, UINT64_MAX, 2, NULL), -EINVAL);
	assert_int_equal(add(&bus, 2, UINT64_MAX, NULL), -EINVAL);
	assert_int_equal(add(&bus, UINT64_MAX - 15, 17, NULL), -EINVAL);
	/* the last bytes of the address space are an ordinary place */
	assert_int_equal(add(&bus, UINT64_MAX - 15, 16, NULL), 0);
	assert_non_null(bus_find(&bus, UINT64_MAX, 1));
	assert_null(bus_find(&bus, UINT64_MAX, 2));
	assert_non_null(bus_find(&bus, UINT64_MAX - 7, 8));
	assert_null(bus_find(&bus, UINT64_MAX - 6, 8));
	assert_null(bus_find(&bus, UINT64_MAX - 16, 1));
}

static void test_straddle(void **state)
{
	struct bus bus = { .name = "mmio" };
	struct seen low = { 0 }, high = { 0 };
	uint8_t data[8];

	(void)state;
	assert_int_equal(add(&bus, 0x1000, 0x10, &low), 0);
	assert_int_equal(add(&bus, 0x1010, 0x10, &high), 0);
	for (unsigned len = 2; len <= 8; len *= 2) {
		memset(data, 0, sizeof(data));
		assert_null(bus_access(&bus, 0x1010 - len / 2, len, 0, data)); /* over the seam */
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(data[i], i < len ? 0xff : 0);         /* all ones, and no byte more */
		assert_null(bus_access(&bus, 0x1020 - len / 2, len, 1, data)); /* out of the end */
		assert_null(bus_access(&bus, 0x1000 - len / 2, len, 1, data)); /* into the start */
		assert_non_null(bus_access(&bus, 0x1020 - len, len, 0, data));
		assert_non_null(bus_access(&bus, 0x1000, len, 0, data));
	}
	assert_int_equal(low.writes + high.writes, 0);
	assert_int_equal(low.reads, 3);
	assert_int_equal(high.reads, 3);
}

static void test_access(void **state)
{
	struct bus bus = { .name = "mmio" };
	struct seen seen = { 0 };
	uint8_t data[8];

	(void)state;
	assert_int_equal(add(&bus, 0xd0000000, 0x1000, &seen), 0);
	for (unsigned len = 1; len <= 8; len *= 2) {
		memset(data, 0xee, sizeof(data));
		assert_ptr_equal(bus_access(&bus, 0xd0000ff8, len, 0, data), &bus.ranges[0]);
		assert_true(seen.off == 0xff8 && seen.len == len);
		for (unsigned i = 0; i < 8; i++) /* little-endian, and nothing behind len */
			assert_int_equal(data[i], i < len ? 0x11 * (i + 1) : 0xee);

		memcpy(data, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
		assert_ptr_equal(bus_access(&bus, 0xd0000008, len, 1, data), &bus.ranges[0]);
		assert_true(seen.off == 8 && seen.len == len);
		assert_true(seen.value ==
			    (len == 8 ? 0x0807060504030201u : 0x0807060504030201u & ((1ull << 8 * len) - 1)));
	}
	assert_null(bus_access(&bus, 0xcfffffff, 1, 0, data));
	assert_int_equal(data[0], 0xff);
	assert_null(bus_access(&bus, 0xd0001000, 1, 1, data));
	assert_int_equal(seen.writes, 4);
}

/* Ranges in any order of adding, a full bus, and each found again by both its ends and not beside them. */
static void test_order_and_full(void **state)
{
	struct bus bus = { .name = "mmio" };
	uint64_t seed = 42;
	unsigned order[BUS_RANGES_MAX];

	(void)state;
	for (unsigned i = 0; i < BUS_RANGES_MAX; i++)
		order[i] = i;
	for (unsigned i = BUS_RANGES_MAX - 1; i > 0; i--) {
		unsigned j = (unsigned)(random_next(&seed) % (i + 1)), swap = order[i];

		order[i] = order[j];
		order[j] = swap;
	}
	for (unsigned i = 0; i < BUS_RANGES_MAX; i++)
		assert_int_equal(add(&bus, 0x1000 + order[i] * 0x100ull, 0x80, (void *)(uintptr_t)order[i]), 0);
	assert_int_equal(add(&bus, 0x100000, 1, NULL), -ENOSPC);
	assert_int_equal(bus.n_ranges, BUS_RANGES_MAX);
	for (unsigned i = 0; i < BUS_RANGES_MAX; i++) {
		uint64_t base = 0x1000 + i * 0x100ull;

		if (i)
			assert_true(bus.ranges[i - 1].base < bus.ranges[i].base);
		assert_null(bus_find(&bus, base - 1, 1));
		assert_null(bus_find(&bus, base + 0x80, 1));
		assert_null(bus_find(&bus, base + 0x7f, 2));
		for (unsigned at = 0; at < 0x80; at += 0x7f) {
			const struct bus_range *range = bus_find(&bus, base + at, 1);

			assert_non_null(range);
			assert_int_equal((uintptr_t)range->ctx, i);
		}
	}
}

static void test_empty_bus(void **state)
{
	struct bus bus = { .name = "pio" };
	uint32_t data = 0;

	(void)state;
	assert_null(bus_find(&bus, 0, 1));
	assert_null(bus_access(&bus, 0x80, 4, 0, &data));
	assert_true(data == UINT32_MAX);
	assert_null(bus_access(&bus, 0x80, 4, 1, &data));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overlap),        cmocka_unit_test(test_empty_and_wrapping),
		cmocka_unit_test(test_straddle),       cmocka_unit_test(test_access),
		cmocka_unit_test(test_order_and_full), cmocka_unit_test(test_empty_bus),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
