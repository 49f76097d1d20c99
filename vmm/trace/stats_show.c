// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/stats_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/bus.h"
#include "vmm/trace/decode.h"

/* --- over time ---------------------------------------------------------------------------------------------------- */

static void halve(struct stats_series *series)
{
	for (unsigned i = 0; i < SERIES_SAMPLES / 2; i++)
		series->samples[i] = series->samples[2 * i + 1];
	series->n_samples = SERIES_SAMPLES / 2;
	series->period *= 2;
}

/* Three quarters of the period: a timer is a little early or late. */
static bool is_early(const struct stats_series *series, uint64_t now)
{
	return series->n_samples && now - series->samples[series->n_samples - 1].ns < series->period / 4 * 3;
}

void series_add(struct stats_series *series, const struct stats *stats, uint64_t now, bool last)
{
	if (!series->period)
		series->period = SERIES_FIRST;
	if (!last && is_early(series, now))
		return;
	if (series->n_samples == SERIES_SAMPLES) {
		halve(series);
		if (!last && is_early(series, now))
			return;
	}
	unsigned at = series->n_samples++;

	memset(&series->samples[at], 0, sizeof(series->samples[at]));
	series->samples[at].ns = now;
	for (unsigned i = 0; i <= STATS_ROWS; i++) {
		const struct stats_row *row = i < STATS_ROWS ? &stats->rows[i] : &stats->others;
		unsigned reason = 0;

		if (!row->count)
			continue;
		while (reason < series->n_reasons && series->reasons[reason] != row->key.reason)
			reason++;
		if (reason == SERIES_REASONS)
			continue;
		if (reason == series->n_reasons)
			series->reasons[series->n_reasons++] = row->key.reason;
		series->samples[at].counts[reason] += row->count;
	}
}

/* --- rows in order ------------------------------------------------------------------------------------------------ */

static int by_count(const void *a, const void *b)
{
	const struct stats_row *left = *(const struct stats_row *const *)a,
			       *right = *(const struct stats_row *const *)b;

	return (left->count < right->count) - (left->count > right->count);
}

/* The rows in use, most frequent first; `others` last. */
static unsigned sorted(const struct stats *stats, const struct stats_row *rows[STATS_ROWS + 1])
{
	unsigned n = 0;

	for (unsigned i = 0; i < STATS_ROWS; i++)
		if (stats->rows[i].count)
			rows[n++] = &stats->rows[i];
	if (n)
		qsort(rows, n, sizeof(rows[0]), by_count);
	if (stats->others.count)
		rows[n++] = &stats->others;
	return n;
}

static bool is_doorbell(const struct stats_row *row)
{
	const struct bus_range *range = row->key.range;

	return range && range->ops->doorbell && row->key.addr - range->base == range->ops->doorbell &&
	       strcmp(row->key.reason, "mmio write") == 0;
}

/* The exits that notify=ioeventfd would have saved. */
static struct stats_row doorbells(const struct stats_row *const *rows, unsigned n)
{
	struct stats_row sum = { .count = 0 };

	for (unsigned i = 0; i < n; i++) {
		if (!is_doorbell(rows[i]))
			continue;
		sum.count += rows[i]->count;
		sum.ns += rows[i]->ns;
	}
	return sum;
}

static double share(uint64_t count, uint64_t total)
{
	return total ? (double)count / (double)total : 0;
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

/* Three digits and a unit, in six columns. */
static void table_time(struct text *out, uint64_t ns)
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	unsigned unit = 0;

	while (value >= 999.5 && unit < 3) {
		value /= 1000;
		unit++;
	}
	text_printf(out, " %7.*f%-2s", unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2, value, units[unit]);
}

static const char *device_of(const struct stats_key *key)
{
	return key->range ? key->range->name : key->addr ? "unclaimed" : "-";
}

static void reg_of(struct text *reg, const struct stats_key *key)
{
	if (key->range)
		decode_reg(reg, key->range, key->addr);
	else if (key->addr)
		text_hex(reg, key->addr);
}

/* Columns that are as wide as what is in them. */
struct widths {
	int device, reg;
};

static void table_row(struct text *out, const struct stats_row *row, uint64_t total, struct widths widths)
{
	const struct stats_key *key = &row->key;
	struct text reg = { 0 };

	reg_of(&reg, key);
	text_printf(out, "%10llu %5.1f%%  %-11s  %-*s  %-*.*s", (unsigned long long)row->count,
		    100 * share(row->count, total), key->reason, widths.device, device_of(key), widths.reg,
		    (int)reg.len, reg.len ? reg.bytes : "");
	table_time(out, row->ns);
	table_time(out, stats_percentile(row, 50));
	table_time(out, stats_percentile(row, 99));
	table_time(out, row->max);
	text_str(out, "\n");
	text_free(&reg);
}

static struct widths measure(const struct stats_row *const *rows, unsigned n)
{
	struct widths widths = { .device = 10, .reg = 17 };

	for (unsigned i = 0; i < n; i++) {
		int device = (int)strlen(device_of(&rows[i]->key));
		struct text reg = { 0 };

		reg_of(&reg, &rows[i]->key);
		if (device > widths.device)
			widths.device = device;
		if ((int)reg.len > widths.reg)
			widths.reg = (int)reg.len;
		text_free(&reg);
	}
	return widths;
}

