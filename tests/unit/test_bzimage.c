// SPDX-License-Identifier: GPL-2.0-only
/* Kernel files that are no good (h22): every one is refused with one message, and nothing is written outside the RAM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/image.h"
#include "vmm/arch/x86/layout.h"

static struct guest *guest; /* 64 MiB, shared by the tests of this file: loading starts with it cleared */

static void refuse(const struct bz *bz, const char *part)
{
	struct temp_file file;

	bz_file(&file, bz);
	assert_refused(guest, file.path, part);
	file_gone(&file);
}

/* Loads, and gives the gpa where the protected-mode code went; its bytes are the file's. */
static uint64_t accept(const struct bz *bz)
{
	struct temp_file file;

	bz_file(&file, bz);
	assert_loaded(guest, file.path);
	file_gone(&file);
	uint64_t start = guest->vm.boot.entry - 0x200;
	size_t len = (size_t)bz->header.syssize * 16;

	if (len > bz->size - bz_setup(bz))
		len = bz->size - bz_setup(bz);
	assert_true(start >= 1 * MIB && start + len <= guest->size);
	for (size_t i = 0; i < len; i += 61)
		assert_int_equal(guest->ram[start + i], bz_byte(bz_setup(bz) + i));
	assert_int_equal(guest->ram[start + len - 1], bz_byte(bz_setup(bz) + len - 1));
	return start;
}

static void test_short_files(void **state)
{
	static const size_t sizes[] = { 0,     1,     4,     0x1f0, 0x1f1, 0x1fe, 0x200, 0x202, 0x204,
					0x206, 0x208, 0x236, 0x263, 0x264, 0x26c, 0x400, 0xa00 };
	struct bz bz = bz_plain();

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		bz.size = sizes[i];
		refuse(&bz, "--kernel");
	}
	/* syssize is rounded up to 16 bytes, so as many as 15 may be missing, and not one more */
	bz = bz_plain();
	bz.size -= 15;
	accept(&bz);
	bz.size--;
	refuse(&bz, "truncated");
}

static void test_not_plain_files(void **state)
{
	char fifo[] = "/tmp/minivmm-fifo-XXXXXX";

	(void)state;
	assert_refused(guest, "/nonexistent/kernel", "/nonexistent/kernel");
	assert_refused(guest, "", "--kernel");
	assert_refused(guest, "/", "directory");
	assert_refused(guest, "/dev/null", "--kernel /dev/null");
	assert_refused(guest, "/dev/zero", "--kernel /dev/zero");
	close(mkstemp(fifo));
	unlink(fifo);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_refused(guest, fifo, "FIFO"); /* and at once: nobody will ever write to it */
	unlink(fifo);
}

static void test_unreadable(void **state)
{
	char path[] = "/tmp/minivmm-file-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	chmod(path, 0);
	bool readable = access(path, R_OK) == 0; /* root reads anything */
	bool dropped = readable && geteuid() == 0 && seteuid(65534) == 0;

	if (!readable || dropped)
		assert_refused(guest, path, "Permission denied");
	if (dropped)
		assert_int_equal(seteuid(0), 0);
	unlink(path);
}

static void test_setup_sects(void **state)
{
	struct bz bz = bz_plain();

	(void)state;
	bz.header.setup_sects = 0; /* means 4 */
	assert_true(accept(&bz) == 16 * MIB);
	bz.header.setup_sects = 1;
	bz.size = 2 * SECTOR + BZ_BODY;
	assert_true(accept(&bz) == 16 * MIB);
	bz.header.setup_sects = 255;
	bz.size = 256 * SECTOR + BZ_BODY;
	assert_true(accept(&bz) == 16 * MIB);
	bz.size = 256 * SECTOR + 1;
	refuse(&bz, "truncated");
	bz.size = 256 * SECTOR;
	refuse(&bz, "truncated");
	bz.size = 5 * SECTOR + BZ_BODY;
	refuse(&bz, "truncated");
}

static void test_syssize(void **state)
{
	static const uint32_t beyond[] = {
		BZ_BODY / 16 + 1, 0x10000001, 0x10000040, 0x7fffffff, 0x80000000, 0xffffffff
	};
	struct bz bz = bz_plain();

	(void)state;
	for (uint32_t size = 0; size <= 0x200 / 16; size += 8) { /* the entry is at 0x200, so there is none */
		bz.header.syssize = size;
		refuse(&bz, "--kernel");
	}
	bz.header.syssize = 0x200 / 16 + 1;
	accept(&bz);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		bz.header.syssize = beyond[i];
		refuse(&bz, "truncated");
	}
}

