// SPDX-License-Identifier: GPL-2.0-only
/* Kernel configurations: what an option is set to, in any text; files that are none; those that kernels have inside. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/kernelfile.h"
#include "vmm/kernel/config.h"

#define X86 "CONFIG_X86_64=y\n"

static char value_in(const char *text, const char *option)
{
	struct bytes exact = bytes_copy(text, strlen(text));
	struct kconfig config = { .source = KCONFIG_FILE, .text = (char *)exact.at, .len = exact.len };
	char value = kconfig_value(&config, option);

	free(exact.at);
	return value;
}

#define assert_value(text, option, wanted) assert_int_equal(value_in(text, option), wanted)

static void values(void **state)
{
	(void)state;
	assert_value("CONFIG_OF=y\n", "CONFIG_OF", 'y');
	assert_value("CONFIG_OF=m\n", "CONFIG_OF", 'm');
	assert_value("# CONFIG_OF is not set\n", "CONFIG_OF", 'n');
	assert_value("CONFIG_OF=n\n", "CONFIG_OF", 'n');
	assert_value("", "CONFIG_OF", 'n');
	assert_value("\n\n\n", "CONFIG_OF", 'n');
	assert_value("CONFIG_A=y\nCONFIG_OF=y\nCONFIG_B=m\n", "CONFIG_OF", 'y');
	assert_value("CONFIG_A=y\nCONFIG_OF=m", "CONFIG_OF", 'm');
	assert_value("CONFIG_A=y\r\nCONFIG_OF=y\r\n", "CONFIG_OF", 'y');
}

static void numbers_and_texts_are_neither_y_nor_m(void **state)
{
	(void)state;
	assert_value("CONFIG_HZ=250\n", "CONFIG_HZ", 'n');
	assert_value("CONFIG_OF=\n", "CONFIG_OF", 'n');
	assert_value("CONFIG_OF=yes\n", "CONFIG_OF", 'n');
	assert_value("CONFIG_OF=\"y\"\n", "CONFIG_OF", 'n');
	assert_value("CONFIG_OF=Y\n", "CONFIG_OF", 'n');
}

static void names_are_whole(void **state)
{
	(void)state;
	assert_value("CONFIG_OF_FLATTREE=y\n", "CONFIG_OF", 'n');
	assert_value("MY_CONFIG_OF=y\n CONFIG_OF=y\n#CONFIG_OF=y\n# CONFIG_OF=y\n", "CONFIG_OF", 'n');
	assert_value("CONFIG_OF=y", "CONFIG_OF_FLATTREE", 'n');
	assert_value("CONFIG_OF", "CONFIG_OF", 'n');
	assert_value("CONFIG_OF=y\nCONFIG_OF_FLATTREE=m\nCONFIG_OFF=m\n", "CONFIG_OF", 'y');
	/* not what unsets it */
	assert_value("CONFIG_OF=y\n# CONFIG_OF_FLATTREE is not set\n# CONFIG_OF is not set here\n", "CONFIG_OF", 'y');
}

static void the_last_line_counts(void **state)
{
	(void)state;
	assert_value("CONFIG_OF=y\n# CONFIG_OF is not set\n", "CONFIG_OF", 'n');
	assert_value("# CONFIG_OF is not set\nCONFIG_OF=m\n", "CONFIG_OF", 'm');
	assert_value("CONFIG_OF=m\nCONFIG_OF=y\n", "CONFIG_OF", 'y');
}

