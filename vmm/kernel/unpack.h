/* SPDX-License-Identifier: GPL-2.0-only */
/* Compressed content: kernels and what is embedded in them, in the formats that Linux's build makes. */
#ifndef MINIVMM_KERNEL_UNPACK_H
#define MINIVMM_KERNEL_UNPACK_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that were unpacked; malloc'ed, the holder frees them. */
struct unpacked {
	uint8_t *bytes;
	size_t size;
};

/*
 * The format's name, by the bytes at the start: "gzip", "xz", "lzma", "zstd", "lz4" (its frame, and the legacy one that
 * Linux uses), and "bzip2" and "lzo", which unpack() does not know. NULL: not compressed, as far as it can be told.
 */
const char *unpack_format(const void *bytes, size_t len);

/*
 * Unpacks the one stream at the start of `bytes`. What lies behind it does not matter: in a bzImage's payload that is
 * the unpacked size. 0, and the caller has *out to free; or -ENOTSUP (no format that is known here, or one with
 * parameters that take too much memory), -EILSEQ (damaged or cut off), -EFBIG (more than `max` bytes), -ENOMEM. No
 * message. The memory that the bytes themselves can make it touch is `max`, and what a format needs to look back.
 */
int unpack(const void *bytes, size_t len, size_t max, struct unpacked *out);

#endif
