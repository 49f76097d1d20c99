// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kernel/unpack.h"

#include <errno.h>
#include <limits.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define MIB        ((size_t)1 << 20)
#define ROOM_FIRST (4 * MIB)
/* How far back a stream of xz may look, with what the decoder needs beside: Linux's build has 128 MiB at most, which is
 * also the most that libzstd takes unless told otherwise. */
#define XZ_MEMORY  (192 * MIB)
#define LZ4_BLOCK  (8 * MIB) /* of the legacy frame: all but the last hold as much */
#define LZ4_LEGACY "\x02\x21\x4c\x18"

/* What is read, and what was made of it. */
struct stream {
	const uint8_t *in;
	size_t in_len; /* left */
	uint8_t *out;
	size_t size, room, max;
};

/* Room for `wanted` bytes more. -EFBIG where there are more than `max` already: one more than that may be asked for. */
static int make_room(struct stream *s, size_t wanted)
{
	size_t room = s->room > s->max / 2 ? s->max + 1 : 2 * s->room;

	if (s->size > s->max)
		return -EFBIG;
	if (wanted <= s->room - s->size)
		return 0;
	if (room < s->size + wanted)
		room = s->size + wanted;
	uint8_t *out = realloc(s->out, room);

	if (!out)
		return -ENOMEM;
	s->out = out;
	s->room = room;
	return 0;
}

/* A step of a decoder has read and made so much. */
static void advance(struct stream *s, size_t in, size_t out)
{
	s->in += in;
	s->in_len -= in;
	s->size += out;
}

static uInt piece(size_t len)
{
	return len < UINT_MAX ? (uInt)len : UINT_MAX;
}

static int unpack_gzip(struct stream *s)
{
	z_stream z = { 0 };
	int err, status = inflateInit2(&z, 16 + MAX_WBITS); /* 16: a gzip header, not zlib's */

	if (status != Z_OK)
		return -ENOMEM;
	do {
		err = make_room(s, 1);
		if (err)
			break;
		uInt in = piece(s->in_len), out = piece(s->room - s->size);

		z.next_in = (z_const Bytef *)s->in;
		z.avail_in = in;
		z.next_out = s->out + s->size;
		z.avail_out = out;
		status = inflate(&z, Z_NO_FLUSH); /* Z_BUF_ERROR where it cannot go on */
		advance(s, in - z.avail_in, out - z.avail_out);
	} while (status == Z_OK);
	inflateEnd(&z);
	return err ? err : status == Z_STREAM_END ? 0 : status == Z_MEM_ERROR ? -ENOMEM : -EILSEQ;
}

/* `status` is of the decoder's making. */
static int run_lzma(struct stream *s, lzma_stream *lzma, lzma_ret status)
{
	int err = 0;

	while (status == LZMA_OK) {
		err = make_room(s, 1);
		if (err)
			break;
		size_t out = s->room - s->size;

		lzma->next_in = s->in;
		lzma->avail_in = s->in_len;
		lzma->next_out = s->out + s->size;
		lzma->avail_out = out;
		status = lzma_code(lzma, LZMA_RUN); /* LZMA_BUF_ERROR where it cannot go on */
		advance(s, s->in_len - lzma->avail_in, out - lzma->avail_out);
	}
	lzma_end(lzma);
	if (err)
		return err;
	switch (status) {
	case LZMA_STREAM_END: return 0;
	case LZMA_MEM_ERROR: return -ENOMEM;
	case LZMA_MEMLIMIT_ERROR:
	case LZMA_OPTIONS_ERROR: return -ENOTSUP;
	default: return -EILSEQ;
	}
}

static int unpack_xz(struct stream *s)
{
	lzma_stream lzma = LZMA_STREAM_INIT;

	return run_lzma(s, &lzma, lzma_stream_decoder(&lzma, XZ_MEMORY, 0));
}

static int unpack_lzma(struct stream *s)
{
	lzma_stream lzma = LZMA_STREAM_INIT;

	return run_lzma(s, &lzma, lzma_alone_decoder(&lzma, XZ_MEMORY));
}

static int zstd_error(size_t status)
{
	switch (ZSTD_getErrorCode(status)) {
	case ZSTD_error_memory_allocation: return -ENOMEM;
	case ZSTD_error_version_unsupported:
	case ZSTD_error_frameParameter_unsupported:
	case ZSTD_error_frameParameter_windowTooLarge: return -ENOTSUP;
	default: return -EILSEQ;
	}
}

