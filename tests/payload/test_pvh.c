// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest finds when it is entered by PVH (Xen's docs/misc/pvh.pandoc and arch-x86/hvm/start_info.h): registers,
 * segments, start info, memory map, command line, initrd.
 */
#include "tests/payload/guest.h"

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modules, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};

struct module {
	uint64_t address, size, cmdline, reserved;
};

struct range {
	uint64_t address, size;
	uint32_t type, reserved;
};

/* A segment's descriptor in the GDT, without its "accessed" bit; 0 for a selector that names none. */
static uint64_t descriptor(uint16_t selector)
{
	if (selector % 8 || selector < 8 || selector + 7u > pvh_entry.gdt_limit)
		return 0;
	return read64(pvh_entry.gdt + selector) & ~(1ull << 40);
}

static void check_registers(void)
{
	const uint32_t tf = 1u << 8, interrupts = 1u << 9, vm = 1u << 17, et = 0x10;
	const uint64_t code32 = 0x00cf9a000000ffff, data32 = 0x00cf92000000ffff;

	check_is(pvh_entry.cr0 & ~et, 1, "cr0: protected mode and no more");
	check_is(pvh_entry.cr4, 0, "cr4");
	check_is(pvh_entry.eflags & (tf | interrupts | vm), 0, "eflags");
	check_is(descriptor(pvh_entry.cs), code32, "cs is flat, 32 bits");
	check_is(descriptor(pvh_entry.ds), data32, "ds is flat");
	check_is(descriptor(pvh_entry.es), data32, "es is flat");
	/* bit 40 is a part of its type: 0xb, a busy 32-bit TSS, but for this bit */
	check_is(descriptor(pvh_entry.tr), 0x00008a0000000067, "tr is a 32-bit TSS of 0x67 bytes at 0");
}

static void check_map(const struct start_info *info)
{
	const struct range *map = (const void *)(uintptr_t)info->memmap;
	uint64_t ram = 0, end = 0;
	bool is_sorted = true;

	for (unsigned i = 0; i < info->memmap_entries; i++) {
		is_sorted = is_sorted && map[i].address >= end && map[i].reserved == 0;
		end = map[i].address + map[i].size;
		ram += map[i].type == 1 ? map[i].size : 0;
	}
	check(is_sorted, "the map is sorted");
	check_is(end, 64u << 20, "the map ends with the RAM");
	check(ram > 63u << 20 && ram <= 64u << 20, "the map's RAM is --mem");
}

void payload(void)
{
	const struct start_info *info = (const void *)(uintptr_t)pvh_entry.start_info;

	check(info != NULL, "entered by PVH");
	if (!info)
		return;
	check_registers();
	check_is(info->magic, 0x336ec578, "the magic number");
	check(info->version >= 1, "a version with a map");
	check_is(info->flags, 0, "no flags");
	check(info->cmdline && memcmp((const void *)(uintptr_t)info->cmdline, "console=ttyS0 payload=pvh", 26) == 0,
	      "the command line");
	check_map(info);
	check_is(info->nr_modules, 1, "modules");

	const struct module *initrd = (const void *)(uintptr_t)info->modules;

	check_is(initrd->size, 7, "the initrd's size");
	check(memcmp((const void *)(uintptr_t)initrd->address, "initrd\n", 7) == 0, "the initrd");
}
