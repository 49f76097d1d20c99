/* SPDX-License-Identifier: GPL-2.0-only */
/* A timeline of --trace as its readers need it: slices that nest, arrows with two ends, tracks with names. */
#ifndef TESTS_UNIT_TIMELINE_H
#define TESTS_UNIT_TIMELINE_H

#include "tests/unit/json.h"

#define TIMELINE_SLICES 20000

/* A begin and its end, in microseconds. */
struct drawn {
	long long tid;
	double begin, end;
	const char *name;
	json_t *args;
};

struct timeline {
	json_t *events;
	struct drawn slices[TIMELINE_SLICES];
	unsigned n_slices, n_flows, n_instants;
};

/* Reads a file; the test ends where it breaks one of the rules. */
struct timeline *timeline_read(const char *path);
void timeline_free(struct timeline *tl);

/* The name of a track, or NULL. */
const char *timeline_track(const struct timeline *tl, long long tid);
/* The slice with `name` in its name from `begin` to `end`; the test ends where there is none. */
const struct drawn *timeline_find(const struct timeline *tl, const char *name, double begin, double end);
unsigned timeline_count(const struct timeline *tl, const char *name);

#endif
