// SPDX-License-Identifier: GPL-2.0-only
/* ELF kernels: where the segments go, and every malformed file that the header's fields can make. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/image.h"

#define CODE_AT  0x1000u
#define CODE_LEN 3000u

/* A file with a header, two program headers, and a pattern that the first one loads. */
struct elf {
	Elf64_Ehdr header;
	Elf64_Phdr segments[2];
	uint8_t rest[CODE_AT + CODE_LEN - sizeof(Elf64_Ehdr) - 2 * sizeof(Elf64_Phdr)];
};
_Static_assert(sizeof(struct elf) == CODE_AT + CODE_LEN, "the code ends the file");

static struct guest *guest;
static struct elf elf;

static int plain(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(elf); i++)
		((uint8_t *)&elf)[i] = bz_byte(i);
	elf.header = (Elf64_Ehdr){
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = 2 * MIB + 0x10,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	elf.segments[0] = (Elf64_Phdr){ .p_type = PT_LOAD,
					.p_offset = CODE_AT,
					.p_vaddr = 0xffffffff80200000u,
					.p_paddr = 2 * MIB,
					.p_filesz = CODE_LEN,
					.p_memsz = 8192 };
	/* no program is asked for its notes: whatever they say */
	elf.segments[1] = (Elf64_Phdr){
		.p_type = PT_NOTE, .p_offset = UINT64_MAX, .p_paddr = UINT64_MAX, .p_filesz = 1, .p_memsz = UINT64_MAX
	};
	return 0;
}

static void accept(void)
{
	struct temp_file file;

	file_make(&file, &elf, sizeof(elf));
	assert_loaded(guest, file.path);
	file_gone(&file);
}

static void refuse(const char *part)
{
	struct temp_file file;

	file_make(&file, &elf, sizeof(elf));
	assert_refused(guest, file.path, part);
	file_gone(&file);
	plain(NULL);
}

static void test_valid(void **state)
{
	(void)state;
	accept();
	assert_true(guest->vm.boot.entry == 2 * MIB + 0x10);
	for (unsigned i = 0; i < 8192; i++)
		assert_int_equal(guest->ram[2 * MIB + i], i < CODE_LEN ? bz_byte(CODE_AT + i) : 0);
	/* it has no boot header, so the kernel gets one that says what a bzImage's would */
	const struct setup_header *header = &guest_params(guest)->hdr;

	assert_int_equal(header->boot_flag, 0xaa55);
	assert_int_equal(header->header, 0x53726448);
	assert_int_equal(header->type_of_loader, 0xff);
	assert_true(header->loadflags & LOADED_HIGH);
	assert_string_equal((char *)guest->ram + header->cmd_line_ptr, "console=ttyS0");
	/* segments in any order, a second one beyond the first, a last one that only reserves memory */
	elf.segments[1] = elf.segments[0];
	elf.segments[1].p_paddr = 1 * MIB;
	elf.header.e_entry = 2 * MIB + 8191;
	accept();
	assert_int_equal(guest->ram[1 * MIB + CODE_LEN - 1], bz_byte(CODE_AT + CODE_LEN - 1));
	elf.segments[1].p_filesz = 0;
	elf.segments[1].p_paddr = 32 * MIB;
	accept();
	elf.segments[1] = (Elf64_Phdr){ .p_type = PT_LOAD, .p_paddr = UINT64_MAX }; /* of no bytes: nothing to load */
	accept();
}

static void test_initrd_above(void **state)
{
	struct temp_file initrd;

	(void)state;
	file_make(&initrd, &elf, sizeof(elf));
	guest->config.initrd = initrd.path;
	elf.segments[0].p_memsz = guest->size - 2 * MIB - 8192;
	accept();
	assert_true(guest->vm.boot.initrd_gpa == guest->size - 8192 && guest->vm.boot.initrd_size == sizeof(elf));
	elf.segments[0].p_memsz += 1; /* the kernel now ends inside the page where the initrd would begin */
	refuse("--initrd");
	guest->config.initrd = NULL;
	file_gone(&initrd);
}

static void test_truncated(void **state)
{
	static const size_t sizes[] = { 1,
					3,
					4,
					5,
					16,
					18,
					20,
					63,
					64,
					65,
					64 + 55,
					64 + 56,
					64 + 111,
					64 + 112,
					CODE_AT,
					CODE_AT + 1,
					CODE_AT + CODE_LEN - 1 };

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct temp_file file;

		file_make(&file, &elf, sizes[i]);
		assert_refused(guest, file.path, "--kernel");
		file_gone(&file);
	}
}

static void test_wrong_kind(void **state)
{
	static const uint16_t types[] = { ET_NONE, ET_REL, ET_DYN, ET_CORE, 0xffff },
			      machines[] = { EM_NONE, EM_386, EM_ARM, EM_AARCH64, 0xffff };

	(void)state;
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		elf.header.e_type = types[i];
		refuse("--kernel");
		elf.header.e_machine = machines[i];
		refuse("not for 64-bit x86");
	}
	elf.header.e_ident[EI_CLASS] = ELFCLASS32;
	refuse("not for 64-bit x86");
	elf.header.e_ident[EI_CLASS] = ELFCLASSNONE;
	refuse("not for 64-bit x86");
	elf.header.e_ident[EI_MAG3] = 'G';
	refuse("neither");
}

