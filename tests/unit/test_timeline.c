// SPDX-License-Identifier: GPL-2.0-only
/* The timeline of --trace: what is drawn for which events. */
#include "tests/unit/timeline.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "vmm/vcpu.h"

#define NAME       "t.pftrace.json"
#define TRANSCRIPT "t"

/* Both files of the same run. */
static void both_begin(struct rig *rig)
{
	trace_begin(rig, TRANSCRIPT, 16);
	trace_begin(rig, NAME, 16);
}

static struct timeline *both_end(struct rig *rig, json_t **events)
{
	*events = trace_ended(rig, TRANSCRIPT);
	return timeline_read(scratch_path(NAME));
}

/* Microseconds of the transcript's event number `n` of that kind. */
static double at(json_t *events, const char *kind, unsigned n)
{
	json_t *event;
	size_t i;

	json_array_foreach(events, i, event) if (strcmp(json_str(event, "ev"), kind) == 0 &&
						 n-- == 0) return json_real_value(json_object_get(event, "t")) *
		1e6;
	test_fail("no such event: %s", kind);
}

static void a_request_and_its_interrupt(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	json_t *events;

	assert_true(driver_up(d, F_VERSION_1));
	both_begin(rig);
	assert_true(echo_serves(d));
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	echo_command(d, ECHO_CHANGE);
	reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG);
	struct timeline *tl = both_end(rig, &events);
	double kicked = at(events, "kick", 0), used = at(events, "used", 0), told = at(events, "interrupt", 0);
	const struct drawn *request = timeline_find(tl, "queue 0: kick to used", kicked, used);
	const char *name = timeline_track(tl, request->tid);

	timeline_find(tl, "used to interrupt", used, told);
	timeline_find(tl, "interrupt to acknowledged", told, at(events, "ack", 0));
	timeline_find(tl, "interrupt to acknowledged", at(events, "interrupt", 1), at(events, "ack", 1));
	assert_int_equal(tl->n_slices, 4);
	assert_int_equal(tl->n_flows, 1);
	assert_memory_equal(name, "echo0", 5);
	timeline_free(tl);
	json_decref(events);
}

/* Whatever overlaps has a track of its own; a device that holds buffers gives them back in any order. */
static void overlapping_requests(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	const struct drawn *slices[4];
	json_t *events;

	assert_true(driver_up(d, F_VERSION_1));
	both_begin(rig);
	for (uint16_t i = 0; i < 4; i++) {
		echo_add(d, ECHO_HOLD, i, 1, 0);
		kick(d, ECHO_HOLD);
	}
	assert_true(echo_serves(d)); /* head 0 of the other queue */
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	echo_command(d, ECHO_GIVE_LAST); /* the fourth */
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	echo_command(d, ECHO_GIVE_FIRST); /* the first */
	echo_command(d, ECHO_GIVE_LAST);  /* the third */
	echo_command(d, ECHO_GIVE_FIRST); /* the second */
	struct timeline *tl = both_end(rig, &events);

	slices[0] = timeline_find(tl, "queue 1: kick to used", at(events, "kick", 0), at(events, "used", 2));
	slices[1] = timeline_find(tl, "queue 1: kick to used", at(events, "kick", 1), at(events, "used", 4));
	slices[2] = timeline_find(tl, "queue 1: kick to used", at(events, "kick", 2), at(events, "used", 3));
	slices[3] = timeline_find(tl, "queue 1: kick to used", at(events, "kick", 3), at(events, "used", 1));
	timeline_find(tl, "queue 0: kick to used", at(events, "kick", 4), at(events, "used", 0));
	/* one answers the kick of queue 0, one the last of queue 1, which is for its fourth; the others none */
	assert_int_equal(tl->n_flows, 2);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(json_int(slices[i]->args, "head"), i);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(slices[i]->tid, slices[k]->tid);
	}
	timeline_free(tl);
	json_decref(events);
}

