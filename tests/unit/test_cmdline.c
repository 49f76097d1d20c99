// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's command line, by --append: with a console of its own it goes without ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "vmm/options.h"

static void check(char *append, const char *wanted)
{
	static char program[] = "minivmm", option[] = "--append";
	char *argv[] = { program, option, append, NULL };
	struct options options;

	assert_int_equal(options_read(&options, append ? 3 : 1, argv), 0);
	assert_string_equal(options.config.cmdline, wanted);
	options_free(&options);
}

#define BEHIND(text)  check((char[]){ text }, "console=ttyS0 " text)
#define INSTEAD(text) check((char[]){ text }, text)

static void ours_comes_first(void **state)
{
	(void)state;
	check(NULL, "console=ttyS0");
	BEHIND("");
	BEHIND("quiet");
	BEHIND("quiet root=/dev/vda rw");
	BEHIND("console");
	BEHIND("netconsole=@/,@10.0.2.2/");
	BEHIND("earlyconsole=1 noconsole= quiet-console=x");
	BEHIND("init=/bin/sh test=\"a console=hvc0 in quotes\"");
}

static void a_console_of_its_own(void **state)
{
	(void)state;
	INSTEAD("console=hvc0");
	INSTEAD("quiet console=hvc0");
	INSTEAD("console=hvc0 quiet");
	INSTEAD("console=ttyS0,9600");
	INSTEAD("console=ttyS0 console=hvc0");
	INSTEAD("console=");
	INSTEAD("\tconsole=hvc0");
	INSTEAD("dyndbg=\"file a.c +p\" console=hvc0");
}

static void the_last_one_counts(void **state)
{
	char program[] = "minivmm", a[] = "--append=console=hvc0", b[] = "--append=quiet";
	char *argv[] = { program, a, b, NULL };
	struct options options;

	(void)state;
	assert_int_equal(options_read(&options, 3, argv), 0);
	assert_string_equal(options.config.cmdline, "console=ttyS0 quiet");
	options_free(&options);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_comes_first),
		cmocka_unit_test(a_console_of_its_own),
		cmocka_unit_test(the_last_one_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
