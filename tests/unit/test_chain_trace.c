// SPDX-License-Identifier: GPL-2.0-only
/* What a transcript has of a chain: all of its descriptors, and as many of its bytes as --trace-data says. */
#include "tests/unit/json.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/echo.h"

#define NAME "transcript"

static void long_chains_are_whole(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];
	json_t *desc;
	size_t i;

	d->num = ECHO_QUEUE_MAX;
	assert_true(driver_up(d, F_VERSION_1));
	trace_begin(rig, NAME, 4096);
	uint64_t at = gpa_alloc(rig, 65536, 1);

	for (uint16_t k = 0; k < 256; k++)
		ring_desc(ring, k, at + 256u * k, 1u + k % 7, (uint16_t)((k < 200 ? 0 : D_WRITE) | (k < 255)),
			  (uint16_t)(k + 1));
	for (unsigned k = 0; k < 200; k++)
		memset(gpa_ptr(rig, at + 256u * k, 7), (int)k, 7);
	ring_add(ring, 0);
	kick(d, 0);
	json_t *events = trace_ended(rig, NAME), *pop = json_array_get(events, 2);
	json_t *descs = json_object_get(pop, "descs");
	const char *data = json_str(pop, "data");

	assert_string_equal(json_str(pop, "ev"), "pop");
	assert_int_equal(json_int(pop, "n"), 256);
	assert_int_equal(json_array_size(descs), 256);
	json_array_foreach(descs, i, desc)
	{
		char addr[24];

		snprintf(addr, sizeof(addr), "0x%llx", (unsigned long long)at + 256 * i);
		assert_string_equal(json_str(desc, "addr"), addr);
		assert_int_equal(json_int(desc, "len"), 1 + i % 7);
		assert_string_equal(json_str(desc, "flags"), i < 200 ? "NEXT" : i < 255 ? "NEXT|WRITE" : "WRITE");
		for (unsigned k = 0; i < 200 && k < 1 + i % 7; k++, data += 2) {
			char byte[3] = { data[0], data[1], '\0' };

			assert_int_equal(strtoul(byte, NULL, 16), i);
		}
	}
	assert_string_equal(data, "");
	json_decref(events);
}

/* A chain's first bytes, as many as --trace-data says, whatever iovecs they are in. */
static void data_is_as_long_as_asked_for(void **state)
{
	static const struct {
		unsigned max;
		const char *data;
	} cases[] = { { 0, "" },
		      { 1, "61" },
		      { 4, "61626364" },
		      { 5, "6162636465" },
		      { 16, "6162636465666768696a6b6c6d6e6f70" },
		      { 17, "6162636465666768696a6b6c6d6e6f7071" },
		      { 20, "6162636465666768696a6b6c6d6e6f7071727374" },
		      { 21, "6162636465666768696a6b6c6d6e6f7071727374" },
		      { 4096, "6162636465666768696a6b6c6d6e6f7071727374" } };
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];

	assert_true(driver_up(d, F_VERSION_1));
	uint64_t at = gpa_alloc(rig, 4096, 1);

	memcpy(gpa_ptr(rig, at, 4), "abcd", 4);
	memcpy(gpa_ptr(rig, at + 1000, 1), "e", 1);
	memcpy(gpa_ptr(rig, at + 2000, 15), "fghijklmnopqrst", 15);
	memcpy(gpa_ptr(rig, at + 3000, 3), "no!", 3);
	ring_desc(ring, 0, at, 4, D_NEXT, 1);
	ring_desc(ring, 1, at + 1000, 1, D_NEXT, 2);
	ring_desc(ring, 2, at + 2000, 15, D_NEXT, 3);
	ring_desc(ring, 3, at + 3000, 3, D_WRITE, 0); /* not for the device to read */
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		trace_begin(rig, NAME, cases[i].max);
		ring_add(ring, 0);
		kick(d, 0);
		memcpy(gpa_ptr(rig, at + 3000, 3), "no!", 3);
		json_t *events = trace_ended(rig, NAME);

		assert_string_equal(json_str(json_array_get(events, 2), "data"), cases[i].data);
		/* and of the three that are written, where there is any */
		const char *written = json_str(json_array_get(events, 3), "data");

		assert_int_equal(strlen(written), cases[i].max < 3 ? 2 * cases[i].max : 6);
		assert_memory_equal(written, cases[i].data, strlen(written));
		assert_int_equal(json_object_get(json_array_get(events, 3), "data") != NULL, cases[i].max > 0);
		json_decref(events);
	}
}

/* What the device wrote, in whichever order it gives buffers back. */
static void data_that_was_written(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[ECHO_HOLD];
	struct want w = { 0 };
	uint64_t at = gpa_alloc(rig, 16, 16);

	assert_true(driver_up(d, F_VERSION_1));
	memcpy(gpa_ptr(rig, at, 16), "abcdefghijklmnop", 16);
	for (uint16_t i = 0; i < 4; i++)
		ring_desc(ring, i, at + 4u * i, 4, D_WRITE, 0);
	trace_begin(rig, NAME, 16);
	ring_add(ring, 0);
	kick(d, ECHO_HOLD);
	echo_command(d, ECHO_GIVE_TOO_LONG); /* all that is writable */
	want(&w, "used dev=echo0 queue=1 head=0 len=4 idx=1 data=61626364");
	ring_add(ring, 1);
	ring_add(ring, 2);
	kick(d, ECHO_HOLD);
	echo_command(d, ECHO_GIVE_TOO_LONG); /* the first of two */
	want(&w, "used dev=echo0 queue=1 head=1 len=4 idx=2 data=65666768");
	echo_command(d, ECHO_GIVE_TOO_LONG);
	want(&w, "used dev=echo0 queue=1 head=2 len=4 idx=3 data=696a6b6c");
	ring_add(ring, 3);
	kick(d, ECHO_HOLD);
	echo_command(d, ECHO_GIVE_FIRST); /* nothing written */
	want(&w, "used dev=echo0 queue=1 head=3 len=0 idx=4");
	json_t *events = trace_ended(rig, NAME);
	char *words = json_words(events, " used ");

	want_all(&w, words);
	free(words);
	json_decref(events);
}

/* A chain that broke a rule is shown up to where it did. */
static void descriptors_of_a_broken_chain(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];

	assert_true(driver_up(d, F_VERSION_1));
	uint64_t at = gpa_alloc(rig, 16, 16);

	ring_desc(ring, 0, at, 4, D_NEXT, 3);
	ring_desc(ring, 3, 0x10004000000, 7, D_NEXT, 5);
	ring_desc(ring, 5, at, 4, 0, 0);
	trace_begin(rig, NAME, 16);
	ring_add(ring, 0);
	kick(d, 0);
	json_t *events = trace_ended(rig, NAME), *fail = json_array_get(events, 2);
	json_t *descs = json_object_get(fail, "descs");

	assert_string_equal(json_str(fail, "ev"), "fail");
	assert_non_null(strstr(json_str(fail, "rule"), "queue 0"));
	assert_int_equal(json_array_size(descs), 2);
	assert_int_equal(json_int(json_array_get(descs, 0), "len"), 4);
	assert_int_equal(json_int(json_array_get(descs, 1), "len"), 7);
	assert_string_equal(json_str(json_array_get(descs, 1), "addr"), "0x10004000000");
	json_decref(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(long_chains_are_whole),
		RIG_TEST(data_is_as_long_as_asked_for),
		RIG_TEST(data_that_was_written),
		RIG_TEST(descriptors_of_a_broken_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
