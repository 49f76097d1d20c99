// SPDX-License-Identifier: GPL-2.0-only
/* The list of events, and those that no ordinary round of a driver has: ticks, mistakes, ports, other threads. */
#include "tests/unit/json.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define NAME     "transcript"
#define PATIENCE 5000000000u /* ns */

static void expect(struct rig *rig, const char *kinds, const struct want *want)
{
	json_t *events = trace_ended(rig, NAME);
	char *words = json_words(events, kinds);

	want_all(want, words);
	free(words);
	json_decref(events);
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static void each_kind_is_described(void **state)
{
	char *text = NULL, line[64];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	trace_list(out);
	fclose(out);
	for (unsigned i = 0; i < TRACE_KINDS; i++) {
		const struct trace_kind_desc *kind = &trace_kinds[i];

		assert_non_null(kind->name);
		assert_true(kind->help && strlen(kind->help) > 10);
		assert_in_range(kind->n_fields, 1, TRACE_ARGS_MAX);
		snprintf(line, sizeof(line), "\n## %s\n", kind->name);
		assert_int_equal(count_of(text, line), 1);
		const char *section = strstr(text, line), *end = strstr(section + 4, "\n## ");

		assert_non_null(strstr(section, kind->help + 1)); /* the first may be a capital there */
		for (unsigned f = 0; f < kind->n_fields; f++) {
			if (!kind->fields[f].name)
				continue;
			assert_true(kind->fields[f].name[0]);
			for (unsigned other = 0; other < f; other++)
				assert_string_not_equal(kind->fields[f].name, kind->fields[other].name);
			snprintf(line, sizeof(line), "\n- `%s`: ", kind->fields[f].name);
			const char *at = strstr(section, line);

			assert_true(at && (!end || at < end));
		}
	}
	free(text);
}

/* Those keys that every event has are no field's. */
static void no_field_hides_a_common_key(void **state)
{
	static const char *const common[] = { "t", "ev", "cpu", "dev", "descs", "data" };

	(void)state;
	for (unsigned i = 0; i < TRACE_KINDS; i++)
		for (unsigned f = 0; f < trace_kinds[i].n_fields && trace_kinds[i].fields[f].name; f++)
			for (unsigned c = 0; c < sizeof(common) / sizeof(common[0]); c++)
				if (strcmp(trace_kinds[i].name, "pop") == 0 || c < 4)
					assert_string_not_equal(trace_kinds[i].fields[f].name, common[c]);
}

/* --- what a device does by itself --------------------------------------------------------------------------------- */

static void ticks(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct want w = { 0 };

	assert_int_equal(driver_add(&d, rig, "test", "delay=1m,period=1m"), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	trace_begin(rig, NAME, 16);
	virtio_timer_expired(d.dev, 1);
	virtio_timer_expired(d.dev, 3);
	want(&w, "tick dev=%s expirations=1", d.dev->name);
	want(&w, "config dev=%s generation=1", d.dev->name);
	want(&w, "interrupt dev=%s cause=CONFIG isr=CONFIG gsi=%u", d.dev->name, d.dev->irq->gsi);
	want(&w, "tick dev=%s expirations=3", d.dev->name);
	want(&w, "config dev=%s generation=2", d.dev->name);
	want(&w, "pending dev=%s cause=CONFIG isr=CONFIG", d.dev->name);
	expect(rig, NULL, &w);
}

/* A kick by eventfd, and the loop that goes on where one kick's share was not enough. */
static void kicks_of_the_loop(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t one = 1, start = now_ns();

	assert_int_equal(driver_add(&d, rig, "echo", "notify=ioeventfd"), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	ring_set_avail_flags(&d.rings[0], 1);
	trace_begin(rig, NAME, 16);
	for (uint16_t i = 0; i < 8; i++)
		echo_add(&d, 0, i, 1, 0);
	for (unsigned i = 0; i < rig->vm->n_ioeventfds; i++)
		if (rig->vm->ioeventfds[i].datamatch == 0)
			assert_int_equal(write(rig->vm->ioeventfds[i].fd, &one, sizeof(one)), sizeof(one));
	rig_loop_start(rig);
	while (ring_used_idx(&d.rings[0]) != 8)
		assert_true(now_ns() - start < PATIENCE);
	rig_loop_stop(rig);
	json_t *events = trace_ended(rig, NAME), *first = json_array_get(events, 0), *event;
	size_t i;
	unsigned again = 0;

	assert_string_equal(json_str(first, "ev"), "kick");
	assert_string_equal(json_str(first, "via"), "ioeventfd");
	json_array_foreach(events, i, event)
	{
		assert_null(json_object_get(event, "cpu"));
		again += strcmp(json_str(event, "via"), "again") == 0;
	}
	assert_true(again <= 1); /* it need not have come before the loop ended */
	assert_int_equal(json_count(events, "kick"), 1 + again);
	assert_int_equal(json_count(events, "mmio_write"), 0);
	assert_int_equal(json_count(events, "pop"), 8);
	json_decref(events);
}

/* --- mistakes of a driver ----------------------------------------------------------------------------------------- */

/* The event has the words of the message. */
static void failures_and_their_rule(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct want w = { 0 };

	assert_true(driver_up(d, F_VERSION_1));
	free(rig_errors(rig));
	trace_begin(rig, NAME, 16);
	ring_add(&d->rings[0], 999);
	kick(d, 0);
	char *said = rig_errors(rig);
	json_t *events = trace_ended(rig, NAME);
	const char *rule = json_str(json_array_get(events, 2), "rule");
	char *words = json_words(events, NULL);

	assert_true(strlen(rule) > 20 && strstr(said, rule));
	want(&w, "mmio_write dev=echo0 reg=QueueNotify addr=0x%llx len=4 val=0x0",
	     (unsigned long long)d->base + R_QUEUE_NOTIFY);
	want(&w, "kick dev=echo0 queue=0 via=exit");
	want(&w, "fail dev=echo0 rule=%s", rule);
	want(&w, "status dev=echo0 old=ACKNOWLEDGE|DRIVER|DRIVER_OK|FEATURES_OK "
		 "new=ACKNOWLEDGE|DRIVER|DRIVER_OK|FEATURES_OK|NEEDS_RESET");
	want(&w, "interrupt dev=echo0 cause=CONFIG isr=CONFIG gsi=%u", d->dev->irq->gsi);
	want_all(&w, words);
	free(words);
	free(said);
	json_decref(events);
}

static void ignored_and_why(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;

	free(rig_errors(rig));
	trace_begin(rig, NAME, 16);
	driver_negotiate(d, BIT(1)); /* neither offered nor VERSION_1 */
	char *said = rig_errors(rig);
	json_t *events = trace_ended(rig, NAME), *event = NULL;
	size_t i;

	json_array_foreach(events, i, event) if (strcmp(json_str(event, "ev"), "ignored") == 0) break;
	assert_int_equal(json_count(events, "ignored"), 1);
	assert_string_equal(json_str(event, "dev"), "echo0");
	assert_true(strstr(json_str(event, "why"), "FEATURES_OK") && strstr(said, json_str(event, "why")));
	/* right behind the write that is refused, and no change comes of it */
	event = json_array_get(events, i - 1);
	assert_string_equal(json_str(event, "reg"), "Status");
	assert_string_equal(json_str(event, "val"), "ACKNOWLEDGE|DRIVER|FEATURES_OK");
	assert_int_equal(json_count(events, "features"), 0);
	free(said);
	json_decref(events);
}

/* A limiter keeps messages from flooding a terminal; a transcript has all. */
static void ignored_each_time(void **state)
{
	struct rig *rig = *state;

	assert_true(driver_up(&rig->a, F_VERSION_1));
	trace_begin(rig, NAME, 16);
	for (unsigned i = 0; i < 50; i++)
		reg_put(&rig->a, R_DRIVER_FEATURES, 0); /* FEATURES_OK is set */
	json_t *events = trace_ended(rig, NAME);

	assert_int_equal(json_count(events, "ignored"), 50);
	json_decref(events);
}

/* What drivers do when they probe, or what comes too late, is no message, but to be seen. */
static void ignored_quietly(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t one = 1, start = now_ns();

	assert_int_equal(driver_add(&d, rig, "echo", "notify=ioeventfd"), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	free(rig_errors(rig));
	trace_begin(rig, NAME, 16);
	reg_put(&d, R_DEVICE_ID, 1);    /* read-only */
	reg_put(&d, 0x58, 1);           /* no register */
	window_put(&d, R_STATUS, 1, 0); /* not its width */
	window_get(&d, R_STATUS, 2);    /* likewise */
	reg_put(&d, R_QUEUE_SEL, 7);
	reg_put(&d, R_QUEUE_NUM, 8); /* of no queue */
	reg_put(&d, R_QUEUE_SEL, 0);
	reg_put(&d, R_QUEUE_NUM, 4);   /* of a queue that is ready */
	reg_put(&d, R_QUEUE_RESET, 1); /* not negotiated */
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
	reg_put(&d, R_STATUS, 0);
	for (unsigned i = 0; i < rig->vm->n_ioeventfds; i++)
		if (rig->vm->ioeventfds[i].datamatch == 0)
			assert_int_equal(write(rig->vm->ioeventfds[i].fd, &one, sizeof(one)), sizeof(one));
	rig_loop_start(rig);
	for (struct pollfd fd = { .events = POLLIN }; now_ns() - start < PATIENCE; usleep(1000)) {
		fd.fd = rig->vm->ioeventfds[0].fd;
		if (poll(&fd, 1, 0) == 0)
			break;
	}
	rig_loop_stop(rig);
	json_t *events = trace_ended(rig, NAME);
	char *said = rig_errors(rig);

	assert_int_equal(json_count(events, "ignored"), 8);
	assert_int_equal(json_count(events, "kick"), 0);
	assert_string_equal(said, "");
	free(said);
	json_decref(events);
}

/* --- accesses ----------------------------------------------------------------------------------------------------- */

static void ports_and_strangers(void **state)
{
	struct rig *rig = *state;
	struct vm *vm = rig->vm;
	struct want w = { 0 };
	uint64_t data = 0xabcd;

	assert_int_equal(serial_create(vm), 0);
	trace_begin(rig, NAME, 16);
	bus_access(&vm->pio, 0x3ff, 1, 1, &data);
	data = 0;
	bus_access(&vm->pio, 0x3ff, 1, 0, &data);
	want(&w, "pio_write dev=serial reg=SCR addr=0x3ff len=1 val=0xcd");
	want(&w, "pio_read dev=serial reg=SCR addr=0x3ff len=1 val=0xcd");
	assert_null(bus_access(&vm->pio, 0x70, 2, 0, &data)); /* nobody's */
	want(&w, "pio_read addr=0x70 len=2 val=0xffff");
	data = 0x12345678;
	assert_null(bus_access(&vm->mmio, 0xfee00000, 4, 1, &data));
	want(&w, "mmio_write addr=0xfee00000 len=4 val=0x12345678");
	assert_null(bus_access(&vm->mmio, 0xfee00000, 8, 0, &data));
	want(&w, "mmio_read addr=0xfee00000 len=8 val=0xffffffffffffffff");
	window_put(&rig->a, R_CONFIG + 3, 1, 0x5a); /* no register of its own: so far behind the first byte */
	window_get(&rig->a, R_CONFIG + 3, 1);
	window_get(&rig->a, 0x58, 4); /* none at all */
	want(&w, "mmio_write dev=echo0 reg=Config+0x3 addr=0x%llx len=1 val=0x5a",
	     (unsigned long long)rig->a.base + 0x103);
	want(&w, "mmio_read dev=echo0 reg=Config+0x3 addr=0x%llx len=1 val=0x5a",
	     (unsigned long long)rig->a.base + 0x103);
	want(&w, "mmio_read dev=echo0 reg=+0x58 addr=0x%llx len=4 val=0x0", (unsigned long long)rig->a.base + 0x58);
	expect(rig, NULL, &w);
}

static void the_cpu_of_a_thread(void **state)
{
	struct rig *rig = *state;
	struct want w = { 0 };

	assert_int_equal(trace_cpu, -1);
	trace_begin(rig, NAME, 16);
	for (int cpu = -1; cpu < 3; cpu++) {
		trace_cpu = cpu;
		TRACE(&rig->vm->trace, exit, NULL, "a reason");
	}
	trace_cpu = -1;
	want(&w, "exit reason=a reason");
	for (int cpu = 0; cpu < 3; cpu++)
		want(&w, "exit cpu=%d reason=a reason", cpu);
	expect(rig, NULL, &w);
}

static void numbers_of_64_bits_and_a_start(void **state)
{
	struct rig *rig = *state;
	struct trace *trace = &rig->vm->trace;
	struct want w = { 0 };

	trace_begin(rig, NAME, 16);
	uint64_t before = now_ns();

	TRACE(trace, start, NULL, INT64_MAX);
	uint64_t after = now_ns();

	TRACE(trace, queue_ready, "q", 1, 32768, UINT64_MAX, 0, 0x8000000000000000);
	TRACE(trace, end, NULL, 131);
	json_t *events = trace_ended(rig, NAME);
	char *words = json_words(events, NULL);
	double t = json_real_value(json_object_get(json_array_get(events, 0), "t"));

	want(&w, "start mono=9223372036854775807");
	want(&w, "queue_ready dev=q queue=1 size=32768 desc=0xffffffffffffffff avail=0x0 used=0x8000000000000000");
	want(&w, "end status=131");
	want_all(&w, words);
	/* t counts from the machine's start, in seconds; a double of it is a few ns off */
	assert_true(t > (double)(before - trace->start_ns) * 1e-9 - 1e-6);
	assert_true(t < (double)(after - trace->start_ns) * 1e-9 + 1e-6);
	free(words);
	json_decref(events);
}

/* --- text --------------------------------------------------------------------------------------------------------- */

static void any_text_is_a_json_string(void **state)
{
	struct rig *rig = *state;
	char all[256] = { 0 }, empty[] = "", utf8[] = "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80";

	for (unsigned i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	trace_begin(rig, NAME, 16);
	TRACE_WITH(&rig->vm->trace, fail, "a \"name\"\\", (&(struct trace_extra){ .text = all }), 0);
	TRACE_WITH(&rig->vm->trace, ignored, NULL, (&(struct trace_extra){ .text = empty }), 0);
	TRACE_WITH(&rig->vm->trace, ignored, NULL, (&(struct trace_extra){ .text = utf8 }), 0);
	json_t *events = trace_ended(rig, NAME);
	const char *text = json_str(json_array_get(events, 0), "rule");

	assert_string_equal(json_str(json_array_get(events, 0), "dev"), "a \"name\"\\");
	assert_memory_equal(text, all, 127);
	assert_int_equal(json_object_size(json_array_get(events, 1)), 3);
	assert_string_equal(json_str(json_array_get(events, 1), "why"), "");
	json_decref(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_described),
		cmocka_unit_test(no_field_hides_a_common_key),
		RIG_TEST(ticks),
		RIG_TEST(kicks_of_the_loop),
		RIG_TEST(failures_and_their_rule),
		RIG_TEST(ignored_and_why),
		RIG_TEST(ignored_each_time),
		RIG_TEST(ignored_quietly),
		RIG_TEST(ports_and_strangers),
		RIG_TEST(the_cpu_of_a_thread),
		RIG_TEST(numbers_of_64_bits_and_a_start),
		RIG_TEST(any_text_is_a_json_string),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