static int unpack_zstd(struct stream *s)
{
	ZSTD_DStream *zstd = ZSTD_createDStream();
	size_t status;
	int err;

	if (!zstd)
		return -ENOMEM;
	do {
		err = make_room(s, 1);
		if (err)
			break;
		ZSTD_inBuffer in = { .src = s->in, .size = s->in_len };
		ZSTD_outBuffer out = { .dst = s->out + s->size, .size = s->room - s->size };

		status = ZSTD_decompressStream(zstd, &out, &in);
		if (ZSTD_isError(status))
			err = zstd_error(status);
		else if (status != 0 && in.pos == in.size && out.pos < out.size)
			err = -EILSEQ; /* it wants more than there is */
		advance(s, in.pos, out.pos);
	} while (!err && status != 0);
	ZSTD_freeDStream(zstd);
	return err;
}

static int unpack_lz4(struct stream *s)
{
	LZ4F_dctx *lz4;
	size_t status;
	int err;

	if (LZ4F_isError(LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION)))
		return -ENOMEM;
	do {
		err = make_room(s, 1);
		if (err)
			break;
		size_t in = s->in_len, out = s->room - s->size;
		bool has_room;

		status = LZ4F_decompress(lz4, s->out + s->size, &out, s->in, &in, NULL);
		has_room = out < s->room - s->size;
		advance(s, in, out);
		if (LZ4F_isError(status) || (status != 0 && s->in_len == 0 && has_room))
			err = -EILSEQ;
	} while (!err && status != 0);
	LZ4F_freeDecompressionContext(lz4);
	return err;
}

static uint32_t read_le32(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/*
 * Blocks, each behind its size, and no end: it ends with a block that is not full, with the file, or where no block can
 * be. Behind full blocks a bzImage's unpacked size could pass for a block's, but for its being just that.
 */
static int unpack_lz4_legacy(struct stream *s)
{
	int unpacked;

	advance(s, sizeof(LZ4_LEGACY) - 1, 0);
	do {
		uint32_t size = s->in_len >= 4 ? read_le32(s->in) : 0;

		if (s->size && (s->in_len < 4 || size == s->size || size > (uint32_t)LZ4_compressBound(LZ4_BLOCK)))
			return 0;
		if (size == 0 || size > s->in_len - 4 || size > INT_MAX)
			return -EILSEQ;
		int err = make_room(s, LZ4_BLOCK);

		if (err)
			return err;
		unpacked = LZ4_decompress_safe((const char *)s->in + 4, (char *)s->out + s->size, (int)size, LZ4_BLOCK);
		if (unpacked < 0)
			return -EILSEQ;
		advance(s, 4 + (size_t)size, (size_t)unpacked);
	} while (unpacked == LZ4_BLOCK);
	return 0;
}

static const struct format {
	const char *name, *magic;
	size_t magic_len;
	int (*unpack)(struct stream *s); /* NULL: known by name only */
} formats[] = {
#define MAGIC(text) text, sizeof(text) - 1
	{ "gzip", MAGIC("\x1f\x8b"), unpack_gzip },
	{ "xz", MAGIC("\xfd\x37zXZ\0"), unpack_xz },
	{ "lzma", MAGIC("\x5d\0\0"), unpack_lzma },
	{ "zstd", MAGIC("\x28\xb5\x2f\xfd"), unpack_zstd },
	{ "lz4", MAGIC(LZ4_LEGACY), unpack_lz4_legacy },
	{ "lz4", MAGIC("\x04\x22\x4d\x18"), unpack_lz4 },
	{ "bzip2", MAGIC("BZh"), NULL },
	{ "lzo", MAGIC("\x89LZO"), NULL },
#undef MAGIC
};

static const struct format *find_format(const void *bytes, size_t len)
{
	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (len >= formats[i].magic_len && memcmp(bytes, formats[i].magic, formats[i].magic_len) == 0)
			return &formats[i];
	return NULL;
}

const char *unpack_format(const void *bytes, size_t len)
{
	const struct format *format = find_format(bytes, len);

	return format ? format->name : NULL;
}

int unpack(const void *bytes, size_t len, size_t max, struct unpacked *out)
{
	const struct format *format = find_format(bytes, len);
	struct stream s = { .in = bytes, .in_len = len, .max = max < SIZE_MAX / 4 ? max : SIZE_MAX / 4 };
	int err;

	*out = (struct unpacked){ 0 };
	if (!format || !format->unpack)
		return -ENOTSUP;
	err = make_room(&s, max < ROOM_FIRST ? max + 1 : ROOM_FIRST);
	if (!err)
		err = format->unpack(&s);
	if (!err && s.size > s.max)
		err = -EFBIG;
	if (err)
		free(s.out);
	else
		*out = (struct unpacked){ .bytes = s.out, .size = s.size };
	return err;
}
