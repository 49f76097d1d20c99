// SPDX-License-Identifier: GPL-2.0-only
/* The AML encoder where it has to refuse: too few bytes, and what ACPI 6.4, chapter 20 does not allow. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmm/acpi/aml.h"

#define ROOM  512u
#define FENCE 0xa5u

static uint8_t room[ROOM];

static struct aml begin(void)
{
	struct aml aml;

	memset(room, FENCE, sizeof(room));
	aml_start(&aml, room, sizeof(room));
	return aml;
}

/* One of everything. */
static void everything(struct aml *aml)
{
	static const uint64_t values[] = { 0, 1, 0x100, 0x12345, UINT64_MAX };

	aml_scope(aml, "_SB");
	aml_device(aml, "DEV");
	aml_name_string(aml, "_HID", "A string of some length, so that the device's own has to be in two bytes");
	aml_name_eisaid(aml, "_CID", "PNP0501");
	aml_name_integer(aml, "_UID", 7);
	aml_resources(aml);
	aml_memory(aml, 1, 2);
	aml_ports(aml, 3, 4);
	aml_interrupt(aml, 5);
	aml_end_resources(aml);
	aml_end(aml);
	aml_end(aml);
	aml_name_package(aml, "_S5", values, 5);
}

/* Every size that does not suffice: -ENOSPC, and not a byte beyond. */
static void test_no_space(void **state)
{
	struct aml aml = begin();

	(void)state;
	everything(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	const size_t enough = aml.len;

	assert_true(enough > 128 && enough < ROOM);
	for (size_t size = 0; size <= enough; size++) {
		uint8_t *bytes = malloc(size ? size : 1); /* exactly, for sanitizers */

		assert_non_null(bytes);
		aml_start(&aml, bytes, size);
		everything(&aml);
		assert_int_equal(aml_finish(&aml), size == enough ? 0 : -ENOSPC);
		assert_true(aml.len <= size);
		free(bytes);
		begin();
		aml_start(&aml, room, size);
		everything(&aml);
		for (size_t i = size; i < ROOM; i++)
			assert_int_equal(room[i], FENCE);
	}
}

/* The first error is the one that is told, and nothing is added any more. */
static void test_sticky(void **state)
{
	struct aml aml;
	uint8_t bytes[8];

	(void)state;
	aml_start(&aml, bytes, sizeof(bytes));
	aml_name_string(&aml, "_HID", "too long for eight bytes");
	const size_t len = aml.len;

	aml_name_integer(&aml, "A", 0);
	aml_name_integer(&aml, "too long", 0);
	aml_end(&aml);
	assert_int_equal(aml.len, len);
	assert_int_equal(aml_finish(&aml), -ENOSPC);
	assert_int_equal(aml_finish(&aml), -ENOSPC);
	aml = begin();
	aml_end(&aml);
	for (unsigned i = 0; i < ROOM; i++)
		aml_name_integer(&aml, "A", 0);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	assert_int_equal(aml.len, 0);
}

/* 20.2.2: capitals, '_', and digits behind the first. */
static void test_wrong_names(void **state)
{
	static const char *const names[] = { "",    "TOOLO", "_HIDX", "abcd",  "ABCd",  "0ABC", "9",
					     "A B", "A.B",   "\\_SB", "^ABC",  "A-B",   "A\n",  "A@",
					     "A[",  "A/",    "A:",    "A\x80", "A\xff", " A",   "A`" };
	struct aml aml;

	(void)state;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		aml = begin();
		aml_name_integer(&aml, names[i], 1);
		if (aml_finish(&aml) != -EINVAL)
			fail_msg("the name '%s' is taken", names[i]);
		aml = begin();
		aml_device(&aml, names[i]);
		aml_end(&aml);
		assert_int_equal(aml_finish(&aml), -EINVAL);
		aml = begin();
		aml_scope(&aml, names[i]);
		aml_end(&aml);
		assert_int_equal(aml_finish(&aml), -EINVAL);
	}
}

static void test_wrong_eisaids(void **state)
{
	static const char *const ids[] = { "",        "PNP",     "PNP050",  "PNP05010", "pnp0501", "PN00501",
					   "PNP0G01", "PNP050a", "@NP0501", "PN[0501",  "PNP05/1", "PNP050:" };

	(void)state;
	for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct aml aml = begin();

		aml_name_eisaid(&aml, "_HID", ids[i]);
		if (aml_finish(&aml) != -EINVAL)
			fail_msg("the id '%s' is taken", ids[i]);
	}
}

static void test_wrong_depth(void **state)
{
	struct aml aml = begin();

	(void)state;
	for (unsigned i = 0; i < AML_DEPTH + 1; i++)
		aml_device(&aml, "D");
	for (unsigned i = 0; i < AML_DEPTH + 1; i++)
		aml_end(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	/* resources and packages are objects too */
	aml = begin();
	for (unsigned i = 0; i < AML_DEPTH; i++)
		aml_device(&aml, "D");
	aml_resources(&aml);
	assert_int_equal(aml.err, -EINVAL);
}

/* Ends that end nothing, and objects without an end. */
static void test_wrong_ends(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_scope(&aml, "_SB");
	aml_end(&aml);
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_scope(&aml, "_SB");
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_resources(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
}

/* A resource template holds descriptors and nothing else, and they are nowhere else. */
static void test_wrong_resources(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_device(&aml, "DEV");
	aml_end_resources(&aml); /* not of the device's making */
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_resources(&aml);
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_resources(&aml);
	aml_name_integer(&aml, "A", 0);
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_resources(&aml);
	aml_device(&aml, "DEV");
	aml_end(&aml);
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_resources(&aml);
	aml_resources(&aml);
	aml_end_resources(&aml);
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_memory(&aml, 1, 2);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_device(&aml, "DEV");
	aml_interrupt(&aml, 1);
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), -EINVAL);
	aml = begin();
	aml_ports(&aml, 1, 1);
	assert_int_equal(aml_finish(&aml), -EINVAL);
}

/* More than a buffer's size has bits for is refused, not cut. */
static void test_endless_resources(void **state)
{
	const size_t size = 1 << 20;
	uint8_t *bytes = malloc(size);
	struct aml aml;

	(void)state;
	assert_non_null(bytes);
	for (unsigned n = 5400; n < 5500; n++) { /* of 12 bytes each: around 65,536 */
		aml_start(&aml, bytes, size);
		aml_resources(&aml);
		for (unsigned i = 0; i < n; i++)
			aml_memory(&aml, i, 1);
		aml_end_resources(&aml);
		int err = aml_finish(&aml);

		assert_true(err == 0 || (err == -EINVAL && 12 * n + 2 > UINT16_MAX));
		if (!err) {
			const uint8_t *at = bytes + 6 + 1 + (bytes[6] >> 6);

			assert_int_equal(*at, 0x0b);
			assert_int_equal(at[1] | at[2] << 8, 12 * n + 2);
		}
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_space),        cmocka_unit_test(test_sticky),
		cmocka_unit_test(test_wrong_names),     cmocka_unit_test(test_wrong_eisaids),
		cmocka_unit_test(test_wrong_depth),     cmocka_unit_test(test_wrong_ends),
		cmocka_unit_test(test_wrong_resources), cmocka_unit_test(test_endless_resources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