static void what_nobody_knows(void **state)
{
	struct kconfig none = { .source = KCONFIG_NONE }, debian;

	(void)state;
	assert_int_equal(kconfig_value(&none, "CONFIG_OF"), '?');
	assert_int_equal(kconfig_guess(&debian, DEBIAN_VERSION), 0);
	assert_int_equal(debian.source, KCONFIG_VENDOR);
	assert_int_equal(kconfig_value(&debian, "CONFIG_OF"), 'n');
	assert_int_equal(kconfig_value(&debian, "CONFIG_ACPI"), 'y');
	assert_int_equal(kconfig_value(&debian, "CONFIG_VIRTIO_MMIO"), 'm');
	assert_int_equal(kconfig_value(&debian, "CONFIG_X86_MPPARSE"), '?');
	kconfig_free(&debian);
	assert_int_equal(debian.source, KCONFIG_NONE);
	assert_int_equal(kconfig_guess(&debian, "6.12.1 (me@home) #1 debian-kernel@"), -ENOENT);
	assert_int_equal(kconfig_guess(&debian, ""), -ENOENT);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int read_bytes(struct kconfig *config, const void *bytes, size_t len, const char **said)
{
	struct temp_file file;

	file_make(&file, bytes, len);
	*config = (struct kconfig){ .source = KCONFIG_NONE };
	catch_stderr();
	int err = kconfig_read(config, "--config", file.path);

	*said = caught_stderr();
	file_gone(&file);
	return err;
}

static void refused(const void *bytes, size_t len, const char *part)
{
	struct kconfig config;
	const char *said;

	assert_int_equal(read_bytes(&config, bytes, len, &said), -EINVAL);
	assert_one_message(said, part);
	assert_int_equal(config.source, KCONFIG_NONE);
	assert_null(config.text);
	assert_null(config.path);
}

static void reads_a_file(void **state)
{
	static const char text[] = "#\n# Linux/x86 6.12.1 Kernel Configuration\n#\n" X86 "CONFIG_OF=y\n";
	struct bytes packed = bytes_gzip(text, sizeof(text) - 1);
	struct kconfig config;
	const char *said;

	(void)state;
	assert_int_equal(read_bytes(&config, text, sizeof(text) - 1, &said), 0);
	assert_string_equal(said, "");
	assert_int_equal(config.source, KCONFIG_FILE);
	assert_memory_equal(config.path, "/proc/self/fd/", 14);
	assert_int_equal(config.len, sizeof(text) - 1);
	assert_int_equal(kconfig_value(&config, "CONFIG_OF"), 'y');
	kconfig_free(&config);
	assert_int_equal(read_bytes(&config, packed.at, packed.len, &said), 0);
	assert_string_equal(said, "");
	assert_int_equal(config.len, sizeof(text) - 1);
	assert_int_equal(kconfig_value(&config, "CONFIG_OF"), 'y');
	kconfig_free(&config);
	free(packed.at);
}

static void refuses_what_is_none(void **state)
{
	static const char with_nul[] = X86 "\0CONFIG_OF=y\n";
	struct bytes packed = bytes_gzip("nothing\n", 8), bomb, zeros = { calloc(1, KCONFIG_MAX + 1), KCONFIG_MAX + 1 };
	struct kconfig config;

	(void)state;
	assert_non_null(zeros.at);
	bomb = bytes_gzip(zeros.at, zeros.len);
	refused("hello\n", 6, "no line CONFIG_");
	refused("CONFIG_\n=\n", 10, "no line CONFIG_");
	refused(with_nul, sizeof(with_nul) - 1, "no line CONFIG_");
	refused(packed.at, packed.len, "no line CONFIG_");
	refused(packed.at, packed.len - 9, "damaged");
	refused("BZh91AY&SY0123456789", 20, "unknown way");
	refused(bomb.at, bomb.len, "more than");
	refused(zeros.at, zeros.len, "too large");
	refused("CONFIG_ARM64=y\nCONFIG_OF=y\n", 27, "64-bit x86");
	refused("# CONFIG_X86_64 is not set\nCONFIG_OF=y\n", 39, "64-bit x86");
	catch_stderr();
	assert_int_equal(kconfig_read(&config, "--config", "/nowhere/config"), -ENOENT);
	assert_one_message(caught_stderr(), "--config /nowhere/config: No such file");
	free(packed.at);
	free(bomb.at);
	free(zeros.at);
}

/* --- inside a kernel ---------------------------------------------------------------------------------------------- */

/* What kconfig_extract() finds in a copy without room behind it: the value of CONFIG_OF, or 0 for nothing. */
static char extract(const void *bytes, size_t len)
{
	struct bytes exact = bytes_copy(bytes, len);
	struct kconfig config = { .source = KCONFIG_NONE };
	int err = kconfig_extract(&config, exact.at, exact.len);
	char value = 0;

	if (err) {
		assert_int_equal(err, -ENOENT);
		assert_int_equal(config.source, KCONFIG_NONE);
	} else {
		assert_int_equal(config.source, KCONFIG_EMBEDDED);
		value = kconfig_value(&config, "CONFIG_OF");
	}
	kconfig_free(&config);
	free(exact.at);
	return value;
}

static void finds_what_is_embedded(void **state)
{
	struct content content = content_plain();
	struct bytes file, twice;

	(void)state;
	content.config = X86 "CONFIG_OF=m\n";
	file = content_make(&content);
	assert_int_equal(extract(file.at, file.len), 'm');

	/* words that are no beginning, in front of it */
	twice = bytes_copy(file.at, file.len);
	memcpy(twice.at + 600, "IKCFG_ST IKCFG_STIKCFG_ST\x1f\x8b\x08", 28);
	assert_int_equal(extract(twice.at, twice.len), 'm');
	free(twice.at);
	free(file.at);

	content.config = "this is none\n";
	file = content_make(&content);
	assert_int_equal(extract(file.at, file.len), 0);
	free(file.at);
	content.config = NULL;
	file = content_make(&content);
	assert_int_equal(extract(file.at, file.len), 0);
	free(file.at);
	assert_int_equal(extract("", 0), 0);
	assert_int_equal(extract("IKCFG_ST", 8), 0);
}

/* Nothing is read behind the end, and what is cut off is not taken for whole. */
static void cut_anywhere(void **state)
{
	struct bytes packed = bytes_gzip(X86 "CONFIG_OF=y\n", 28), whole = { malloc(8 + packed.len), 8 + packed.len };

	(void)state;
	assert_non_null(whole.at);
	memcpy(whole.at, "IKCFG_ST", 8);
	memcpy(whole.at + 8, packed.at, packed.len);
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(extract(whole.at, len), 0);
	assert_int_equal(extract(whole.at, whole.len), 'y');
	free(packed.at);
	free(whole.at);
}

static void names(void **state)
{
	char path[] = "/boot/config-6.1", plain[] = "config", name[64], tiny[8];
	struct kconfig config = { .source = KCONFIG_FILE, .path = path };

	(void)state;
	kconfig_name(&config, name, sizeof(name));
	assert_string_equal(name, "config-6.1");
	kconfig_name(&config, tiny, sizeof(tiny));
	assert_string_equal(tiny, "config-");
	config.path = plain;
	kconfig_name(&config, name, sizeof(name));
	assert_string_equal(name, "config");
	config = (struct kconfig){ .source = KCONFIG_VENDOR, .vendor = "Debian" };
	kconfig_name(&config, name, sizeof(name));
	assert_string_equal(name, "a kernel of Debian (by its version string)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(numbers_and_texts_are_neither_y_nor_m),
		cmocka_unit_test(names_are_whole),
		cmocka_unit_test(the_last_line_counts),
		cmocka_unit_test(what_nobody_knows),
		cmocka_unit_test(reads_a_file),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(finds_what_is_embedded),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
