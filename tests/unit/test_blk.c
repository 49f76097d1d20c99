// SPDX-License-Identifier: GPL-2.0-only
/* The block device (virtio 1.2, 5.2): what requests do, on either engine. test_blk_flight.c has many at once,
 * test_blk_hostile.c the drivers that keep no rule. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/blkdrive.h"
#include "tests/unit/json.h"
#include "tests/unit/support.h"

#define SECTORS (BLK_SIZE / BLK_SECTOR)

/* Fields of the configuration space (5.2.4). */
#define CAPACITY        (R_CONFIG + 0)
#define SEG_MAX         (R_CONFIG + 12)
#define FIELD_BLK_SIZE  (R_CONFIG + 20)
#define PHYSICAL_EXP    (R_CONFIG + 24)
#define NUM_QUEUES      (R_CONFIG + 34)
#define DISCARD_SECTORS (R_CONFIG + 36)
#define DISCARD_SEGS    (R_CONFIG + 40)
#define ZEROES_SECTORS  (R_CONFIG + 48)
#define ZEROES_SEGS     (R_CONFIG + 52)
#define MAY_UNMAP       (R_CONFIG + 56)
#define UNUSED          (R_CONFIG + 57)

/* --- what it says of itself --------------------------------------------------------------------------------------- */

static void identity_and_config(void **state)
{
	struct blkdrive *blk = *state;
	struct driver *d = &blk->d;
	uint64_t offered, optional = BLK_F_DISCARD;

	blkdrive_add(blk, NULL);
	assert_int_equal(reg_get(d, R_DEVICE_ID), 2);
	offered = offered_features(d) & 0xffffff;
	assert_int_equal(offered & ~optional,
			 BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY | BLK_F_WRITE_ZEROES);
	assert_int_equal(window_get(d, CAPACITY, 8), SECTORS);
	reg_put(d, R_QUEUE_SEL, 0);
	/* header and status are descriptors too, and no chain is longer than the queue (2.7.5.3.1) */
	assert_in_range(window_get(d, SEG_MAX, 4), 1, reg_get(d, R_QUEUE_NUM_MAX) - 2);
	reg_put(d, R_QUEUE_SEL, 1);
	assert_int_equal(reg_get(d, R_QUEUE_NUM_MAX), 0);
	assert_int_equal(window_get(d, FIELD_BLK_SIZE, 4), 512);
	assert_in_range(window_get(d, PHYSICAL_EXP, 1), 0, 11);
	assert_true(window_get(d, ZEROES_SECTORS, 4) > 0);
	assert_true(window_get(d, ZEROES_SEGS, 4) > 0);
	assert_int_equal(window_get(d, MAY_UNMAP, 1), 1);
	assert_int_equal(window_get(d, UNUSED, 1) | window_get(d, UNUSED + 1, 2), 0); /* 5.2.5.2 */
	if (offered & BLK_F_DISCARD) {
		assert_true(window_get(d, DISCARD_SECTORS, 4) > 0);
		assert_true(window_get(d, DISCARD_SEGS, 4) > 0);
	}
	for (unsigned off = 0; off < 60; off++) { /* a driver sets nothing: CONFIG_WCE is not offered */
		uint64_t before = window_get(d, R_CONFIG + off, 1);

		window_put(d, R_CONFIG + off, 1, ~before);
		assert_int_equal(window_get(d, R_CONFIG + off, 1), before);
	}
}

static void small_queue(void **state)
{
	struct blkdrive *blk = *state;

	blkdrive_add(blk, "queue-size=4");
	assert_int_equal(window_get(&blk->d, SEG_MAX, 4), 2);
	blkdrive_up(blk, 0, 4);
	blkdrive_works(blk);
}

