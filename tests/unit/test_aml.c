// SPDX-License-Identifier: GPL-2.0-only
/* The AML encoder, byte by byte against ACPI 6.4: 20.2 for objects and names, 6.4 for resources. */
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

static void check(struct aml *aml, const void *expected, size_t len)
{
	assert_int_equal(aml_finish(aml), 0);
	assert_int_equal(aml->len, len);
	assert_memory_equal(room, expected, len);
	for (size_t i = len; i < ROOM; i++)
		assert_int_equal(room[i], FENCE);
}
#define CHECK(aml, ...) check(aml, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* --- what goes into the bytes ---------------------------------------------------------------------------------------
 */

static void test_nothing(void **state)
{
	struct aml aml = begin();

	(void)state;
	check(&aml, "", 0);
	aml_start(&aml, NULL, 0);
	assert_int_equal(aml_finish(&aml), 0);
}

/* 20.2.3: ZeroOp and OneOp, else the shortest of four widths. */
static void test_integers(void **state)
{
	static const struct {
		uint64_t value;
		uint8_t bytes[9], len;
	} integers[] = {
		{ 0, { 0x00 }, 1 },
		{ 1, { 0x01 }, 1 },
		{ 2, { 0x0a, 2 }, 2 },
		{ 0xff, { 0x0a, 0xff }, 2 },
		{ 0x100, { 0x0b, 0x00, 0x01 }, 3 },
		{ 0x1234, { 0x0b, 0x34, 0x12 }, 3 },
		{ 0xffff, { 0x0b, 0xff, 0xff }, 3 },
		{ 0x10000, { 0x0c, 0x00, 0x00, 0x01, 0x00 }, 5 },
		{ 0x12345678, { 0x0c, 0x78, 0x56, 0x34, 0x12 }, 5 },
		{ 0xffffffff, { 0x0c, 0xff, 0xff, 0xff, 0xff }, 5 },
		{ 0x100000000, { 0x0e, 0, 0, 0, 0, 1, 0, 0, 0 }, 9 },
		{ 0x123456789abcdef0, { 0x0e, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34, 0x12 }, 9 },
		{ UINT64_MAX, { 0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff }, 9 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
		struct aml aml = begin();
		uint8_t expected[14] = { 0x08, 'A', 'B', 'C', 'D' };

		memcpy(expected + 5, integers[i].bytes, 9);
		aml_name_integer(&aml, "ABCD", integers[i].value);
		check(&aml, expected, 5u + integers[i].len);
	}
}

/* 20.2.2: four characters, '_' behind shorter ones. */
static void test_names(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_name_integer(&aml, "_S5", 0);
	aml_name_integer(&aml, "A", 0);
	aml_name_integer(&aml, "B0", 0);
	aml_name_integer(&aml, "_", 0);
	aml_name_integer(&aml, "Z9_A", 0);
	CHECK(&aml, 8, '_', 'S', '5', '_', 0, 8, 'A', '_', '_', '_', 0, 8, 'B', '0', '_', '_', 0, 8, '_', '_', '_', '_',
	      0, 8, 'Z', '9', '_', 'A', 0);
}

static void test_strings(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_name_string(&aml, "_HID", "LNRO0005");
	aml_name_string(&aml, "_STR", "");
	CHECK(&aml, 8, '_', 'H', 'I', 'D', 0x0d, 'L', 'N', 'R', 'O', '0', '0', '0', '5', 0, 8, '_', 'S', 'T', 'R', 0x0d,
	      0);
}

/* 19.3.4: bits 14-10, 9-5, 4-0 of the first two bytes, in this order, are letters; digits follow. */
static void test_eisaids(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_name_eisaid(&aml, "_HID", "PNP0501");
	aml_name_eisaid(&aml, "_HID", "PNP0A08");
	aml_name_eisaid(&aml, "_HID", "ZYXFEDC");
	CHECK(&aml, 8, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x05, 0x01, 8, '_', 'H', 'I', 'D', 0x0c, 0x41, 0xd0, 0x0a,
	      0x08, 8, '_', 'H', 'I', 'D', 0x0c, 0x6b, 0x38, 0xfe, 0xdc);
}

static void test_packages(void **state)
{
	static const uint64_t values[] = { 5, 0, 0x100, 1 };
	struct aml aml = begin();

	(void)state;
	aml_name_package(&aml, "_S5", values, 4);
	aml_name_package(&aml, "NONE", values, 0);
	/* PkgLength, NumElements, elements */
	CHECK(&aml, 8, '_', 'S', '5', '_', 0x12, 9, 4, 0x0a, 5, 0, 0x0b, 0, 1, 1, 8, 'N', 'O', 'N', 'E', 0x12, 2, 0);
}

static void test_most_elements(void **state)
{
	static uint64_t values[256];
	struct aml aml = begin();

	(void)state;
	aml_name_package(&aml, "MANY", values, 255);
	assert_int_equal(aml_finish(&aml), 0);
	assert_int_equal(aml.len, 5 + 1 + 2 + 1 + 255);
	/* 258 bytes with the two of the length: 0x102 */
	assert_memory_equal(room, ((const uint8_t[]){ 8, 'M', 'A', 'N', 'Y', 0x12, 0x42, 0x10, 255, 0, 0 }), 11);
	aml = begin();
	aml_name_package(&aml, "MANY", values, 256);
	assert_int_equal(aml_finish(&aml), -EINVAL);
}

static void test_nesting(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_scope(&aml, "_SB");
	aml_device(&aml, "D0");
	aml_name_integer(&aml, "_UID", 1);
	aml_end(&aml);
	aml_device(&aml, "D1");
	aml_end(&aml);
	aml_end(&aml);
	aml_name_integer(&aml, "X", 0);
	CHECK(&aml, 0x10, 26, '\\', '_', 'S', 'B', '_',                           /* with its own byte: 26 */
	      0x5b, 0x82, 11, 'D', '0', '_', '_', 0x08, '_', 'U', 'I', 'D', 0x01, /* 11 */
	      0x5b, 0x82, 5, 'D', '1', '_', '_', 0x08, 'X', '_', '_', '_', 0x00);
}

/* As deep as can be is allowed; and what was closed can be opened again. */
static void test_depth(void **state)
{
	struct aml aml = begin();

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < AML_DEPTH; i++)
			aml_device(&aml, "D");
		for (unsigned i = 0; i < AML_DEPTH; i++)
			aml_end(&aml);
	}
	assert_int_equal(aml_finish(&aml), 0);
	assert_int_equal(aml.len, 2 * 7 * AML_DEPTH);
	for (unsigned i = 0; i < AML_DEPTH; i++)
		assert_int_equal(room[7 * i + 2], 5 + 7 * (AML_DEPTH - 1 - i));
}

