/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader of AML, for the declarations that a machine without any method has: Scope, Device and Name, by the grammar
 * of ACPI 6.4, 20.2, and resource descriptors, 6.4.
 */
#ifndef MINIVMM_UNIT_DSDT_H
#define MINIVMM_UNIT_DSDT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DSDT_DEVICES_MAX 64

struct dsdt_device {
	char scope[5], name[5];
	char hid[16]; /* an EISAID is unpacked */
	bool has_uid;
	uint64_t uid;
	/* of _CRS; where there are several of a kind, the last */
	unsigned n_memory, n_ports, n_interrupts;
	uint32_t base, len;
	uint16_t port, ports;
	uint32_t gsi;
	uint8_t interrupt_flags;
};

struct dsdt {
	struct dsdt_device devices[DSDT_DEVICES_MAX];
	unsigned n_devices;
	unsigned n_s5; /* integers in \_S5; 0: it is not there */
	uint64_t s5[4];
};

/* The code behind a DSDT's header. NULL, or what is wrong. */
const char *dsdt_read(const uint8_t *aml, size_t len, struct dsdt *dsdt);
/* How many devices have this _HID, and the first of them. */
unsigned dsdt_count(const struct dsdt *dsdt, const char *hid);
const struct dsdt_device *dsdt_find(const struct dsdt *dsdt, const char *hid);

#endif
