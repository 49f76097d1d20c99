// SPDX-License-Identifier: GPL-2.0-only
/* mem_ptr() is the one gate between the guest's addresses and ours: every edge of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "tests/unit/support.h"
#include "vmm/memory.h"

#define MIB        (1ull << 20)
#define GIB        (1ull << 30)
#define HOLE_START (3 * GIB)
#define HOLE_END   (4 * GIB)

static void check_region(const struct memory *m, uint64_t gpa, uint64_t size, uint8_t *host)
{
	const uint64_t end = gpa + size;

	assert_ptr_equal(mem_ptr(m, gpa, 0), host);
	assert_ptr_equal(mem_ptr(m, gpa, 1), host);
	assert_ptr_equal(mem_ptr(m, gpa, size), host);
	assert_null(mem_ptr(m, gpa, size + 1));
	assert_ptr_equal(mem_ptr(m, gpa + 1, size - 1), host + 1);
	assert_null(mem_ptr(m, gpa + 1, size));
	assert_ptr_equal(mem_ptr(m, end - 1, 1), host + size - 1);
	assert_ptr_equal(mem_ptr(m, end - 1, 0), host + size - 1);
	assert_null(mem_ptr(m, end - 1, 2));
	assert_null(mem_ptr(m, end, 0)); /* "one valid address": the end is none */
	assert_null(mem_ptr(m, end, 1));
	/* lengths by which a sum would wrap */
	assert_null(mem_ptr(m, gpa, UINT64_MAX));
	assert_null(mem_ptr(m, end - 1, UINT64_MAX));
	assert_null(mem_ptr(m, end - 1, 0 - (end - 1)));
	assert_null(mem_ptr(m, end - 1, 0 - (end - 1) + 1));
	assert_null(mem_ptr(m, end - 16, UINT64_MAX - 15));
	assert_null(mem_ptr(m, gpa + 4096, 0 - 4096ull));
}

static void check_outside(const struct memory *m, uint64_t gpa)
{
	static const uint64_t lens[] = { 0, 1, 2, 4096, GIB, 1ull << 63, UINT64_MAX };

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		assert_null(mem_ptr(m, gpa, lens[i]));
}

static void test_one_region(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 32 * MIB, HOLE_START, HOLE_END), 0);
	assert_int_equal(m.n_regions, 1);
	assert_true(m.size == 32 * MIB && m.regions[0].gpa == 0 && m.regions[0].size == 32 * MIB);
	check_region(&m, 0, 32 * MIB, m.regions[0].host);
	check_outside(&m, 32 * MIB);
	check_outside(&m, HOLE_START);
	check_outside(&m, HOLE_END);
	check_outside(&m, UINT64_MAX);
	check_outside(&m, 0 - 16ull);
	memory_release(&m);
}

static void test_hole(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 5 * GIB, HOLE_START, HOLE_END), 0);
	assert_int_equal(m.n_regions, 2);
	assert_true(m.regions[0].gpa == 0 && m.regions[0].size == 3 * GIB);
	assert_true(m.regions[1].gpa == HOLE_END && m.regions[1].size == 2 * GIB);
	check_region(&m, 0, 3 * GIB, m.regions[0].host);
	check_region(&m, HOLE_END, 2 * GIB, m.regions[1].host);
	/* the hole, its edges, and ranges that begin in RAM and reach over it */
	check_outside(&m, HOLE_START);
	check_outside(&m, HOLE_START + 1);
	check_outside(&m, HOLE_END - 1);
	assert_null(mem_ptr(&m, HOLE_START - 8, 16));
	assert_null(mem_ptr(&m, HOLE_START - 8, GIB + 16));
	assert_null(mem_ptr(&m, HOLE_END - 8, 16));
	check_outside(&m, HOLE_END + 2 * GIB);
	/* distinct addresses are distinct memory */
	*(uint8_t *)mem_ptr(&m, HOLE_START - 1, 1) = 1;
	*(uint8_t *)mem_ptr(&m, HOLE_END, 1) = 2;
	assert_int_equal(*(uint8_t *)mem_ptr(&m, HOLE_START - 1, 1), 1);
	assert_int_equal(*(uint8_t *)mem_ptr(&m, 0, 1), 0);
	memory_release(&m);
}

/* Exactly as much as fits below the hole is one region, a page more makes the second. */
static void test_exactly_the_hole(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, HOLE_START, HOLE_START, HOLE_END), 0);
	assert_int_equal(m.n_regions, 1);
	check_outside(&m, HOLE_END);
	memory_release(&m);
	assert_int_equal(memory_init(&m, HOLE_START + 4096, HOLE_START, HOLE_END), 0);
	assert_int_equal(m.n_regions, 2);
	check_region(&m, HOLE_END, 4096, m.regions[1].host);
	memory_release(&m);
}

/* Or KVM maps no huge page of the host's: it looks at the two addresses of a region, modulo that page. */
static void test_alignment(void **state)
{
	const uint64_t sizes[] = { 32 * MIB, 33 * MIB + 4096, 5 * GIB + 4096 };
	struct memory m[sizeof(sizes) / sizeof(sizes[0])]; /* at once, so that they come to lie here and there */
	void *between[sizeof(sizes) / sizeof(sizes[0])];

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		between[i] = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		assert_ptr_not_equal(between[i], MAP_FAILED);
		assert_int_equal(memory_init(&m[i], sizes[i], HOLE_START, HOLE_END), 0);
		for (unsigned j = 0; j < m[i].n_regions; j++)
			assert_int_equal(((uintptr_t)m[i].regions[j].host - m[i].regions[j].gpa) % (2 * MIB), 0);
	}
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memory_release(&m[i]);
		munmap(between[i], 4096);
	}
}

/* RAM costs nothing before it is touched: the largest --mem maps on a host that has a fraction of it. */
static void test_more_than_the_host_has(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 1024 * GIB, HOLE_START, HOLE_END), 0);
	check_region(&m, HOLE_END, 1021 * GIB, m.regions[1].host);
	uint8_t *last = mem_ptr(&m, HOLE_END + 1021 * GIB - 1, 1);

	assert_non_null(last);
	assert_int_equal(*last, 0);
	*last = 0x5a;
	memory_release(&m);
}

static void test_zeroed(void **state)
{
	struct memory m;

	(void)state;
	assert_int_equal(memory_init(&m, 32 * MIB, HOLE_START, HOLE_END), 0);
	const uint64_t *words = mem_ptr(&m, 0, 32 * MIB);

	for (size_t i = 0; i < 32 * MIB / 8; i += 512)
		assert_true(words[i] == 0);
	memory_release(&m);
	assert_int_equal(m.n_regions, 0);
	assert_null(mem_ptr(&m, 0, 0));
	memory_release(&m); /* once more is harmless */
}

static void test_impossible_size(void **state)
{
	struct memory m;

	(void)state;
	catch_stderr();
	int err = memory_init(&m, 1ull << 60, HOLE_START, HOLE_END);
	const char *text = caught_stderr();

	assert_true(err < 0);
	assert_one_message(text, "--mem");
	memory_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_region),       cmocka_unit_test(test_hole),
		cmocka_unit_test(test_exactly_the_hole), cmocka_unit_test(test_more_than_the_host_has),
		cmocka_unit_test(test_alignment),        cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_impossible_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
