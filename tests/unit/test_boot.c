// SPDX-License-Identifier: GPL-2.0-only
/* Guest RAM after a valid kernel was loaded: what the 64-bit boot protocol promises to the kernel. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/image.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include <cmocka.h>

#define GIB  (1ull << 30)
#define PAGE 4096u

static void test_plain(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel;

	(void)state;
	bz_file(&kernel, &bz);
	assert_loaded(guest, kernel.path);
	assert_true(guest->vm.boot.entry == 16 * MIB + 0x200);
	assert_true(guest->vm.boot.initrd_size == 0);
	for (size_t i = 0; i < BZ_BODY; i++)
		assert_int_equal(guest->ram[16 * MIB + i], bz_byte(bz_setup(&bz) + i));

	/* a second load owes nothing to what lay in the page before */
	memset(guest_params(guest), 0xff, sizeof(struct boot_params));
	assert_int_equal(arch_load(&guest->vm), 0);

	const struct boot_params *params = guest_params(guest);
	struct setup_header expected = bz.header;

	/* the header comes back as the kernel gave it, but for what a boot loader writes */
	expected.type_of_loader = 0xff;
	expected.cmd_line_ptr = params->hdr.cmd_line_ptr;
	assert_memory_equal(&params->hdr, &expected, sizeof(expected));
	assert_string_equal((char *)guest->ram + params->hdr.cmd_line_ptr, "console=ttyS0");
	assert_int_equal(params->sentinel, 0); /* else the kernel distrusts the whole page */
	assert_int_equal(params->ext_ramdisk_image + params->ext_ramdisk_size + params->ext_cmd_line_ptr, 0);
	file_gone(&kernel);
	guest_free(guest);
}

/* What a header says about a RAM disk is the boot loader's to write: zero where there is none. */
static void test_no_initrd_left_over(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel;

	(void)state;
	bz.header.ramdisk_image = 0x01234000;
	bz.header.ramdisk_size = 4096;
	bz.header.setup_data = 0xdeadbeef000;
	bz_file(&kernel, &bz);
	assert_loaded(guest, kernel.path);
	assert_true(guest_params(guest)->hdr.setup_data == 0);
	assert_int_equal(guest_params(guest)->hdr.ramdisk_image, 0);
	assert_int_equal(guest_params(guest)->hdr.ramdisk_size, 0);
	file_gone(&kernel);
	guest_free(guest);
}

/* Sorted, disjoint, and RAM exactly where the machine has it, but for the PC's hole below 1 MiB. */
static void check_e820(const struct vm *vm)
{
	const struct boot_params *params = mem_ptr(&vm->memory, X86_BOOT_PARAMS, sizeof(*params));
	uint64_t ram = 0, end = 0;

	assert_true(params->e820_entries >= 2 && params->e820_entries <= 128);
	for (unsigned i = 0; i < params->e820_entries; i++) {
		const struct boot_e820_entry entry = params->e820_table[i];

		assert_true(entry.size > 0 && entry.addr >= end);
		end = entry.addr + entry.size;
		assert_true(end > entry.addr);
		if (entry.type != 1)
			continue;
		assert_non_null(mem_ptr(&vm->memory, entry.addr, entry.size));
		assert_true(entry.addr >= 1 * MIB || end <= 0xa0000);
		ram += entry.size;
	}
	assert_true(ram <= vm->memory.size && ram >= vm->memory.size - (1 * MIB - 0x90000));
}

static void test_e820(void **state)
{
	static const uint64_t sizes[] = { 32 * MIB, 3 * GIB - PAGE, 3 * GIB, 3 * GIB + PAGE, 5 * GIB };
	struct bz bz = bz_plain();
	struct temp_file kernel;

	(void)state;
	bz_file(&kernel, &bz);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vm_config config = plain_config();
		struct vm *vm;

		config.mem_size = sizes[i];
		config.kernel = kernel.path;
		assert_int_equal(vm_create(&vm, &config), 0);
		assert_int_equal(vm_describe_cmdline(vm), 0);
		assert_int_equal(arch_load(vm), 0);
		check_e820(vm);
		vm_destroy(vm);
	}
	file_gone(&kernel);
}

/* Follows the page tables as the processor does. UINT64_MAX: not mapped writable. */
static uint64_t translate(const struct guest *guest, uint64_t linear)
{
	uint64_t table = X86_PAGE_TABLES;

	for (int shift = 39; shift >= 12; shift -= 9) {
		assert_true(table + PAGE <= guest->size);
		uint64_t entry = ((uint64_t *)(guest->ram + table))[(linear >> shift) & 511];
		uint64_t mask = (1ull << shift) - 1;

		if ((entry & 3) != 3)
			return UINT64_MAX;
		if (shift == 12 || (shift < 39 && (entry & 0x80)))
			return (entry & 0x000ffffffffff000u & ~mask) | (linear & mask);
		table = entry & 0x000ffffffffff000u;
	}
	return UINT64_MAX;
}

