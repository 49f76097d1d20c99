// SPDX-License-Identifier: GPL-2.0-only
/* The memory balloon: free pages that the driver hints at or reports (virtio 1.2, 5.5.6.6, 5.5.6.7), and resets. */
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/balloondrive.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

enum { STOP, DONE, FIRST_COMMAND };

static uint32_t command(struct driver *d)
{
	return (uint32_t)window_get(d, COMMAND, 4);
}

/* --- hints -------------------------------------------------------------------------------------------------------- */

/* A command id, or n pages, on the hint queue. */
static void say_id(struct driver *d, uint32_t id)
{
	uint64_t gpa = gpa_alloc(d->rig, 4, 4);
	uint16_t at = ring_used_idx(&d->rings[HINT]);

	put32(d->rig, gpa, id);
	pieces_add(&d->rings[HINT], 0, &(struct piece){ gpa, 4, false }, 1);
	kick(d, HINT);
	assert_int_equal(ring_used_idx(&d->rings[HINT]), (uint16_t)(at + 1));
}

static void give_pages(struct driver *d, unsigned q, uint64_t gpa, unsigned n)
{
	uint16_t at = ring_used_idx(&d->rings[q]);

	pieces_add(&d->rings[q], 0, &(struct piece){ gpa, n * PAGE, true }, 1);
	kick(d, q);
	assert_int_equal(ring_used_idx(&d->rings[q]), (uint16_t)(at + 1));
}

static uint64_t hinted(struct driver *d)
{
	return device_count(d, "hinted-bytes") / PAGE;
}

/* The device announced `id`, with a new generation and a notification. */
static void announced(struct driver *d, uint32_t *generation)
{
	assert_int_not_equal(reg_get(d, R_CONFIG_GENERATION), *generation);
	*generation = reg_get(d, R_CONFIG_GENERATION);
	assert_true(reg_get(d, R_INTERRUPT_STATUS) & ISR_CONFIG);
	reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG | ISR_USED);
	edges(d);
}

static void rounds_of_hints(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 8 * PAGE, PAGE);
	uint32_t generation, ids[4];

	assert_int_equal(driver_add(&d, rig, "balloon", BALLOON_ALL), 0);
	assert_int_equal(command(&d), STOP);
	d.num = 8;
	balloon_again(&d, 0);
	generation = reg_get(&d, R_CONFIG_GENERATION);
	fill_pages(rig, pages, 8);
	for (unsigned round = 0; round < 4; round++) {
		if (command(&d) < FIRST_COMMAND) {
			virtio_key(d.dev, 'f');
			announced(&d, &generation);
		}
		ids[round] = command(&d);
		assert_true(ids[round] >= FIRST_COMMAND);
		for (unsigned i = 0; i < round; i++)
			assert_int_not_equal(ids[round], ids[i]);
		say_id(&d, ids[round]);
		give_pages(&d, HINT, pages, 3);
		give_pages(&d, HINT, pages + 3 * PAGE, 5);
		assert_int_equal(command(&d), ids[round]);
		assert_int_equal(hinted(&d), 8 * (round + 1));
		reg_put(&d, R_INTERRUPT_ACK, ISR_USED);
		say_id(&d, STOP);
		assert_int_equal(command(&d), DONE); /* nothing more is to be had of these pages */
		announced(&d, &generation);
		assert_int_equal(hinted(&d), 8 * (round + 1));
	}
	for (unsigned i = 0; i < 8; i++) /* the driver may have taken a page back meanwhile: ours to leave alone */
		assert_true(page_is(rig, pages + i * PAGE, FULL));
}

