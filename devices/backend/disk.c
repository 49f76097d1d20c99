// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/backend/disk_engine.h"
#include "vmm/log.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/wait.h"

/* The event fd in a reset; the lock of the image at the end. */
static const struct call_rule calls[] = { ALLOW(read, BY_VCPU), ALLOW(fcntl, BY_MAIN), ALLOW_END };

static int engine_open(struct disk *disk, const struct disk_settings *settings)
{
	disk->engine = &disk_uring;
	if (!settings->threads && disk->engine->open(disk, settings) == 0)
		return 0;
	/* an old kernel, kernel.io_uring_disabled, a container's seccomp filter: threads do the same work */
	disk->engine = &disk_threads;
	return disk->engine->open(disk, settings);
}

int disk_open(struct disk **disk_out, const struct disk_settings *settings)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	int err = -ENOMEM;

	*disk_out = NULL;
	if (!disk || !(disk->zeros = calloc(1, ZERO_CHUNK)))
		goto failed;
	for (unsigned i = 0; i < ZERO_IOVS; i++)
		disk->zero_iov[i] = (struct iovec){ disk->zeros, ZERO_CHUNK };
	disk->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (disk->event_fd < 0) {
		err = -errno;
		goto failed;
	}
	err = disk_image_open(disk, settings);
	if (err)
		goto refused;
	err = engine_open(disk, settings);
	if (err)
		goto idle;
	sandbox_allow(settings->sandbox, calls);
	*disk_out = disk;
	return 0;
idle:
	disk_image_close(disk);
	log_error("%s: %s: threads for its requests: %s", settings->who, settings->path, strerror(-err));
refused:
	close(disk->event_fd);
	free(disk->zeros);
	free(disk);
	return err;
failed:
	log_error("%s: %s: %s", settings->who, settings->path, strerror(-err));
	if (disk)
		free(disk->zeros);
	free(disk);
	return err;
}

void disk_close(struct disk *disk)
{
	if (!disk)
		return;
	disk_drain(disk);
	disk->engine->close(disk);
	disk_image_close(disk);
	close(disk->event_fd);
	free(disk->zeros);
	free(disk);
}

uint64_t disk_size(const struct disk *disk)
{
	return disk->size;
}

unsigned disk_block_size(const struct disk *disk)
{
	return disk->block_size;
}

bool disk_can_discard(const struct disk *disk)
{
	return disk->can_discard;
}

const char *disk_engine(const struct disk *disk)
{
	return disk->engine->name;
}

const char *disk_op_name(enum disk_op op)
{
	static const char *const names[DISK_OPS] = { "read", "write", "flush", "discard", "write zeroes" };

	return names[op];
}

uint64_t disk_offset(uint64_t sector)
{
	uint64_t offset;

	return __builtin_mul_overflow(sector, DISK_SECTOR, &offset) ? UINT64_MAX : offset;
}

int disk_fd(const struct disk *disk)
{
	return disk->event_fd;
}

void disk_signal(const struct disk *disk)
{
	eventfd_write(disk->event_fd, 1); /* fails only where it is readable 2^64 times over */
}

/* --- the way of a request ----------------------------------------------------------------------------------------- */

/* The end of an image is that of a disk: a write behind it, or more iovecs than `len`, would make the file longer. */
static int check(const struct disk *disk, const struct disk_request *request)
{
	uint64_t sum = 0;

	if (request->op == DISK_FLUSH)
		return 0;
	if (disk->readonly && request->op != DISK_READ)
		return -EROFS;
	if (request->offset > disk->size || request->len > disk->size - request->offset)
		return -EINVAL;
	if (request->op != DISK_READ && request->op != DISK_WRITE)
		return 0;
	for (unsigned i = 0; i < request->n_iov; i++)
		if (__builtin_add_overflow(sum, request->iov[i].iov_len, &sum))
			return -EINVAL;
	return sum == request->len ? 0 : -EINVAL;
}

void disk_submit(struct disk *disk, struct disk_request *request)
{
	request->err = check(disk, request);
	disk->in_flight++;
	disk->of_group[request->group]++;
	/* what is not written to has nothing to flush */
	if (request->err || (request->op == DISK_FLUSH ? disk->readonly : request->len == 0)) {
		disk_list_put(&disk->finished, request);
		disk_signal(disk);
		return;
	}
	disk_step_first(request);
	disk_list_put(&disk->pending, request);
}

void disk_kick(struct disk *disk)
{
	if (disk->pending.first)
		disk->engine->kick(disk);
}

void disk_complete(struct disk *disk)
{
	struct disk_list finished = { 0 };
	struct disk_request *request;
	eventfd_t ignored;

	eventfd_read(disk->event_fd, &ignored); /* before the look, so that what comes after it is signalled anew */
	disk->engine->collect(disk);
	/* done() may submit again: what is through at once then comes with the next call, and no call lasts forever */
	disk_list_move(&finished, &disk->finished);
	while ((request = disk_list_take(&finished))) {
		disk->in_flight--;
		disk->of_group[request->group]--;
		request->done(request, request->err);
	}
	disk_kick(disk);
}

void disk_drain(struct disk *disk)
{
	disk_kick(disk);
	while (disk->in_flight) {
		fd_wait(disk->event_fd, POLLIN, -1);
		disk_complete(disk);
	}
}

static bool has_any(const struct disk *disk, uint32_t groups)
{
	for (unsigned group = 0; group < DISK_GROUPS; group++)
		if ((groups & (1u << group)) && disk->of_group[group])
			return true;
	return false;
}

void disk_drop(struct disk *disk, uint32_t groups)
{
	disk->dropped |= groups;
	disk_kick(disk);
	while (has_any(disk, groups)) {
		fd_wait(disk->event_fd, POLLIN, -1);
		disk_complete(disk);
	}
	disk->dropped &= ~groups;
}
