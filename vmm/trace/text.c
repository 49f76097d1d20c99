// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_FIRST 4096u

void text_free(struct text *text)
{
	if (!text->fixed)
		free(text->bytes);
	*text = (struct text){ 0 };
}

/* Where `len` more bytes go, or NULL. */
static char *room(struct text *text, size_t len)
{
	bool is_full = !text->bytes || text->size - text->len < len;

	text->failed |= is_full && text->fixed;
	if (text->failed)
		return NULL;
	if (is_full) {
		size_t size = text->size ? text->size : SIZE_FIRST;

		while (size - text->len < len)
			size *= 2;
		char *bytes = malloc(size); /* realloc() of much would take another system call */

		if (!bytes) {
			text->failed = true;
			return NULL;
		}
		if (text->len)
			memcpy(bytes, text->bytes, text->len);
		free(text->bytes);
		text->bytes = bytes;
		text->size = size;
	}
	return text->bytes + text->len;
}

void text_bytes(struct text *text, const void *bytes, size_t len)
{
	char *to = room(text, len);

	if (!to || !len)
		return;
	memcpy(to, bytes, len);
	text->len += len;
}

void text_str(struct text *text, const char *str)
{
	text_bytes(text, str, strlen(str));
}

/* At least `digits` digits. */
static void decimal(struct text *text, uint64_t value, unsigned digits)
{
	char buffer[20];
	unsigned at = sizeof(buffer);

	do {
		buffer[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value || sizeof(buffer) - at < digits);
	text_bytes(text, buffer + at, sizeof(buffer) - at);
}

void text_u64(struct text *text, uint64_t value)
{
	decimal(text, value, 1);
}

static const char hex_digits[] = "0123456789abcdef";

void text_hex(struct text *text, uint64_t value)
{
	char buffer[18];
	unsigned at = sizeof(buffer);

	do {
		buffer[--at] = hex_digits[value & 15];
		value >>= 4;
	} while (value);
	buffer[--at] = 'x';
	buffer[--at] = '0';
	text_bytes(text, buffer + at, sizeof(buffer) - at);
}

void text_hex_bytes(struct text *text, const void *bytes, size_t len)
{
	char *to = room(text, 2 * len);

	if (!to)
		return;
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = ((const uint8_t *)bytes)[i];

		to[2 * i] = hex_digits[byte >> 4];
		to[2 * i + 1] = hex_digits[byte & 15];
	}
	text->len += 2 * len;
}

void text_seconds(struct text *text, uint64_t ns)
{
	decimal(text, ns / 1000000000u, 1);
	text_bytes(text, ".", 1);
	decimal(text, ns % 1000000000u, 9);
}

void text_us(struct text *text, uint64_t ns)
{
	decimal(text, ns / 1000u, 1);
	text_bytes(text, ".", 1);
	decimal(text, ns % 1000u, 3);
}

void text_json(struct text *text, const char *str, size_t len)
{
	text_bytes(text, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)str[i];

		if (c < ' ' || c >= 0x7f) { /* not all that a user names is UTF-8, which JSON must be */
			text_str(text, "\\u00");
			text_hex_bytes(text, &c, 1);
			continue;
		}
		if (c == '"' || c == '\\')
			text_bytes(text, "\\", 1);
		text_bytes(text, &c, 1);
	}
	text_bytes(text, "\"", 1);
}

void text_json_str(struct text *text, const char *str)
{
	text_json(text, str, strlen(str));
}

void text_bits(struct text *text, uint64_t value, const char *const *names, unsigned n_names)
{
	const char *between = "";

	for (unsigned bit = 0; bit < 64; bit++) {
		if (!(value & (1ull << bit)))
			continue;
		text_str(text, between);
		between = "|";
		if (bit < n_names && names[bit]) {
			text_str(text, names[bit]);
		} else {
			text_str(text, "bit");
			text_u64(text, bit);
		}
	}
	if (!value)
		text_bytes(text, "0", 1);
}

void text_printf(struct text *text, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int len = vsnprintf(NULL, 0, fmt, args);

	va_end(args);
	char *to = len < 0 ? NULL : room(text, (size_t)len + 1); /* its NUL is written over by what comes next */

	if (!to)
		return;
	va_start(args, fmt);
	vsnprintf(to, (size_t)len + 1, fmt, args);
	va_end(args);
	text->len += (size_t)len;
}