static void test_program_headers(void **state)
{
	static const uint16_t nums[] = { 0, 65, 0x7fff, 0x8000, PN_XNUM }, sizes[] = { 0, 1, 32, 55, 57, 0xffff };
	static const uint64_t offsets[] = { sizeof(elf), sizeof(elf) - 1,  sizeof(elf) - 111, 1ull << 63,
					    UINT64_MAX,  UINT64_MAX - 111, 0 - 112ull };

	(void)state;
	for (unsigned i = 0; i < sizeof(nums) / sizeof(nums[0]); i++) {
		elf.header.e_phnum = nums[i];
		refuse("program headers");
	}
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		elf.header.e_phentsize = sizes[i];
		refuse("program headers");
	}
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		elf.header.e_phoff = offsets[i];
		refuse("truncated");
	}
}

static void test_segments(void **state)
{
	static const uint64_t addresses[] = {
		0,          1,          0x8000,     1 * MIB - 1, 1 * MIB - 8192,    64 * MIB - 8191,   64 * MIB,
		0xc0000000, 1ull << 32, 1ull << 63, UINT64_MAX,  UINT64_MAX - 8191, UINT64_MAX - 4096,
	};
	static const uint64_t sizes[] = { 62 * MIB + 1, 1ull << 32,      1ull << 63,        UINT64_MAX,
					  0 - 2 * MIB,  0 - 2 * MIB + 1, 0 - 2 * MIB + 8192 };
	static const uint64_t offsets[] = { CODE_AT + 1, CODE_AT + CODE_LEN, CODE_AT + CODE_LEN + 1,
					    1ull << 63,  UINT64_MAX,         UINT64_MAX - CODE_LEN + 1 };

	(void)state;
	for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		elf.segments[0].p_paddr = addresses[i];
		refuse("--kernel");
	}
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		elf.segments[0].p_memsz = sizes[i];
		refuse("--mem");
	}
	for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		elf.segments[0].p_offset = offsets[i];
		refuse("--kernel");
	}
	elf.segments[0].p_memsz = CODE_LEN - 1; /* fewer than the file gives */
	refuse("--kernel");
	elf.segments[0].p_filesz = UINT64_MAX;
	elf.segments[0].p_memsz = UINT64_MAX;
	refuse("--kernel");
	elf.segments[0].p_type = PT_NULL; /* nothing to load */
	refuse("entry");
	elf.segments[0].p_paddr = 64 * MIB - 8192; /* up to the last byte is fine */
	elf.header.e_entry = 64 * MIB - 8192;
	accept();
}

static void test_entry(void **state)
{
	static const uint64_t outside[] = {
		0, 1, 0x8000, 1 * MIB - 1, 2 * MIB + 8192, 64 * MIB, 0xffffffff80200010u, UINT64_MAX
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		elf.header.e_entry = outside[i];
		refuse("entry");
	}
	elf.header.e_entry = 2 * MIB + 8191;
	accept();
}

/* RAM below, and between, the segments is no place to start either. */
static void test_entry_in_a_gap(void **state)
{
	(void)state;
	elf.header.e_entry = 1 * MIB;
	refuse("entry");
	elf.segments[1] = elf.segments[0];
	elf.segments[1].p_paddr = 8 * MIB;
	elf.header.e_entry = 4 * MIB;
	refuse("entry");
}

/* Any bytes in all that the headers say: loaded or refused, never beyond the fence around the RAM. */
static void test_random(void **state)
{
	static const uint64_t odd[] = {
		0,           1,
		15,          16,
		55,          56,
		64,          0xfff,
		0x1000,      0x1001,
		1 * MIB - 1, 1 * MIB,
		2 * MIB,     64 * MIB - 1,
		64 * MIB,    0xc0000000,
		0xffffffff,  1ull << 32,
		1ull << 63,  (1ull << 63) - 1,
		UINT64_MAX,  UINT64_MAX - 0xfff,
	};
	uint64_t seed = 0x6d696e69;
	unsigned loaded = 0;

	(void)state;
	for (unsigned round = 0; round < 4000; round++) {
		uint8_t *bytes = (uint8_t *)&elf;
		struct temp_file file;

		plain(NULL);
		for (unsigned n = (unsigned)(random_next(&seed) % 4) + 1; n > 0; n--) {
			/* behind the magic, which would only be refused */
			size_t at = 4 + random_next(&seed) % (sizeof(elf.header) + sizeof(elf.segments) - 4);
			uint64_t value = random_next(&seed) % 3 ?
						 odd[random_next(&seed) % (sizeof(odd) / sizeof(odd[0]))] :
						 random_next(&seed);

			if (random_next(&seed) % 2)
				bytes[at] = (uint8_t)value;
			else
				memcpy(bytes + (at & ~(size_t)7), &value, sizeof(value));
		}
		file_make(&file, &elf, sizeof(elf));
		loaded += !*guest_load(guest, file.path);
		file_gone(&file);
	}
	assert_true(loaded > 400 && loaded < 3600); /* the numbers are worth their time */
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
		cmocka_unit_test_setup(test_valid, plain),           cmocka_unit_test_setup(test_initrd_above, plain),
		cmocka_unit_test_setup(test_truncated, plain),       cmocka_unit_test_setup(test_wrong_kind, plain),
		cmocka_unit_test_setup(test_program_headers, plain), cmocka_unit_test_setup(test_segments, plain),
		cmocka_unit_test_setup(test_entry, plain),           cmocka_unit_test_setup(test_entry_in_a_gap, plain),
		cmocka_unit_test_setup(test_random, plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