/* 5.5.6.6.2: pages count only for the command id that is the current one; STOP and DONE are none. */
static void hints_of_other_rounds(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 8 * PAGE, PAGE);
	uint32_t first, second, others[] = { 0, 1, 0, 0, 0xffffffff };

	balloon_up(&d, rig, BALLOON_ALL, 8);
	fill_pages(rig, pages, 8);
	first = command(&d);
	give_pages(&d, HINT, pages, 8); /* of no round */
	others[2] = first + 1;
	others[3] = first - 1;
	for (unsigned i = 0; i < 5; i++) {
		if (others[i] == first)
			continue;
		say_id(&d, others[i]);
		give_pages(&d, HINT, pages, 8);
		assert_int_equal(hinted(&d), 0);
		assert_int_equal(command(&d), first);
	}
	say_id(&d, first);
	give_pages(&d, HINT, pages, 1);
	virtio_key(d.dev, 'f'); /* another round, before the driver stopped */
	second = command(&d);
	assert_true(second >= FIRST_COMMAND && second != first);
	give_pages(&d, HINT, pages, 8); /* late ones of the first */
	assert_int_equal(hinted(&d), 1);
	say_id(&d, STOP); /* ends the first */
	assert_int_equal(command(&d), second);
	say_id(&d, first);
	give_pages(&d, HINT, pages, 8);
	assert_int_equal(hinted(&d), 1);
	say_id(&d, second);
	give_pages(&d, HINT, pages, 2);
	assert_int_equal(hinted(&d), 3);
	say_id(&d, STOP);
	assert_int_equal(command(&d), DONE);
	uint32_t generation = reg_get(&d, R_CONFIG_GENERATION);
	const uint32_t after[] = { second, DONE, STOP, first };

	for (unsigned i = 0; i < 4; i++) { /* it is over */
		say_id(&d, after[i]);
		give_pages(&d, HINT, pages, 8);
		assert_int_equal(hinted(&d), 3);
		say_id(&d, STOP);
		assert_int_equal(command(&d), DONE);
	}
	assert_int_equal(reg_get(&d, R_CONFIG_GENERATION), generation);
}

static void hints_and_resets(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 8 * PAGE, PAGE);
	uint32_t first, second;

	balloon_up(&d, rig, BALLOON_ALL, 8);
	first = command(&d);
	say_id(&d, first);
	reg_put(&d, R_STATUS, 0);
	assert_int_equal(command(&d), STOP);
	virtio_key(d.dev, 'f'); /* nobody to hint */
	assert_int_equal(command(&d), STOP);
	balloon_again(&d, 0);
	second = command(&d);
	assert_true(second >= FIRST_COMMAND && second != first);
	give_pages(&d, HINT, pages, 8); /* the round that was open is another driver's */
	assert_int_equal(hinted(&d), 0);
	balloon_again(&d, BALLOON_F_HINT);
	virtio_key(d.dev, 'f');
	assert_int_equal(command(&d), STOP);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), 0);
}

/* --- reports ------------------------------------------------------------------------------------------------------ */

static void reports_give_memory_back(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 600 * PAGE, PAGE);
	struct piece pieces[32];

	balloon_up(&d, rig, BALLOON_ALL, 32);
	fill_pages(rig, pages, 600);
	for (unsigned i = 0; i < 32; i++)
		pieces[i] = (struct piece){ pages + i * 16 * PAGE, 8 * PAGE, true };
	pieces_add(&d.rings[REPORT], 0, pieces, 32);
	kick(&d, REPORT);
	assert_int_equal(ring_used_idx(&d.rings[REPORT]), 1);
	for (unsigned i = 0; i < 600; i++)
		assert_true(page_is(rig, pages + i * PAGE, i < 512 && i % 16 < 8 ? 0 : FULL));
	assert_int_equal(device_count(&d, "reported-bytes"), 256 * PAGE);
	assert_int_equal(device_count(&d, "returned-bytes"), 256 * PAGE);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_USED);
	/* parts of pages stay */
	give_pages(&d, REPORT, pages + 512 * PAGE, 1);
	pieces_add(&d.rings[REPORT], 0, &(struct piece){ pages + 514 * PAGE + 1, 2 * PAGE, true }, 1);
	kick(&d, REPORT);
	assert_int_equal(*(uint8_t *)gpa_ptr(rig, pages + 514 * PAGE, 1), FULL);
	assert_int_equal(*(uint8_t *)gpa_ptr(rig, pages + 516 * PAGE + 1, 1), FULL);
	pieces_add(&d.rings[REPORT], 0, &(struct piece){ pages + 520 * PAGE, PAGE, false }, 1); /* only to be read */
	kick(&d, REPORT);
	assert_true(page_is(rig, pages + 520 * PAGE, FULL));
}

