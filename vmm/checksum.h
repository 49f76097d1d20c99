/* SPDX-License-Identifier: GPL-2.0-only */
/* The checksum of ACPI's and of the MultiProcessor Specification's tables. */
#ifndef MINIVMM_CHECKSUM_H
#define MINIVMM_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* What makes the sum of these bytes 0, where they themselves have 0 for it. */
static inline uint8_t checksum(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + at[i]);
	return (uint8_t)-sum;
}

#endif
