// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/stats.h"

#include <stdlib.h>

#include "vmm/resident.h"

#define SUB (1u << STATS_SUB_BITS)

struct stats *stats_create(void)
{
	struct stats *stats = resident_alloc(1, sizeof(*stats));

	if (!stats)
		return NULL;
	pthread_mutex_init(&stats->lock, NULL);
	stats->others.key.reason = "others";
	return stats;
}

void stats_destroy(struct stats *stats)
{
	if (!stats)
		return;
	pthread_mutex_destroy(&stats->lock);
	free(stats);
}

/* Up to SUB a bucket a ns; then SUB of them for each power of two, by the bits behind the first. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < SUB)
		return (unsigned)ns;
	if (ns >> STATS_NS_BITS)
		return STATS_BUCKETS - 1;
	unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - STATS_SUB_BITS;

	return ((shift + 1) << STATS_SUB_BITS) + ((unsigned)(ns >> shift) & (SUB - 1));
}

uint64_t stats_bucket_ns(unsigned i)
{
	if (i < SUB)
		return i;
	unsigned shift = (i >> STATS_SUB_BITS) - 1;

	return ((uint64_t)(SUB + (i & (SUB - 1)) + 1) << shift) - 1;
}

uint64_t stats_percentile(const struct stats_row *row, unsigned percent)
{
	uint64_t wanted = (row->count * percent + 99) / 100, seen = 0;

	for (unsigned i = 0; i < STATS_BUCKETS; i++) {
		seen += row->buckets[i];
		if (seen >= wanted && seen && i < STATS_BUCKETS - 1) /* no time was longer than the longest */
			return stats_bucket_ns(i) < row->max ? stats_bucket_ns(i) : row->max;
	}
	return row->max;
}

static struct stats_row *find_row(struct stats *stats, const struct stats_key *key)
{
	uint64_t hash = ((uintptr_t)key->reason ^ ((uintptr_t)key->range << 1) ^ (key->addr << 3)) *
			0x9e3779b97f4a7c15u;

	for (unsigned probe = 0; probe < STATS_ROWS; probe++) {
		struct stats_row *row = &stats->rows[((hash >> 32) + probe) % STATS_ROWS];

		if (row->count == 0)
			row->key = *key;
		if (row->key.reason == key->reason && row->key.range == key->range && row->key.addr == key->addr)
			return row;
	}
	return &stats->others;
}

void stats_count(struct stats *stats, const struct stats_key *key, uint64_t ns)
{
	pthread_mutex_lock(&stats->lock);
	struct stats_row *row = find_row(stats, key);

	row->count++;
	row->ns += ns;
	if (ns > row->max)
		row->max = ns;
	row->buckets[bucket_of(ns)]++;
	pthread_mutex_unlock(&stats->lock);
}

static void add_row(struct stats_row *into, const struct stats_row *from)
{
	into->count += from->count;
	into->ns += from->ns;
	if (from->max > into->max)
		into->max = from->max;
	for (unsigned i = 0; i < STATS_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

void stats_add(struct stats *into, struct stats *from)
{
	pthread_mutex_lock(&from->lock);
	for (unsigned i = 0; i < STATS_ROWS; i++)
		if (from->rows[i].count)
			add_row(find_row(into, &from->rows[i].key), &from->rows[i]);
	add_row(&into->others, &from->others);
	pthread_mutex_unlock(&from->lock);
}

uint64_t stats_sum(const struct stats *stats)
{
	uint64_t sum = stats->others.count;

	for (unsigned i = 0; i < STATS_ROWS; i++)
		sum += stats->rows[i].count;
	return sum;
}
