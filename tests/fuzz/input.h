/* SPDX-License-Identifier: GPL-2.0-only */
/* The bytes of one input, taken from the front; behind the end there are zeros, so that each input means something. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct input {
	const uint8_t *at;
	size_t left;
};

/* Up to `len` bytes, the rest zeros; returns how many there were. */
static inline size_t input_bytes(struct input *in, void *to, size_t len)
{
	size_t n = len < in->left ? len : in->left;

	memset(to, 0, len);
	if (n)
		memcpy(to, in->at, n);
	in->at += n;
	in->left -= n;
	return n;
}

/* A little-endian number of `size` bytes, up to 8. */
static inline uint64_t input_number(struct input *in, unsigned size)
{
	uint8_t bytes[8] = { 0 };
	uint64_t value = 0;

	input_bytes(in, bytes, size);
	for (unsigned i = 0; i < 8; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

static inline uint8_t input_u8(struct input *in)
{
	return (uint8_t)input_number(in, 1);
}

static inline uint16_t input_u16(struct input *in)
{
	return (uint16_t)input_number(in, 2);
}

static inline uint32_t input_u32(struct input *in)
{
	return (uint32_t)input_number(in, 4);
}

static inline uint64_t input_u64(struct input *in)
{
	return input_number(in, 8);
}

#endif
