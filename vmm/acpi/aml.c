// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/acpi/aml.h"

#include <errno.h>
#include <string.h>

/* ACPI 6.4, 20.3: byte values of AML */
enum {
	ZERO_OP = 0x00,
	ONE_OP = 0x01,
	NAME_OP = 0x08,
	BYTE_PREFIX = 0x0a,
	WORD_PREFIX = 0x0b,
	DWORD_PREFIX = 0x0c,
	STRING_PREFIX = 0x0d,
	QWORD_PREFIX = 0x0e,
	SCOPE_OP = 0x10,
	BUFFER_OP = 0x11,
	PACKAGE_OP = 0x12,
	ROOT_CHAR = 0x5c,
	EXT_OP_PREFIX = 0x5b,
	DEVICE_OP = 0x82, /* behind EXT_OP_PREFIX */
};

/* ACPI 6.4, 6.4.2 and 6.4.3: resource descriptors, small ones with their length in the low three bits */
enum {
	IO_PORT = 0x47,
	END_TAG = 0x79,
	MEMORY32_FIXED = 0x86,
	EXTENDED_INTERRUPT = 0x89,
};
#define IO_DECODE16        0x01u
#define MEMORY_READ_WRITE  0x01u
#define INTERRUPT_CONSUMER 0x01u
#define INTERRUPT_EDGE     0x02u

#define NAME_LEN    4u
#define PKGLEN_MOST 4u /* bytes of a package length */

static void fail(struct aml *aml, int err)
{
	if (!aml->err)
		aml->err = err;
}

static void put(struct aml *aml, const void *bytes, size_t len)
{
	if (len > aml->size - aml->len)
		fail(aml, -ENOSPC);
	if (aml->err)
		return;
	memcpy(aml->bytes + aml->len, bytes, len);
	aml->len += len;
}

static void put_number(struct aml *aml, uint64_t value, size_t len)
{
	uint8_t bytes[sizeof(value)];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
	put(aml, bytes, len);
}

static void put_byte(struct aml *aml, uint8_t byte)
{
	put(aml, &byte, 1);
}

/* ACPI 6.4, 20.2.2: digits are not for the first character. */
static bool is_name(const char *name)
{
	static const char characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t len = strlen(name);

	return len <= NAME_LEN && strspn(name, characters) == len && strspn(name, characters + 10) > 0;
}

static void put_name(struct aml *aml, const char *name)
{
	char padded[NAME_LEN];

	if (!is_name(name))
		fail(aml, -EINVAL);
	if (aml->err)
		return;
	memset(padded, '_', sizeof(padded));
	memcpy(padded, name, strlen(name));
	put(aml, padded, sizeof(padded));
}

static void put_integer(struct aml *aml, uint64_t value)
{
	if (value <= 1) {
		put_byte(aml, value ? ONE_OP : ZERO_OP);
		return;
	}
	unsigned log = value <= UINT8_MAX ? 0 : value <= UINT16_MAX ? 1 : value <= UINT32_MAX ? 2 : 3;
	static const uint8_t prefixes[] = { BYTE_PREFIX, WORD_PREFIX, DWORD_PREFIX, QWORD_PREFIX };

	put_byte(aml, prefixes[log]);
	put_number(aml, value, (size_t)1 << log);
}

/* Descriptors are for resource templates, and nothing else is in them. */
static void expect_resources(struct aml *aml, bool inside)
{
	if (aml->in_resources != inside)
		fail(aml, -EINVAL);
}

/* --- objects with a length before their content ------------------------------------------------------------------- */

static void open_object(struct aml *aml)
{
	if (aml->depth == AML_DEPTH)
		fail(aml, -EINVAL);
	if (!aml->err)
		aml->open[aml->depth++] = aml->len;
}

/* ACPI 6.4, 20.2.4: the length counts its own bytes; one byte up to 63, else four bits and up to three bytes more. */
static size_t package_length(size_t content, uint8_t bytes[PKGLEN_MOST])
{
	size_t n = 1;

	while (n < PKGLEN_MOST && content + n >= (size_t)1 << (n == 1 ? 6 : 8 * n - 4))
		n++;
	size_t value = content + n;

	bytes[0] = n == 1 ? (uint8_t)value : (uint8_t)((n - 1) << 6 | (value & 0xf));
	for (size_t i = 1; i < n; i++)
		bytes[i] = (uint8_t)(value >> (8 * i - 4));
	return n;
}

/* Only now is the length known: the content moves up to make room for it. */
static void close_object(struct aml *aml)
{
	uint8_t length[PKGLEN_MOST];

	if (aml->depth == 0)
		fail(aml, -EINVAL);
	if (aml->err)
		return;
	size_t start = aml->open[--aml->depth], content = aml->len - start;
	size_t n = package_length(content, length);

	if (n > aml->size - aml->len) {
		fail(aml, -ENOSPC);
		return;
	}
	memmove(aml->bytes + start + n, aml->bytes + start, content);
	memcpy(aml->bytes + start, length, n);
	aml->len += n;
}

