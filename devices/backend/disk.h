/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A raw disk image, a regular file or a block device, read and written without anybody waiting for it.
 *
 *     disk_submit(disk, &request); ...      a batch
 *     disk_kick(disk);                      gives it to the kernel
 *     ... disk_fd(disk) becomes readable
 *     disk_complete(disk);                  calls done() of each request that is through
 *
 * One lock of the caller's is held around all calls but disk_open() and those that only tell something. The image is
 * never mapped and its length never changed: if somebody cuts it while it is open, requests get -EIO, not a signal.
 */
#ifndef MINIVMM_DISK_H
#define MINIVMM_DISK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define DISK_SECTOR 512u /* bytes: an image is a whole number of them */
#define DISK_GROUPS 32u

struct disk; /* one open image */
struct sandbox;

struct disk_settings {
	const char *who;  /* begins the messages: "--device blk" */
	const char *path; /* borrowed until disk_open() returns */
	bool readonly;
	bool threads;            /* even where the kernel offers io_uring */
	unsigned depth;          /* requests in flight at once, 1 and up; more than that are taken, and have to queue */
	struct sandbox *sandbox; /* what the threads of this may do; or NULL */
};

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,   /* what was done() before this was submitted is then on the medium */
	DISK_DISCARD, /* the content does not matter any more: a hint, and success where it cannot be taken */
	DISK_ZERO,    /* reads as zeros from then on */
	DISK_OPS,
};

/* The caller's memory, from disk_submit() until done(), which may free it or submit it again. */
struct disk_request {
	enum disk_op op;
	bool unmap;              /* DISK_ZERO: the space may be given back */
	bool sync;               /* DISK_WRITE, DISK_ZERO: done() once it is on the medium */
	unsigned group;          /* below DISK_GROUPS: for disk_drop() */
	uint64_t offset;         /* bytes; of all but DISK_FLUSH, as is len */
	uint64_t len;            /* bytes, 0 does nothing; DISK_READ and DISK_WRITE: the sum of the iovecs */
	const struct iovec *iov; /* any number of them; they and what they name stay valid until done() */
	unsigned n_iov;

	/*
	 * 0, or -errno, and then any part of the range may have been read or written. Called by disk_complete(),
	 * disk_drain(), disk_drop() and disk_close() only; it may call disk_submit() and disk_kick(), and no other
	 * function.
	 */
	void (*done)(struct disk_request *request, int err);

	/* The backend's own from here on; need not be set. */
	struct disk_request *next;
	uint64_t at;       /* bytes done */
	size_t iov_off;    /* bytes done of iov[iov_at] */
	struct iovec rest; /* and what is left of it */
	unsigned iov_at;
	unsigned method; /* DISK_ZERO: enum disk_method */
	unsigned stalls; /* attempts without progress */
	bool syncing;    /* written; the medium is waited for */
	uint64_t step;   /* bytes of the step that is under way */
	int err;
};

/*
 * 0 or -errno, with a message. An image that is written to is locked against all other users, one that is only read
 * against writers; a file system without locks is told of in a message, and the image opened all the same.
 */
int disk_open(struct disk **disk, const struct disk_settings *settings);
/* As disk_drain(), then closes; nobody may watch disk_fd() any more. NULL is ignored. */
void disk_close(struct disk *disk);

/* Bytes, above 0, a multiple of DISK_SECTOR; that of disk_open(), whatever becomes of the file. */
uint64_t disk_size(const struct disk *disk);
/* The unit of the medium or file system in bytes: a power of two from 512 to 1 MiB. */
unsigned disk_block_size(const struct disk *disk);
/* Whether DISK_DISCARD gives space back; it is allowed anyway. Never where the image is read-only. */
bool disk_can_discard(const struct disk *disk);
/* "io_uring" or "threads". */
const char *disk_engine(const struct disk *disk);
/* "read", "write", ...: for messages. */
const char *disk_op_name(enum disk_op op);
/* Where a sector begins, in bytes; one that is too far for 64 bits is behind every image, at UINT64_MAX. */
uint64_t disk_offset(uint64_t sector);
/* An eventfd, the disk's: readable while there is something for disk_complete(). */
int disk_fd(const struct disk *disk);

/*
 * Takes a request, which starts with disk_kick() at the latest. Neither waits for the disk, nor calls done(). What is
 * outside the image fails with -EINVAL, what would change a read-only one with -EROFS, both through done().
 */
void disk_submit(struct disk *disk, struct disk_request *request);
void disk_kick(struct disk *disk);
/* Calls done() of each request that is through, and starts what had to queue. */
void disk_complete(struct disk *disk);
/* Waits until all requests are done(), also those that a done() submitted meanwhile. */
void disk_drain(struct disk *disk);
/*
 * The same for the requests of some groups, a bit each; but what has not begun is not done any more, nor what is left
 * of a long one: those get -ECANCELED. So the wait is for a few MiB at most, whatever was asked for.
 */
void disk_drop(struct disk *disk, uint32_t groups);

#endif
