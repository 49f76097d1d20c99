/* SPDX-License-Identifier: GPL-2.0-only */
/* Disk images to test with, on the engine of one's choice, and requests whose end is awaited. */
#ifndef MINIVMM_UNIT_DISK_H
#define MINIVMM_UNIT_DISK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "devices/backend/disk.h"
#include "tests/unit/support.h"

#define IMAGE_SIZE (8u << 20)
#define DEPTH      16u

/* A test's own image of zeros, opened. */
struct bench {
	struct disk *disk;
	bool threads;
	char path[256];
	uint8_t *bytes, *more; /* IMAGE_SIZE each */
	int fd;                /* of the image, besides the disk's */
};
int bench_make(void **state);
int bench_free(void **state);
/* Skips the test, and says so, where the engine is not to be had on this host. */
struct bench *bench_of(void **state);

/* The test twice in a list of tests, once an engine. */
extern const bool on_uring, on_threads;
#define ON_BOTH(test)                                                                 \
	{ #test " (io_uring)", test, bench_make, bench_free, (void *)&on_uring },     \
	{                                                                             \
#test " (threads)", test, bench_make, bench_free, (void *)&on_threads \
	}

/* A sparse file in the scratch directory; its path, as scratch_path() gives it. */
const char *image_make(const char *name, off_t size);
/* Opens an image that can be opened; NULL where io_uring is wanted and not to be had. */
struct disk *disk_on(const char *path, bool threads, bool readonly);

/* A request, how often it was done(), and with what. */
struct asked {
	struct disk_request request;
	unsigned n_done;
	int err;
};
void asked_done(struct disk_request *request, int err);
/* Submits and waits, 20 s at most; the request's err. */
int ask(struct disk *disk, struct asked *asked);
/* The same with one iovec, and with none. */
int ask_bytes(struct disk *disk, enum disk_op op, uint64_t offset, void *bytes, uint64_t len);
int ask_range(struct disk *disk, enum disk_op op, uint64_t offset, uint64_t len, bool unmap);

/* A tmpfs in a new directory of the scratch directory, that only this program sees. False where it may not. */
bool tmpfs_mount(const char *name, const char *options, unsigned long flags);
void tmpfs_unmount(const char *name);

#endif
