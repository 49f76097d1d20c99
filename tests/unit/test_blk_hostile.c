// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of a block device that break the rules, checklist h20 and what is like it. After each: the image is as it
 * was, the machine and the sibling live, and the device works, after a reset where it asked for one. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/blkdrive.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define SECTORS (BLK_SIZE / BLK_SECTOR)

static void image_is_untouched(struct blkdrive *blk)
{
	blkdrive_seen(blk);
	for (uint64_t at = 0; at < BLK_SIZE; at++)
		if (blk->image[at] != blkdrive_byte(at))
			fail_msg("byte %llu of the image changed", (unsigned long long)at);
}

static void oracle_of(struct blkdrive *blk)
{
	image_is_untouched(blk);
	still_alive(&blk->d);
	if (reg_get(&blk->d, R_STATUS) != S_UP)
		blkdrive_up(blk, 0, 256);
	blkdrive_works(blk);
	blkdrive_up(blk, 0, 256);
	blkdrive_works(blk);
	for (uint64_t at = 0; at < BLK_SIZE; at++)
		blk->image[at] = blkdrive_byte(at);
	assert_int_equal(pwrite(blk->fd, blk->image, BLK_SIZE, 0), BLK_SIZE);
}

static void begin(struct blkdrive *blk)
{
	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 256);
}

static void past_the_end(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t sectors;
	} cases[] = {
		{ SECTORS, 1 },
		{ SECTORS - 1, 2 },
		{ SECTORS - 7, 8 },
		{ 0x80000000, 1 },
		{ 0xffffffff, 1 },
		{ 0x100000000, 8 },
		{ UINT64_MAX / BLK_SECTOR, 1 },     /* ends at 2^64 */
		{ UINT64_MAX / BLK_SECTOR + 1, 1 }, /* is 0 in 64 bits */
		{ UINT64_MAX / BLK_SECTOR + 6, 8 },
		{ INT64_MAX / BLK_SECTOR, 1 },
		{ INT64_MAX / BLK_SECTOR + 1, 1 },
		{ INT64_MAX, 1 },
		{ UINT64_MAX, 1 },
		{ UINT64_MAX - 7, 8 },
	};
	struct blkdrive *blk = *state;
	char *text;

	begin(blk);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(blkdrive_data(blk), NOT_WRITTEN, 4096);
		assert_int_equal(blkdrive_ask(blk, BLK_OUT, cases[i].sector, cases[i].sectors * BLK_SECTOR), BLK_IOERR);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, cases[i].sector, cases[i].sectors * BLK_SECTOR), BLK_IOERR);
		assert_int_equal(blkdrive_data(blk)[0], NOT_WRITTEN);
		assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, cases[i].sector, cases[i].sectors, 0), BLK_IOERR);
		assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, cases[i].sector, cases[i].sectors, BLK_UNMAP),
				 BLK_IOERR);
		assert_int_equal(blkdrive_clear(blk, BLK_DISCARD, cases[i].sector, cases[i].sectors, 0), BLK_IOERR);
	}
	assert_int_equal(lseek(blk->fd, 0, SEEK_END), BLK_SIZE);
	assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP);
	text = rig_errors(blk->rig);
	assert_string_equal(text, ""); /* that is the guest's own business */
	free(text);
	oracle_of(blk);
}

static void odd_lengths(void **state)
{
	static const uint32_t lens[] = { 1, 2, 16, 511, 513, 1023, 4095, 4097 };
	struct blkdrive *blk = *state;

	begin(blk);
	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		memset(blkdrive_data(blk), NOT_WRITTEN, 8192);
		assert_int_equal(blkdrive_ask(blk, BLK_OUT, 0, lens[i]), BLK_IOERR);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 0, lens[i]), BLK_IOERR);
		assert_int_equal(ring_used_len(&blk->d.rings[0], (uint16_t)(2 * i + 1)), 0);
	}
	assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP);
	blkdrive_ask(blk, BLK_OUT, 0, 0); /* no data: any status will do */
	blkdrive_ask(blk, BLK_IN, 0, 0);
	oracle_of(blk);
}

