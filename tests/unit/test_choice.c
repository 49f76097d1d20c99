// SPDX-License-Identifier: GPL-2.0-only
/* Which way of discovery suits a kernel, and what the user is told of it. */
#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/kernelfile.h"
#include "vmm/kernel/choice.h"
#include "vmm/kernel/facts.h"

#define X86  "CONFIG_X86_64=y\n"
#define MMIO "CONFIG_VIRTIO_MMIO=y\n"
#define CMD  "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES=y\n"

static void chosen(const char *config, bool by_pvh, enum discovery wanted, const char *why)
{
	char path[] = "/boot/config-6.1", *text = strdup(config);
	struct kernel_facts facts = { .version = "6.1 (me@home)",
				      .config = { KCONFIG_FILE, path, NULL, text, strlen(config) } };
	struct discovery_choice choice;

	assert_non_null(text);
	discovery_of(&facts, by_pvh, &choice);
	assert_string_equal(choice.why, why);
	assert_int_equal(choice.how, wanted);
	free(text);
}

static void takes_the_first_that_fits(void **state)
{
	(void)state;
	chosen(MMIO "CONFIG_OF=y\nCONFIG_ACPI=y\n" CMD, false, DISCOVERY_DT,
	       "discovery: dt, since config-6.1 has CONFIG_OF");
	chosen("CONFIG_VIRTIO_MMIO=m\nCONFIG_OF=y\n", false, DISCOVERY_DT,
	       "discovery: dt, since config-6.1 has CONFIG_OF");
	chosen(MMIO "CONFIG_ACPI=y\n" CMD, false, DISCOVERY_ACPI, "discovery: acpi, since config-6.1 has no CONFIG_OF");
	chosen("CONFIG_VIRTIO_MMIO=m\nCONFIG_ACPI=y\n# CONFIG_OF is not set\n", false, DISCOVERY_ACPI,
	       "discovery: acpi, since config-6.1 has no CONFIG_OF");
	chosen(MMIO CMD, false, DISCOVERY_CMDLINE,
	       "discovery: cmdline, since config-6.1 has neither CONFIG_OF nor CONFIG_ACPI");
}

static void pvh_takes_no_tree(void **state)
{
	(void)state;
	chosen(MMIO "CONFIG_OF=y\nCONFIG_ACPI=y\n" CMD, true, DISCOVERY_ACPI,
	       "discovery: acpi, since a kernel that is entered by PVH gets no device tree");
	chosen(MMIO "CONFIG_OF=y\n" CMD, true, DISCOVERY_CMDLINE,
	       "discovery: cmdline, since a kernel that is entered by PVH gets no device tree");
	chosen(MMIO "CONFIG_OF=y\n", true, DISCOVERY_ACPI,
	       "discovery: acpi, but no virtio device will be found: config-6.1 has no CONFIG_ACPI");
}

static void says_that_nothing_fits(void **state)
{
	(void)state;
	chosen("CONFIG_OF=y\nCONFIG_ACPI=y\n", false, DISCOVERY_DT,
	       "discovery: dt, but no virtio device will be found: config-6.1 has no CONFIG_VIRTIO_MMIO");
	chosen(MMIO, false, DISCOVERY_DT,
	       "discovery: dt, but no virtio device will be found: config-6.1 has no CONFIG_OF");
}

static void names_what_is_missing(void **state)
{
	char text[] = "CONFIG_VIRTIO_MMIO=m\nCONFIG_OF=m\nCONFIG_ACPI=y\n";
	struct kconfig config = { KCONFIG_EMBEDDED, NULL, NULL, text, sizeof(text) - 1 },
		       none = { .source = KCONFIG_NONE };
	bool sure = false;

	(void)state;
	assert_null(discovery_missing(&config, DISCOVERY_ACPI, &sure));
	assert_true(sure);
	assert_string_equal(discovery_missing(&config, DISCOVERY_CMDLINE, &sure), "CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES");
	assert_true(sure);
	assert_null(discovery_missing(&none, DISCOVERY_DT, &sure));
	assert_false(sure);
}

