// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/stats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static struct stats_row *stats_row(struct stats *stats, const char *reason, const struct bus_range *range,
				   uint64_t where)
{
	uint64_t hash = ((uintptr_t)reason ^ ((uintptr_t)range << 1) ^ (where << 3)) * 0x9e3779b97f4a7c15u;

	for (unsigned probe = 0; probe < STATS_ROWS; probe++) {
		struct stats_row *row = &stats->rows[((hash >> 32) + probe) % STATS_ROWS];

		if (row->count == 0)
			*row = (struct stats_row){ .reason = reason, .range = range, .where = where };
		if (row->reason == reason && row->range == range && row->where == where)
			return row;
	}
	return NULL;
}

static void stats_bump(struct stats *stats, const struct stats_row *key, uint64_t count)
{
	struct stats_row *row = stats_row(stats, key->reason, key->range, key->where);

	if (row)
		row->count += count;
	else
		stats->others += count;
	stats->total += count;
}

void stats_count(struct stats *stats, const char *reason, const struct bus_range *range, uint64_t addr)
{
	struct stats_row key = { .reason = reason, .range = range, .where = range ? addr - range->base : addr };

	stats_bump(stats, &key, 1);
}

void stats_add(struct stats *into, const struct stats *from)
{
	for (unsigned i = 0; i < STATS_ROWS; i++)
		if (from->rows[i].count)
			stats_bump(into, &from->rows[i], from->rows[i].count);
	into->others += from->others;
	into->total += from->others;
}

static int by_count(const void *a, const void *b)
{
	const struct stats_row *left = a, *right = b;

	return (left->count < right->count) - (left->count > right->count);
}

static double share(uint64_t count, uint64_t total)
{
	return 100.0 * (double)count / (double)total;
}

static void print_row(const struct stats_row *row, uint64_t total, FILE *out)
{
	const char *reg = row->range && row->range->ops->reg_name ? row->range->ops->reg_name(row->where) : NULL;
	char where[32] = "";

	if (row->range || row->where)
		snprintf(where, sizeof(where), "%s0x%" PRIx64, row->range ? "+" : "", row->where);
	fprintf(out, "%10" PRIu64 " %5.1f%%  %-10s  %-10s  %s\n", row->count, share(row->count, total), row->reason,
		row->range ? row->range->name :
		*where     ? "unclaimed" :
			     "-",
		reg ? reg : where);
}

/* The rows of one reason in one: what is left of the table when only the first column of its key counts. */
static unsigned sum_by_reason(const struct stats_row *rows, struct stats_row *sums)
{
	unsigned n = 0;

	for (unsigned i = 0; i < STATS_ROWS && rows[i].count; i++) {
		unsigned at = 0;

		while (at < n && sums[at].reason != rows[i].reason)
			at++;
		if (at == n)
			sums[n++] = (struct stats_row){ .reason = rows[i].reason };
		sums[at].count += rows[i].count;
	}
	qsort(sums, n, sizeof(*sums), by_count);
	return n;
}

void stats_print(const struct stats *stats, FILE *out)
{
	struct stats_row rows[STATS_ROWS], sums[STATS_ROWS] = { 0 };

	memcpy(rows, stats->rows, sizeof(rows));
	qsort(rows, STATS_ROWS, sizeof(rows[0]), by_count);
	fprintf(out, "%10s %6s  %-10s  %-10s  %s\n", "exits", "share", "reason", "device", "register");
	for (unsigned i = 0; i < STATS_ROWS && rows[i].count; i++)
		print_row(&rows[i], stats->total, out);
	if (stats->others)
		fprintf(out, "%10" PRIu64 " %5.1f%%  others: the table is full\n", stats->others,
			share(stats->others, stats->total));

	unsigned n = sum_by_reason(rows, sums);

	fprintf(out, "\n%10s %6s  %s\n", "exits", "share", "reason");
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "%10" PRIu64 " %5.1f%%  %s\n", sums[i].count, share(sums[i].count, stats->total),
			sums[i].reason);
	if (stats->others)
		fprintf(out, "%10" PRIu64 " %5.1f%%  others\n", stats->others, share(stats->others, stats->total));
	fprintf(out, "%10" PRIu64 "         all exits to user space\n", stats->total);
}
