// SPDX-License-Identifier: GPL-2.0-only
/* What a guest finds when it is entered: registers, boot parameters, memory map, command line, initrd, device tree. */
#include "tests/payload/guest.h"

static uint64_t ram_bytes(void)
{
	uint64_t ram = 0;

	for (unsigned i = 0; i < boot_params->e820_entries; i++)
		if (boot_params->e820_table[i].type == 1)
			ram += boot_params->e820_table[i].size;
	return ram;
}

/* The last page of every stretch of RAM in the map takes a store and gives it back. */
static bool ram_holds(void)
{
	for (unsigned i = 0; i < boot_params->e820_entries; i++) {
		const struct boot_e820_entry entry = boot_params->e820_table[i];
		uint64_t last = (entry.addr + entry.size - 8) & ~7ull;

		if (entry.type != 1 || last >= 1ull << 32)
			continue;
		uint64_t was = read64(last);

		write64(last, 0x5a5a1234a5a54321);
		if (read64(last) != 0x5a5a1234a5a54321)
			return false;
		write64(last, was);
	}
	return true;
}

void payload(void)
{
	const struct setup_header *header = &boot_params->hdr;
	const char *cmdline = (const char *)(uintptr_t)header->cmd_line_ptr;
	uint64_t cr0, cr4, flags;
	uint16_t cs, ds, ss;

	__asm__ volatile("mov %%cr0, %0; mov %%cr4, %1; pushfq; popq %2" : "=r"(cr0), "=r"(cr4), "=r"(flags));
	__asm__ volatile("mov %%cs, %0; mov %%ds, %1; mov %%ss, %2" : "=r"(cs), "=r"(ds), "=r"(ss));
	check((cr0 & 0x80000001) == 0x80000001 && (cr4 & 0x20), "paging, protected mode, PAE");
	check(!(flags & 0x200), "interrupts are off");
	check(cs == 0x10 && ds == 0x18 && ss == 0x18, "selectors of the boot protocol");
	check(header->boot_flag == 0xaa55 && header->header == 0x53726448, "the boot header is there");
	check_is(header->type_of_loader, 0xff, "type_of_loader");
	check_is(boot_params->sentinel, 0, "sentinel");
	check(ram_bytes() > 60u << 20 && ram_bytes() <= 64u << 20, "the map's RAM is --mem");
	check(ram_holds(), "RAM holds what is stored");
	check(memcmp(cmdline, "console=ttyS0 payload=boot", 27) == 0, "the command line");
	check(tree_chosen("bootargs") && memcmp(tree_chosen("bootargs"), cmdline, 27) == 0, "the tree has the same");
	check(header->ramdisk_size == 7 && memcmp((const void *)(uintptr_t)header->ramdisk_image, "initrd\n", 7) == 0,
	      "the initrd");
	check_is(tree_count("cpu"), 2, "processors in the tree");
	check_is(tree_count("memory"), 1, "memory nodes");

	struct node node;

	check(tree_find("virtio,mmio", 0, &node) && node.has_pin, "a virtio device in the tree");
	check_is(read32(node.address), 0x74726976, "and there it answers");
	check(!tree_find("virtio,mmio", 1, &node), "one only");
}