/* More than there are tracks for are still a timeline. */
static void more_than_can_be_drawn(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	json_t *events;

	d->num = 256;
	assert_true(driver_up(d, F_VERSION_1));
	both_begin(rig);
	for (unsigned round = 0; round < 3; round++) {
		for (uint16_t i = 0; i < 200; i++)
			echo_add(d, ECHO_HOLD, i, 1, 0);
		kick(d, ECHO_HOLD);
		for (unsigned i = 0; i < 200; i++)
			echo_command(d, i % 3 ? ECHO_GIVE_LAST : ECHO_GIVE_FIRST);
	}
	assert_true(echo_serves(d));
	struct timeline *tl = both_end(rig, &events);

	assert_int_equal(json_count(events, "used"), 601);
	timeline_find(tl, "queue 0: kick to used", at(events, "kick", 3),
		      at(events, "used", 600)); /* the tracks are free again */
	timeline_free(tl);
	json_decref(events);
}

/* What a reset cuts ends there, of the queue or of the device; what the end of the run cuts ends there. */
static void requests_that_are_cut(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[ECHO_HOLD];
	json_t *events;

	assert_true(driver_up(d, F_VERSION_1 | F_RING_RESET));
	both_begin(rig);
	echo_add(d, ECHO_HOLD, 3, 1, 0);
	kick(d, ECHO_HOLD); /* kick 0 */
	reg_put(d, R_QUEUE_SEL, ECHO_HOLD);
	reg_put(d, R_QUEUE_RESET, 1);
	ring_place(ring, 8);
	ring_program(ring);
	ring_ready(ring, 1);
	echo_of(d)->n_held = 0; /* void, and the device knows */
	echo_add(d, ECHO_HOLD, 3, 1, 0);
	kick(d, ECHO_HOLD); /* kick 1 */
	echo_command(d, ECHO_GIVE_FIRST);
	echo_add(d, ECHO_HOLD, 4, 1, 0);
	kick(d, ECHO_HOLD); /* kick 2 */
	reg_put(d, R_STATUS, 0);
	echo_of(d)->n_held = 0;
	assert_true(driver_up(d, F_VERSION_1));
	echo_add(d, ECHO_HOLD, 5, 1, 0);
	kick(d, ECHO_HOLD); /* kick 3 */
	echo_command(d, ECHO_CHANGE);
	TRACE(&rig->vm->trace, end, NULL, 0);
	struct timeline *tl = both_end(rig, &events);
	double end = at(events, "end", 0);

	timeline_find(tl, "queue 1: until the reset", at(events, "kick", 2), at(events, "reset", 0));
	timeline_find(tl, "until the reset", at(events, "interrupt", 0), at(events, "reset", 0));
	timeline_find(tl, "queue 1: until the end", at(events, "kick", 3), end);
	timeline_find(tl, "until the end", at(events, "interrupt", 1), end);
	assert_int_equal(timeline_count(tl, "until the end"), 2);
	timeline_find(tl, "queue 1: kick to used", at(events, "kick", 1), at(events, "used", 0));
	timeline_find(tl, "queue 1: until the reset", at(events, "kick", 0), at(events, "queue_reset", 0));
	timeline_free(tl);
	json_decref(events);
}

/* A driver that does not get far: no slice, but a track with a name. */
static void a_device_that_only_changes_its_status(void **state)
{
	struct rig *rig = *state;
	json_t *events;

	both_begin(rig);
	reg_put(&rig->a, R_STATUS, S_ACKNOWLEDGE);
	reg_put(&rig->a, R_STATUS, S_ACKNOWLEDGE | S_FAILED);
	struct timeline *tl = both_end(rig, &events);

	assert_int_equal(tl->n_instants, 2);
	timeline_free(tl);
	json_decref(events);
}

/* --- vCPUs -------------------------------------------------------------------------------------------------------- */