static void as_many_segments_as_it_says(void **state)
{
	struct blkdrive *blk = *state;
	struct piece pieces[300];
	unsigned n, most;

	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 256);
	most = (unsigned)window_get(&blk->d, SEG_MAX, 4);
	assert_in_range(most, 1, 254);
	blkdrive_header(blk, blk->header, BLK_IN, 7);
	pieces[0] = (struct piece){ blk->header, 16, false };
	n = pieces_cut(pieces, 1, blk->data, most * BLK_SECTOR, BLK_SECTOR, true);
	pieces[n++] = (struct piece){ blk->status, 1, true };
	assert_int_equal(blkdrive_send(blk, 0, pieces, n, NULL), BLK_OK);
	assert_memory_equal(blkdrive_data(blk), blk->image + 7 * BLK_SECTOR, most * BLK_SECTOR);
}

/* The string that GET_ID finds: 20 bytes, padded with NUL, without one where it is full (5.2.6). */
static void serial_is(struct blkdrive *blk, const char *option, const char wanted[20])
{
	blkdrive_add(blk, option);
	blkdrive_up(blk, 0, 8);
	memset(blkdrive_data(blk), NOT_WRITTEN, 40);
	assert_int_equal(blkdrive_ask(blk, BLK_GET_ID, 0, 20), BLK_OK);
	assert_int_equal(ring_used_len(&blk->d.rings[0], 0), 21);
	assert_memory_equal(blkdrive_data(blk), wanted, 20);
	assert_int_equal(blkdrive_data(blk)[20], NOT_WRITTEN);
}

static void serial_by_default(void **state)
{
	serial_is(*state, NULL, "minivmm\0\0\0\0\0\0\0\0\0\0\0\0");
}

