/* SPDX-License-Identifier: GPL-2.0-only */
/* What lies where in an x86 guest's physical memory. Ends are exclusive. */
#ifndef MINIVMM_X86_LAYOUT_H
#define MINIVMM_X86_LAYOUT_H

/* Low RAM: what minivmm prepares for the first vCPU; Linux copies or reserves it before it uses the memory. */
#define X86_GDT         0x500u  /* X86_GDT_ENTRIES of 8 bytes */
#define X86_PAGE_TABLES 0x1000u /* PML4, PDPT and four page directories: 6 pages */
#define X86_STACK       0x8000u /* the end of a page of stack */
#define X86_BOOT_PARAMS 0x8000u /* the "zero page" of the boot protocol */
#define X86_CMDLINE     0x10000u
#define X86_CMDLINE_END 0x20000u
#define X86_DTB         0x20000u /* setup_data header, then the device tree */
#define X86_DTB_END     0x90000u
#define X86_LOW_RAM_END 0x9fc00u /* E820 calls it RAM up to here; above are video memory and ROMs on a PC */
#define X86_ACPI        0xe0000u /* ACPI tables, where a kernel scans for their root if it was not told */
#define X86_ACPI_END    0xf0000u
#define X86_MPTABLE     0xf0000u /* or the MP table, likewise */
#define X86_MPTABLE_END 0xf1000u
#define X86_HIGH_RAM    0x100000u /* and again from 1 MiB */

/* A page between boot parameters and command line, for a kernel that is entered by PVH. */
#define X86_PVH_START_INFO     0x9000u
#define X86_PVH_START_INFO_END 0xa000u

/* The hole below 4 GiB. */
#define X86_HOLE_START   0xc0000000u
#define X86_HOLE_END     0x100000000u
#define X86_MMIO_START   0xd0000000u /* windows of our devices */
#define X86_MMIO_END     0xe0000000u
#define X86_IOAPIC       0xfec00000u
#define X86_LAPIC        0xfee00000u
#define X86_IOAPIC_ID    0u
#define X86_IDENTITY_MAP 0xfffbc000u /* one page that KVM needs for real mode on Intel */
#define X86_TSS          0xfffbd000u /* three pages, likewise */

/* Selectors that the 64-bit boot protocol asks for; PVH leaves them to us, and wants a task state beside. */
#define X86_BOOT_CS     0x10u
#define X86_BOOT_DS     0x18u
#define X86_BOOT_TR     0x20u
#define X86_GDT_ENTRIES 5u

#endif
