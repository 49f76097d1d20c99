// SPDX-License-Identifier: GPL-2.0-only
/* What minivmm laid into low memory, moved into the payload's own: a payload whose device writes at strange addresses
 * must not lose the ground under itself. */
#include "tests/payload/guest.h"

#define PAGE       4096u
#define ENTRIES    512u
#define TABLES     6u /* PML4, PDPT, four page directories: the first 4 GiB in pages of 2 MiB */
#define PRESENT_RW 3u
#define LARGE      0x80u
#define TREE_MAX   65536u
#define GDT_MAX    64u

struct __attribute__((packed)) table_register {
	uint16_t limit;
	uint64_t base;
};

static uint64_t tables[TABLES][ENTRIES] __attribute__((aligned(PAGE)));
static uint8_t gdt[GDT_MAX] __attribute__((aligned(8))), tree[TREE_MAX] __attribute__((aligned(8)));
static char cmdline[PAGE];
static struct boot_params params;

static void move_tables(void)
{
	tables[0][0] = (uintptr_t)tables[1] | PRESENT_RW;
	for (unsigned gib = 0; gib < 4; gib++) {
		tables[1][gib] = (uintptr_t)tables[2 + gib] | PRESENT_RW;
		for (uint64_t i = 0; i < ENTRIES; i++)
			tables[2 + gib][i] = ((gib * ENTRIES + i) << 21) | LARGE | PRESENT_RW;
	}
	__asm__ volatile("mov %0, %%cr3" : : "r"(tables) : "memory");
}

void move_in(void)
{
	struct table_register gdtr;

	move_tables();
	__asm__ volatile("sgdt %0" : "=m"(gdtr));
	memcpy(gdt, (const void *)(uintptr_t)gdtr.base, gdtr.limit < GDT_MAX ? gdtr.limit + 1u : GDT_MAX);
	gdtr.base = (uintptr_t)gdt;
	__asm__ volatile("lgdt %0" : : "m"(gdtr));

	const struct setup_data *data = (const void *)(uintptr_t)boot_params->hdr.setup_data;
	const char *words = (const char *)(uintptr_t)boot_params->hdr.cmd_line_ptr;

	params = *boot_params;
	if (data && sizeof(*data) + data->len <= TREE_MAX) {
		memcpy(tree, data, sizeof(*data) + data->len);
		params.hdr.setup_data = (uintptr_t)tree;
	}
	if (strlen(words) < sizeof(cmdline)) {
		memcpy(cmdline, words, strlen(words) + 1);
		params.hdr.cmd_line_ptr = (uint32_t)(uintptr_t)cmdline;
	}
	boot_params = &params;
}
