// SPDX-License-Identifier: GPL-2.0-only
/* What is inside a kernel file. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/kernelfile.h"
#include "vmm/kernel/facts.h"

#define RELEASE "6.1.0-56-amd64"

static struct kernel_facts facts; /* of the file that open_bytes() made */
static struct temp_file file;

static void open_bytes(const struct bytes *bytes)
{
	file_make(&file, bytes->at, bytes->len);
	assert_int_equal(facts_open(&facts, "--kernel", file.path), 0);
}

static void close_bytes(void)
{
	facts_close(&facts);
	file_gone(&file);
}

static enum kernel_inside inside_of(const struct bytes *bytes)
{
	open_bytes(bytes);
	assert_int_equal(facts_look_inside(&facts), 0);
	enum kernel_inside inside = facts.inside;

	close_bytes();
	return inside;
}

static void looks_into_each_format(void **state)
{
	struct content content = content_plain();
	struct bytes whole = content_make(&content), packed = bytes_gzip(whole.at, whole.len);
	struct bytes image = bz_with(NULL, &packed);
	const struct bytes *const files[] = { &whole, &packed, &image };
	const enum kernel_format formats[] = { KERNEL_ELF, KERNEL_PACKED, KERNEL_BZIMAGE };

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		open_bytes(files[i]);
		assert_int_equal(facts.format, formats[i]);
		assert_string_equal(facts.version, "");
		assert_int_equal(facts_look_inside(&facts), 0);
		assert_int_equal(facts.inside, INSIDE_VMLINUX);
		assert_true(facts.elf_entry && facts.pvh_entry);
		assert_string_equal(facts.version, DEBIAN_VERSION);
		assert_string_equal(facts.release, RELEASE);
		close_bytes();
	}
	free(whole.at);
	free(packed.at);
	free(image.at);
}

/* What is at `offset` of the ELF header, changed. */
static enum kernel_inside with_elf(size_t offset, uint64_t value, size_t size)
{
	struct content content = content_plain();
	struct bytes whole = content_make(&content);

	memcpy(whole.at + offset, &value, size);
	enum kernel_inside inside = inside_of(&whole);

	free(whole.at);
	return inside;
}

#define ELF(field)                               offsetof(Elf64_Ehdr, field), sizeof(((Elf64_Ehdr *)0)->field)
#define LOAD(field)                              sizeof(Elf64_Ehdr) + offsetof(Elf64_Phdr, field), sizeof(((Elf64_Phdr *)0)->field)
#define assert_elf(where, value, wanted)         assert_elf_(where, value, wanted)
#define assert_elf_(offset, size, value, wanted) assert_int_equal(with_elf(offset, value, size), wanted)

static void elf_files_that_are_no_kernel(void **state)
{
	struct content content = content_plain();
	struct bytes whole = content_make(&content);

	(void)state;
	assert_elf(ELF(e_version), 1, INSIDE_VMLINUX);
	assert_elf(ELF(e_type), ET_DYN, INSIDE_OTHER);
	assert_elf(ELF(e_machine), EM_AARCH64, INSIDE_OTHER);
	/* no program headers that can be read: nothing is loaded */
	assert_int_equal(with_elf(EI_CLASS, ELFCLASS32, 1), INSIDE_DAMAGED);
	assert_elf(ELF(e_phnum), 0, INSIDE_DAMAGED);
	assert_elf(ELF(e_phnum), 65, INSIDE_DAMAGED);
	assert_elf(ELF(e_phentsize), 32, INSIDE_DAMAGED);
	assert_elf(ELF(e_phoff), whole.len, INSIDE_DAMAGED);
	assert_elf(ELF(e_phoff), UINT64_MAX, INSIDE_DAMAGED);
	/* a segment that cannot be loaded */
	assert_elf(LOAD(p_filesz), whole.len, INSIDE_DAMAGED);
	assert_elf(LOAD(p_filesz), UINT64_MAX, INSIDE_DAMAGED);
	assert_elf(LOAD(p_offset), UINT64_MAX - 4096, INSIDE_DAMAGED);
	assert_elf(LOAD(p_memsz), 1, INSIDE_DAMAGED);
	assert_elf(LOAD(p_paddr), 0xff000, INSIDE_DAMAGED);
	whole.len = sizeof(Elf64_Ehdr) - 1;
	assert_int_equal(inside_of(&whole), INSIDE_DAMAGED);
	free(whole.at);
}

static void entered(struct content content, bool elf_entry, bool pvh_entry)
{
	struct bytes whole = content_make(&content);

	open_bytes(&whole);
	assert_int_equal(facts_look_inside(&facts), 0);
	assert_int_equal(facts.inside, INSIDE_VMLINUX);
	assert_int_equal(facts.elf_entry, elf_entry);
	assert_int_equal(facts.pvh_entry, pvh_entry);
	close_bytes();
	free(whole.at);
}

static void entries_are_in_what_is_loaded(void **state)
{
	struct content content = content_plain();

	(void)state;
	entered(content, true, true);
	content.entry += 8191;
	entered(content, true, true);
	content.entry++;
	entered(content, false, false);
	content.entry = 0xffffffff81000000u;
	entered(content, false, false);
	content.note_len = 4;
	content.entry = 0xffffffff01000000u; /* 16 MiB, in 32 bits */
	entered(content, false, true);
	content = content_plain();
	content.note_type = 1;
	entered(content, true, false);
	content.note_type = 18;
	content.note = "Bsd";
	entered(content, true, false);
	content.note = NULL;
	entered(content, true, false);
}