static void serial_as_asked(void **state)
{
	serial_is(*state, "serial=disk 1", "disk 1\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

static void serial_of_twenty(void **state)
{
	serial_is(*state, "serial=abcdefghijklmnopqrst", "abcdefghijklmnopqrst");
}

/* --- what requests do --------------------------------------------------------------------------------------------- */

static void reads_and_writes(void **state)
{
	struct blkdrive *blk = *state;
	uint8_t *wanted = malloc(BLK_SIZE);
	uint64_t seed = 5;

	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 8);
	memcpy(wanted, blk->image, BLK_SIZE);
	for (unsigned i = 0; i < 300; i++) {
		uint32_t len = (uint32_t)(random_next(&seed) % 200 + 1) * BLK_SECTOR;
		uint64_t sector = random_next(&seed) % (SECTORS - len / BLK_SECTOR + 1);

		if (i == 0)
			len = BLK_DATA_MAX, sector = SECTORS - BLK_DATA_MAX / BLK_SECTOR; /* up to the end */
		blkdrive_fill(blkdrive_data(blk), len, i);
		if (i % 2)
			memcpy(wanted + sector * BLK_SECTOR, blkdrive_data(blk), len);
		assert_int_equal(blkdrive_ask(blk, i % 2 ? BLK_OUT : BLK_IN, sector, len), BLK_OK);
		assert_memory_equal(blkdrive_data(blk), wanted + sector * BLK_SECTOR, len);
		/* 2.7.8.2: all that was written, the status included, and not more */
		assert_int_equal(ring_used_len(&blk->d.rings[0], (uint16_t)i), i % 2 ? 1 : len + 1);
	}
	assert_memory_equal(blkdrive_seen(blk), wanted, BLK_SIZE);
	assert_int_equal(device_count(&blk->d, "reads"), 150);
	assert_int_equal(device_count(&blk->d, "writes"), 150);
	assert_int_equal(device_count(&blk->d, "errors"), 0);
	free(wanted);
}

/* One request in any framing (2.7.4): `header` and `data` in pieces of so many bytes, the status alone or not. */
static void framed(struct blkdrive *blk, bool in, uint32_t header, uint32_t first, uint32_t data, bool own_status)
{
	static uint32_t seed;
	uint32_t len = 3 * BLK_SECTOR;
	struct piece pieces[256];
	uint8_t wanted[3 * BLK_SECTOR];
	uint64_t header_gpa = blk->data + 16384 - 16, status = in && !own_status ? blk->data + len : blk->status;
	unsigned n = 0;

	blkdrive_header(blk, header_gpa, in ? BLK_IN : BLK_OUT, 11);
	blkdrive_fill(wanted, len, ++seed);
	assert_int_equal(pwrite(blk->fd, wanted, len, 11 * BLK_SECTOR), len);
	blkdrive_fill(blkdrive_data(blk), len, in ? 0 : ++seed);
	if (first)
		n = pieces_cut(pieces, n, header_gpa, first, first, false);
	n = pieces_cut(pieces, n, header_gpa + first, 16 - first, header, false);
	if (!in)
		memcpy(gpa_ptr(blk->rig, header_gpa + 16, len), blkdrive_data(blk), len);
	if (in)
		n = pieces_cut(pieces, n, blk->data, len + (own_status ? 0 : 1), data, true);
	else if (own_status)
		n = pieces_cut(pieces, n, blk->data, len, data, false);
	else /* one piece is the header's end and the data's beginning */
		n = pieces_cut(pieces, n - 1, pieces[n - 1].gpa, pieces[n - 1].len + len, data, false);
	if (!in || own_status)
		n = pieces_cut(pieces, n, status, 1, 1, true);
	assert_int_equal(blkdrive_send(blk, 0, pieces, n, NULL), BLK_OK);
	assert_memory_equal(blkdrive_seen(blk) + 11 * BLK_SECTOR, in ? wanted : blkdrive_data(blk), len);
	if (in)
		assert_memory_equal(blkdrive_data(blk), wanted, len);
}

/* h20: any two pieces of the header, and sixteen; data in odd pieces. All of it is allowed (2.7.4.2). */
static void any_framing(void **state)
{
	struct blkdrive *blk = *state;

	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 256);
	for (uint32_t i = 0; i < 64; i++)
		framed(blk, i & 1, 16, i / 4, 3 * BLK_SECTOR, i & 2);
	for (uint32_t i = 0; i < 4; i++)
		framed(blk, i & 1, 1, 0, 1000, i & 2);
	for (uint32_t step = 7; step < 1600; step = step * 3 / 2) {
		framed(blk, true, 5, 0, step, true);
		framed(blk, true, 5, 0, step, false);
		framed(blk, false, 5, 0, step, true);
		framed(blk, false, 5, 0, step, false);
	}
}

static void flush(void **state)
{
	struct blkdrive *blk = *state;

	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 8);
	assert_int_equal(blkdrive_ask(blk, BLK_OUT, 3, BLK_SECTOR), BLK_OK);
	assert_int_equal(blkdrive_ask(blk, BLK_FLUSH, 0, 0), BLK_OK);
	assert_int_equal(ring_used_len(&blk->d.rings[0], 1), 1);
	assert_int_equal(device_count(&blk->d, "flushes"), 1);
}

/* Sectors 100 to 107 are zeros, those beside them as they were. */
static void assert_zeroed(struct blkdrive *blk)
{
	const uint8_t *seen = blkdrive_seen(blk);

	for (uint32_t at = 92 * BLK_SECTOR; at < 116 * BLK_SECTOR; at++)
		assert_int_equal(seen[at],
				 at / BLK_SECTOR / 4 == 25 || at / BLK_SECTOR / 4 == 26 ? 0 : blkdrive_byte(at));
}

