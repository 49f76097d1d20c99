// SPDX-License-Identifier: GPL-2.0-only
/* The tree's writer by itself: its buffer grows under any call, and its first error sticks. */
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dtb/tree.h"
#include "tests/unit/support.h"

/* Every length around the first buffer's end, so that each kind of call is once the one that needs more room. */
static void test_grows_anywhere(void **state)
{
	static const uint8_t reg[] = { 0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0,
				       0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10 };
	char text_of_a_page[4200];

	(void)state;
	for (int len = 0; len < 4200; len += 3) {
		struct dtb tree;

		memset(text_of_a_page, 'z', (size_t)len);
		text_of_a_page[len] = '\0';
		dtb_start(&tree);
		dtb_string(&tree, "text", text_of_a_page);
		dtb_begin(&tree, "node", 0x123456789abcdef0);
		dtb_u32(&tree, "cell", 0x12345678);
		dtb_reg(&tree, 0x123456789abcdef0, 0xfedcba9876543210);
		dtb_empty(&tree, "empty");
		dtb_end(&tree);
		assert_int_equal(dtb_finish(&tree), 0);
		int node = fdt_path_offset(tree.blob, "/node@123456789abcdef0");

		assert_true(node > 0);
		assert_int_equal(fdt_check_full(tree.blob, (size_t)tree.size), 0);
		assert_string_equal(fdt_getprop(tree.blob, 0, "text", NULL), text_of_a_page);
		assert_memory_equal(fdt_getprop(tree.blob, node, "cell", NULL), "\x12\x34\x56\x78", 4);
		assert_memory_equal(fdt_getprop(tree.blob, node, "reg", NULL), reg, sizeof(reg));
		assert_non_null(fdt_getprop(tree.blob, node, "empty", NULL));
		dtb_free(&tree);
	}
}

/* The first error sticks: what follows does nothing, the end reports it once, and the tree can be freed. */
static void test_error_sticks(void **state)
{
	static char huge[17 << 20];
	struct dtb tree;

	(void)state;
	memset(huge, 'h', sizeof(huge) - 1);
	dtb_start(&tree);
	dtb_string(&tree, "huge", huge); /* beyond any buffer */
	dtb_begin_plain(&tree, "node");
	dtb_u32(&tree, "cell", 1);
	dtb_end(&tree);
	catch_stderr();
	int err = dtb_finish(&tree);

	assert_one_message(caught_stderr(), "device tree");
	assert_true(err < 0);
	dtb_free(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_grows_anywhere),
					    cmocka_unit_test(test_error_sticks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
