/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address ranges and who answers in them; one bus for MMIO, one for port I/O. Ranges are added while the machine is
 * built and never change while it runs, so look-ups need no lock.
 */
#ifndef MINIVMM_BUS_H
#define MINIVMM_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "vmm/trace.h"

#define BUS_RANGES_MAX 64

struct bus_ops {
	/* `off` counts from the range's base; `len` is 1, 2, 4 or 8 bytes and lies inside the range. Little-endian. */
	uint64_t (*read)(void *ctx, uint64_t off, unsigned len);
	void (*write)(void *ctx, uint64_t off, unsigned len, uint64_t value);
	/* The rest is for people who read counts and traces, and may be NULL or 0. */
	/* The register's name in the standard that defines it, or NULL. */
	const char *(*reg_name)(uint64_t off);
	/* How its value is written. */
	enum trace_type (*reg_type)(uint64_t off);
	uint64_t doorbell; /* offset of a register whose writes an ioeventfd could take; 0: none */
	bool chatty;       /* accessed so often that the flight recorder leaves it out */
};

struct bus_range {
	uint64_t base, len;
	const char *name; /* owned by whoever added the range, valid as long as the bus */
	const struct bus_ops *ops;
	void *ctx;
};

struct bus {
	const char *name;                        /* "mmio" or "pio" */
	struct trace *trace;                     /* hears of each access; NULL: nobody does */
	bool is_pio;                             /* addresses are I/O ports */
	struct bus_range ranges[BUS_RANGES_MAX]; /* by rising base */
	unsigned n_ranges;
};

/* 0, -EEXIST where the range overlaps another, -ENOSPC where the bus is full, -EINVAL where it is empty or wraps. */
int bus_add(struct bus *bus, const struct bus_range *range);

/* The range that holds all of [addr, addr + len), or NULL. An access that straddles ranges belongs to nobody. */
const struct bus_range *bus_find(const struct bus *bus, uint64_t addr, unsigned len);

/*
 * One access of a vCPU, 1 to 8 bytes at data in guest byte order. Where nobody answers, a read gives all ones and a
 * write is lost, as on a real bus. Returns the range that answered or NULL.
 */
const struct bus_range *bus_access(const struct bus *bus, uint64_t addr, unsigned len, int is_write, void *data);

/* The map: "BUS BASE+LEN NAME" for each range and "BUS ADDRESS NAME REGISTER" for each of its registers with a name. */
void bus_print(const struct bus *bus, FILE *out);

#endif
