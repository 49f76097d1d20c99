// SPDX-License-Identifier: GPL-2.0-only
/* The PVH entry: the note that names it, however it is written, and what a kernel finds that is entered there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/image.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"

#define NO_NOTE "no PVH note"

static struct guest *guest;
static struct vmlinux kernel;

static int plain(void **state)
{
	(void)state;
	vmlinux_plain(&kernel);
	guest->config.boot = BOOT_PVH;
	guest->config.initrd = NULL;
	return 0;
}

static void no_notes(void)
{
	memset(kernel.notes, 0, sizeof(kernel.notes));
}

static void load_cut(size_t len, enum boot_path path, uint64_t entry)
{
	struct temp_file file;

	file_make(&file, &kernel, len);
	assert_loaded(guest, file.path);
	file_gone(&file);
	assert_int_equal(guest->vm.boot.path, path);
	assert_true(guest->vm.boot.entry == entry);
	assert_memory_equal(guest->ram + VMLINUX_AT, kernel.code, sizeof(kernel.code));
}

static void load(void)
{
	load_cut(sizeof(kernel), BOOT_PVH, VMLINUX_PVH_ENTRY);
}

static void refuse_cut(size_t len, const char *part)
{
	struct temp_file file;

	file_make(&file, &kernel, len);
	assert_refused(guest, file.path, part);
	file_gone(&file);
}

static void refuse(const char *part)
{
	refuse_cut(sizeof(kernel), part);
}

/* --- the note -------------------------------------------------------------------------------------------------------
 */

/* 4 and 8 are what linkers make; whatever else p_align says means 4. */
static void test_note_alignments(void **state)
{
	static const size_t aligns[] = { 4, 8, 0, 1, 2, 16, 3, UINT64_MAX };
	static const uint64_t entry = VMLINUX_PVH_ENTRY, other = 0x1122334455667788;

	(void)state;
	for (unsigned i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		size_t align = aligns[i] == 8 ? 8 : 4;

		for (uint32_t desc_len = 4; desc_len <= 8; desc_len += 4) {
			no_notes();
			kernel.note_segment.p_align = aligns[i];
			/* in front of it, notes whose names and descriptors end at odd bytes */
			size_t at = vmlinux_note(&kernel, 0, align, "Linux", 257, &other, 1);

			at = vmlinux_note(&kernel, at, align, "Xen", 6, &other, 7);
			at = vmlinux_note(&kernel, at, align, "GNU", VMLINUX_PVH_NOTE, &other, 8);
			at = vmlinux_note(&kernel, at, align, "", 0, "", 0);
			at = vmlinux_note(&kernel, at, align, "Xen", VMLINUX_PVH_NOTE, &entry, desc_len);
			kernel.note_segment.p_filesz = at;
			load();
		}
	}
}

static void test_notes_that_are_another_s(void **state)
{
	static const char *const names[] = { "GNU", "Xe", "Xenn", "xen", "" };
	static const uint32_t types[] = { 0, 1, 17, 19, UINT32_MAX }, sizes[] = { 0, 1, 3, 5, 7, 9, 16 };
	static const uint64_t entry[2] = { VMLINUX_PVH_ENTRY };

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		no_notes();
		vmlinux_note(&kernel, 0, 4, names[i], VMLINUX_PVH_NOTE, entry, 8);
		refuse(NO_NOTE);
	}
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		no_notes();
		vmlinux_note(&kernel, 0, 4, "Xen", types[i], entry, 8);
		refuse(NO_NOTE);
	}
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		no_notes();
		vmlinux_note(&kernel, 0, 4, "Xen", VMLINUX_PVH_NOTE, entry, sizes[i]);
		refuse(NO_NOTE);
	}
	plain(NULL);
	kernel.note_segment.p_type = PT_NULL;
	refuse(NO_NOTE);
}

/* A file that ends anywhere in its notes, and a segment that does. */
static void test_note_cut_off(void **state)
{
	const size_t start = offsetof(struct vmlinux, notes), len = sizeof(Elf64_Nhdr) + 4 + 8;

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		refuse_cut(start + cut, NO_NOTE);
		kernel.note_segment.p_filesz = cut;
		refuse_cut(start + cut, NO_NOTE);
		refuse(NO_NOTE);
		plain(NULL);
	}
	kernel.note_segment.p_filesz = len;
	load();
	load_cut(start + len, BOOT_PVH, VMLINUX_PVH_ENTRY);
}

