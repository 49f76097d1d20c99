/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the disk backend: what disk.c, the image and the engines share. A request is a row of steps, each one system
 * call; disk_step() says which is next, disk_stepped() what its result means. An engine only has them carried out.
 */
#ifndef MINIVMM_DISK_ENGINE_H
#define MINIVMM_DISK_ENGINE_H

#include <stddef.h>

#include "devices/backend/disk.h"

/* First in, first out, through disk_request.next. */
struct disk_list {
	struct disk_request *first, **end; /* end: where the next one is put; NULL in an empty list */
};

static inline void disk_list_put(struct disk_list *list, struct disk_request *request)
{
	request->next = NULL;
	*(list->first ? list->end : &list->first) = request;
	list->end = &request->next;
}

static inline struct disk_request *disk_list_take(struct disk_list *list)
{
	struct disk_request *request = list->first;

	if (request)
		list->first = request->next;
	return request;
}

/* All of `from` goes to the end of `to`. */
static inline void disk_list_move(struct disk_list *to, struct disk_list *from)
{
	if (!from->first)
		return;
	*(to->first ? to->end : &to->first) = from->first;
	to->end = from->end;
	from->first = NULL;
}

struct disk_engine {
	const char *name;
	int (*open)(struct disk *disk, const struct disk_settings *settings); /* 0 or -errno, without a message */
	void (*close)(struct disk *disk);                                     /* undoes open(); nothing is in flight */
	/* Starts requests of disk->pending, as many as there is room for. */
	void (*kick)(struct disk *disk);
	/* Moves to disk->finished what is through. Has the event fd signalled for whatever it has not moved. */
	void (*collect)(struct disk *disk);
};

extern const struct disk_engine disk_uring, disk_threads;

#define STEP_MAX   (1u << 20)  /* bytes that one call reads or writes */
#define BYTES_MAX  (16u << 20) /* ... and that all calls under way do together, or a little more */
#define ZERO_CHUNK 65536u
#define ZERO_IOVS  16u /* a step of writing zeros: 1 MiB at most */

struct disk {
	/* constant after disk_open() */
	const struct disk_engine *engine;
	void *own; /* the engine's */
	int fd, event_fd;
	bool readonly, is_block, can_discard;
	unsigned block_size; /* bytes */
	uint64_t size;       /* bytes */
	uint8_t *zeros;      /* ZERO_CHUNK bytes */
	struct iovec zero_iov[ZERO_IOVS];

	_Atomic uint32_t dropped; /* groups: a bit each */

	/* under the caller's lock */
	struct disk_list pending;  /* not given to the engine, or to be given again */
	struct disk_list finished; /* done() not called yet */
	uint64_t in_flight;        /* submitted and not done() */
	uint32_t of_group[DISK_GROUPS];
};

/* disk_image.c: finds, checks, opens and locks; fills in what tells of the image. 0 or -errno, with a message. */
int disk_image_open(struct disk *disk, const struct disk_settings *settings);
void disk_image_close(struct disk *disk);

/* Makes disk_fd() readable. Any thread. */
void disk_signal(const struct disk *disk);

/* How zeros come about; each falls back to the next where the image cannot do it. */
enum disk_method { METHOD_PUNCH, METHOD_ZERO_RANGE, METHOD_WRITE };

enum disk_call { CALL_READV, CALL_WRITEV, CALL_FDATASYNC, CALL_FALLOCATE };

struct disk_step {
	enum disk_call call;
	int mode; /* CALL_FALLOCATE */
	const struct iovec *iov;
	unsigned n_iov; /* at most IOV_MAX */
	uint64_t offset, len;
};

/* disk_step.c. Makes a request ready for its first step; its iovecs must hold request->len bytes, and that be above 0.
 */
void disk_step_first(struct disk_request *request);
/* What is to be called next for a request that is not finished. Touches nothing but the request. */
void disk_step(const struct disk *disk, struct disk_request *request, struct disk_step *step);
/* Whether nothing more is to be called for it: its err is set then. */
bool disk_is_dropped(const struct disk *disk, struct disk_request *request);
/* `result` is what the call returned, or -errno. True: the request is finished, request->err is set. */
bool disk_stepped(const struct disk *disk, struct disk_request *request, int64_t result);

#endif
