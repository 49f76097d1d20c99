/* SPDX-License-Identifier: GPL-2.0-only */
/* Guest RAM: one anonymous mapping, seen by the guest in one or two regions around the hole below 4 GiB. */
#ifndef MINIVMM_MEMORY_H
#define MINIVMM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#define MEMORY_REGIONS 2

/*
 * Host and guest addresses of RAM are the same modulo this, in bytes: so a huge page of the host's lies in one of the
 * guest's, and KVM can map it whole. Page by page, a guest's boot is some ten thousand exits more (docs/boot.md).
 */
#define MEMORY_ALIGN 0x200000u

struct memory_region {
	uint64_t gpa;  /* first guest-physical address */
	uint64_t size; /* bytes */
	uint8_t *host; /* where the first byte is in this process */
};

struct memory {
	struct memory_region regions[MEMORY_REGIONS]; /* by rising gpa */
	unsigned n_regions;
	uint8_t *mapping;
	uint64_t size; /* bytes, all regions together */
};

/*
 * Maps `size` bytes (a multiple of the page size) of zeroed RAM: up to `hole_start` from gpa 0, the rest from
 * `hole_end`; both are multiples of MEMORY_ALIGN. Pages are taken from the host when first touched, huge ones where it
 * has them. 0 or -errno, with a message.
 */
int memory_init(struct memory *memory, uint64_t size, uint64_t hole_start, uint64_t hole_end);
void memory_release(struct memory *memory);

/*
 * The only translation of a guest address: the host address of [gpa, gpa + len), or NULL where any byte of it is not
 * RAM or where it would cross from one region to the other. len 0 asks for one valid address. The memory is shared with
 * running vCPUs: what is read once may read differently the next time. Valid until memory_release(). Any thread.
 */
void *mem_ptr(const struct memory *memory, uint64_t gpa, uint64_t len);

/*
 * Gives the whole pages in [host, host + len), which is guest RAM, back to the host: they read as zeros from then on.
 * Returns the bytes given back: 0 where there is no whole page in it, or the host refuses. Any thread.
 */
uint64_t mem_discard(void *host, uint64_t len);

#endif
