/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The x86/HVM direct boot ABI, "PVH" (Xen's docs/misc/pvh.pandoc): a kernel whose ELF notes name an entry point is
 * entered there in 32-bit mode without paging, ebx = the start info. That has no way to hand over a device tree.
 */
#ifndef MINIVMM_X86_PVH_H
#define MINIVMM_X86_PVH_H

#include <asm/bootparam.h>
#include <elf.h>
#include <stdint.h>

#include "vmm/arch/x86/image.h"

#define PVH_START_MAGIC   0x336ec578u
#define PVH_START_VERSION 1u /* the first with a memory map */
#define PVH_TSS_LIMIT     0x67u

/* Xen's include/public/arch-x86/hvm/start_info.h. Addresses are gpas, 0 for what is not there. */
struct pvh_start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist_paddr; /* of struct pvh_module[nr_modules]; the first is Linux's initrd */
	uint64_t cmdline_paddr; /* a string */
	uint64_t rsdp_paddr;    /* of ACPI's first table */
	uint64_t memmap_paddr;  /* of struct pvh_memory[memmap_entries] */
	uint32_t memmap_entries, reserved;
};

struct pvh_module {
	uint64_t paddr, size, cmdline_paddr, reserved;
};

struct pvh_memory {
	uint64_t addr, size;
	uint32_t type, reserved; /* as E820's */
};

/*
 * Finds the entry point that the notes of an ELF file name. 0 and *entry, -ENOENT without a message where there is none
 * in what the image holds of them, or -errno with one. Whether there is RAM at *entry is the caller's to see.
 */
int pvh_find_entry(const struct image *image, const Elf64_Phdr *segments, unsigned n, uint64_t *entry);

/* Writes at X86_PVH_START_INFO what the boot parameters say of memory, command line and initrd. */
void pvh_write_start_info(const struct memory *memory, const struct boot_params *params);

#endif
