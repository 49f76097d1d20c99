// SPDX-License-Identifier: GPL-2.0-only
/* The ring between emitters and a file: what comes out is what went in, and what did not fit is counted. */
#include "vmm/trace/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/support.h"

#define DESCS 300

/* What is told by the event of this number; every byte of it is. */
static void make(struct trace_event *event, uint64_t number, struct trace_desc *descs, uint8_t *data)
{
	uint64_t seed = number * 2 + 1, r = random_next(&seed);

	*event = (struct trace_event){ .ns = number, .kind = TRACE_pop, .cpu = (int)(r % 9) - 1, .dev = "dev" };
	event->n_descs = r >> 8 & 7 ? 0 : (unsigned)(r >> 16) % DESCS;
	event->n_data = r >> 11 & 3 ? (unsigned)(r >> 32) % 20 : (unsigned)(r >> 32) % (TRACE_DATA_MAX + 1);
	event->descs = event->n_descs ? descs : NULL;
	event->data = event->n_data ? data : NULL;
	for (unsigned i = 0; i < TRACE_ARGS_MAX; i++)
		event->args[i] = random_next(&seed);
	for (unsigned i = 0; i < event->n_descs; i++)
		descs[i] = (struct trace_desc){ random_next(&seed), i, (uint16_t)r, (uint16_t)i };
	memset(data, (int)number, event->n_data);
}

static void check(const struct trace_event *got, uint64_t number)
{
	static struct trace_desc descs[DESCS];
	static uint8_t data[TRACE_DATA_MAX];
	struct trace_event right;

	make(&right, number, descs, data);
	assert_int_equal(got->kind, TRACE_pop);
	assert_int_equal(got->ns, number);
	assert_int_equal(got->cpu, right.cpu);
	assert_string_equal(got->dev, "dev");
	assert_memory_equal(got->args, right.args, sizeof(right.args));
	assert_int_equal(got->n_descs, right.n_descs);
	assert_int_equal(got->n_data, right.n_data);
	if (right.n_descs)
		assert_memory_equal(got->descs, descs, right.n_descs * sizeof(descs[0]));
	if (right.n_data)
		assert_memory_equal(got->data, data, right.n_data);
}

/* Takes all; the number behind the last. */
static uint64_t drain(struct trace_ring *ring, uint64_t next)
{
	while (ring->used) {
		size_t at = ring->head, taken = 0;
		struct trace_event event = ring_next(ring, &at, &taken);

		if (event.kind == TRACE_dropped)
			next += event.args[0];
		else
			check(&event, next++);
		ring_drop(ring, taken);
	}
	return next;
}

/* Puts and takes as many as chance has it; first it is often full, then often empty. */
static void what_goes_in_comes_out(void **state)
{
	static struct trace_desc descs[DESCS];
	static uint8_t data[TRACE_DATA_MAX];
	struct trace_ring ring = { .bytes = NULL };
	uint64_t seed = 5, put = 0, next = 0, dropped = 0;
	struct trace_event event;

	(void)state;
	assert_int_equal(ring_init(&ring), 0);
	for (unsigned round = 0; round < 400; round++) {
		unsigned n = (unsigned)(random_next(&seed) >> 32) % (round < 200 ? 1500 : 100);
		size_t part = (random_next(&seed) >> 20) % (ring.used / (round < 200 ? 8 : 1) + 1);

		for (unsigned i = 0; i < n; i++) {
			make(&event, put++, descs, data);
			ring_put(&ring, &event);
			assert_true(ring.used <= RING_SIZE);
		}
		size_t at = ring.head, taken = 0;

		while (taken < part) {
			event = ring_next(&ring, &at, &taken);
			assert_true(taken <= ring.used);
			if (event.kind == TRACE_dropped) {
				dropped += event.args[0];
				next += event.args[0];
			} else {
				check(&event, next++);
			}
		}
		ring_drop(&ring, taken);
	}
	next = drain(&ring, next);
	assert_int_equal(next + ring.crowded_out, put);
	assert_int_not_equal(dropped, 0);
	ring_release(&ring);
}

/* The last piece before the ring's end and the first behind it. */
static void full_where_it_ends(void **state)
{
	static struct trace_desc descs[DESCS];
	static uint8_t data[TRACE_DATA_MAX];
	struct trace_event event;

	(void)state;
	for (unsigned run = 0; run < 30; run++) {
		struct trace_ring ring = { .bytes = NULL };
		uint64_t put = run * 1000, first = put;
		size_t at = 0, taken = 0;

		assert_int_equal(ring_init(&ring), 0);
		for (unsigned i = 0; i <= run; i++) {
			make(&event, put++, descs, data);
			ring_put(&ring, &event);
		}
		for (unsigned i = 0; i < run % 5; i++) { /* of these, so that there is a little room in front */
			event = ring_next(&ring, &at, &taken);
			check(&event, first++);
		}
		ring_drop(&ring, taken);
		while (!ring.crowded_out) {
			make(&event, put++, descs, data);
			ring_put(&ring, &event);
			assert_true(ring.used <= RING_SIZE);
		}
		assert_int_equal(drain(&ring, first) + ring.crowded_out, put);
		ring_release(&ring);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(full_where_it_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