/* An access of a vCPU, with all that is around it. */
static void exit_to_write(struct vm *vm, unsigned cpu, uint64_t gpa, uint32_t value)
{
	static union {
		struct kvm_run run;
		uint8_t page[4096];
	} page;
	struct vcpu vcpu = { .vm = vm, .index = cpu, .fd = -1, .run = &page.run };

	page.run.exit_reason = KVM_EXIT_MMIO;
	page.run.mmio.phys_addr = gpa;
	page.run.mmio.len = 4;
	page.run.mmio.is_write = 1;
	memcpy(page.run.mmio.data, &value, sizeof(value));
	trace_cpu = (int)cpu;
	vcpu_serve(&vcpu, 0);
	trace_cpu = -1;
}

static void exits_are_on_their_cpus_tracks(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	json_t *events, *event;
	size_t i;

	assert_true(driver_up(d, F_VERSION_1));
	both_begin(rig);
	for (unsigned k = 0; k < 3; k++) {
		echo_add(d, 0, 0, 4, 0);
		exit_to_write(rig->vm, 2, d->base + R_QUEUE_NOTIFY, 0);
		exit_to_write(rig->vm, 1, d->base + R_INTERRUPT_ACK, ISR_USED);
	}
	struct timeline *tl = both_end(rig, &events);
	json_t *enter = json_array_get(events, 5);

	assert_string_equal(json_str(enter, "ev"), "enter");
	assert_int_equal(json_int(enter, "cpu"), 2);
	assert_int_equal(timeline_count(tl, "guest"), 6);
	assert_int_equal(timeline_count(tl, "mmio write echo0 QueueNotify"), 3);
	assert_int_equal(timeline_count(tl, "mmio write echo0 InterruptACK"), 3);
	assert_int_equal(timeline_count(tl, "kick to used"), 3);
	assert_int_equal(tl->n_flows, 3);
	for (unsigned k = 0; k < tl->n_slices; k++) {
		const char *track = timeline_track(tl, tl->slices[k].tid);

		if (strstr(tl->slices[k].name, "QueueNotify"))
			assert_string_equal(track, "vCPU 2");
		if (strstr(tl->slices[k].name, "InterruptACK"))
			assert_string_equal(track, "vCPU 1");
	}
	/* arrows begin in the exit that was the kick */
	json_array_foreach(tl->events, i, event) if (strcmp(json_str(event, "ph"), "s") == 0)
		assert_string_equal(timeline_track(tl, (long long)json_int(event, "tid")), "vCPU 2");
	timeline_free(tl);
	json_decref(events);
}

/* --- at random ---------------------------------------------------------------------------------------------------- */

static void two_busy_devices(void **state)
{
	struct rig *rig = *state;
	uint64_t seed = 42;

	assert_true(driver_up(&rig->a, F_VERSION_1));
	for (unsigned run = 0; run < 20; run++) {
		trace_begin(rig, NAME, 0);
		for (unsigned i = 0; i < 150; i++) {
			uint64_t r = random_next(&seed) >> 16;
			struct driver *d = r & 1 ? &rig->a : &rig->b;
			unsigned cpu = r >> 1 & 1, q = r >> 2 & 1;

			switch (r >> 8 & 15) {
			case 0:
			case 1: exit_to_write(rig->vm, cpu, d->base + R_INTERRUPT_ACK, r >> 3 & 3); break;
			case 2: echo_command(d, ECHO_CHANGE); break;
			case 3:
			case 4: echo_command(d, ECHO_GIVE_LAST); break;
			case 5:
			case 6: echo_command(d, ECHO_GIVE_FIRST); break;
			case 7:
				if (r >> 16 & 1)
					break;
				exit_to_write(rig->vm, cpu, d->base + R_STATUS, 0);
				echo_of(d)->n_held = 0;
				driver_up(d, F_VERSION_1);
				break;
			case 8: kick(d, q); break; /* of the loop's, by its thread */
			default:
				if (echo_of(d)->n_held < 8)
					echo_add(d, q, (uint16_t)(d->rings[q].avail_idx % 8), 1, 0);
				exit_to_write(rig->vm, cpu, d->base + R_QUEUE_NOTIFY, q);
			}
		}
		trace_end(rig);
		timeline_free(timeline_read(scratch_path(NAME)));
	}
}

