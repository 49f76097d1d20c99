/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that grows as it is written, without printf's cost: transcripts have millions of lines. */
#ifndef MINIVMM_TRACE_TEXT_H
#define MINIVMM_TRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed is a valid, empty text. One that is `fixed` has bytes of somebody else's and grows no further than these. */
struct text {
	char *bytes; /* owned; no NUL at the end */
	size_t len, size;
	bool failed; /* no memory: sticks, and nothing is added any more */
	bool fixed;
};

void text_free(struct text *text);

void text_bytes(struct text *text, const void *bytes, size_t len);
void text_str(struct text *text, const char *str);
/* Decimal. */
void text_u64(struct text *text, uint64_t value);
/* "0x" and at least one digit. */
void text_hex(struct text *text, uint64_t value);
/* Two digits a byte. */
void text_hex_bytes(struct text *text, const void *bytes, size_t len);
/* Nanoseconds in seconds or microseconds, exact: all 9 or 3 decimals. */
void text_seconds(struct text *text, uint64_t ns);
void text_us(struct text *text, uint64_t ns);
/* A JSON string with its quotes. */
void text_json(struct text *text, const char *str, size_t len);
void text_json_str(struct text *text, const char *str);
/* Names of the set bits joined by "|", "0" for none; a bit without a name (NULL) is "bitN". */
void text_bits(struct text *text, uint64_t value, const char *const *names, unsigned n_names);
/* For what is written seldom. */
void text_printf(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