/* The rows of one reason in one: what is left of the table when only the first column of its key counts. */
static void table_reasons(struct text *out, const struct stats_row *const *rows, unsigned n, uint64_t total)
{
	struct stats_row *sums = calloc(STATS_ROWS + 1, sizeof(*sums));
	const struct stats_row *order[STATS_ROWS + 1];
	unsigned n_sums = 0;

	if (!sums) {
		out->failed = true;
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		unsigned at = 0;

		while (at < n_sums && sums[at].key.reason != rows[i]->key.reason)
			at++;
		if (at == n_sums)
			sums[n_sums++].key.reason = rows[i]->key.reason;
		sums[at].count += rows[i]->count;
		sums[at].ns += rows[i]->ns;
	}
	for (unsigned i = 0; i < n_sums; i++)
		order[i] = &sums[i];
	qsort(order, n_sums, sizeof(order[0]), by_count);
	text_printf(out, "\n%10s %6s  %-44s %9s\n", "exits", "share", "reason", "total");
	for (unsigned i = 0; i < n_sums; i++) {
		text_printf(out, "%10llu %5.1f%%  %-44s", (unsigned long long)order[i]->count,
			    100 * share(order[i]->count, total), order[i]->key.reason);
		table_time(out, order[i]->ns);
		text_str(out, "\n");
	}
	free(sums);
}

void stats_table(const struct stats *stats, uint64_t exits, struct text *out)
{
	const struct stats_row *rows[STATS_ROWS + 1];
	unsigned n = sorted(stats, rows);
	struct stats_row saved = doorbells(rows, n);

	struct widths widths = measure(rows, n);

	text_printf(out, "%10s %6s  %-11s  %-*s  %-*s %9s %9s %9s %9s\n", "exits", "share", "reason", widths.device,
		    "device", widths.reg, "register", "total", "p50", "p99", "max");
	for (unsigned i = 0; i < n; i++)
		table_row(out, rows[i], exits, widths);
	table_reasons(out, rows, n, exits);
	text_printf(out, "%10llu         all exits to user space\n", (unsigned long long)exits);
	if (saved.count) {
		text_printf(out, "notify=ioeventfd would save %llu exits, %.1f%%, that took",
			    (unsigned long long)saved.count, 100 * share(saved.count, exits));
		table_time(out, saved.ns);
		text_str(out, "\n");
	}
}

/* --- JSON --------------------------------------------------------------------------------------------------------- */

static void json_key(struct text *out, const char *before, const char *key)
{
	text_str(out, before);
	text_json_str(out, key);
	text_str(out, ":");
}

static void json_u64(struct text *out, const char *before, const char *key, uint64_t value)
{
	json_key(out, before, key);
	text_u64(out, value);
}

static void json_row(struct text *out, const struct stats_row *row, uint64_t total)
{
	const struct stats_key *key = &row->key;
	const char *between = "[";

	json_key(out, "{", "reason");
	text_json_str(out, key->reason);
	if (key->range) {
		json_key(out, ",", "dev");
		text_json_str(out, key->range->name);
		json_key(out, ",", "reg");
		text_str(out, "\"");
		decode_reg(out, key->range, key->addr);
		text_str(out, "\"");
	}
	if (key->range || key->addr) {
		json_key(out, ",", "addr");
		text_str(out, "\"");
		text_hex(out, key->addr);
		text_str(out, "\"");
	}
	json_u64(out, ",", "count", row->count);
	json_key(out, ",", "share");
	text_printf(out, "%.6f", share(row->count, total));
	json_u64(out, ",", "ns", row->ns);
	json_u64(out, ",", "p50", stats_percentile(row, 50));
	json_u64(out, ",", "p99", stats_percentile(row, 99));
	json_u64(out, ",", "max", row->max);
	json_key(out, ",", "histogram");
	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		if (!row->buckets[i])
			continue;
		text_str(out, between);
		between = ",";
		text_str(out, "[");
		text_u64(out, stats_bucket_ns(i));
		text_str(out, ",");
		text_u64(out, row->buckets[i]);
		text_str(out, "]");
	}
	text_str(out, "]}");
}

static void json_series(struct text *out, const struct stats_series *series)
{
	json_key(out, ",\n", "series");
	json_key(out, "{", "reasons");
	text_str(out, "[");
	for (unsigned i = 0; i < series->n_reasons; i++) {
		text_str(out, i ? "," : "");
		text_json_str(out, series->reasons[i]);
	}
	json_key(out, "],", "samples");
	text_str(out, "[");
	for (unsigned i = 0; i < series->n_samples; i++) {
		text_str(out, i ? ",\n[" : "\n[");
		text_seconds(out, series->samples[i].ns);
		for (unsigned r = 0; r < series->n_reasons; r++) {
			text_str(out, ",");
			text_u64(out, series->samples[i].counts[r]);
		}
		text_str(out, "]");
	}
	text_str(out, "]}");
}

void stats_json(const struct stats *stats, uint64_t exits, uint64_t now, const struct counts *counts,
		const struct stats_series *series, struct text *out)
{
	const struct stats_row *rows[STATS_ROWS + 1];
	unsigned n = sorted(stats, rows);
	struct stats_row saved = doorbells(rows, n);

	json_u64(out, "{", "version", 1);
	json_key(out, ",", "t");
	text_seconds(out, now);
	json_u64(out, ",", "exits", exits);
	json_key(out, ",", "ioeventfd");
	json_u64(out, "{", "exits", saved.count);
	json_u64(out, ",", "ns", saved.ns);
	json_key(out, "},\n", "rows");
	text_str(out, "[");
	for (unsigned i = 0; i < n; i++) {
		text_str(out, i ? ",\n" : "\n");
		json_row(out, rows[i], exits);
	}
	text_str(out, "],\n");
	counts_json(counts, out);
	json_series(out, series);
	text_str(out, "}\n");
}
