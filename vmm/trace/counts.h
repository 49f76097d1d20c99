/* SPDX-License-Identifier: GPL-2.0-only */
/* What the devices counted themselves, gathered when somebody asks: a part of --stats beside the exits. */
#ifndef MINIVMM_TRACE_COUNTS_H
#define MINIVMM_TRACE_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

struct text;

struct count {
	const char *dev, *name; /* as long as the machine lives */
	uint64_t value;
};

/* Zeroed is empty. The counts of one device stand together. */
struct counts {
	struct count *items;
	unsigned n, room;
	bool failed; /* there was no memory: some are missing */
};

void counts_add(struct counts *counts, const char *dev, const char *name, uint64_t value);
void counts_release(struct counts *counts);

/* A line for each device that counted anything, "NAME: 12 reads, 3 writes"; those that are 0 are left out. */
void counts_table(const struct counts *counts, struct text *out);
/* `"devices":{"NAME":{"reads":12,...},...}`, all of them. */
void counts_json(const struct counts *counts, struct text *out);

#endif
