// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of a balloon that break the rules, checklist h19: page numbers, lengths, its own rings, statistics. After
 * each the machine and the sibling live, and the balloon takes another page. */
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/balloondrive.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

/* Alive, and good for another page. */
static void oracle_of(struct driver *d)
{
	struct rig *rig = d->rig;
	uint64_t page = gpa_alloc(rig, PAGE, PAGE);
	uint32_t pfn = (uint32_t)(page / PAGE);

	still_alive(d);
	balloon_again(d, 0);
	fill_pages(rig, page, 1);
	assert_int_equal(send_pfns(d, INFLATE, &pfn, 1, 4), 0);
	assert_true(page_is(rig, page, 0));
}

static void h19_page_numbers(void **state)
{
	static const uint32_t pfns[] = { 0xffffffff, 0xfffffffe, 0x80000000, 0x100000, 0xfffff, 0x140000,
					 0x13ffff,   0xd0000,    0xe0000,    0xfee00,  0xfec00 };
	struct rig *rig = *state;
	struct driver d;
	uint64_t page = gpa_alloc(rig, PAGE, PAGE);
	uint32_t same[100];

	balloon_up(&d, rig, BALLOON_ALL, 8);
	for (unsigned i = 0; i < sizeof(pfns) / sizeof(pfns[0]); i++) {
		send_pfns(&d, INFLATE, &pfns[i], 1, 4);
		send_pfns(&d, DEFLATE, &pfns[i], 1, 4);
	}
	assert_true(device_count(&d, "bad-pages") > 0);
	fill_pages(rig, page, 1);
	for (unsigned i = 0; i < 100; i++)
		same[i] = (uint32_t)(page / PAGE);
	send_pfns(&d, INFLATE, same, 100, 400); /* a hundred times the same */
	assert_true(page_is(rig, page, 0));
	send_pfns(&d, DEFLATE, same, 100, 400); /* more than it gave */
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
	oracle_of(&d);
}

/* What is on both sides of the hole, and its first and last page. */
static void h19_around_the_hole(void **state)
{
	struct rig *rig = *state;
	const struct memory_region *low = &rig->vm->memory.regions[0], *high = &rig->vm->memory.regions[1];
	uint32_t first = (uint32_t)((low->gpa + low->size) / PAGE), last = (uint32_t)(high->gpa / PAGE) - 1;
	uint32_t end = (uint32_t)((high->gpa + high->size) / PAGE);
	const uint32_t bad[] = { first, last, first / 2 + last / 2, end, UINT32_MAX };
	const uint32_t good[] = { first - 1, last + 1, end - 1 };
	struct driver d;

	balloon_up(&d, rig, BALLOON_ALL, 8);
	assert_int_equal(send_pfns(&d, INFLATE, bad, 5, 20), 0);
	assert_int_equal(device_count(&d, "bad-pages"), 5);
	assert_int_equal(device_count(&d, "inflated-pages"), 0);
	for (unsigned i = 0; i < 3; i++)
		fill_pages(rig, (uint64_t)good[i] * PAGE, 1);
	assert_int_equal(send_pfns(&d, INFLATE, good, 3, 12), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_true(page_is(rig, (uint64_t)good[i] * PAGE, 0));
	assert_int_equal(device_count(&d, "inflated-pages"), 3);
	oracle_of(&d);
}

static void h19_odd_lengths(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 8 * PAGE, PAGE);
	uint32_t pfns[8];

	balloon_up(&d, rig, BALLOON_ALL, 8);
	for (uint32_t i = 0; i < 8; i++)
		pfns[i] = (uint32_t)(pages / PAGE) + i;
	for (uint32_t len = 1; len < 32; len++) {
		fill_pages(rig, pages, 8);
		assert_int_equal(send_pfns(&d, INFLATE, pfns, 8, len), 0);
		for (uint32_t i = 0; i < 8; i++) /* a part of a number is none */
			assert_true(page_is(rig, pages + i * PAGE, i < len / 4 ? 0 : FULL));
		still_alive(&d);
	}
	fill_pages(rig, pages, 8); /* an array that the device may only write */
	put32(rig, pages, pfns[1]);
	pieces_add(&d.rings[INFLATE], 0, &(struct piece){ pages, 4, true }, 1);
	kick(&d, INFLATE);
	assert_int_equal(get32(rig, pages), pfns[1]);
	assert_true(page_is(rig, pages + PAGE, FULL));
	oracle_of(&d);
}