static void test_hostile_sizes(void **state)
{
	static const uint32_t odd[] = { 0x7fffffff,      0x80000000,      UINT32_MAX,      UINT32_MAX - 3,
					UINT32_MAX - 11, UINT32_MAX - 15, UINT32_MAX - 19, 257 };
	static const uint64_t far[] = { sizeof(kernel) - 1, sizeof(kernel),   sizeof(kernel) + 1, 1ull << 32,
					1ull << 63,         UINT64_MAX - 255, UINT64_MAX };
	Elf64_Nhdr note;

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (unsigned name = 0; name < 2; name++) {
			plain(NULL);
			memcpy(&note, kernel.notes, sizeof(note));
			*(name ? &note.n_namesz : &note.n_descsz) = odd[i];
			memcpy(kernel.notes, &note, sizeof(note));
			refuse(NO_NOTE);
		}
	}
	for (unsigned i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		plain(NULL);
		kernel.note_segment.p_offset = far[i];
		refuse(NO_NOTE);
		plain(NULL);
		kernel.note_segment.p_filesz = far[i];
		refuse(NO_NOTE);
	}
}

/* A segment of notes that is no kernel's is not gone through to its end. */
static void test_many_notes(void **state)
{
	const size_t len = 1 * MIB;
	uint8_t *file = calloc(1, len);
	struct temp_file temp;

	(void)state;
	assert_non_null(file);
	for (unsigned at = 0; at < 2; at++) {
		size_t place = at ? len / 2 : 12000;

		kernel.note_segment.p_filesz = len - offsetof(struct vmlinux, notes);
		memset(file, 0, len);
		memcpy(file, &kernel, offsetof(struct vmlinux, notes));
		memcpy(file + offsetof(struct vmlinux, notes) + place, kernel.notes, 24);
		file_make(&temp, file, len);
		if (at == 0)
			assert_loaded(guest, temp.path);
		else
			assert_refused(guest, temp.path, NO_NOTE);
		file_gone(&temp);
	}
	free(file);
}

static void test_entry_outside(void **state)
{
	static const uint64_t outside[] = {
		0,           1 * MIB,    VMLINUX_AT - 1, VMLINUX_AT + 8192, 64 * MIB,
		0xffffffffu, 1ull << 32, 1ull << 63,     UINT64_MAX,        (1ull << 32) | VMLINUX_AT
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		vmlinux_note(&kernel, 0, 4, "Xen", VMLINUX_PVH_NOTE, &outside[i], 8);
		refuse("its PVH entry point is in none");
	}
}

/* --- the choice -----------------------------------------------------------------------------------------------------
 */

static void test_choice(void **state)
{
	(void)state;
	guest->config.boot = BOOT_AUTO;
	load_cut(sizeof(kernel), BOOT_ELF, VMLINUX_ENTRY);
	guest->config.boot = BOOT_ELF;
	load_cut(sizeof(kernel), BOOT_ELF, VMLINUX_ENTRY);
	guest->config.boot = BOOT_BZIMAGE;
	refuse("not a bzImage");
	/* an entry that is a virtual address */
	kernel.header.e_entry = 0xffffffff81000000u;
	guest->config.boot = BOOT_AUTO;
	load();
	guest->config.boot = BOOT_ELF;
	refuse("ELF entry point");
	no_notes();
	guest->config.boot = BOOT_AUTO;
	refuse(NO_NOTE);
}

/* --- what the kernel finds ------------------------------------------------------------------------------------------
 */

static const struct pvh_start_info *start_info(void)
{
	return (const struct pvh_start_info *)(guest->ram + X86_PVH_START_INFO);
}

