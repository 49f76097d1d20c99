// SPDX-License-Identifier: GPL-2.0-only
/* Compressed content: each format there and back by its own library, cut off at every byte, damaged, larger than meant.
 */
#include <errno.h>
#include <lz4.h>
#include <lz4frame.h>
#include <lzma.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "tests/unit/support.h"
#include "vmm/kernel/unpack.h"

#define KIB        ((size_t)1 << 10)
#define MIB        ((size_t)1 << 20)
#define PLAIN      5000u
#define PACKED_MAX (2 * PLAIN)
#define LZ4_BLOCK  (8 * MIB)

/* Something that packs, but not to nothing. */
static void fill(uint8_t *plain, size_t len)
{
	uint64_t seed = 0x756e706b;

	for (size_t i = 0; i < len; i++)
		plain[i] = i % 7 < 3 ? (uint8_t)random_next(&seed) : (uint8_t)(i >> 6);
}

/* --- packing: the length of what lies in `to`, which has room ------------------------------------------------------
 */

static size_t pack_gzip(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	z_stream z = {
		.next_in = (z_const Bytef *)plain, .avail_in = (uInt)len, .next_out = to, .avail_out = (uInt)room
	};

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

/* As scripts/xz_wrap.sh of Linux: the x86 filter, CRC32. */
static size_t pack_xz(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	lzma_options_lzma options;
	const lzma_filter filters[] = { { .id = LZMA_FILTER_X86 },
					{ .id = LZMA_FILTER_LZMA2, .options = &options },
					{ .id = LZMA_VLI_UNKNOWN } };
	size_t at = 0;

	assert_false(lzma_lzma_preset(&options, 6));
	assert_int_equal(
		lzma_stream_buffer_encode((lzma_filter *)filters, LZMA_CHECK_CRC32, NULL, plain, len, to, &at, room),
		LZMA_OK);
	return at;
}

static size_t pack_lzma(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	lzma_stream lzma = LZMA_STREAM_INIT;
	lzma_options_lzma options;

	assert_false(lzma_lzma_preset(&options, 6));
	assert_int_equal(lzma_alone_encoder(&lzma, &options), LZMA_OK);
	lzma.next_in = plain;
	lzma.avail_in = len;
	lzma.next_out = to;
	lzma.avail_out = room;
	assert_int_equal(lzma_code(&lzma, LZMA_FINISH), LZMA_STREAM_END);
	lzma_end(&lzma);
	return room - lzma.avail_out;
}

static size_t pack_zstd(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	size_t size = ZSTD_compress(to, room, plain, len, 19);

	assert_false(ZSTD_isError(size));
	return size;
}

/* As from a pipe: the size is not known when the frame begins. */
static size_t pack_zstd_piped(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_inBuffer in = { plain, len, 0 };
	ZSTD_outBuffer out = { to, room, 0 };

	assert_non_null(zstd);
	assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_flush), 0);
	assert_int_equal(ZSTD_compressStream2(zstd, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(zstd);
	return out.pos;
}

static size_t pack_lz4(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	size_t size = LZ4F_compressFrame(to, room, plain, len, NULL);

	assert_false(LZ4F_isError(size));
	return size;
}

static size_t pack_lz4_legacy(const uint8_t *plain, size_t len, uint8_t *to, size_t room)
{
	size_t at = 4;

	memcpy(to, "\x02\x21\x4c\x18", 4);
	for (size_t done = 0; done < len; done += LZ4_BLOCK) {
		size_t block = len - done < LZ4_BLOCK ? len - done : LZ4_BLOCK;
		int size = LZ4_compress_default((const char *)plain + done, (char *)to + at + 4, (int)block,
						(int)(room - at - 4));

		assert_true(size > 0);
		for (unsigned i = 0; i < 4; i++)
			to[at + i] = (uint8_t)((uint32_t)size >> (8 * i));
		at += 4 + (size_t)size;
	}
	return at;
}

static const struct packer {
	const char *format;
	size_t (*pack)(const uint8_t *plain, size_t len, uint8_t *to, size_t room);
	bool has_check; /* a sum over the content */
} packers[] = {
	{ "gzip", pack_gzip, true },       { "xz", pack_xz, true },    { "lzma", pack_lzma, false },
	{ "zstd", pack_zstd, false },      { "lz4", pack_lz4, false }, { "zstd", pack_zstd_piped, false },
	{ "lz4", pack_lz4_legacy, false },
};
#define N_PACKERS (sizeof(packers) / sizeof(packers[0]))

static uint8_t plain[PLAIN], packed[PACKED_MAX];

/* Unpacks a copy that ends where its memory ends, so that a sanitizer sees a load behind it. */
static int try(const uint8_t *bytes, size_t len, size_t max, struct unpacked *out)
{
	uint8_t *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	int err = unpack(copy, len, max, out);

	free(copy);
	if (err) {
		assert_null(out->bytes);
		assert_int_equal(out->size, 0);
	} else {
		assert_non_null(out->bytes);
		assert_true(out->size <= max);
	}
	return err;
}

static void assert_unpacks(const uint8_t *bytes, size_t len, size_t max, const uint8_t *wanted, size_t wanted_len)
{
	struct unpacked out;

	assert_int_equal(try(bytes, len, max, &out), 0);
	assert_int_equal(out.size, wanted_len);
	assert_memory_equal(out.bytes, wanted, wanted_len);
	free(out.bytes);
}

static void test_there_and_back(void **state)
{
	(void)state;
	fill(plain, sizeof(plain));
	for (unsigned i = 0; i < N_PACKERS; i++) {
		size_t len = packers[i].pack(plain, PLAIN, packed, PACKED_MAX);

		assert_string_equal(unpack_format(packed, len), packers[i].format);
		assert_unpacks(packed, len, SIZE_MAX, plain, PLAIN);
		assert_unpacks(packed, len, PLAIN, plain, PLAIN);
		len = packers[i].pack(plain, 1, packed, PACKED_MAX);
		assert_unpacks(packed, len, 1, plain, 1);
	}
}

static void test_more_than_max(void **state)
{
	(void)state;
	fill(plain, sizeof(plain));
	for (unsigned i = 0; i < N_PACKERS; i++) {
		size_t len = packers[i].pack(plain, PLAIN, packed, PACKED_MAX);
		struct unpacked out;

		assert_int_equal(try(packed, len, PLAIN - 1, &out), -EFBIG);
		assert_int_equal(try(packed, len, 1, &out), -EFBIG);
		assert_int_equal(try(packed, len, 0, &out), -EFBIG);
	}
}

/* Several times larger than what room is made for at first. */
static void test_large(void **state)
{
	const size_t len = 20 * MIB + 3, room = len + MIB;
	uint8_t *large = malloc(len), *to = malloc(room);

	(void)state;
	assert_non_null(large);
	assert_non_null(to);
	for (size_t i = 0; i < len; i++)
		large[i] = (uint8_t)(i >> 8 ^ i >> 17);
	for (unsigned i = 0; i < N_PACKERS; i++) {
		size_t size = packers[i].pack(large, len, to, room);
		struct unpacked out;

		assert_unpacks(to, size, SIZE_MAX, large, len);
		assert_unpacks(to, size, len, large, len);
		assert_int_equal(try(to, size, len - 1, &out), -EFBIG);
	}
	free(large);
	free(to);
}

static void test_cut_off(void **state)
{
	(void)state;
	fill(plain, sizeof(plain));
	for (unsigned i = 0; i < N_PACKERS; i++) {
		size_t len = packers[i].pack(plain, PLAIN, packed, PACKED_MAX);

		for (size_t cut = 0; cut < len; cut++) {
			struct unpacked out;
			int err = try(packed, cut, SIZE_MAX, &out);

			assert_int_equal(err, unpack_format(packed, cut) ? -EILSEQ : -ENOTSUP);
		}
	}
}

/* The unpacked size, as in a bzImage, and anything else. */
static void test_bytes_behind(void **state)
{
	static const uint8_t behind[][8] = { { PLAIN & 0xff, PLAIN >> 8, 0, 0 }, { 0 }, { 0xff, 0xff, 0xff, 0xff } };

	(void)state;
	fill(plain, sizeof(plain));
	for (unsigned i = 0; i < N_PACKERS; i++) {
		size_t len = packers[i].pack(plain, PLAIN, packed, PACKED_MAX);

		for (unsigned j = 0; j < sizeof(behind) / sizeof(behind[0]); j++) {
			for (unsigned n = 1; n <= sizeof(behind[j]); n++) {
				memcpy(packed + len, behind[j], n);
				assert_unpacks(packed, len + n, PLAIN, plain, PLAIN);
			}
		}
	}
}

/* A legacy frame of lz4 has no end of its own; after a full block the unpacked size could be taken for the next's. */
static void test_lz4_full_blocks(void **state)
{
	const size_t room = LZ4_BLOCK;
	uint8_t *large = calloc(2, LZ4_BLOCK), *to = malloc(room);
	struct unpacked out;

	(void)state;
	assert_non_null(large);
	assert_non_null(to);
	for (unsigned blocks = 1; blocks <= 2; blocks++) {
		size_t len = pack_lz4_legacy(large, blocks * LZ4_BLOCK, to, room);

		assert_unpacks(to, len, SIZE_MAX, large, blocks * LZ4_BLOCK);
		memcpy(to + len, (uint8_t[]){ 0, 0, (uint8_t)(0x80 * blocks), (uint8_t)(blocks >> 1) }, 4);
		assert_unpacks(to, len + 4, SIZE_MAX, large, blocks * LZ4_BLOCK);
		memcpy(to + len, "\x02\x21\x4c\x18", 4); /* another frame */
		assert_unpacks(to, len + 4, SIZE_MAX, large, blocks * LZ4_BLOCK);
		memcpy(to + len, "\x05\0\0\0ab", 6); /* a block that is not all there */
		assert_int_equal(try(to, len + 6, SIZE_MAX, &out), -EILSEQ);
	}
	free(large);
	free(to);
}

static void test_formats_by_name(void **state)
{
	static const uint8_t bytes[16] = { 0 };
	struct unpacked out;

	(void)state;
	assert_string_equal(unpack_format("BZh91AY&SY", 10), "bzip2");
	assert_string_equal(unpack_format("\x89LZO\0\r\n\x1a\n", 9), "lzo");
	assert_int_equal(try((const uint8_t *)"BZh91AY&SY", 10, MIB, &out), -ENOTSUP);
	assert_int_equal(try((const uint8_t *)"\x89LZO\0\r\n\x1a\n", 9, MIB, &out), -ENOTSUP);
	assert_null(unpack_format("\177ELF", 4));
	assert_null(unpack_format("MZ", 2));
	assert_null(unpack_format(bytes, sizeof(bytes)));
	assert_null(unpack_format(bytes, 0));
	assert_int_equal(try(bytes, sizeof(bytes), MIB, &out), -ENOTSUP);
}

/* Streams that may look back so far that the decoder would need hundreds of megabytes before the first byte. */
static void test_far_back(void **state)
{
	static const uint8_t zstd[16] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 18 << 3 }; /* a window of 256 MiB */
	static const uint8_t lzma[32] = { 0x5d, 0, 0, 0, 0x10 };                   /* a dictionary of 256 MiB */
	struct unpacked out;

	(void)state;
	assert_int_equal(try(zstd, sizeof(zstd), SIZE_MAX, &out), -ENOTSUP);
	assert_int_equal(try(lzma, sizeof(lzma), SIZE_MAX, &out), -ENOTSUP);
}