static void test_page_tables(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel;

	(void)state;
	bz_file(&kernel, &bz);
	assert_loaded(guest, kernel.path);
	for (uint64_t at = 0; at < 4 * GIB; at += 1 * MIB) {
		assert_true(translate(guest, at) == at);
		assert_true(translate(guest, at + 0xfffff) == at + 0xfffff);
	}
	assert_true(translate(guest, 4 * GIB) == UINT64_MAX);
	assert_true(translate(guest, 0xffff800000000000u) == UINT64_MAX);
	file_gone(&kernel);
	guest_free(guest);
}

/* The protocol asks for flat 4 GiB segments: __BOOT_CS (0x10) execute/read, __BOOT_DS (0x18) read/write. */
static void test_gdt(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel;

	(void)state;
	bz_file(&kernel, &bz);
	assert_loaded(guest, kernel.path);
	const uint64_t *gdt = (uint64_t *)(guest->ram + X86_GDT);

	assert_true(gdt[0] == 0);
	for (unsigned i = 2; i < 4; i++) {
		assert_true((gdt[i] & 0xffffff0000ull) >> 16 == 0 && gdt[i] >> 56 == 0);   /* base */
		assert_true((gdt[i] & 0xffff) == 0xffff && ((gdt[i] >> 48) & 0xf) == 0xf); /* limit */
		assert_true((gdt[i] >> 55) & 1);                                           /* in pages */
		assert_true(((gdt[i] >> 44) & 0xf) == 0x9); /* present, ring 0, no system */
	}
	assert_true(((gdt[2] >> 40) & 0xa) == 0xa); /* code, readable */
	assert_true(((gdt[2] >> 53) & 0x3) == 0x1); /* 64-bit: L, not D */
	assert_true(((gdt[3] >> 40) & 0xa) == 0x2); /* data, writable */
	file_gone(&kernel);
	guest_free(guest);
}

struct place {
	uint32_t addr_max; /* the header's initrd_addr_max */
	uint64_t ram;
	size_t size;
	const char *refused; /* part of the message, or NULL */
};

static void check_initrd(const struct place *place)
{
	struct guest *guest = guest_make(place->ram);
	struct bz bz = bz_plain();
	struct temp_file kernel, initrd;
	uint8_t *bytes = malloc(place->size);

	assert_non_null(bytes);
	for (size_t i = 0; i < place->size; i++)
		bytes[i] = (uint8_t)(i * 13 + 5);
	bz.header.initrd_addr_max = place->addr_max;
	bz_file(&kernel, &bz);
	file_make(&initrd, bytes, place->size);
	guest->config.initrd = initrd.path;
	if (place->refused) {
		assert_refused(guest, kernel.path, place->refused);
	} else {
		assert_loaded(guest, kernel.path);
		const struct setup_header *header = &guest_params(guest)->hdr;
		uint64_t gpa = guest->vm.boot.initrd_gpa;

		assert_true(guest->vm.boot.initrd_size == place->size && header->ramdisk_size == place->size);
		assert_true(header->ramdisk_image == gpa);
		assert_true(gpa % PAGE == 0);
		assert_true(gpa + place->size - 1 <= place->addr_max && gpa + place->size <= place->ram);
		assert_true(gpa >= bz.header.pref_address + bz.header.init_size);
		assert_memory_equal(guest->ram + gpa, bytes, place->size);
	}
	free(bytes);
	file_gone(&kernel);
	file_gone(&initrd);
	guest_free(guest);
}