/* --- package lengths ------------------------------------------------------------------------------------------------
 */

/* A scope that holds one string, so that all behind PkgLength, the name among it, are `content` bytes. */
static void check_length(size_t content, const uint8_t *length, size_t n)
{
	const size_t around = 5 + 5 + 1 + 1; /* "\_SB_", NameOp and name, StringPrefix, NUL */
	uint8_t *bytes = malloc(content + 16);
	char *text = malloc(content);
	struct aml aml;

	assert_true(bytes && text && content >= around);
	memset(text, 'x', content - around);
	text[content - around] = '\0';
	aml_start(&aml, bytes, content + 16);
	aml_scope(&aml, "_SB");
	aml_name_string(&aml, "TEXT", text);
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	assert_int_equal(aml.len, 1 + n + content);
	assert_int_equal(bytes[0], 0x10);
	assert_memory_equal(bytes + 1, length, n);
	assert_memory_equal(bytes + 1 + n, "\\_SB_\010TEXT\015", 11);
	assert_string_equal((char *)bytes + 1 + n + 11, text);
	free(bytes);
	free(text);
}
#define CHECK_LENGTH(content, ...) \
	check_length(content, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* 20.2.4: the length holds its own bytes, so that these decide of themselves how many they are. */
static void test_lengths(void **state)
{
	(void)state;
	CHECK_LENGTH(12, 13);
	CHECK_LENGTH(61, 62);
	CHECK_LENGTH(62, 63);
	CHECK_LENGTH(63, 0x41, 0x04); /* 65: with one byte it were 64, which one byte cannot say */
	CHECK_LENGTH(64, 0x42, 0x04);
	CHECK_LENGTH(253, 0x4f, 0x0f);
	CHECK_LENGTH(254, 0x40, 0x10);
	CHECK_LENGTH(4092, 0x4e, 0xff);
	CHECK_LENGTH(4093, 0x4f, 0xff);
	CHECK_LENGTH(4094, 0x81, 0x00, 0x01); /* 4097 */
	CHECK_LENGTH(0x12345, 0x88, 0x34, 0x12);
	CHECK_LENGTH(0xffffb, 0x8e, 0xff, 0xff);
	CHECK_LENGTH(0xffffc, 0x8f, 0xff, 0xff);
	CHECK_LENGTH(0xffffd, 0xc1, 0x00, 0x00, 0x01); /* 0x100001 */
	CHECK_LENGTH(0x123456, 0xca, 0x45, 0x23, 0x01);
}

/* --- resources ------------------------------------------------------------------------------------------------------
 */

/* The buffer's size as an integer of any width: it has to be that of its bytes. Returns where these begin. */
static const uint8_t *buffer(const struct aml *aml, size_t len)
{
	const uint8_t *at = room + 5;

	assert_memory_equal(room, "\010_CRS", 5);
	assert_int_equal(*at++, 0x11);
	assert_int_equal(*at, (unsigned)(room + aml->len - at)); /* below 64 in what is tested here */
	at++;
	if (*at == 0x0a) {
		assert_int_equal(at[1], len);
		at += 2;
	} else {
		assert_int_equal(at[0], 0x0b);
		assert_int_equal(at[1] | at[2] << 8, len);
		at += 3;
	}
	assert_ptr_equal(at + len, room + aml->len);
	return at;
}

static void test_resources(void **state)
{
	static const uint8_t expected[] = {
		0x86, 9,    0,    1,    0x00, 0x10, 0x00, 0xd0, 0x00, 0x02, 0x00, 0x00, /* 6.4.3.4: read and write */
		0x47, 0x01, 0xf8, 0x03, 0xf8, 0x03, 1,    8,       /* 6.4.2.5: 16 bits are decoded, alignment 1 */
		0x89, 6,    0,    0x03, 1,    0x17, 0,    0,    0, /* 6.4.3.6: consumer, edge, active high, exclusive */
		0x79, 0,                                           /* 6.4.2.9: "no checksum" */
	};
	struct aml aml = begin();

	(void)state;
	aml_resources(&aml);
	aml_memory(&aml, 0xd0001000, 0x200);
	aml_ports(&aml, 0x3f8, 8);
	aml_interrupt(&aml, 23);
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	assert_memory_equal(buffer(&aml, sizeof(expected)), expected, sizeof(expected));
	aml = begin();
	aml_resources(&aml);
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	assert_memory_equal(buffer(&aml, 2), "\x79", 2);
}

/* Each field reaches as far as its type. */
static void test_resource_fields(void **state)
{
	static const uint8_t expected[] = { 0x86, 9,    0,    1,    0xef, 0xcd, 0xab, 0x89, 0x10, 0x32, 0x54,
					    0x76, 0x47, 0x01, 0xdc, 0xfe, 0xdc, 0xfe, 1,    0xff, 0x89, 6,
					    0,    3,    1,    0xdd, 0xcc, 0xbb, 0xaa, 0x79, 0 };
	struct aml aml = begin();

	(void)state;
	aml_resources(&aml);
	aml_memory(&aml, 0x89abcdef, 0x76543210);
	aml_ports(&aml, 0xfedc, 0xff);
	aml_interrupt(&aml, 0xaabbccdd);
	aml_end_resources(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	assert_memory_equal(buffer(&aml, sizeof(expected)), expected, sizeof(expected));
}

/* Resources in a device in a scope: the lengths around them hold them. */
static void test_resources_nested(void **state)
{
	struct aml aml = begin();

	(void)state;
	aml_scope(&aml, "_SB");
	aml_device(&aml, "DEV");
	aml_resources(&aml);
	aml_interrupt(&aml, 16);
	aml_end_resources(&aml);
	aml_end(&aml);
	aml_end(&aml);
	assert_int_equal(aml_finish(&aml), 0);
	assert_int_equal(room[1], aml.len - 1);
	assert_int_equal(room[9], aml.len - 9);
	assert_int_equal(room[20], aml.len - 20);
	assert_memory_equal(room + 14, "\010_CRS\021", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_eisaids),
		cmocka_unit_test(test_packages),
		cmocka_unit_test(test_most_elements),
		cmocka_unit_test(test_nesting),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_resources),
		cmocka_unit_test(test_resource_fields),
		cmocka_unit_test(test_resources_nested),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
