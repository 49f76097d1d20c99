/* SPDX-License-Identifier: GPL-2.0-only */
/* Numbers as users write them. */
#ifndef MINIVMM_NUMBER_H
#define MINIVMM_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits at the start of `text`; *end behind them. False where there are none, or too many for 64 bits. */
bool number_digits(const char *text, char **end, uint64_t *value);
/* A whole number from min to max and nothing behind it: decimal, or 0x and hexadecimal. */
bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value);
/* A size in bytes: digits, and K, M, G or T (or in lower case) for the powers of 1024. */
bool number_size(const char *text, uint64_t *bytes);
/* A time with its unit, "250us", "10ms", "5s", "1m", in nanoseconds. */
bool number_duration(const char *text, uint64_t *ns);

#endif
