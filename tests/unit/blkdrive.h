/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver of a block device in plain memory (virtio 1.2, 5.2): an image, and requests to it. */
#ifndef MINIVMM_UNIT_BLKDRIVE_H
#define MINIVMM_UNIT_BLKDRIVE_H

#include "tests/unit/pieces.h"

/* virtio 1.2, 5.2.3 */
#define BLK_F_SEG_MAX      BIT(2)
#define BLK_F_RO           BIT(5)
#define BLK_F_BLK_SIZE     BIT(6)
#define BLK_F_FLUSH        BIT(9)
#define BLK_F_TOPOLOGY     BIT(10)
#define BLK_F_MQ           BIT(12)
#define BLK_F_DISCARD      BIT(13)
#define BLK_F_WRITE_ZEROES BIT(14)

/* 5.2.6 */
enum { BLK_IN = 0, BLK_OUT = 1, BLK_FLUSH = 4, BLK_GET_ID = 8, BLK_DISCARD = 11, BLK_ZEROES = 13, BLK_ERASE = 14 };
enum { BLK_OK, BLK_IOERR, BLK_UNSUPP };
#define BLK_UNMAP 1u /* a flag of a segment */

#define BLK_SECTOR   512u
#define BLK_SIZE     (2u << 20) /* of the image */
#define BLK_DATA_MAX (1u << 20)

struct blkdrive {
	struct driver d;
	struct rig *rig;
	char path[256];
	int fd;                  /* of the image, besides the device's */
	uint64_t header;         /* gpa: 16 bytes, laid out by the next request */
	uint64_t data;           /* BLK_DATA_MAX bytes */
	uint64_t status;         /* one byte */
	uint8_t image[BLK_SIZE]; /* what blkdrive_seen() found */
};

/* cmocka's setup and teardown: *state is a struct blkdrive, with an image of BLK_SIZE bytes, each sector like no other.
 * A test runs twice, on the engines "auto" and "threads". */
int blkdrive_setup(void **state);
int blkdrive_teardown(void **state);
extern const char *const blkdrive_auto, *const blkdrive_threads;
#define ON_ENGINES(test)                                                                               \
	{ #test " (auto)", test, blkdrive_setup, blkdrive_teardown, (void *)&blkdrive_auto },          \
	{                                                                                              \
#test " (threads)", test, blkdrive_setup, blkdrive_teardown, (void *)&blkdrive_threads \
	}

/* The device, with "io=..." of the engine and more options (or NULL); and the loop, in its thread. */
void blkdrive_add(struct blkdrive *blk, const char *options);
void blkdrive_add_quiet(struct blkdrive *blk, const char *options); /* no loop yet */
/* Up, with all features that are offered but `without` and EVENT_IDX, and rings of `num`. */
void blkdrive_up(struct blkdrive *blk, uint64_t without, uint32_t num);

/* A request's header at `at`. */
void blkdrive_header(struct blkdrive *blk, uint64_t at, uint32_t type, uint64_t sector);
/* A segment of a discard or write zeroes. */
void blkdrive_segment(struct blkdrive *blk, uint64_t at, uint64_t sector, uint32_t n, uint32_t flags);
/* Makes it available on queue q, kicks and waits: the status byte, or -1 where the device needs a reset. *len, where
 * not NULL: used length. */
int blkdrive_send(struct blkdrive *blk, unsigned q, const struct piece *pieces, unsigned n, uint32_t *len);
/* Header, `len` bytes of blk->data, status: three buffers on queue 0. */
int blkdrive_ask(struct blkdrive *blk, uint32_t type, uint64_t sector, uint32_t len);
/* One segment, flags and all. */
int blkdrive_clear(struct blkdrive *blk, uint32_t type, uint64_t sector, uint32_t n, uint32_t flags);

uint8_t *blkdrive_data(struct blkdrive *blk);
/* The image as it is now. */
const uint8_t *blkdrive_seen(struct blkdrive *blk);
/* Byte `at` of the image that each test starts with; and `len` bytes that differ with `seed`. */
uint8_t blkdrive_byte(uint64_t at);
void blkdrive_fill(uint8_t *bytes, uint32_t len, uint32_t seed);
/* A read of the whole first data area and a write elsewhere both work. */
void blkdrive_works(struct blkdrive *blk);

#endif