static void unknown_types(void **state)
{
	static const uint32_t types[] = { 2,  3,  5,  6,  7,  9,     12,    BLK_ERASE,  15,         16,        18,
					  20, 22, 24, 26, 27, 0x100, 0x101, 0x80000000, 0x80000001, 0xffffffff };
	struct blkdrive *blk = *state;

	begin(blk);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		memset(blkdrive_data(blk), 0, BLK_SECTOR);
		assert_int_equal(blkdrive_ask(blk, types[i], 0, BLK_SECTOR), BLK_UNSUPP);
		assert_int_equal(blkdrive_ask(blk, types[i], 0, 0), BLK_UNSUPP);
	}
	assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP);
	oracle_of(blk);
}

/* 5.2.6.2: UNSUPP for an unknown flag, and for a discard with unmap, whatever else may be wrong. */
static void wrong_flags(void **state)
{
	static const uint32_t sectors[] = { 8, 0, 0xffffffff };
	struct blkdrive *blk = *state;

	begin(blk);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned bit = 1; bit < 32; bit++) {
			assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, 8, sectors[i], 1u << bit), BLK_UNSUPP);
			assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, 8, sectors[i], 1u << bit | BLK_UNMAP),
					 BLK_UNSUPP);
			assert_int_equal(blkdrive_clear(blk, BLK_DISCARD, 8, sectors[i], 1u << bit), BLK_UNSUPP);
		}
		assert_int_equal(blkdrive_clear(blk, BLK_DISCARD, 8, sectors[i], BLK_UNMAP), BLK_UNSUPP);
	}
	oracle_of(blk);
}

static void segments(void **state)
{
	struct blkdrive *blk = *state;
	uint32_t most[] = { 0, 0 };
	uint32_t sectors[] = { 0, 0 };

	begin(blk);
	for (unsigned zeroes = 0; zeroes < 2; zeroes++) {
		uint32_t type = zeroes ? BLK_ZEROES : BLK_DISCARD;

		sectors[zeroes] = (uint32_t)window_get(&blk->d, R_CONFIG + 36 + 12 * zeroes, 4);
		most[zeroes] = (uint32_t)window_get(&blk->d, R_CONFIG + 40 + 12 * zeroes, 4);
		assert_in_range(most[zeroes], 1, 65536);
		/* too many; each would be none */
		for (uint32_t i = 0; i <= most[zeroes]; i++)
			blkdrive_segment(blk, blk->data + 16 * i, 8, 0, 0);
		assert_int_equal(blkdrive_ask(blk, type, 0, 16 * (most[zeroes] + 1)), BLK_IOERR);
		for (uint32_t len = 1; len < 48; len++) /* no whole number of them */
			if (len % 16)
				assert_int_equal(blkdrive_ask(blk, type, 0, len), BLK_IOERR);
		if (sectors[zeroes] < UINT32_MAX)
			assert_int_equal(blkdrive_clear(blk, type, 0, sectors[zeroes] + 1, 0), BLK_IOERR);
		assert_int_equal(blkdrive_clear(blk, type, 0, 0xffffffff, 0), BLK_IOERR);
		assert_int_equal(blkdrive_clear(blk, type, 8, 0, 0), BLK_OK); /* none is nothing */
		blkdrive_ask(blk, type, 0, 0);
	}
	oracle_of(blk);
}

/* More sectors than max_..._sectors in a segment, of a disk that has so many; and just as many. */
static void too_many_sectors(void **state)
{
	struct blkdrive *blk = *state;

	assert_int_equal(ftruncate(blk->fd, 8ll << 30), 0);
	begin(blk);
	for (unsigned zeroes = 0; zeroes < 2; zeroes++) {
		uint32_t most = (uint32_t)window_get(&blk->d, R_CONFIG + 36 + 12 * zeroes, 4);

		if (most < 8u << 21)
			assert_int_equal(blkdrive_clear(blk, zeroes ? BLK_ZEROES : BLK_DISCARD, 0, most + 1, 0),
					 BLK_IOERR);
		if (!zeroes)
			assert_int_equal(blkdrive_clear(blk, BLK_DISCARD, 8192, most < 8u << 20 ? most : 8u << 20, 0),
					 BLK_OK);
	}
	oracle_of(blk);
}

