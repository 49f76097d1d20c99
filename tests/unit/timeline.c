// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/timeline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TRACKS 64

static bool is_phase(json_t *event, const char *phase)
{
	return strcmp(json_str(event, "ph"), phase) == 0;
}

static double ts(json_t *event)
{
	json_t *t = json_object_get(event, "ts");

	if (!json_is_number(t))
		test_fail("no ts in an event of phase %s", json_str(event, "ph"));
	return json_number_value(t);
}

const char *timeline_track(const struct timeline *tl, long long tid)
{
	json_t *event;
	size_t i;

	json_array_foreach(tl->events, i,
			   event) if (is_phase(event, "M") && strcmp(json_str(event, "name"), "thread_name") == 0 &&
				      (long long)json_int(event, "tid") ==
					      tid) return json_str(json_object_get(event, "args"), "name");
	return NULL;
}

/* Begins and ends of one track; they are in time order, nothing ends that did not begin, or the other way round. */
static void read_track(struct timeline *tl, long long tid)
{
	struct drawn *open[8];
	unsigned depth = 0;
	double last = 0;
	json_t *event;
	size_t i;

	json_array_foreach(tl->events, i, event)
	{
		if ((!is_phase(event, "B") && !is_phase(event, "E")) || (long long)json_int(event, "tid") != tid)
			continue;
		if (ts(event) < last)
			test_fail("track %lld goes back from %.3f to %.3f", tid, last, ts(event));
		last = ts(event);
		if (is_phase(event, "B")) {
			assert_true(depth < 8 && tl->n_slices < TIMELINE_SLICES);
			open[depth] = &tl->slices[tl->n_slices++];
			*open[depth++] = (struct drawn){ .tid = tid,
							 .begin = last,
							 .name = json_str(event, "name"),
							 .args = json_object_get(event, "args") };
			assert_true(open[depth - 1]->name[0]);
		} else {
			if (!depth)
				test_fail("an end without a begin on track %lld at %.3f", tid, last);
			open[--depth]->end = last;
		}
	}
	if (depth)
		test_fail("'%s' does not end on track %lld", open[depth - 1]->name, tid);
}

/* In one of a device's, or in an exit: nothing comes from the guest by itself. */
static bool in_a_slice(const struct timeline *tl, json_t *event)
{
	for (unsigned i = 0; i < tl->n_slices; i++)
		if (tl->slices[i].tid == (long long)json_int(event, "tid") && tl->slices[i].begin <= ts(event) &&
		    ts(event) <= tl->slices[i].end && strcmp(tl->slices[i].name, "guest"))
			return true;
	return false;
}

/* Each start of an arrow has one finish, later, and each lies in a slice. */
static void check_flows(struct timeline *tl)
{
	json_t *flows = json_array(), *one, *other;
	size_t i, k;

	json_array_foreach(tl->events, i, one) if (is_phase(one, "s") || is_phase(one, "f"))
		json_array_append(flows, one);
	json_array_foreach(flows, i, one)
	{
		bool is_start = is_phase(one, "s");
		unsigned n = 0, id = (unsigned)json_int(one, "id");

		json_array_foreach(flows, k, other)
		{
			if (k == i || json_int(other, "id") != id)
				continue;
			assert_true(is_phase(other, is_start ? "f" : "s"));
			assert_string_equal(json_str(other, "name"), json_str(one, "name"));
			assert_string_equal(json_str(other, "cat"), json_str(one, "cat"));
			assert_true(is_start ? ts(one) <= ts(other) : ts(other) <= ts(one));
			n++;
		}
		if (n != 1)
			test_fail("arrow %u has %u other ends", id, n);
		if (!in_a_slice(tl, one))
			test_fail("end '%s' of arrow %u at %.3f is in no slice of track %u", json_str(one, "ph"), id,
				  ts(one), (unsigned)json_int(one, "tid"));
		tl->n_flows += is_start;
	}
	json_decref(flows);
}

static void check(struct timeline *tl)
{
	long long tracks[TRACKS];
	unsigned n_tracks = 0, processes = 0;
	json_t *event;
	size_t i;

	json_array_foreach(tl->events, i, event)
	{
		assert_true(json_is_object(event) && strlen(json_str(event, "ph")) == 1);
		assert_non_null(strchr("MBEisf", json_str(event, "ph")[0]));
		assert_int_equal(json_int(event, "pid"), 1);
		processes += strcmp(json_str(event, "name"), "process_name") == 0;
		if (is_phase(event, "M"))
			continue;
		long long tid = (long long)json_int(event, "tid");
		unsigned t = 0;

		tl->n_instants += is_phase(event, "i");
		ts(event);
		while (t < n_tracks && tracks[t] != tid)
			t++;
		if (t < n_tracks)
			continue;
		assert_true(n_tracks < TRACKS);
		tracks[n_tracks++] = tid;
		if (!timeline_track(tl, tid))
			test_fail("track %lld has no name", tid);
	}
	assert_int_equal(processes, 1);
	for (unsigned t = 0; t < n_tracks; t++)
		for (unsigned other = 0; other < t; other++)
			if (strcmp(timeline_track(tl, tracks[t]), timeline_track(tl, tracks[other])) == 0)
				test_fail("two tracks are called '%s'", timeline_track(tl, tracks[t]));
	for (unsigned t = 0; t < n_tracks; t++)
		read_track(tl, tracks[t]);
	check_flows(tl);
}

struct timeline *timeline_read(const char *path)
{
	struct timeline *tl = calloc(1, sizeof(*tl));
	json_error_t error;

	tl->events = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!json_is_array(tl->events))
		test_fail("%s, line %d: %s", path, error.line, error.text);
	check(tl);
	return tl;
}

void timeline_free(struct timeline *tl)
{
	json_decref(tl->events);
	free(tl);
}

const struct drawn *timeline_find(const struct timeline *tl, const char *name, double begin, double end)
{
	for (unsigned i = 0; i < tl->n_slices; i++) {
		const struct drawn *slice = &tl->slices[i];

		if (strstr(slice->name, name) && fabs(slice->begin - begin) < 0.0005 && fabs(slice->end - end) < 0.0005)
			return slice;
	}
	test_fail("no '%s' from %.3f to %.3f", name, begin, end);
}

unsigned timeline_count(const struct timeline *tl, const char *name)
{
	unsigned n = 0;

	for (unsigned i = 0; i < tl->n_slices; i++)
		n += strstr(tl->slices[i].name, name) != NULL;
	return n;
}