static void test_wrong_kind(void **state)
{
	struct bz bz = bz_plain();

	(void)state;
	bz.header.boot_flag = 0x55aa;
	refuse(&bz, "signature");
	bz = bz_plain();
	bz.header.header ^= 1;
	refuse(&bz, "neither");
	for (unsigned version = 0; version < 0x020c; version += version < 0x200 ? 0x80 : 1) {
		bz = bz_plain();
		bz.header.version = (uint16_t)version;
		refuse(&bz, "too old");
	}
	bz = bz_plain();
	bz.header.version = 0x020c;
	accept(&bz);
	bz.header.xloadflags = (uint16_t)~XLF_KERNEL_64;
	refuse(&bz, "32-bit");
	bz = bz_plain();
	bz.header.loadflags = 0;
	refuse(&bz, "zImage");
	/* the header ends before the fields that tell what the kernel is */
	bz = bz_plain();
	for (unsigned end = 0; end < 0x236 - 0x202; end += 3) {
		bz.header.jump = (uint16_t)(0xeb | end << 8);
		refuse(&bz, "--kernel");
	}
	bz.header.jump = 0xffeb; /* longer than any header that we know */
	accept(&bz);
}

static void test_larger_than_ram(void **state)
{
	struct bz bz = bz_plain();

	(void)state;
	bz.header.init_size = 48 * MIB; /* exactly to the end of the RAM */
	assert_true(accept(&bz) == 16 * MIB);
	bz.header.relocatable_kernel = 0;
	assert_true(accept(&bz) == 16 * MIB);
	bz.header.init_size++;
	refuse(&bz, "--mem");
	bz.header.init_size = 0xffffffff;
	refuse(&bz, "--mem");
	bz.header.relocatable_kernel = 1;
	refuse(&bz, "--mem");
	bz.header.init_size = 0; /* then its file's size counts */
	assert_true(accept(&bz) == 16 * MIB);
	bz.header.pref_address = guest->size - BZ_BODY;
	bz.header.relocatable_kernel = 0;
	accept(&bz);
	bz.header.pref_address += 16;
	refuse(&bz, "--mem");
}

static void test_pref_address(void **state)
{
	static const uint64_t nowhere[] = {
		0,          0x1000,     1 * MIB - 1, 64 * MIB,   64 * MIB - 1,        0xc0000000,
		0xfffff000, 1ull << 32, 1ull << 63,  UINT64_MAX, UINT64_MAX - 0x1fff,
	};
	struct bz bz = bz_plain();

	(void)state;
	bz.header.relocatable_kernel = 0;
	for (unsigned i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		bz.header.pref_address = nowhere[i];
		refuse(&bz, "--kernel");
	}
	bz.header.pref_address = 1 * MIB;
	assert_true(accept(&bz) == 1 * MIB);
	/* a relocatable kernel that would like to be where there is no RAM for it goes to the next aligned place */
	bz.header.relocatable_kernel = 1;
	bz.header.pref_address = 0;
	assert_true(accept(&bz) == 2 * MIB);
	bz.header.kernel_alignment = 0x1000000;
	assert_true(accept(&bz) == 16 * MIB);
}

/*
 * The protocol's "init_size": a relocatable kernel that is loaded below pref_address moves itself up to it and needs
 * its memory there. So RAM that ends before pref_address + init_size is too little, wherever the file is put.
 */
static void test_runs_at_pref_address(void **state)
{
	struct bz bz = bz_plain();

	(void)state;
	bz.header.init_size = 48 * MIB + 4096;
	refuse(&bz, "--mem");
	bz.header.init_size = 4 * MIB;
	bz.header.pref_address = 64 * MIB;
	refuse(&bz, "--mem");
	bz.header.pref_address = 1ull << 40;
	refuse(&bz, "--mem");
}

static void test_kernel_alignment(void **state)
{
	static const uint32_t bad[] = { 0, 3, 0x1ff000, 0x80000000, 0xffffffff, 0x4000000 };
	struct bz bz = bz_plain();

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bz.header.kernel_alignment = bad[i];
		assert_true(accept(&bz) == 16 * MIB); /* not needed where the kernel likes to be */
	}
	bz.header.pref_address = 0;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		bz.header.kernel_alignment = bad[i];
		refuse(&bz, "--kernel");
	}
	bz.header.kernel_alignment = 1;
	assert_true(accept(&bz) == 1 * MIB);
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
		cmocka_unit_test(test_short_files),
		cmocka_unit_test(test_not_plain_files),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_setup_sects),
		cmocka_unit_test(test_syssize),
		cmocka_unit_test(test_wrong_kind),
		cmocka_unit_test(test_larger_than_ram),
		cmocka_unit_test(test_pref_address),
		cmocka_unit_test(test_runs_at_pref_address),
		cmocka_unit_test(test_kernel_alignment),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
