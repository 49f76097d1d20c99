// SPDX-License-Identifier: GPL-2.0-only
/* A request as a row of system calls: which is next, and what the result of one means. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>

#include "devices/backend/disk_engine.h"

#define STALLS_MAX 64 /* attempts in a row that were interrupted, before that is an error */

static void advance(struct disk_request *request, uint64_t n)
{
	request->at += n;
	request->stalls = 0;
	if (request->op != DISK_READ && request->op != DISK_WRITE)
		return;
	for (request->iov_off += n; request->iov_at < request->n_iov; request->iov_at++) {
		size_t len = request->iov[request->iov_at].iov_len;

		if (request->iov_off < len)
			return;
		request->iov_off -= len;
	}
}

void disk_step_first(struct disk_request *request)
{
	request->at = 0;
	request->iov_at = 0;
	request->iov_off = 0;
	request->syncing = false;
	request->method = request->unmap ? METHOD_PUNCH : METHOD_ZERO_RANGE;
	/* a readv() of nothing but empty iovecs would look like the end of the file: from here on none comes first */
	advance(request, 0);
}

static bool is_fallocate(const struct disk_request *request)
{
	return request->op == DISK_DISCARD || (request->op == DISK_ZERO && request->method != METHOD_WRITE);
}

bool disk_is_dropped(const struct disk *disk, struct disk_request *request)
{
	if (disk->dropped & (1u << request->group))
		request->err = -ECANCELED;
	return request->err;
}

/* How many of the iovecs one call takes: the first in any case, however long. */
static unsigned count_iovs(const struct iovec *iov, unsigned n, uint64_t *len)
{
	unsigned taken = 1;

	for (*len = iov[0].iov_len; taken < n && taken < IOV_MAX && *len + iov[taken].iov_len <= STEP_MAX; taken++)
		*len += iov[taken].iov_len;
	return taken;
}

void disk_step(const struct disk *disk, struct disk_request *request, struct disk_step *step)
{
	uint64_t left = request->len - request->at;

	*step = (struct disk_step){ .offset = request->offset + request->at, .len = left };
	if (request->op == DISK_FLUSH || request->syncing) {
		step->call = CALL_FDATASYNC;
	} else if (is_fallocate(request)) {
		step->call = CALL_FALLOCATE;
		step->mode = FALLOC_FL_KEEP_SIZE |
			     (request->op == DISK_ZERO && request->method == METHOD_ZERO_RANGE ? FALLOC_FL_ZERO_RANGE :
												 FALLOC_FL_PUNCH_HOLE);
	} else if (request->op == DISK_ZERO) {
		uint64_t chunks = left / ZERO_CHUNK;

		step->call = CALL_WRITEV;
		request->rest = (struct iovec){ disk->zeros, left };
		step->iov = chunks ? disk->zero_iov : &request->rest;
		step->n_iov = chunks < 1 ? 1 : chunks < ZERO_IOVS ? (unsigned)chunks : ZERO_IOVS;
		step->len = chunks ? step->n_iov * ZERO_CHUNK : left;
	} else {
		const struct iovec *iov = &request->iov[request->iov_at];
		uint64_t first = iov->iov_len - request->iov_off;
		bool alone = request->iov_off || first > STEP_MAX;

		/* the caller's iovecs are not ours to shorten: a piece of one goes alone */
		step->len = first < STEP_MAX ? first : STEP_MAX;
		request->rest = (struct iovec){ (char *)iov->iov_base + request->iov_off, step->len };
		step->call = request->op == DISK_READ ? CALL_READV : CALL_WRITEV;
		step->iov = alone ? &request->rest : iov;
		step->n_iov = alone ? 1 : count_iovs(iov, request->n_iov - request->iov_at, &step->len);
	}
	request->step = step->call == CALL_READV || step->call == CALL_WRITEV ? step->len : 0;
}

/* fallocate(2): a file system without it; a block device also says EINVAL to what is not aligned to its blocks. */
static bool is_unsupported(const struct disk *disk, int64_t result)
{
	return result == -EOPNOTSUPP || result == -ENOSYS || (result == -EINVAL && disk->is_block);
}

/* All is written: finished, unless it has to be on the medium first. */
static bool is_finished(struct disk_request *request)
{
	request->syncing = request->sync && !request->err && (request->op == DISK_WRITE || request->op == DISK_ZERO);
	return !request->syncing;
}

bool disk_stepped(const struct disk *disk, struct disk_request *request, int64_t result)
{
	/* ECANCELED: of io_uring, where the thread that submitted it has ended; nothing was done, or we do it again */
	if ((result == -EINTR || result == -EAGAIN || result == -ECANCELED) && ++request->stalls < STALLS_MAX)
		return false;
	if (!request->syncing && is_fallocate(request) && is_unsupported(disk, result)) {
		request->method++;
		return request->op == DISK_DISCARD;
	}
	if (result < 0)
		request->err = (int)result;
	if (result < 0 || request->op == DISK_FLUSH || request->syncing)
		return true;
	if (is_fallocate(request))
		return is_finished(request);
	/* the end of the file, which was behind this when it was opened: somebody cut it */
	if (result == 0)
		request->err = -EIO;
	advance(request, (uint64_t)result);
	return result == 0 || (request->at >= request->len && is_finished(request));
}
