/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ACPI machine language under construction (ACPI 6.4, chapter 20): what an ASL compiler would make of a few kinds of
 * declarations. As with the device tree, the first error sticks, so that whoever adds objects need not check each call.
 * Names of objects have four characters, with '_' behind shorter ones; constants are little-endian and as short as can
 * be.
 */
#ifndef MINIVMM_ACPI_AML_H
#define MINIVMM_ACPI_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AML_DEPTH 8 /* objects within objects */

struct aml {
	uint8_t *bytes; /* borrowed */
	size_t len, size;
	int err; /* -ENOSPC once the bytes do not suffice, or -EINVAL for a name, a size or a nesting that cannot be */
	unsigned depth;
	bool in_resources;      /* what was opened last is a resource template */
	size_t open[AML_DEPTH]; /* where the content of each open object begins */
};

void aml_start(struct aml *aml, void *bytes, size_t size);
/* 0 or the first error: then the bytes are of no use. -EINVAL too where an object is still open. */
int aml_finish(struct aml *aml);

/* Scope (\NAME) and Device (NAME), each up to its aml_end(). */
void aml_scope(struct aml *aml, const char *name);
void aml_device(struct aml *aml, const char *name);
void aml_end(struct aml *aml);

/* Name (NAME, value) */
void aml_name_integer(struct aml *aml, const char *name, uint64_t value);
void aml_name_string(struct aml *aml, const char *name, const char *value);
/* `id` is "PNP0501": three capitals and four hexadecimal digits, packed as EISAID () does. */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id);
/* Package () {...} of at most 255 integers */
void aml_name_package(struct aml *aml, const char *name, const uint64_t *values, size_t n);

/* Name (_CRS, ResourceTemplate () {...}) up to aml_end_resources(); of those below (ACPI 6.4, 6.4). */
void aml_resources(struct aml *aml);
void aml_end_resources(struct aml *aml);
/* Memory32Fixed (ReadWrite, base, len) */
void aml_memory(struct aml *aml, uint32_t base, uint32_t len);
/* IO (Decode16, port, port, 1, len) */
void aml_ports(struct aml *aml, uint16_t port, uint8_t len);
/* Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) {gsi} */
void aml_interrupt(struct aml *aml, uint32_t gsi);

#endif
