/* SPDX-License-Identifier: GPL-2.0-only */
/* A machine with a kernel and one way to find its devices, as main.c builds it, and what its guest finds. */
#ifndef MINIVMM_UNIT_PC_H
#define MINIVMM_UNIT_PC_H

#include <asm/bootparam.h>

#include "tests/unit/dsdt.h"
#include "tests/unit/firmware.h"
#include "vmm/vm.h"

struct pc {
	struct vm *vm;
	/* of DISCOVERY_ACPI alone */
	struct found_acpi found;
	struct dsdt dsdt;
};

/* A small kernel, one processor, no devices but the machine's own. */
struct vm_config pc_config(enum discovery discovery);
/* Fails the test where anything does; ACPI's tables and the DSDT's code are read by the standard. */
void pc_make(struct pc *pc, const struct vm_config *config);
void pc_free(struct pc *pc);

const struct boot_params *pc_params(const struct pc *pc);
/* A little-endian number of `len` bytes at an offset that lies in the table. */
uint64_t pc_field(const struct found_table *table, unsigned offset, unsigned len);

#endif
