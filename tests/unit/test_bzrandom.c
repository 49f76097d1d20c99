// SPDX-License-Identifier: GPL-2.0-only
/*
 * Thousands of boot headers made of odd numbers, from a fixed seed. The oracle: 0 and silence, or -errno and one line;
 * the fence around the RAM is untouched; and what was loaded lies where the header allows, with zeros all around it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/image.h"
#include "vmm/arch/x86/layout.h"

#define RAM    (4 * MIB)
#define ROUNDS 3000

static uint64_t seed = 0x62696e;

static uint64_t pick(uint64_t n)
{
	return random_next(&seed) % n;
}

static uint64_t odd_number(void)
{
	static const uint64_t odd[] = {
		0,          1,          2,          15,         16,         31,         32,         33,
		255,        511,        512,        513,        0x7ff,      0x1000,     0xfffff,    0x100000,
		0x100001,   0x1fffff,   0x200000,   RAM - 1,    RAM,        RAM + 1,    0x7fffffff, 0x80000000,
		0xbfffffff, 0xc0000000, 0xfffff000, 0xffffffff, 1ull << 32, 1ull << 63, UINT64_MAX, UINT64_MAX - 0xfff,
	};

	return pick(4) ? odd[pick(sizeof(odd) / sizeof(odd[0]))] : random_next(&seed) >> pick(64);
}

static struct bz random_bz(void)
{
	struct bz bz = bz_plain();
	struct setup_header *h = &bz.header;

	h->pref_address = 1 * MIB;
	h->init_size = 1 * MIB;
	for (unsigned n = (unsigned)pick(5); n > 0; n--) {
		uint64_t value = odd_number();

		switch (pick(14)) {
		case 0: h->setup_sects = (uint8_t)value; break;
		case 1: h->syssize = (uint32_t)value; break;
		case 2: h->syssize = (uint32_t)pick(600); break;
		case 3: h->jump = (uint16_t)(value << 8); break;
		case 4: h->version = (uint16_t)(0x20c + value % 8); break;
		case 5: h->loadflags = (uint8_t)(value | LOADED_HIGH); break;
		case 6: h->initrd_addr_max = (uint32_t)value; break;
		case 7: h->kernel_alignment = (uint32_t)value; break;
		case 8: h->relocatable_kernel = (uint8_t)value; break;
		case 9: h->cmdline_size = (uint32_t)value; break;
		case 10: h->pref_address = value; break;
		case 11: h->init_size = (uint32_t)value; break;
		case 12: bz.size = pick(20000); break;
		default: /* any byte at all */ ((uint8_t *)h)[pick(sizeof(*h))] = (uint8_t)value; break;
		}
	}
	return bz;
}

static void check_zero(const struct guest *guest, uint64_t from, uint64_t to)
{
	static const uint8_t zeros[65536];

	for (; from < to; from += sizeof(zeros)) {
		uint64_t len = to - from < sizeof(zeros) ? to - from : sizeof(zeros);

		assert_memory_equal(guest->ram + from, zeros, len);
	}
}

/* Everything that was written is where the layout, or the header, has it. */
static void check_places(const struct guest *guest, const struct bz *bz, size_t initrd_len)
{
	const struct vm_boot *boot = &guest->vm.boot;
	size_t setup = bz_setup(bz), len = (size_t)bz->header.syssize * 16;
	uint64_t start = boot->entry - 0x200, end;

	assert_true(setup < bz->size);
	if (len > bz->size - setup)
		len = bz->size - setup;
	end = start + len;
	assert_true(start >= 1 * MIB && end <= RAM && len > 0x200);
	for (size_t i = 0; i < len; i += 97)
		assert_int_equal(guest->ram[start + i], bz_byte(setup + i));

	check_zero(guest, 0, X86_GDT);
	check_zero(guest, X86_GDT + 32, X86_PAGE_TABLES);
	check_zero(guest, X86_PAGE_TABLES + 6 * 4096, X86_BOOT_PARAMS);
	check_zero(guest, X86_BOOT_PARAMS + 4096, X86_CMDLINE);
	check_zero(guest, X86_CMDLINE + strlen(guest->config.cmdline), 1 * MIB);
	check_zero(guest, 1 * MIB, start);
	if (!initrd_len) {
		check_zero(guest, end, RAM);
		return;
	}
	assert_true(boot->initrd_size == initrd_len);
	assert_true(boot->initrd_gpa >= end && boot->initrd_gpa + initrd_len <= RAM);
	/* a header may end before its init_size, which is then not there */
	if (0x202u + (bz->header.jump >> 8) >= 0x264)
		assert_true(boot->initrd_gpa >= start + bz->header.init_size);
	assert_true(boot->initrd_gpa + initrd_len - 1 <= bz->header.initrd_addr_max);
	check_zero(guest, end, boot->initrd_gpa);
	check_zero(guest, boot->initrd_gpa + initrd_len, RAM);
}

static void test_random_headers(void **state)
{
	struct guest *guest = guest_make(RAM);
	unsigned loaded = 0;

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct bz bz = random_bz();
		struct temp_file kernel, initrd;
		size_t initrd_len = pick(3) ? 0 : (size_t)pick(1 * MIB) + 1;
		uint8_t *bytes = malloc(initrd_len + 1);

		assert_non_null(bytes);
		memset(bytes, 0xa5, initrd_len + 1);
		bz_file(&kernel, &bz);
		file_make(&initrd, bytes, initrd_len);
		guest->config.initrd = initrd_len ? initrd.path : NULL;
		if (!*guest_load(guest, kernel.path)) {
			loaded++;
			check_places(guest, &bz, initrd_len);
		}
		file_gone(&initrd);
		file_gone(&kernel);
		free(bytes);
	}
	assert_true(loaded > ROUNDS / 10 && loaded < ROUNDS * 9 / 10);
	guest_free(guest);
}

/* No structure at all: bytes from nowhere, with and without the magic numbers that get them past the first look. */
static void test_random_bytes(void **state)
{
	struct guest *guest = guest_make(RAM);
	uint8_t bytes[4096];

	(void)state;
	for (unsigned round = 0; round < 1000; round++) {
		struct temp_file file;

		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)random_next(&seed);
		if (round % 4 == 1)
			memcpy(bytes, "\177ELF", 4);
		if (round % 4 >= 2)
			memcpy(bytes + 0x202, "HdrS\x0f\x02", 6);
		if (round % 4 == 3)
			memcpy(bytes + 0x1fe, "\x55\xaa", 2);
		file_make(&file, bytes, pick(sizeof(bytes)) + 1);
		guest_load(guest, file.path);
		file_gone(&file);
	}
	guest_free(guest);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random_headers),
					    cmocka_unit_test(test_random_bytes) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