/* Whatever comes, also where half of it was dropped. */
static void events_in_any_order(void **state)
{
	static const char *const names[] = { "one", "two" };
	struct rig *rig = *state;
	struct trace *trace = &rig->vm->trace;
	uint64_t seed = 4711;

	for (unsigned run = 0; run < 50; run++) {
		trace_begin(rig, NAME, 0);
		for (unsigned i = 0; i < 150; i++) {
			uint64_t r = random_next(&seed) >> 16;
			const char *dev = names[r & 1];
			unsigned q = r >> 2 & 1, head = r >> 3 & 3, bit = 1u << (r >> 5 & 1);

			trace_cpu = (int)(r >> 32) % 3 - 1;
			switch (r >> 8 & 15) {
			case 0: TRACE(trace, reset, dev, 0); break;
			case 1: TRACE(trace, queue_reset, dev, q); break;
			case 2: TRACE(trace, dropped, NULL, 3); break;
			case 3: TRACE(trace, status, dev, 1, 3); break;
			case 4: TRACE(trace, ack, dev, r >> 5 & 3, 0); break;
			case 5: TRACE(trace, interrupt, dev, bit, bit, 16); break;
			case 6: TRACE(trace, exit, NULL, "a reason"); break;
			case 7: TRACE(trace, enter, NULL, r >> 40 & 0xffff, "a reason", NULL, 0); break;
			case 8:
			case 9: TRACE(trace, kick, dev, q, "exit"); break;
			case 10:
			case 11: TRACE(trace, pop, dev, q, head, 1, 1, 0); break;
			case 12: TRACE(trace, pending, dev, bit, bit); break;
			case 13: TRACE(trace, queue_stop, dev, q); break;
			default: TRACE(trace, used, dev, q, head, 1, 1);
			}
		}
		for (trace_cpu = 0; trace_cpu < 2; trace_cpu++)
			TRACE(trace, enter, NULL, 5, "a reason", NULL, 0);
		trace_cpu = -1;
		trace_end(rig);
		timeline_free(timeline_read(scratch_path(NAME)));
	}
}

/* What a run that was killed leaves: an array without its end. */
static void a_part_of_the_file(void **state)
{
	struct rig *rig = *state;
	uint64_t seed = 1;
	size_t len;

	trace_begin(rig, NAME, 16);
	for (unsigned i = 0; i < 10; i++) {
		assert_true(driver_up(&rig->a, F_VERSION_1));
		assert_true(echo_serves(&rig->a));
		reg_put(&rig->a, R_INTERRUPT_ACK, ISR_USED);
	}
	trace_end(rig);
	char *text = scratch_read(scratch_path(NAME), &len), *part = malloc(len + 2);

	for (unsigned i = 0; i < 200; i++) {
		size_t cut = 200 + random_next(&seed) % (len - 200);

		memcpy(part, text, cut);
		while (part[cut - 1] != '\n' || part[cut - 2] == '[') /* the line that was cut */
			cut--;
		while (part[cut - 1] == '\n' || part[cut - 1] == ',')
			cut--;
		part[cut] = '\0';
		if (part[cut - 1] != ']')
			strcpy(part + cut, "]");
		json_t *array = json_loads(part, 0, NULL);

		if (!json_is_array(array) || json_array_size(array) == 0)
			test_fail("cut: '%s'", part);
		json_decref(array);
	}
	free(part);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_request_and_its_interrupt),
		RIG_TEST(overlapping_requests),
		RIG_TEST(more_than_can_be_drawn),
		RIG_TEST(requests_that_are_cut),
		RIG_TEST(a_device_that_only_changes_its_status),
		RIG_TEST(exits_are_on_their_cpus_tracks),
		RIG_TEST(two_busy_devices),
		RIG_TEST(events_in_any_order),
		RIG_TEST(a_part_of_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
