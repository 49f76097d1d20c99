/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI tables as they lie in guest memory (ACPI 6.4, 5.2), and the few that are the same on every architecture. All
 * numbers in them are little-endian, as our hosts are.
 */
#ifndef MINIVMM_ACPI_TABLES_H
#define MINIVMM_ACPI_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* 5.2.6: what every table but RSDP and FACS begins with. */
struct acpi_header {
	char signature[4];
	uint32_t length; /* bytes, this header among them */
	uint8_t revision;
	uint8_t checksum;
	char oem_id[6];
	char oem_table_id[8];
	uint32_t oem_revision;
	char creator_id[4];
	uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 6.4, table 5-4");

/* 5.2.3.2: a generic address structure; all zeros: there is no such register. */
struct acpi_address {
	uint8_t space; /* ACPI_SPACE_... */
	uint8_t bits, bit_offset;
	uint8_t access; /* ACPI_ACCESS_... */
	uint64_t address;
} __attribute__((packed));
#define ACPI_SPACE_IO    1u
#define ACPI_ACCESS_BYTE 1u
#define ACPI_ACCESS_WORD 2u
#define ACPI_TABLE_ALIGN 8u

#define ACPI_TABLES_MAX 8

/*
 * Where tables are put, one behind the other. As with AML, the first error sticks: err is then -ENOSPC, and what was
 * put last is not there.
 */
struct acpi_area {
	uint8_t *host;     /* its bytes, zeros where nothing is yet */
	uint64_t gpa;      /* of the first of them */
	size_t size, used; /* bytes */
	int err;
	struct acpi_placed {
		const char *name; /* of a file for it */
		size_t at, len;   /* from the area's start; bytes */
	} tables[ACPI_TABLES_MAX];
	unsigned n_tables;
};

/* Room for a table of `len` bytes at a multiple of `align`; or NULL. */
void *acpi_reserve(struct acpi_area *area, const char *name, size_t len, size_t align);
/* Where it is; 0 where there is none of that name. */
uint64_t acpi_gpa(const struct acpi_area *area, const char *name);
/* Fills the header of a table of `len` bytes that lies finished in the area, its checksum last. */
void acpi_seal(struct acpi_header *table, const char signature[4], uint8_t revision, size_t len);

#define ACPI_RSDP "rsdp" /* its name in the area */

/* XSDT and RSDP (5.2.8, 5.2.5) for the tables of these names: the end of it. 0, or the area's error. */
int acpi_root(struct acpi_area *area, const char *const *names, size_t n);

/*
 * DSDT (5.2.11.1): Scope (\_SB) with the architecture's processors and every device that has something to say, and
 * \_S5. 0, or the area's error, or -EINVAL where a device misuses AML.
 */
struct vm;
int acpi_describe(struct acpi_area *area, const struct vm *vm);

/* Writes each table but the RSDP to a file DIRECTORY/NAME.dat, as iasl reads them. 0 or -errno, with a message. */
int acpi_dump(const struct acpi_area *area, const char *directory);

#endif