/* 5.5.6.7.2: with PAGE_POISON the pages keep what poison_val says. */
static void reports_with_poison(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 4 * PAGE, PAGE);

	balloon_up(&d, rig, BALLOON_ALL, 8);
	fill_pages(rig, pages, 4);
	reg_put(&d, R_STATUS, 0);
	for (unsigned byte = 0; byte < 4; byte++) {
		assert_true(driver_negotiate(&d, offered_features(&d) & ~F_EVENT_IDX));
		window_put(&d, POISON, 4, 1u << (8 * byte)); /* before DRIVER_OK (5.5.6.6.1) */
		ring_place(&d.rings[REPORT], 8);
		ring_program(&d.rings[REPORT]);
		ring_ready(&d.rings[REPORT], 1);
		reg_put(&d, R_STATUS, S_UP);
		give_pages(&d, REPORT, pages, 2);
		assert_true(page_is(rig, pages, FULL) && page_is(rig, pages + PAGE, FULL));
	}
	assert_int_equal(device_count(&d, "returned-bytes"), 0);
	balloon_again(&d, BALLOON_F_POISON); /* another driver, that does not care */
	window_put(&d, POISON, 4, 1);        /* means nothing then */
	give_pages(&d, REPORT, pages, 1);
	assert_true(page_is(rig, pages, 0));
	balloon_again(&d, 0);
	window_put(&d, POISON, 4, 0); /* zeros are what it gets */
	give_pages(&d, REPORT, pages + PAGE, 1);
	assert_true(page_is(rig, pages + PAGE, 0));
}

/* A queue exists where its feature was accepted (5.5.2): what is in it else stays as it is. */
static void reports_not_agreed_on(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t pages = gpa_alloc(rig, 4 * PAGE, PAGE);

	balloon_up(&d, rig, BALLOON_ALL, 8);
	fill_pages(rig, pages, 4);
	balloon_again(&d, BALLOON_F_REPORTING | BALLOON_F_HINT | BALLOON_F_POISON);
	for (unsigned q = HINT; q <= REPORT; q++) {
		pieces_add(&d.rings[q], 0, &(struct piece){ pages, PAGE, true }, 1);
		kick(&d, q);
	}
	assert_true(page_is(rig, pages, FULL));
	assert_int_equal(device_count(&d, "returned-bytes"), 0);
	balloon_again(&d, BALLOON_F_REPORTING);
	pieces_add(&d.rings[REPORT], 0, &(struct piece){ pages, PAGE, true }, 1);
	kick(&d, REPORT);
	assert_true(page_is(rig, pages, FULL));
	still_alive(&d);
}

/* --- resets ------------------------------------------------------------------------------------------------------- */

static void reset_with_statistics_held(void **state)
{
	struct driver d;
	struct ring *ring = &d.rings[STATS];
	uint64_t gpa;

	balloon_up(&d, *state, BALLOON_ALL, 8);
	gpa = gpa_alloc(*state, 10, 2);
	for (unsigned round = 0; round < 3; round++) {
		put16(*state, gpa, 4);
		put64(*state, gpa + 2, 500 + round);
		pieces_add(ring, (uint16_t)round, &(struct piece){ gpa, 10, false }, 1);
		kick(&d, STATS);
		assert_int_equal(device_count(&d, "free-memory"), 500 + round);
		if (round == 2) { /* the queue alone */
			reg_put(&d, R_QUEUE_SEL, STATS);
			reg_put(&d, R_QUEUE_RESET, 1);
			ring_place(ring, 8);
			ring_program(ring);
			ring_ready(ring, 1);
		} else {
			balloon_again(&d, 0);
			reg_put(&d, R_INTERRUPT_ACK, ISR_CONFIG | ISR_USED);
		}
		virtio_timer_expired(d.dev, 1);
		assert_int_equal(ring_used_idx(ring), 0);
		assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS) & ISR_USED, 0);
	}
	pieces_add(ring, 1, &(struct piece){ gpa, 10, false }, 1);
	kick(&d, STATS);
	virtio_timer_expired(d.dev, 1);
	assert_int_equal(ring_used_idx(ring), 1);
	assert_int_equal(ring_used_id(ring, 0), 1);
	reg_put(&d, R_STATUS, 0);
	virtio_timer_expired(d.dev, 1);
	assert_int_equal(ring_used_idx(ring), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(rounds_of_hints),
		RIG_TEST(hints_of_other_rounds),
		RIG_TEST(hints_and_resets),
		RIG_TEST(reports_give_memory_back),
		RIG_TEST(reports_with_poison),
		RIG_TEST(reports_not_agreed_on),
		RIG_TEST(reset_with_statistics_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