static void check_map(void)
{
	const struct pvh_memory *map = (const struct pvh_memory *)(guest->ram + start_info()->memmap_paddr);
	const struct boot_params *params = guest_params(guest);
	uint64_t end = 0, ram = 0;

	assert_int_equal(start_info()->memmap_entries, params->e820_entries);
	for (unsigned i = 0; i < start_info()->memmap_entries; i++) {
		assert_true(map[i].addr >= end && map[i].size > 0);
		end = map[i].addr + map[i].size;
		assert_int_equal(map[i].reserved, 0);
		assert_true(map[i].addr == params->e820_table[i].addr && map[i].size == params->e820_table[i].size);
		assert_int_equal(map[i].type, params->e820_table[i].type);
		ram += map[i].type == 1 ? map[i].size : 0;
	}
	assert_true(end == guest->size && ram > guest->size - MIB);
}

static void test_start_info(void **state)
{
	static const uint8_t bytes[5000] = "initrd";
	struct temp_file initrd, file;

	(void)state;
	file_make(&file, &kernel, sizeof(kernel));
	assert_loaded(guest, file.path);
	/* a second load owes nothing to what lay in the page before */
	memset(guest->ram + X86_PVH_START_INFO, 0xff, X86_PVH_START_INFO_END - X86_PVH_START_INFO);
	assert_int_equal(arch_load(&guest->vm), 0);
	file_gone(&file);
	assert_int_equal(start_info()->magic, 0x336ec578);
	assert_int_equal(start_info()->version, 1);
	assert_int_equal(start_info()->flags, 0);
	assert_int_equal(start_info()->reserved, 0);
	assert_true(start_info()->rsdp_paddr == 0);
	assert_int_equal(start_info()->nr_modules, 0);
	assert_true(start_info()->modlist_paddr == 0);
	assert_string_equal((char *)guest->ram + start_info()->cmdline_paddr, "console=ttyS0");
	check_map();

	file_make(&initrd, bytes, sizeof(bytes));
	guest->config.initrd = initrd.path;
	load();
	file_gone(&initrd);
	const struct pvh_module *module = (const struct pvh_module *)(guest->ram + start_info()->modlist_paddr);

	assert_int_equal(start_info()->nr_modules, 1);
	assert_true(module->size == sizeof(bytes) && module->paddr == guest->vm.boot.initrd_gpa);
	assert_true(module->cmdline_paddr == 0 && module->reserved == 0);
	assert_memory_equal(guest->ram + module->paddr, bytes, sizeof(bytes));
	check_map();
}

/* What cpu.c loads has its entry: flat code of 32 bits, data, a busy TSS of 0x67 bytes at 0. */
static void test_gdt(void **state)
{
	(void)state;
	load();
	const uint64_t *gdt = (const uint64_t *)(guest->ram + X86_GDT);

	assert_true(gdt[0] == 0 && gdt[1] == 0);
	assert_true(gdt[X86_BOOT_CS / 8] == 0x00cf9b000000ffffu);
	assert_true(gdt[X86_BOOT_DS / 8] == 0x00cf93000000ffffu);
	assert_true(gdt[X86_BOOT_TR / 8] == 0x00008b0000000067u);
}

/* There is no way to hand it over: nothing of it is in RAM, however large it is. */
static void test_device_tree(void **state)
{
	const size_t len = X86_DTB_END - X86_DTB + 1;
	uint8_t *blob = malloc(len);

	(void)state;
	assert_non_null(blob);
	memset(blob, 0xd7, len);
	load();
	assert_int_equal(arch_place_dtb(&guest->vm, blob, 64), 0);
	assert_int_equal(arch_place_dtb(&guest->vm, blob, len), 0);
	for (uint64_t gpa = X86_DTB; gpa < X86_DTB_END; gpa++)
		assert_int_equal(guest->ram[gpa], 0);
	assert_true(guest_params(guest)->hdr.setup_data == 0);
	free(blob);
}

static int setup(void **state)
{
	(void)state;
	guest = guest_make(64 * MIB);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guest_free(guest);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_note_alignments, plain),
		cmocka_unit_test_setup(test_notes_that_are_another_s, plain),
		cmocka_unit_test_setup(test_note_cut_off, plain),
		cmocka_unit_test_setup(test_hostile_sizes, plain),
		cmocka_unit_test_setup(test_many_notes, plain),
		cmocka_unit_test_setup(test_entry_outside, plain),
		cmocka_unit_test_setup(test_choice, plain),
		cmocka_unit_test_setup(test_start_info, plain),
		cmocka_unit_test_setup(test_gdt, plain),
		cmocka_unit_test_setup(test_device_tree, plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