static void insides_that_do_not_unpack(void **state)
{
	struct bytes image = bz_debian(DEBIAN_VERSION), other = bytes_copy("BZh91AY&SY", 10);
	struct bytes unknown = bz_with(NULL, &other), words = bytes_gzip("no ELF file at all", 18);
	struct setup_header *header = bz_header(&image);
	uint32_t offset = header->payload_offset, length = header->payload_length;

	(void)state;
	assert_int_equal(inside_of(&image), INSIDE_VMLINUX);
	assert_int_equal(inside_of(&unknown), INSIDE_UNKNOWN);
	assert_int_equal(inside_of(&other), INSIDE_UNKNOWN);
	assert_int_equal(inside_of(&words), INSIDE_OTHER);
	memset(unknown.at + unknown.len - 10, 0x55, 10); /* no compression's beginning */
	assert_int_equal(inside_of(&unknown), INSIDE_UNKNOWN);
	header->payload_length = 0;
	assert_int_equal(inside_of(&image), INSIDE_DAMAGED);
	header->payload_length = length + 1;
	assert_int_equal(inside_of(&image), INSIDE_DAMAGED);
	header->payload_length = length - 1;
	assert_int_equal(inside_of(&image), INSIDE_DAMAGED);
	header->payload_length = length;
	header->payload_offset = UINT32_MAX;
	assert_int_equal(inside_of(&image), INSIDE_DAMAGED);
	header->payload_offset = offset;
	header->version = 0x0207; /* knows no payload */
	assert_int_equal(inside_of(&image), INSIDE_DAMAGED);
	header->version = 0x020f;
	image.at[bz_setup(&(struct bz){ .header = *header }) + offset + 40] ^= 0xff;
	assert_int_equal(inside_of(&image), INSIDE_DAMAGED);
	free(image.at);
	free(unknown.at);
	free(other.at);
	free(words.at);
}

/* Of a file with gigabytes of debugging information, or what claims to be loaded, not so much is read. */
static void reads_no_more_than_is_loaded(void **state)
{
	struct content content = content_plain();
	struct bytes whole = content_make(&content);
	Elf64_Phdr *load = (Elf64_Phdr *)(whole.at + sizeof(Elf64_Ehdr));

	(void)state;
	file_make(&file, whole.at, whole.len);
	assert_int_equal(ftruncate(file.fd, (off_t)1 << 40), 0);
	assert_int_equal(facts_open(&facts, "--kernel", file.path), 0);
	assert_int_equal(facts_look_inside(&facts), 0);
	assert_int_equal(facts.inside, INSIDE_VMLINUX);
	close_bytes();

	load->p_filesz = load->p_memsz = KERNEL_INSIDE_MAX;
	file_make(&file, whole.at, whole.len);
	assert_int_equal(ftruncate(file.fd, (off_t)1 << 40), 0);
	assert_int_equal(facts_open(&facts, "--kernel", file.path), 0);
	assert_int_equal(facts_look_inside(&facts), 0);
	assert_int_equal(facts.inside, INSIDE_DAMAGED);
	close_bytes();
	free(whole.at);
}

static void the_banner_has_a_number(void **state)
{
	struct content content = content_plain();
	struct bytes whole;

	(void)state;
	content.banner = "Linux version %s\0Linux version 6.12.1-x (me@home) #1\nmore";
	whole = content_make(&content);
	memcpy(whole.at + whole.len - 4096, "Linux version 6.12.1-x (me@home) #1\nmore", 40);
	open_bytes(&whole);
	assert_int_equal(facts_look_inside(&facts), 0);
	assert_string_equal(facts.version, "6.12.1-x (me@home) #1");
	assert_string_equal(facts.release, "6.12.1-x");
	close_bytes();
	free(whole.at);
	content.banner = "Linux version %s";
	whole = content_make(&content);
	memcpy(whole.at + whole.len - 14, "Linux version ", 14); /* and the file ends */
	open_bytes(&whole);
	assert_int_equal(facts_look_inside(&facts), 0);
	assert_string_equal(facts.version, "");
	close_bytes();
	free(whole.at);
}

/* Whatever is cut off, a file is told of without harm, and nothing that is not whole is taken for a kernel. */
static void cut_anywhere(void **state)
{
	struct bytes image = bz_debian(DEBIAN_VERSION);
	size_t len = image.len;

	(void)state;
	for (image.len = 1; image.len < len; image.len++)
		assert_int_not_equal(inside_of(&image), INSIDE_VMLINUX);
	assert_int_equal(inside_of(&image), INSIDE_VMLINUX);
	free(image.at);
}

static void files_that_are_none(void **state)
{
	struct bytes text = bytes_copy("#!/bin/sh\n", 10);

	(void)state;
	open_bytes(&text);
	assert_int_equal(facts.format, KERNEL_OTHER);
	assert_int_equal(facts_find_config(&facts), 0);
	assert_int_equal(facts.config.source, KCONFIG_NONE);
	assert_int_equal(facts.inside, INSIDE_OTHER);
	assert_string_equal(facts.version, "");
	close_bytes();
	free(text.at);
	catch_stderr();
	assert_int_equal(facts_open(&facts, "--kernel", "/nowhere/vmlinuz"), -ENOENT);
	assert_one_message(caught_stderr(), "--kernel /nowhere/vmlinuz");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(looks_into_each_format),
		cmocka_unit_test(elf_files_that_are_no_kernel),
		cmocka_unit_test(entries_are_in_what_is_loaded),
		cmocka_unit_test(insides_that_do_not_unpack),
		cmocka_unit_test(reads_no_more_than_is_loaded),
		cmocka_unit_test(the_banner_has_a_number),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(files_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