static void write_zeroes(void **state)
{
	struct blkdrive *blk = *state;

	blkdrive_add(blk, NULL);
	for (uint32_t unmap = 0; unmap < 2; unmap++) {
		blkdrive_up(blk, 0, 8);
		assert_int_equal(pwrite(blk->fd, blk->image, BLK_SIZE, 0), BLK_SIZE);
		assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, 100, 8, unmap), BLK_OK);
		assert_int_equal(ring_used_len(&blk->d.rings[0], 0), 1);
		assert_zeroed(blk);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 100, 8 * BLK_SECTOR), BLK_OK);
		for (unsigned i = 0; i < 8 * BLK_SECTOR; i++)
			assert_int_equal(blkdrive_data(blk)[i], 0);
		for (uint64_t at = 0; at < BLK_SIZE; at++)
			blk->image[at] = blkdrive_byte(at);
	}
	assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, 0, SECTORS, 0), BLK_OK);
	assert_int_equal(blkdrive_seen(blk)[0] | blk->image[BLK_SIZE / 2] | blk->image[BLK_SIZE - 1], 0);
	if (!(offered_features(&blk->d) & BLK_F_DISCARD))
		return;
	struct stat before, after; /* only with unmap the space may go */

	fstat(blk->fd, &before);
	assert_true(before.st_blocks >= (blkcnt_t)SECTORS);
	assert_int_equal(blkdrive_clear(blk, BLK_ZEROES, 0, SECTORS, BLK_UNMAP), BLK_OK);
	fstat(blk->fd, &after);
	assert_true(after.st_blocks < before.st_blocks);
}

/* All is still there but what was named; whether that is zeros the standard does not say (5.2.6.1). */
static void discard(void **state)
{
	struct blkdrive *blk = *state;
	struct stat before, after;

	blkdrive_add(blk, NULL);
	if (!(offered_features(&blk->d) & BLK_F_DISCARD))
		skip();
	blkdrive_up(blk, 0, 8);
	assert_int_equal(blkdrive_ask(blk, BLK_FLUSH, 0, 0), BLK_OK);
	fstat(blk->fd, &before);
	assert_int_equal(blkdrive_clear(blk, BLK_DISCARD, 1024, 1024, 0), BLK_OK);
	fstat(blk->fd, &after);
	assert_int_equal(after.st_size, BLK_SIZE);
	assert_true(after.st_blocks <= before.st_blocks - 1024);
	blkdrive_seen(blk);
	for (uint64_t at = 0; at < BLK_SIZE; at++)
		if (at < 1024 * BLK_SECTOR || at >= 2048 * BLK_SECTOR)
			assert_int_equal(blk->image[at], blkdrive_byte(at));
}

/* 5.2.6.2: a write gets an error, and writes nothing. */
static void readonly(void **state)
{
	struct blkdrive *blk = *state;

	blkdrive_add(blk, "readonly=on");
	assert_true(offered_features(&blk->d) & BLK_F_RO);
	for (uint64_t without = 0; without <= BLK_F_RO; without += BLK_F_RO) { /* offered is what counts */
		blkdrive_up(blk, without, 8);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 5, 4096), BLK_OK);
		assert_memory_equal(blkdrive_data(blk), blk->image + 5 * BLK_SECTOR, 4096);
		memset(blkdrive_data(blk), 0, 4096);
		assert_int_equal(blkdrive_ask(blk, BLK_OUT, 5, 4096), BLK_IOERR);
		assert_int_not_equal(blkdrive_clear(blk, BLK_ZEROES, 5, 8, 0), BLK_OK);
		blkdrive_clear(blk, BLK_DISCARD, 5, 8, 0);
		assert_int_equal(blkdrive_ask(blk, BLK_FLUSH, 0, 0), BLK_OK);
		blkdrive_seen(blk);
		for (uint64_t at = 0; at < BLK_SIZE; at++)
			assert_int_equal(blk->image[at], blkdrive_byte(at));
	}
}

