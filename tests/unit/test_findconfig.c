// SPDX-License-Identifier: GPL-2.0-only
/* Where a kernel's configuration is found: beside it, in it, or nowhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/kernelfile.h"
#include "vmm/kernel/facts.h"

#define RELEASE "6.1.0-56-amd64"
#define CONFIG  "CONFIG_X86_64=y\nCONFIG_OF=y\n"

static struct kernel_facts facts;
static char dir[] = "/tmp/minivmm-facts.XXXXXX";

static void put_file(const char *name, const void *bytes, size_t len)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(bytes, 1, len, out), len);
	assert_int_equal(fclose(out), 0);
}

static void drop_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(remove(path), 0);
}

/* Where the configuration of dir/NAME comes from, and what it says of CONFIG_OF; all messages in *said. */
static enum kconfig_source source_of(const char *name, char *of, const char **said)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(facts_open(&facts, "--kernel", path), 0);
	catch_stderr();
	int err = facts_find_config(&facts);

	*said = caught_stderr();
	assert_int_equal(err, 0);
	enum kconfig_source source = facts.config.source;

	*of = kconfig_value(&facts.config, "CONFIG_OF");
	facts_close(&facts);
	return source;
}

static void assert_source(const char *name, enum kconfig_source wanted, char wanted_of)
{
	const char *said;
	char of;

	assert_int_equal(source_of(name, &of, &said), wanted);
	assert_int_equal(of, wanted_of);
	assert_string_equal(said, "");
}

static struct bytes with_config(const char *version, const char *config)
{
	struct content content = content_plain();

	content.banner = "no banner";
	content.config = config;
	struct bytes whole = content_make(&content), packed = bytes_gzip(whole.at, whole.len);
	struct bytes image = bz_with(version, &packed);

	free(whole.at);
	free(packed.at);
	return image;
}

static void finds_the_nearest(void **state)
{
	static const char beside[] = "CONFIG_X86_64=y\nCONFIG_OF=m\n";
	struct bytes embedded = with_config(DEBIAN_VERSION, CONFIG), none = with_config(DEBIAN_VERSION, NULL);
	struct bytes own = with_config("6.12.1 (me@home)", NULL), hidden = with_config(NULL, CONFIG);

	(void)state;
	put_file("embedded", embedded.at, embedded.len);
	put_file("none", none.at, none.len);
	put_file("own", own.at, own.len);
	put_file("hidden", hidden.at, hidden.len);
	assert_source("embedded", KCONFIG_EMBEDDED, 'y');
	assert_source("none", KCONFIG_VENDOR, 'n');
	assert_source("own", KCONFIG_NONE, '?');
	assert_source("hidden", KCONFIG_EMBEDDED, 'y');
	put_file("config-" RELEASE, beside, sizeof(beside) - 1);
	assert_source("embedded", KCONFIG_FILE, 'm');
	assert_source("none", KCONFIG_FILE, 'm');
	assert_source("own", KCONFIG_NONE, '?');
	drop_file("config-" RELEASE);
	drop_file("embedded");
	drop_file("none");
	drop_file("own");
	drop_file("hidden");
	free(embedded.at);
	free(none.at);
	free(own.at);
	free(hidden.at);
}

static void does_not_unpack_without_need(void **state)
{
	struct bytes image = with_config(DEBIAN_VERSION, CONFIG);
	char path[128];

	(void)state;
	put_file("vmlinuz", image.at, image.len);
	put_file("config-" RELEASE, CONFIG, sizeof(CONFIG) - 1);
	snprintf(path, sizeof(path), "%s/vmlinuz", dir);
	assert_int_equal(facts_open(&facts, "--kernel", path), 0);
	assert_int_equal(facts_find_config(&facts), 0);
	assert_int_equal(facts.config.source, KCONFIG_FILE);
	assert_int_equal(facts.inside, INSIDE_UNSEEN);
	/* a look inside afterwards does not change what is known */
	assert_int_equal(facts_look_inside(&facts), 0);
	assert_int_equal(facts.config.source, KCONFIG_FILE);
	facts_close(&facts);
	drop_file("config-" RELEASE);
	drop_file("vmlinuz");
	free(image.at);
}

static void follows_a_link(void **state)
{
	struct bytes image = with_config(DEBIAN_VERSION, NULL);
	char name[128], link[128];

	(void)state;
	snprintf(name, sizeof(name), "%s/boot", dir);
	assert_int_equal(mkdir(name, 0700), 0);
	put_file("boot/vmlinuz", image.at, image.len);
	put_file("boot/config-" RELEASE, CONFIG, sizeof(CONFIG) - 1);
	snprintf(link, sizeof(link), "%s/vmlinuz", dir);
	assert_int_equal(symlink("boot/vmlinuz", link), 0);
	assert_source("vmlinuz", KCONFIG_FILE, 'y');
	drop_file("vmlinuz");
	drop_file("boot/config-" RELEASE);
	drop_file("boot/vmlinuz");
	drop_file("boot");
	free(image.at);
}

/* What is called like a configuration, and is none, is told of, and is no reason not to boot. */
static void passes_over_what_is_none(void **state)
{
	struct bytes image = with_config(DEBIAN_VERSION, CONFIG);
	const char *said;
	char of, name[128];

	(void)state;
	put_file("vmlinuz", image.at, image.len);
	put_file("config-" RELEASE, "nothing\n", 8);
	assert_int_equal(source_of("vmlinuz", &of, &said), KCONFIG_EMBEDDED);
	assert_one_message(said, "config-" RELEASE ": is no kernel configuration");
	put_file("config-" RELEASE, "", 0);
	assert_source("vmlinuz", KCONFIG_EMBEDDED, 'y');
	drop_file("config-" RELEASE);
	snprintf(name, sizeof(name), "%s/config-" RELEASE, dir);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_source("vmlinuz", KCONFIG_EMBEDDED, 'y');
	drop_file("config-" RELEASE);
	drop_file("vmlinuz");
	free(image.at);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_the_nearest),
		cmocka_unit_test(does_not_unpack_without_need),
		cmocka_unit_test(follows_a_link),
		cmocka_unit_test(passes_over_what_is_none),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