void aml_start(struct aml *aml, void *bytes, size_t size)
{
	*aml = (struct aml){ .bytes = bytes, .size = size };
}

int aml_finish(struct aml *aml)
{
	if (aml->depth)
		fail(aml, -EINVAL);
	return aml->err;
}

void aml_scope(struct aml *aml, const char *name)
{
	expect_resources(aml, false);
	put_byte(aml, SCOPE_OP);
	open_object(aml);
	put_byte(aml, ROOT_CHAR);
	put_name(aml, name);
}

void aml_device(struct aml *aml, const char *name)
{
	expect_resources(aml, false);
	put_byte(aml, EXT_OP_PREFIX);
	put_byte(aml, DEVICE_OP);
	open_object(aml);
	put_name(aml, name);
}

void aml_end(struct aml *aml)
{
	expect_resources(aml, false);
	close_object(aml);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void begin_name(struct aml *aml, const char *name)
{
	expect_resources(aml, false);
	put_byte(aml, NAME_OP);
	put_name(aml, name);
}

void aml_name_integer(struct aml *aml, const char *name, uint64_t value)
{
	begin_name(aml, name);
	put_integer(aml, value);
}

void aml_name_string(struct aml *aml, const char *name, const char *value)
{
	begin_name(aml, name);
	put_byte(aml, STRING_PREFIX);
	put(aml, value, strlen(value) + 1);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Five bits a letter, four a digit, the most significant byte first in memory (ACPI 6.4, 19.3.4). */
void aml_name_eisaid(struct aml *aml, const char *name, const char *id)
{
	uint32_t packed = 0;

	if (strlen(id) != 7)
		fail(aml, -EINVAL);
	for (unsigned i = 0; i < 7 && !aml->err; i++) {
		int digit = i < 3 ? (id[i] >= 'A' && id[i] <= 'Z' ? id[i] - 'A' + 1 : -1) : hex_digit(id[i]);

		if (digit < 0)
			fail(aml, -EINVAL);
		packed = packed << (i < 3 ? 5 : 4) | (uint32_t)digit;
	}
	begin_name(aml, name);
	put_integer(aml, __builtin_bswap32(packed));
}

void aml_name_package(struct aml *aml, const char *name, const uint64_t *values, size_t n)
{
	begin_name(aml, name);
	put_byte(aml, PACKAGE_OP);
	open_object(aml);
	if (n > UINT8_MAX)
		fail(aml, -EINVAL);
	put_byte(aml, (uint8_t)n);
	for (size_t i = 0; i < n; i++)
		put_integer(aml, values[i]);
	close_object(aml);
}

/* --- resources ---------------------------------------------------------------------------------------------------- */

/*
 * A buffer is its size, as an integer, and its bytes. The size stands before them and is not known yet: a place of
 * fixed width is kept for it, "WordPrefix, two bytes".
 */
#define BUFFER_SIZE_LEN 3u

void aml_resources(struct aml *aml)
{
	begin_name(aml, "_CRS");
	put_byte(aml, BUFFER_OP);
	open_object(aml);
	put_byte(aml, WORD_PREFIX);
	put_number(aml, 0, BUFFER_SIZE_LEN - 1);
	aml->in_resources = true;
}

void aml_end_resources(struct aml *aml)
{
	expect_resources(aml, true);
	put_byte(aml, END_TAG);
	put_byte(aml, 0); /* a checksum that is taken to be right */
	if (!aml->err) {
		size_t start = aml->open[aml->depth - 1], len = aml->len - start - BUFFER_SIZE_LEN;

		if (len > UINT16_MAX)
			fail(aml, -EINVAL);
		aml->bytes[start + 1] = (uint8_t)len;
		aml->bytes[start + 2] = (uint8_t)(len >> 8);
	}
	aml->in_resources = false;
	close_object(aml);
}

/* A large descriptor's first bytes: its kind and the length of the rest. */
static void begin_large(struct aml *aml, uint8_t kind, uint16_t len)
{
	expect_resources(aml, true);
	put_byte(aml, kind);
	put_number(aml, len, 2);
}

void aml_memory(struct aml *aml, uint32_t base, uint32_t len)
{
	begin_large(aml, MEMORY32_FIXED, 9);
	put_byte(aml, MEMORY_READ_WRITE);
	put_number(aml, base, 4);
	put_number(aml, len, 4);
}

void aml_ports(struct aml *aml, uint16_t port, uint8_t len)
{
	expect_resources(aml, true);
	put_byte(aml, IO_PORT);
	put_byte(aml, IO_DECODE16);
	put_number(aml, port, 2); /* the lowest and the highest base that can be chosen: there is no choice */
	put_number(aml, port, 2);
	put_byte(aml, 1);
	put_byte(aml, len);
}

void aml_interrupt(struct aml *aml, uint32_t gsi)
{
	begin_large(aml, EXTENDED_INTERRUPT, 6);
	put_byte(aml, INTERRUPT_CONSUMER | INTERRUPT_EDGE); /* active high and exclusive: bits that are 0 */
	put_byte(aml, 1);
	put_number(aml, gsi, 4);
}
