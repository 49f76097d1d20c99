/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Exits to user space, counted and timed by reason, device and register. Each vCPU has counts of its own; they are
 * summed up when somebody asks. stats_show.h writes them down.
 */
#ifndef MINIVMM_TRACE_STATS_H
#define MINIVMM_TRACE_STATS_H

#include <pthread.h>
#include <stdint.h>

struct bus_range;

#define STATS_ROWS 512u

/* Times fall into buckets 1/16 wide of their size, so a percentile is at most 6.25% too high. */
#define STATS_SUB_BITS 4u
#define STATS_NS_BITS  36u /* the last bucket takes all from 2^36 ns, 68 s, on */
#define STATS_BUCKETS  ((STATS_NS_BITS - STATS_SUB_BITS + 1u) << STATS_SUB_BITS)

/* What an exit was. */
struct stats_key {
	const char *reason;            /* "mmio write", "shutdown", ...: a string constant, compared by address */
	const struct bus_range *range; /* who answered; NULL where nobody did or none was asked */
	uint64_t addr;                 /* gpa or port of an access, else 0 */
};

struct stats_row {
	struct stats_key key;
	uint64_t count;   /* 0: the row is free */
	uint64_t ns, max; /* time from KVM_RUN's return to the next: the sum and the longest */
	uint64_t buckets[STATS_BUCKETS];
};

struct stats {
	pthread_mutex_t lock;
	struct stats_row rows[STATS_ROWS]; /* open addressing */
	struct stats_row others;           /* what found no free row */
};

/* NULL where there is no memory. */
struct stats *stats_create(void);
void stats_destroy(struct stats *stats);

/* Counts one exit that took `ns`. Any thread. */
void stats_count(struct stats *stats, const struct stats_key *key, uint64_t ns);
/* Adds every row of `from`, which may be counting, to `into`, which is the caller's alone. */
void stats_add(struct stats *into, struct stats *from);
/* The exits in all rows. */
uint64_t stats_sum(const struct stats *stats);

/* The upper bound in ns of bucket `i`, inclusive. */
uint64_t stats_bucket_ns(unsigned i);
/* The time in ns that `percent` of the row's exits did not exceed. */
uint64_t stats_percentile(const struct stats_row *row, unsigned percent);

#endif
