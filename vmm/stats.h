/* SPDX-License-Identifier: GPL-2.0-only */
/* Exits counted by reason, device and register. Each vCPU counts for itself; the sum is made when it is asked for. */
#ifndef MINIVMM_STATS_H
#define MINIVMM_STATS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/bus.h"

#define STATS_ROWS 128

struct stats_row {
	const char *reason;            /* "mmio write", "halt", ...: a string constant, compared by address */
	const struct bus_range *range; /* who answered; NULL where nobody did or none was asked */
	uint64_t where;                /* MMIO: offset of the register; PIO: port; 0 else */
	uint64_t count;                /* 0: the row is free */
};

struct stats {
	struct stats_row rows[STATS_ROWS]; /* open addressing; what does not fit is in `others` */
	uint64_t others;
	uint64_t total;
};

/* Counts one exit. `addr` is the gpa or the port of an access, else 0. */
void stats_count(struct stats *stats, const char *reason, const struct bus_range *range, uint64_t addr);

/* Adds every row of `from` to `into`. */
void stats_add(struct stats *into, const struct stats *from);

/* The table, most frequent first, then its sums by reason; either adds up to the total in the last line. */
void stats_print(const struct stats *stats, FILE *out);

#endif