/* Less than a header, in any number of pieces: an error, or a device that needs a reset. */
static void short_headers(void **state)
{
	struct blkdrive *blk = *state;
	struct piece pieces[32];

	begin(blk);
	for (uint32_t len = 0; len < 16; len++) {
		for (uint32_t step = 1; step < 17; step += 15) {
			unsigned n = pieces_cut(pieces, 0, blk->header, len, step, false);
			int status;

			blkdrive_header(blk, blk->header, BLK_OUT, 0);
			n = pieces_cut(pieces, n, blk->data, BLK_SECTOR, BLK_SECTOR, true);
			n = pieces_cut(pieces, n, blk->status, 1, 1, true);
			status = blkdrive_send(blk, 0, pieces, n, NULL);
			assert_true(status == BLK_IOERR || status == BLK_UNSUPP || status == -1);
			still_alive(&blk->d);
			if (status < 0)
				blkdrive_up(blk, 0, 256);
		}
	}
	oracle_of(blk);
}

/* Nothing to write the status to: there is no answer to give. */
static void no_status(void **state)
{
	struct blkdrive *blk = *state;
	struct piece pieces[] = { { 0, 16, false }, { 0, BLK_SECTOR, false } };

	begin(blk);
	pieces[0].gpa = blk->header;
	pieces[1].gpa = blk->data;
	for (uint32_t type = 0; type < 15; type++) {
		for (unsigned n = 1; n < 3; n++) {
			struct ring *ring = &blk->d.rings[0];

			blkdrive_header(blk, blk->header, type, 0);
			memset(blkdrive_data(blk), 0, BLK_SECTOR);
			pieces_add(ring, 0, pieces, n);
			kick(&blk->d, 0);
			wait_until(ring_used_idx(ring) || reg_get(&blk->d, R_STATUS) & S_NEEDS_RESET);
			if (ring_used_idx(ring))
				assert_int_equal(ring_used_len(ring, 0), 0);
			still_alive(&blk->d);
			blkdrive_up(blk, 0, 256);
		}
	}
	oracle_of(blk);
}

/* Only the status is writable, or data where the driver should read, or both kinds: no byte of the wrong one changes.
 */
static void wrong_directions(void **state)
{
	struct blkdrive *blk = *state;
	struct piece out[] = { { 0, 16, false }, { 0, 1024, true }, { 0, 1, true } };
	struct piece in[] = { { 0, 16, false }, { 0, 1024, false }, { 0, 1, true } };

	begin(blk);
	out[0].gpa = in[0].gpa = blk->header;
	out[1].gpa = in[1].gpa = blk->data;
	out[2].gpa = in[2].gpa = blk->status;
	memset(blkdrive_data(blk), NOT_WRITTEN, 4096);
	blkdrive_header(blk, blk->header, BLK_OUT, 8); /* a write of nothing */
	assert_in_range(blkdrive_send(blk, 0, out, 3, NULL), BLK_OK, BLK_UNSUPP);
	blkdrive_header(blk, blk->header, BLK_IN, 8);
	assert_in_range(blkdrive_send(blk, 0, in, 3, NULL), BLK_OK, BLK_UNSUPP);
	blkdrive_header(blk, blk->header, BLK_GET_ID, 0);
	assert_in_range(blkdrive_send(blk, 0, in, 3, NULL), BLK_OK, BLK_UNSUPP);
	blkdrive_header(blk, blk->header, BLK_ZEROES, 0);
	assert_int_equal(blkdrive_send(blk, 0, out, 3, NULL), BLK_IOERR);
	for (unsigned i = 0; i < 4096; i++)
		assert_int_equal(blkdrive_data(blk)[i], NOT_WRITTEN);
	oracle_of(blk);
}