/* The image is cut short under the device: the guest gets errors for what is gone, the user one line. */
static void image_cut_short(void **state)
{
	struct blkdrive *blk = *state;
	uint32_t len;
	char *text;

	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 8);
	assert_int_equal(ftruncate(blk->fd, 1u << 20), 0);
	free(rig_errors(blk->rig));
	memset(blkdrive_data(blk), NOT_WRITTEN, 8192);
	assert_int_equal(blkdrive_ask(blk, BLK_IN, 3000, 4096), BLK_IOERR);
	len = ring_used_len(&blk->d.rings[0], 0); /* at least that many were written, from the first (2.7.8.2) */
	for (uint32_t i = 0; i < len && i < 4096; i++)
		assert_int_not_equal(blkdrive_data(blk)[i], NOT_WRITTEN);
	text = rig_errors(blk->rig);
	assert_one_message(text, blk->path);
	free(text);
	assert_int_equal(device_count(&blk->d, "errors"), 1);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 3000 + i, BLK_SECTOR), BLK_IOERR);
	text = rig_errors(blk->rig);
	assert_true(count_of(text, "\n") < 50); /* a guest does not fill the host's disk */
	free(text);
	assert_int_equal(window_get(&blk->d, CAPACITY, 8), SECTORS);
	assert_int_equal(blkdrive_ask(blk, BLK_IN, 0, 4096), BLK_OK);
	assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP);
	assert_int_equal(ftruncate(blk->fd, BLK_SIZE), 0);
	blkdrive_works(blk);
}

/* --- the command line --------------------------------------------------------------------------------------------- */

static void refuses(struct blkdrive *blk, const char *path, const char *options, const char *part)
{
	char text[512];

	snprintf(text, sizeof(text), "path=%s%s%s", path, *options ? "," : "", options);
	refuses_options(blk->rig, "blk", text, part);
}

static void options_refused(void **state)
{
	struct blkdrive *blk = *state;
	const char *odd = scratch_path("odd");
	int fd = open(odd, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	refuses_options(blk->rig, "blk", NULL, "path");
	refuses_options(blk->rig, "blk", "readonly=on", "path");
	refuses_options(blk->rig, "blk", "path=", "path");
	refuses(blk, scratch_path("absent"), "", "absent");
	refuses(blk, "/", "", "/");
	refuses(blk, "/dev/null", "", "/dev/null");
	refuses(blk, odd, "", "odd"); /* of no bytes */
	assert_int_equal(ftruncate(fd, 5 * BLK_SECTOR - 1), 0);
	refuses(blk, odd, "", "512");
	close(fd);
	refuses(blk, blk->path, "serial=abcdefghijklmnopqrstu", "serial");
	refuses(blk, blk->path, "queues=0", "queues");
	refuses(blk, blk->path, "queues=19", "queues");
	refuses(blk, blk->path, "io=fast", "io");
	refuses(blk, blk->path, "readonly=maybe", "readonly");
	refuses(blk, blk->path, "format=qcow2", "format");
	blkdrive_add(blk, NULL); /* not one of these kept the image */
	blkdrive_up(blk, 0, 8);
	blkdrive_works(blk);
	rig_loop_stop(blk->rig);                /* devices come while it does not run: loop.h */
	refuses(blk, blk->path, "", blk->path); /* it is ours */
	refuses(blk, blk->path, "readonly=on", blk->path);
}

static void readers_share(void **state)
{
	struct blkdrive *blk = *state;
	struct driver second;
	char text[512];

	blkdrive_add_quiet(blk, "readonly=on");
	snprintf(text, sizeof(text), "path=%s,readonly=on", blk->path);
	assert_int_equal(driver_add(&second, blk->rig, "blk", text), 0);
	refuses(blk, blk->path, "", blk->path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ENGINES(identity_and_config), ON_ENGINES(small_queue),     ON_ENGINES(as_many_segments_as_it_says),
		ON_ENGINES(serial_by_default),   ON_ENGINES(serial_as_asked), ON_ENGINES(serial_of_twenty),
		ON_ENGINES(reads_and_writes),    ON_ENGINES(any_framing),     ON_ENGINES(flush),
		ON_ENGINES(write_zeroes),        ON_ENGINES(discard),         ON_ENGINES(readonly),
		ON_ENGINES(image_cut_short),     ON_ENGINES(options_refused), ON_ENGINES(readers_share),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
