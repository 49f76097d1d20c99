/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a PC's firmware leaves in guest RAM, looked for and read as a kernel does it, by the standards alone: ACPI 6.4
 * and the MultiProcessor Specification 1.4. Each function returns NULL or what is wrong, for unit tests and fuzz
 * targets alike; nothing outside of guest RAM is read, whatever the tables say.
 */
#ifndef MINIVMM_UNIT_FIRMWARE_H
#define MINIVMM_UNIT_FIRMWARE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/memory.h"

struct found_table {
	const uint8_t *bytes; /* in guest RAM */
	uint32_t len;
	uint64_t gpa;
};

struct found_acpi {
	struct found_table rsdp, xsdt, fadt, madt, facs, dsdt;
	unsigned n_listed; /* tables in the XSDT */
};

#define MP_ENTRIES_MAX 64
enum { MP_CPU, MP_BUS, MP_IOAPIC, MP_INTERRUPT, MP_LOCAL, MP_KINDS }; /* MP 1.4, table 4-3 */

struct found_mp {
	struct found_table pointer, table;
	const uint8_t *entries[MP_ENTRIES_MAX]; /* each at least as long as its kind has to be */
	unsigned n_entries, n_kind[MP_KINDS];
};

/* Little-endian, of 1 to 8 bytes. */
uint64_t firmware_number(const void *bytes, unsigned len);
/* The sum of all bytes, modulo 256. */
uint8_t firmware_sum(const void *bytes, size_t len);

/* The gpa of a signature at a multiple of 16 where it is to be looked for; 0: it is nowhere. */
uint64_t firmware_find_rsdp(const struct memory *memory);
uint64_t firmware_find_mp(const struct memory *memory);

/* From the root to every table that a kernel needs; signatures, lengths and checksums are right. */
const char *firmware_read_acpi(const struct memory *memory, struct found_acpi *found);
/* The pointer, the table, its entries in the order of the standard; lengths and checksums are right. */
const char *firmware_read_mp(const struct memory *memory, struct found_mp *found);

#endif
