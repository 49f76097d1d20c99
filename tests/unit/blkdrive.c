// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/blkdrive.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/json.h"
#include "tests/unit/support.h"

const char *const blkdrive_auto = "auto", *const blkdrive_threads = "threads";
static const char *engine;

uint8_t blkdrive_byte(uint64_t at)
{
	return (uint8_t)(at % 251 + at / BLK_SECTOR * 3 + 1);
}

void blkdrive_fill(uint8_t *bytes, uint32_t len, uint32_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;

	for (uint32_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_next(&state);
}

int blkdrive_setup(void **state)
{
	struct blkdrive *blk = calloc(1, sizeof(*blk));

	engine = *(const char *const *)*state;
	for (uint64_t at = 0; at < BLK_SIZE; at++)
		blk->image[at] = blkdrive_byte(at);
	snprintf(blk->path, sizeof(blk->path), "%s", scratch_path("image"));
	blk->fd = open(blk->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (blk->fd < 0 || pwrite(blk->fd, blk->image, BLK_SIZE, 0) != BLK_SIZE)
		return -1;
	void *rig;

	if (rig_setup(&rig))
		return -1;
	blk->rig = rig;
	*state = blk;
	return 0;
}

int blkdrive_teardown(void **state)
{
	struct blkdrive *blk = *state;
	void *rig = blk->rig;

	rig_teardown(&rig);
	close(blk->fd);
	unlink(blk->path);
	free(blk);
	return 0;
}

void blkdrive_add_quiet(struct blkdrive *blk, const char *options)
{
	char text[512];

	snprintf(text, sizeof(text), "path=%s,io=%s%s%s", blk->path, engine, options ? "," : "",
		 options ? options : "");
	assert_int_equal(driver_add(&blk->d, blk->rig, "blk", text), 0);
	blk->header = gpa_alloc(blk->rig, 16, 16);
	blk->data = gpa_alloc(blk->rig, BLK_DATA_MAX, 4096);
	blk->status = gpa_alloc(blk->rig, 1, 1);
}

void blkdrive_add(struct blkdrive *blk, const char *options)
{
	blkdrive_add_quiet(blk, options);
	rig_loop_start(blk->rig);
}

void blkdrive_up(struct blkdrive *blk, uint64_t without, uint32_t num)
{
	blk->d.num = num;
	assert_true(driver_up(&blk->d, offered_features(&blk->d) & ~(without | F_EVENT_IDX)));
}

void blkdrive_header(struct blkdrive *blk, uint64_t at, uint32_t type, uint64_t sector)
{
	put32(blk->rig, at, type);
	put32(blk->rig, at + 4, 0);
	put64(blk->rig, at + 8, sector);
}

void blkdrive_segment(struct blkdrive *blk, uint64_t at, uint64_t sector, uint32_t n, uint32_t flags)
{
	put64(blk->rig, at, sector);
	put32(blk->rig, at + 8, n);
	put32(blk->rig, at + 12, flags);
}

static bool answered(struct blkdrive *blk, struct ring *ring, uint16_t idx)
{
	for (unsigned i = 0; i < 20000 && !(reg_get(&blk->d, R_STATUS) & S_NEEDS_RESET); i++) {
		if (ring_used_idx(ring) == idx)
			return true;
		nap_ms(1);
	}
	return false;
}

int blkdrive_send(struct blkdrive *blk, unsigned q, const struct piece *pieces, unsigned n, uint32_t *len)
{
	struct ring *ring = &blk->d.rings[q];
	uint16_t at = ring_used_idx(ring);
	uint64_t status = pieces[n - 1].gpa + pieces[n - 1].len - 1;

	*(uint8_t *)gpa_ptr(blk->rig, status, 1) = NOT_WRITTEN;
	pieces_add(ring, 0, pieces, n);
	kick(&blk->d, q);
	if (!answered(blk, ring, (uint16_t)(at + 1))) {
		assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP | S_NEEDS_RESET); /* not just late */
		return -1;
	}
	assert_int_equal(ring_used_id(ring, at), 0);
	if (len)
		*len = ring_used_len(ring, at);
	return *(uint8_t *)gpa_ptr(blk->rig, status, 1);
}

int blkdrive_ask(struct blkdrive *blk, uint32_t type, uint64_t sector, uint32_t len)
{
	bool in = type == BLK_IN || type == BLK_GET_ID;
	struct piece pieces[] = { { blk->header, 16, false }, { blk->data, len, in }, { blk->status, 1, true } };

	blkdrive_header(blk, blk->header, type, sector);
	if (!len)
		pieces[1] = pieces[2];
	return blkdrive_send(blk, 0, pieces, len ? 3 : 2, NULL);
}

int blkdrive_clear(struct blkdrive *blk, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags)
{
	blkdrive_segment(blk, blk->data, sector, n, flags);
	return blkdrive_ask(blk, type, 0, 16);
}

uint8_t *blkdrive_data(struct blkdrive *blk)
{
	return gpa_ptr(blk->rig, blk->data, BLK_DATA_MAX);
}

const uint8_t *blkdrive_seen(struct blkdrive *blk)
{
	assert_int_equal(pread(blk->fd, blk->image, BLK_SIZE, 0), BLK_SIZE);
	return blk->image;
}

void blkdrive_works(struct blkdrive *blk)
{
	static uint32_t seed = 1000;
	uint8_t wanted[4096];

	blkdrive_fill(wanted, sizeof(wanted), seed++);
	memcpy(blkdrive_data(blk), wanted, sizeof(wanted));
	assert_int_equal(blkdrive_ask(blk, BLK_OUT, 3000, sizeof(wanted)), BLK_OK);
	assert_memory_equal(blkdrive_seen(blk) + 3000 * BLK_SECTOR, wanted, sizeof(wanted));
	memset(blkdrive_data(blk), 0, sizeof(wanted));
	assert_int_equal(blkdrive_ask(blk, BLK_IN, 3000, sizeof(wanted)), BLK_OK);
	assert_memory_equal(blkdrive_data(blk), wanted, sizeof(wanted));
}