static void test_initrd_place(void **state)
{
	static const struct place places[] = {
		{ 0x7fffffff, 64 * MIB, 1, NULL },
		{ 0x7fffffff, 64 * MIB, PAGE, NULL },
		{ 0x7fffffff, 64 * MIB, PAGE + 1, NULL },
		{ 0x37ffffff, GIB, 3 * MIB + 17, NULL },
		{ 0xffffffff, 64 * MIB, 100000, NULL },
		{ 0x027fffff, 64 * MIB, 20 * MIB, NULL },           /* exactly between kernel and limit */
		{ 0x027ffffe, 64 * MIB, 20 * MIB, "--initrd" },     /* a byte less */
		{ 0x027fffff, 64 * MIB, 20 * MIB + 1, "--initrd" }, /* a byte more */
		{ 0x7fffffff, 64 * MIB, 44 * MIB, NULL },           /* all that is left */
		{ 0x7fffffff, 64 * MIB, 44 * MIB + 1, "--mem" },
		{ 0x7fffffff, 64 * MIB, 80 * MIB, "--mem" }, /* larger than the RAM */
		{ 0, 64 * MIB, 1, "--initrd" },
		{ 0xfffff, 64 * MIB, PAGE, "--initrd" },
		{ 16 * MIB - 1, 64 * MIB, 4 * MIB, "--initrd" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		check_initrd(&places[i]);
}

/* h23 */
static void test_initrd_bad_file(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel, empty;

	(void)state;
	bz_file(&kernel, &bz);
	file_make(&empty, "", 0);
	guest->config.initrd = empty.path;
	assert_refused(guest, kernel.path, "is empty");
	guest->config.initrd = "/nonexistent/initrd";
	assert_refused(guest, kernel.path, "/nonexistent/initrd");
	guest->config.initrd = "/";
	assert_refused(guest, kernel.path, "directory");
	guest->config.initrd = "/dev/zero";
	assert_refused(guest, kernel.path, "--initrd /dev/zero");
	file_gone(&kernel);
	file_gone(&empty);
	guest_free(guest);
}

/* sysfs promises a page and holds a few bytes: as a file does that shrinks after it was opened. */
static void test_file_shrinks(void **state)
{
	static const char shrinking[] = "/sys/kernel/uevent_seqnum";
	struct guest *guest;
	struct bz bz = bz_plain();
	struct temp_file kernel;

	(void)state;
	if (access(shrinking, R_OK) != 0)
		skip();
	guest = guest_make(64 * MIB);
	bz_file(&kernel, &bz);
	assert_refused(guest, shrinking, "shorter");
	guest->config.initrd = shrinking;
	assert_refused(guest, kernel.path, "shorter");
	file_gone(&kernel);
	guest_free(guest);
}

static void check_cmdline(uint32_t limit, size_t len, bool fits)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel;
	char *cmdline = malloc(len + 1);

	assert_non_null(cmdline);
	memset(cmdline, 'x', len);
	cmdline[len] = '\0';
	bz.header.cmdline_size = limit;
	bz_file(&kernel, &bz);
	guest->config.cmdline = cmdline;
	if (fits) {
		assert_loaded(guest, kernel.path);
		assert_string_equal((char *)guest->ram + guest_params(guest)->hdr.cmd_line_ptr, cmdline);
		assert_true(guest_params(guest)->hdr.cmd_line_ptr + len < X86_DTB); /* the tree is written later */
	} else {
		assert_refused(guest, kernel.path, "--append");
	}
	free(cmdline);
	file_gone(&kernel);
	guest_free(guest);
}

static void test_cmdline(void **state)
{
	(void)state;
	check_cmdline(2047, 0, true);
	check_cmdline(2047, 2047, true); /* cmdline_size does not count the terminating zero */
	check_cmdline(2047, 2048, false);
	check_cmdline(0, 1, false);
	check_cmdline(20, 20, true);
	check_cmdline(20, 21, false);
	check_cmdline(0xffffffff, 4096, true);
	check_cmdline(0xffffffff, 65535, true);
	check_cmdline(0xffffffff, 65536, false);
	check_cmdline(0xffffffff, 1000000, false);
}

static void test_device_tree(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	const size_t most = X86_DTB_END - X86_DTB - sizeof(struct setup_data);
	struct bz bz = bz_plain();
	struct temp_file kernel;
	uint8_t *blob = malloc(most + 1);

	(void)state;
	assert_non_null(blob);
	memset(blob, 0xd7, most + 1);
	bz_file(&kernel, &bz);
	assert_loaded(guest, kernel.path);
	assert_int_equal(arch_place_dtb(&guest->vm, blob, most), 0);
	const struct setup_data *data = (struct setup_data *)(guest->ram + guest_params(guest)->hdr.setup_data);

	assert_true(data->next == 0 && data->type == SETUP_DTB && data->len == most);
	assert_memory_equal(data->data, blob, most);
	/* inside what E820 calls RAM, and over nothing else of ours */
	assert_true(data->data + most <= guest->ram + X86_LOW_RAM_END);
	assert_string_equal((char *)guest->ram + guest_params(guest)->hdr.cmd_line_ptr, "console=ttyS0");
	catch_stderr();
	int err = arch_place_dtb(&guest->vm, blob, most + 1);

	assert_one_message(caught_stderr(), "device tree");
	assert_true(err < 0);
	free(blob);
	file_gone(&kernel);
	guest_free(guest);
}

/* A second load of the same machine leaves no descriptor behind; nor does a refused one. */
static void test_no_leak(void **state)
{
	struct guest *guest = guest_make(64 * MIB);
	struct bz bz = bz_plain();
	struct temp_file kernel;
	int before, after;

	(void)state;
	bz_file(&kernel, &bz);
	assert_loaded(guest, kernel.path);
	before = open("/dev/null", O_RDONLY);
	close(before);
	for (unsigned i = 0; i < 8; i++) {
		assert_loaded(guest, kernel.path);
		assert_refused(guest, "/", "directory");
		assert_refused(guest, "/sys/kernel/uevent_seqnum", "--kernel");
	}
	after = open("/dev/null", O_RDONLY);
	close(after);
	assert_int_equal(before, after);
	file_gone(&kernel);
	guest_free(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_no_initrd_left_over),
		cmocka_unit_test(test_e820),
		cmocka_unit_test(test_page_tables),
		cmocka_unit_test(test_gdt),
		cmocka_unit_test(test_initrd_place),
		cmocka_unit_test(test_initrd_bad_file),
		cmocka_unit_test(test_file_shrinks),
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_device_tree),
		cmocka_unit_test(test_no_leak),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