/* A million page numbers in one buffer, in a full ring of them: none of it takes long. */
static void h19_arrays_without_end(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t list = gpa_alloc(rig, 16u << 20, PAGE), start;
	uint32_t *pfns = gpa_ptr(rig, list, 16u << 20);

	balloon_up(&d, rig, BALLOON_ALL, 128);
	for (uint32_t i = 0; i < 4u << 20; i++)
		pfns[i] = (uint32_t)(list / PAGE); /* itself, which reads as zeros then */
	for (uint16_t i = 0; i < 128; i++)
		pieces_add(&d.rings[INFLATE], i,
			   &(struct piece){ list + 4096 * (i + 1), (16u << 20) - 4096 * (i + 1), false }, 1);
	start = thread_cpu_ns();
	kick(&d, INFLATE);
	assert_true(thread_cpu_ns() - start < 2000000000u);
	rig_loop_start(rig);
	assert_true(used_comes(&d.rings[INFLATE], 128));
	rig_loop_stop(rig);
	oracle_of(&d);
}

/* The pages of its own rings: the driver has then what it asked for. */
static void h19_its_own_rings(void **state)
{
	struct rig *rig = *state;
	struct driver d;

	balloon_up(&d, rig, BALLOON_ALL, 128);
	for (unsigned q = INFLATE; q <= REPORT; q++) {
		for (unsigned area = 0; area < 3; area++) {
			const struct ring *ring = &d.rings[q], *in = &d.rings[INFLATE];
			uint64_t list = gpa_alloc(rig, 8, PAGE);

			put32(rig, list,
			      (uint32_t)((area == 0 ? ring->desc :
					  area == 1 ? ring->avail :
						      ring->used) /
					 PAGE));
			pieces_add(&d.rings[INFLATE], in->avail_idx % 128, &(struct piece){ list, 4, false }, 1);
			kick(&d, INFLATE);
			for (unsigned i = 0; i < 5; i++)
				kick(&d, i);
			virtio_timer_expired(d.dev, 1);
			still_alive(&d);
			balloon_again(&d, 0);
			pieces_add(&d.rings[REPORT], 0,
				   &(struct piece){ d.rings[REPORT].desc & ~(PAGE - 1ull), 2 * PAGE, true }, 1);
			kick(&d, REPORT);
			kick(&d, REPORT);
			oracle_of(&d);
		}
	}
}

static void h19_oversized_statistics(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t gpa = gpa_alloc(rig, 8u << 20, 16), start;

	balloon_up(&d, rig, BALLOON_ALL, 128);
	memset(gpa_ptr(rig, gpa, 8u << 20), 0xff, 8u << 20);
	put16(rig, gpa, 4);
	put64(rig, gpa + 2, 77);
	for (uint32_t len = 0; len < 41; len++) { /* ends anywhere */
		pieces_add(&d.rings[STATS], (uint16_t)(len % 8), &(struct piece){ gpa, len ? len : 8u << 20, false },
			   1);
		start = thread_cpu_ns();
		kick(&d, STATS);
		assert_true(thread_cpu_ns() - start < 500000000u);
		assert_int_equal(device_count(&d, "free-memory"), 77);
		virtio_timer_expired(d.dev, 1);
	}
	struct piece pieces[120];

	for (unsigned i = 0; i < 120; i++) /* nearly 4 GiB */
		pieces[i] = (struct piece){ 0, 32u << 20, false };
	pieces_add(&d.rings[STATS], 8, pieces, 120);
	start = thread_cpu_ns();
	kick(&d, STATS);
	assert_true(thread_cpu_ns() - start < 500000000u);
	virtio_timer_expired(d.dev, 1);
	pieces_add(&d.rings[STATS], 0, &(struct piece){ gpa, 4096, true }, 1); /* nothing to read */
	kick(&d, STATS);
	virtio_timer_expired(d.dev, 1);
	assert_int_equal(get16(rig, gpa), 4);
	oracle_of(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(h19_page_numbers),  RIG_TEST_5GIB(h19_around_the_hole),
		RIG_TEST(h19_odd_lengths),   RIG_TEST(h19_arrays_without_end),
		RIG_TEST(h19_its_own_rings), RIG_TEST(h19_oversized_statistics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