static void get_id_of_any_length(void **state)
{
	struct blkdrive *blk = *state;

	begin(blk);
	for (uint32_t len = 0; len < 64; len += 3) {
		memset(blkdrive_data(blk), NOT_WRITTEN, 64);
		assert_in_range(blkdrive_ask(blk, BLK_GET_ID, 0, len), BLK_OK, BLK_UNSUPP);
		for (uint32_t i = len < 20 ? len : 20; i < 64; i++)
			assert_int_equal(blkdrive_data(blk)[i], NOT_WRITTEN);
	}
	oracle_of(blk);
}

/* The ring, the request itself and its status as the place to read to. */
static void reads_over_its_own(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *ring = &blk->d.rings[0];
	struct piece pieces[] = { { 0, 16, false }, { 0, 0, true }, { 0, 1, true } };

	begin(blk);
	for (unsigned i = 0; i < 5; i++) {
		const uint64_t targets[] = { ring->desc, ring->avail & ~511ull, ring->used & ~511ull, blk->header,
					     blk->status & ~511ull };

		pieces[0].gpa = blk->header;
		pieces[1] = (struct piece){ targets[i], 1024, true };
		pieces[2].gpa = blk->status;
		blkdrive_header(blk, blk->header, BLK_IN, 16);
		pieces_add(ring, 0, pieces, 3);
		kick(&blk->d, 0);
		nap_ms(20);
		for (unsigned j = 0; j < 5; j++)
			kick(&blk->d, 0);
		still_alive(&blk->d);
		blkdrive_up(blk, 0, 256);
	}
	oracle_of(blk);
}

/* Any bytes at all as requests, in any shape. */
static void noise(void **state)
{
	struct blkdrive *blk = *state;
	uint64_t seed = 20;

	blkdrive_add(blk, "queues=2");
	for (unsigned round = 0; round < 150; round++) {
		blkdrive_up(blk, round % 2 ? BLK_F_FLUSH : 0, 64);
		for (unsigned i = 0; i < 24; i++) {
			uint64_t gpa = blk->data + random_next(&seed) % 65536;
			struct ring *ring = &blk->d.rings[i % 2];
			uint16_t at = (uint16_t)(i % 12 * 5);

			blkdrive_header(blk, gpa, random_next(&seed) % 16, random_next(&seed) % (SECTORS + 8));
			for (uint16_t j = 0; j < 5; j++)
				ring_desc(ring, (uint16_t)(at + j), j ? gpa + random_next(&seed) % 4096 : gpa,
					  (uint32_t)(random_next(&seed) % 4 ? 512 * (random_next(&seed) % 5) :
									      random_next(&seed) % 9000),
					  (uint16_t)((j < 4 ? D_NEXT : 0) | (j > 2 ? D_WRITE : 0)),
					  (uint16_t)(at + j + 1));
			ring_desc(ring, at, gpa, 16, D_NEXT, (uint16_t)(at + 1));
			ring_add(ring, at);
			kick(&blk->d, i % 2);
		}
		reg_put(&blk->d, R_STATUS, 0);
	}
	assert_true(echo_serves(&blk->rig->b));
	for (uint64_t at = 0; at < BLK_SIZE; at++)
		blk->image[at] = blkdrive_byte(at);
	assert_int_equal(pwrite(blk->fd, blk->image, BLK_SIZE, 0), BLK_SIZE);
	blkdrive_up(blk, 0, 64);
	blkdrive_works(blk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ENGINES(past_the_end),         ON_ENGINES(odd_lengths),        ON_ENGINES(unknown_types),
		ON_ENGINES(wrong_flags),          ON_ENGINES(segments),           ON_ENGINES(too_many_sectors),
		ON_ENGINES(short_headers),        ON_ENGINES(no_status),          ON_ENGINES(wrong_directions),
		ON_ENGINES(get_id_of_any_length), ON_ENGINES(reads_over_its_own), ON_ENGINES(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
