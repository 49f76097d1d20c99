/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts of exits as a table for people and as JSON for programs; docs/tracing.md has the schema. */
#ifndef MINIVMM_TRACE_STATS_SHOW_H
#define MINIVMM_TRACE_STATS_SHOW_H

#include "vmm/trace/counts.h"
#include "vmm/trace/stats.h"
#include "vmm/trace/text.h"

/* Counts by reason over time. When it is full every second sample goes, so it spans the run however long that is. */
#define SERIES_SAMPLES 512u
#define SERIES_REASONS 16u
#define SERIES_FIRST   50000000u /* ns between samples at first */

struct stats_series {
	const char *reasons[SERIES_REASONS];
	unsigned n_reasons, n_samples;
	uint64_t period; /* ns; 0: SERIES_FIRST */
	struct {
		uint64_t ns; /* since the machine's start */
		uint64_t counts[SERIES_REASONS];
	} samples[SERIES_SAMPLES];
};

/* Adds a sample where one is due, `now` being ns since the machine's start, or in any case with `last`. */
void series_add(struct stats_series *series, const struct stats *stats, uint64_t now, bool last);

/* The table, most frequent first, then its sums by reason. `exits` is the number of all exits. */
void stats_table(const struct stats *stats, uint64_t exits, struct text *out);
void stats_json(const struct stats *stats, uint64_t exits, uint64_t now, const struct counts *counts,
		const struct stats_series *series, struct text *out);

#endif
