// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/disk.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/json.h"

const bool on_uring = false, on_threads = true;

int bench_make(void **state)
{
	struct bench *bench = calloc(1, sizeof(*bench));

	assert_non_null(bench);
	bench->threads = *(const bool *)*state;
	bench->bytes = calloc(1, IMAGE_SIZE);
	bench->more = calloc(1, IMAGE_SIZE);
	assert_true(bench->bytes && bench->more);
	snprintf(bench->path, sizeof(bench->path), "%s", image_make("image", IMAGE_SIZE));
	bench->fd = open(bench->path, O_RDWR | O_CLOEXEC);
	assert_true(bench->fd >= 0);
	bench->disk = disk_on(bench->path, bench->threads, false);
	*state = bench;
	return 0;
}

int bench_free(void **state)
{
	struct bench *bench = *state;

	disk_close(bench->disk);
	close(bench->fd);
	unlink(bench->path);
	free(bench->bytes);
	free(bench->more);
	free(bench);
	return 0;
}

struct bench *bench_of(void **state)
{
	struct bench *bench = *state;

	if (!bench->disk) {
		print_message("skipped: no io_uring on this host\n");
		skip();
	}
	return bench;
}

const char *image_make(const char *name, off_t size)
{
	const char *path = scratch_path(name);
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	close(fd);
	return path;
}

struct disk *disk_on(const char *path, bool threads, bool readonly)
{
	struct disk_settings settings = { "--device blk", path, readonly, threads, DEPTH, NULL };
	struct disk *disk;

	assert_int_equal(disk_open(&disk, &settings), 0);
	assert_true(!threads || strcmp(disk_engine(disk), "threads") == 0);
	if (!threads && strcmp(disk_engine(disk), "io_uring")) {
		disk_close(disk);
		return NULL;
	}
	return disk;
}

void asked_done(struct disk_request *request, int err)
{
	struct asked *asked = (struct asked *)request; /* its first member */

	asked->n_done++;
	asked->err = err;
}

int ask(struct disk *disk, struct asked *asked)
{
	struct pollfd through = { .fd = disk_fd(disk), .events = POLLIN };

	asked->request.done = asked_done;
	asked->n_done = 0;
	disk_submit(disk, &asked->request);
	disk_kick(disk);
	assert_int_equal(asked->n_done, 0);
	while (!asked->n_done) {
		assert_int_equal(poll(&through, 1, 20000), 1);
		disk_complete(disk);
	}
	assert_int_equal(asked->n_done, 1);
	return asked->err;
}

int ask_bytes(struct disk *disk, enum disk_op op, uint64_t offset, void *bytes, uint64_t len)
{
	struct iovec iov = { bytes, len };
	struct asked asked = { .request = { .op = op, .offset = offset, .len = len, .iov = &iov, .n_iov = 1 } };

	return ask(disk, &asked);
}

int ask_range(struct disk *disk, enum disk_op op, uint64_t offset, uint64_t len, bool unmap)
{
	struct asked asked = { .request = { .op = op, .offset = offset, .len = len, .unmap = unmap } };

	return ask(disk, &asked);
}

bool tmpfs_mount(const char *name, const char *options, unsigned long flags)
{
	static bool is_unshared;
	const char *path = scratch_path(name);

	if (!is_unshared && (unshare(CLONE_NEWNS) || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL)))
		return false;
	is_unshared = true;
	mkdir(path, 0755);
	return mount("tmpfs", path, "tmpfs", flags, options) == 0;
}

void tmpfs_unmount(const char *name)
{
	assert_int_equal(umount(scratch_path(name)), 0);
	rmdir(scratch_path(name));
}