static long resident_max(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_maxrss; /* KiB */
}

/* A quarter of a gigabyte in some kilobytes: what is touched is what was allowed. */
static void test_bomb(void **state)
{
	const size_t room = MIB;
	uint8_t *to = malloc(room), *zeros = calloc(1, MIB);
	ZSTD_CCtx *zstd = ZSTD_createCCtx();
	ZSTD_outBuffer out = { to, room, 0 };
	struct unpacked unpacked;

	(void)state;
	assert_true(to && zeros && zstd);
	for (unsigned i = 0; i < 256; i++) {
		ZSTD_inBuffer in = { zeros, MIB, 0 };

		assert_false(
			ZSTD_isError(ZSTD_compressStream2(zstd, &out, &in, i < 255 ? ZSTD_e_continue : ZSTD_e_end)));
		assert_int_equal(in.pos, MIB);
	}
	ZSTD_freeCCtx(zstd);
	long before = resident_max();

	assert_int_equal(try(to, out.pos, 16 * MIB, &unpacked), -EFBIG);
	assert_true(resident_max() - before < 64 * 1024);
	free(zeros);
	free(to);
}

/* Any byte changed: refused or unpacked, to what it was where there is a sum over it. */
static void test_damaged(void **state)
{
	uint64_t seed = 0x64616d67;
	unsigned refused = 0, rounds = 0;

	(void)state;
	fill(plain, sizeof(plain));
	for (unsigned i = 0; i < N_PACKERS; i++) {
		size_t len = packers[i].pack(plain, PLAIN, packed, PACKED_MAX);

		for (size_t at = 0; at < len; at += 1 + random_next(&seed) % 8) {
			uint8_t was = packed[at];
			struct unpacked out;

			packed[at] ^= (uint8_t)(1 + random_next(&seed) % 255);
			int err = try(packed, len, 64 * KIB, &out);

			if (!err && packers[i].has_check)
				assert_memory_equal(out.bytes, plain, PLAIN);
			free(out.bytes);
			packed[at] = was;
			refused += err != 0;
			rounds++;
		}
	}
	assert_true(refused > rounds / 4 && refused < rounds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_more_than_max),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_bytes_behind),
		cmocka_unit_test(test_lz4_full_blocks),
		cmocka_unit_test(test_formats_by_name),
		cmocka_unit_test(test_far_back),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
