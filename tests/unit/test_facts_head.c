// SPDX-License-Identifier: GPL-2.0-only
/* What the head of a bzImage tells: version, packing, whether it can be entered and is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

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

static void tells_version_and_packing(void **state)
{
	struct bytes image = bz_debian(DEBIAN_VERSION);

	(void)state;
	open_bytes(&image);
	assert_int_equal(facts.format, KERNEL_BZIMAGE);
	assert_string_equal(facts.version, DEBIAN_VERSION);
	assert_string_equal(facts.release, RELEASE);
	assert_string_equal(facts.packing, "gzip");
	assert_int_equal(facts.protocol, 0x020f);
	assert_true(facts.entry_64);
	assert_int_equal(facts.inside, INSIDE_UNSEEN);
	close_bytes();
	free(image.at);
}

static void assert_version(struct bytes *image, const char *version, const char *release)
{
	open_bytes(image);
	assert_string_equal(facts.version, version);
	assert_string_equal(facts.release, release);
	close_bytes();
}

static void versions_that_lead_astray(void **state)
{
	char longest[600];
	struct bytes image = bz_debian(DEBIAN_VERSION);

	(void)state;
	bz_header(&image)->kernel_version = 0;
	assert_version(&image, "", "");
	bz_header(&image)->kernel_version = 0xffff;
	assert_version(&image, "", "");
	bz_header(&image)->kernel_version = 4 * SECTOR; /* the first byte behind the setup code */
	memcpy(image.at + 5 * SECTOR, "9.9", 4);
	assert_version(&image, "", "");
	image.len = 0x600 + 3; /* the file ends in the middle */
	bz_header(&image)->kernel_version = 0x600 - SECTOR;
	assert_version(&image, "6.1", "6.1");
	free(image.at);

	image = bz_debian("../../etc/x #1");
	assert_version(&image, "../../etc/x #1", "");
	free(image.at);
	image = bz_debian("6.1\x1b[2J\n");
	assert_version(&image, "6.1", "6.1");
	free(image.at);
	image = bz_debian(" 6.1");
	assert_version(&image, " 6.1", "");
	free(image.at);
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	image = bz_debian(longest);
	longest[KERNEL_VERSION_MAX - 1] = '\0';
	assert_version(&image, longest, "");
	free(image.at);
	longest[KERNEL_RELEASE_MAX - 1] = '\0';
	image = bz_debian(longest);
	assert_version(&image, longest, longest);
	free(image.at);
}

static void tells_64_bit_entries(void **state)
{
	struct bytes image = bz_debian(DEBIAN_VERSION);
	struct setup_header *header = bz_header(&image);

	(void)state;
	header->xloadflags = 0;
	open_bytes(&image);
	assert_false(facts.entry_64);
	close_bytes();
	header->xloadflags = XLF_KERNEL_64;
	header->loadflags = 0;
	open_bytes(&image);
	assert_false(facts.entry_64);
	close_bytes();
	header->loadflags = LOADED_HIGH;
	header->version = 0x020b;
	open_bytes(&image);
	assert_false(facts.entry_64);
	assert_int_equal(facts.protocol, 0x020b);
	close_bytes();
	header->version = 0x020c;
	open_bytes(&image);
	assert_true(facts.entry_64);
	close_bytes();
	header->boot_flag = 0;
	open_bytes(&image);
	assert_false(facts.entry_64);
	close_bytes();
	free(image.at);
}

static bool is_whole(const struct bytes *image)
{
	open_bytes(image);
	bool whole = facts.whole;

	close_bytes();
	return whole;
}

static void tells_whole_images(void **state)
{
	struct bytes image = bz_debian(DEBIAN_VERSION);
	struct setup_header *header = bz_header(&image);
	uint32_t body = (uint32_t)(image.len - bz_setup(&(struct bz){ .header = *header }));

	(void)state;
	assert_true(is_whole(&image));
	header->syssize = (body + 15) / 16;
	assert_true(is_whole(&image));
	header->syssize++;
	assert_false(is_whole(&image));
	header->syssize = 32; /* ends where its entry is */
	assert_false(is_whole(&image));
	header->syssize++;
	assert_true(is_whole(&image));
	free(image.at);
}

/* A header that ends early has no fields behind its end, whatever bytes are there. */
static void headers_that_end_early(void **state)
{
	struct bytes image = bz_debian(DEBIAN_VERSION);

	(void)state;
	image.at[0x201] = 0x236 - 0x202; /* in front of xloadflags */
	open_bytes(&image);
	assert_int_equal(facts.protocol, 0x020f);
	assert_false(facts.entry_64);
	assert_int_equal(facts.payload_len, 0);
	close_bytes();
	free(image.at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_version_and_packing), cmocka_unit_test(versions_that_lead_astray),
		cmocka_unit_test(tells_64_bit_entries),      cmocka_unit_test(tells_whole_images),
		cmocka_unit_test(headers_that_end_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
