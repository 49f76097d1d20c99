// SPDX-License-Identifier: GPL-2.0-only
/* The engine of choice: io_uring, where a batch of requests is one system call and needs no thread of ours. */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include "devices/backend/disk_engine.h"
#include "vmm/sandbox/sandbox.h"

#define ENTRIES_MAX 256u /* more than any disk has under way; the others wait in disk->pending */

static const struct call_rule system_calls[] = { ALLOW(io_uring_enter, BY_DEVICE | BY_MAIN), ALLOW_END };

struct uring {
	struct io_uring ring;
	unsigned room; /* requests that may be in the ring: never more than either of its queues holds */
	unsigned used;
	uint64_t bytes; /* of their steps */
};

static const int calls[] = { IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC, IORING_OP_FALLOCATE };

static bool has_calls(struct io_uring *ring)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool has = probe;

	for (unsigned i = 0; has && i < sizeof(calls) / sizeof(*calls); i++)
		has = io_uring_opcode_supported(probe, calls[i]);
	io_uring_free_probe(probe);
	return has;
}

/* The ring's calls are no system calls: no filter sees them, so the ring itself is told which there are. */
static int restrict_calls(struct io_uring *ring)
{
	struct io_uring_restriction allowed[2 + sizeof(calls) / sizeof(*calls)] = {
		{ .opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED, .sqe_flags = IOSQE_ASYNC },
		{ .opcode = IORING_RESTRICTION_REGISTER_OP, .register_op = IORING_REGISTER_ENABLE_RINGS },
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		allowed[2 + i] = (struct io_uring_restriction){ .opcode = IORING_RESTRICTION_SQE_OP,
								.sqe_op = (uint8_t)calls[i] };
	/* the library's functions for this are missing from Debian 12's shared one */
	if (syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, allowed,
		    sizeof(allowed) / sizeof(*allowed)) < 0 ||
	    syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0) < 0)
		return -errno;
	return 0;
}

static int uring_open(struct disk *disk, const struct disk_settings *settings)
{
	struct uring *uring = calloc(1, sizeof(*uring));
	unsigned depth = settings->depth < 1 ? 1 : settings->depth;
	int err;

	if (!uring)
		return -ENOMEM;
	uring->room = depth < ENTRIES_MAX ? depth : ENTRIES_MAX;
	err = io_uring_queue_init(uring->room, &uring->ring, IORING_SETUP_R_DISABLED);
	if (err)
		goto no_ring;
	err = has_calls(&uring->ring) ? io_uring_register_eventfd(&uring->ring, disk->event_fd) : -ENOSYS;
	if (!err)
		err = restrict_calls(&uring->ring);
	if (err)
		goto no_use;
	sandbox_allow(settings->sandbox, system_calls);
	disk->own = uring;
	return 0;
no_use:
	io_uring_queue_exit(&uring->ring);
no_ring:
	free(uring);
	return err;
}

static void uring_close(struct disk *disk)
{
	struct uring *uring = disk->own;

	io_uring_queue_exit(&uring->ring);
	free(uring);
	disk->own = NULL;
}

static void prepare(const struct disk *disk, struct disk_request *request, struct io_uring_sqe *sqe)
{
	struct disk_step step;

	disk_step(disk, request, &step);
	switch (step.call) {
	case CALL_READV: io_uring_prep_readv(sqe, disk->fd, step.iov, step.n_iov, step.offset); break;
	case CALL_WRITEV: io_uring_prep_writev(sqe, disk->fd, step.iov, step.n_iov, step.offset); break;
	case CALL_FDATASYNC: io_uring_prep_fsync(sqe, disk->fd, IORING_FSYNC_DATASYNC); break;
	case CALL_FALLOCATE:
		io_uring_prep_fallocate(sqe, disk->fd, step.mode, (off_t)step.offset, (off_t)step.len);
		break;
	}
	/* it came back without having got anywhere: one of the kernel's threads is to wait for it */
	if (request->stalls)
		sqe->flags |= IOSQE_ASYNC;
	io_uring_sqe_set_data(sqe, request);
}

static void uring_kick(struct disk *disk)
{
	struct uring *uring = disk->own;

	while (disk->pending.first && uring->used < uring->room && uring->bytes < BYTES_MAX) {
		struct disk_request *request = disk_list_take(&disk->pending);

		if (disk_is_dropped(disk, request)) {
			disk_list_put(&disk->finished, request);
			disk_signal(disk);
			continue;
		}
		/* there is an entry: the queue is as long as `room` at least, and all in it count as used */
		prepare(disk, request, io_uring_get_sqe(&uring->ring));
		uring->used++;
		uring->bytes += request->step;
	}
	while (io_uring_sq_ready(&uring->ring)) {
		/*
		 * EAGAIN: no memory for it just now. It stays in the queue; as perhaps nothing else is under way that
		 * would bring us here again, the event fd does.
		 */
		if (io_uring_submit(&uring->ring) <= 0) {
			disk_signal(disk);
			return;
		}
	}
}

static void uring_collect(struct disk *disk)
{
	struct uring *uring = disk->own;
	struct io_uring_cqe *cqe;

	/* what the kernel has not taken is not lost, but pending in its queue */
	if (io_uring_sq_ready(&uring->ring))
		uring_kick(disk);
	while (io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		struct disk_request *request = io_uring_cqe_get_data(cqe);
		int result = cqe->res;

		io_uring_cqe_seen(&uring->ring, cqe);
		uring->used--;
		uring->bytes -= request->step;
		disk_list_put(disk_stepped(disk, request, result) ? &disk->finished : &disk->pending, request);
	}
}

const struct disk_engine disk_uring = {
	.name = "io_uring",
	.open = uring_open,
	.close = uring_close,
	.kick = uring_kick,
	.collect = uring_collect,
};