/* --- of a file ---------------------------------------------------------------------------------------------------- */

static void chosen_for(const struct bytes *bytes, enum discovery wanted, const char *why)
{
	struct discovery_choice choice;
	struct temp_file file;

	file_make(&file, bytes->at, bytes->len);
	catch_stderr();
	int err = discovery_choose(file.path, false, &choice);

	assert_string_equal(caught_stderr(), "");
	assert_int_equal(err, 0);
	assert_int_equal(choice.how, wanted);
	assert_string_equal(choice.why, why);
	file_gone(&file);
}

static void of_an_image(const char *version, const char *config, enum discovery wanted, const char *why)
{
	struct content content = content_plain();

	content.banner = NULL;
	content.config = config;
	struct bytes whole = content_make(&content), packed = bytes_gzip(whole.at, whole.len);
	struct bytes image = bz_with(version, &packed);

	chosen_for(&image, wanted, why);
	free(whole.at);
	free(packed.at);
	free(image.at);
}

static void of_files(void **state)
{
	(void)state;
	of_an_image("6.12.1 (me@home) #1", X86 MMIO "CONFIG_ACPI=y\n", DISCOVERY_ACPI,
		    "discovery: acpi, since its embedded configuration has no CONFIG_OF");
	of_an_image(DEBIAN_VERSION, X86 MMIO "CONFIG_OF=y\n", DISCOVERY_DT,
		    "discovery: dt, since its embedded configuration has CONFIG_OF");
	of_an_image(DEBIAN_VERSION, NULL, DISCOVERY_ACPI,
		    "discovery: acpi, since a kernel of Debian (by its version string) has no CONFIG_OF");
	of_an_image("6.12.1 (me@home) #1", NULL, DISCOVERY_DT,
		    "discovery: dt, as nothing tells of the kernel's configuration; --discovery chooses");
}

/* Where there is no entry but the PVH note's, auto enters it there, and the kernel gets no tree. */
static void of_a_file_that_pvh_alone_can_enter(void **state)
{
	struct content content = content_plain();
	const uint64_t nowhere = 0xffffffff81000000u;
	struct bytes whole;

	(void)state;
	content.config = X86 MMIO "CONFIG_OF=y\nCONFIG_ACPI=y\n";
	whole = content_make(&content);
	chosen_for(&whole, DISCOVERY_DT, "discovery: dt, since its embedded configuration has CONFIG_OF");
	memcpy(whole.at + offsetof(Elf64_Ehdr, e_entry), &nowhere, sizeof(nowhere));
	chosen_for(&whole, DISCOVERY_ACPI,
		   "discovery: acpi, since a kernel that is entered by PVH gets no device tree");
	free(whole.at);
}

static void silent_for_what_is_no_linux(void **state)
{
	struct content content = content_plain();
	struct bytes whole, text = bytes_copy("hello", 5);

	(void)state;
	content.banner = NULL;
	whole = content_make(&content);
	chosen_for(&whole, DISCOVERY_DT, "");
	chosen_for(&text, DISCOVERY_DT, "");
	free(whole.at);
	free(text.at);
}

static void tells_of_files_that_cannot_be_read(void **state)
{
	struct discovery_choice choice;

	(void)state;
	catch_stderr();
	int err = discovery_choose("/nowhere/vmlinuz", false, &choice);

	assert_one_message(caught_stderr(), "--kernel /nowhere/vmlinuz: No such file");
	assert_int_equal(err, -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_the_first_that_fits),
		cmocka_unit_test(pvh_takes_no_tree),
		cmocka_unit_test(says_that_nothing_fits),
		cmocka_unit_test(names_what_is_missing),
		cmocka_unit_test(of_files),
		cmocka_unit_test(of_a_file_that_pvh_alone_can_enter),
		cmocka_unit_test(silent_for_what_is_no_linux),
		cmocka_unit_test(tells_of_files_that_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
