// SPDX-License-Identifier: GPL-2.0-only
/* Requests to a disk image, on either engine: what they do, and what their errors are. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "devices/backend/disk_engine.h"
#include "tests/unit/disk.h"

#define SIZE   IMAGE_SIZE
#define BLOCK  4096u
#define LITTLE 200000u

/* --- what they do ------------------------------------------------------------------------------------------------- */

/* [0, len) of `bytes` in pieces of any size, some of none. */
static unsigned split(struct iovec *iov, unsigned max, uint8_t *bytes, size_t len, uint64_t *seed)
{
	unsigned n = 0;

	while (len && n < max - 1) {
		size_t piece = random_next(seed) % 4 ? random_next(seed) % 3000 : 0;

		piece = piece < len ? piece : len;
		iov[n++] = (struct iovec){ bytes, piece };
		bytes += piece;
		len -= piece;
	}
	iov[n++] = (struct iovec){ bytes, len };
	return n;
}

static void content_is_what_was_written_however_it_is_split(void **state)
{
	struct bench *bench = bench_of(state);
	uint8_t *wanted = calloc(1, SIZE);
	struct iovec iov[64];
	uint64_t seed = 7;

	for (unsigned i = 0; i < 600; i++) {
		uint64_t at = random_next(&seed) % SIZE, len = random_next(&seed) % 60000;
		struct asked asked = { .request = { .offset = at, .len = len < SIZE - at ? len : SIZE - at } };

		len = asked.request.len;
		asked.request.op = i % 6 == 5 ? DISK_ZERO : i % 2 ? DISK_READ : DISK_WRITE;
		asked.request.unmap = i % 12 == 5;
		for (size_t j = 0; j < len; j++)
			bench->bytes[j] = (uint8_t)random_next(&seed);
		asked.request.iov = iov;
		asked.request.n_iov = split(iov, 64, bench->bytes, len, &seed);
		assert_int_equal(ask(bench->disk, &asked), 0);
		if (asked.request.op == DISK_READ)
			assert_memory_equal(bench->bytes, wanted + at, len);
		else if (asked.request.op == DISK_WRITE)
			memcpy(wanted + at, bench->bytes, len);
		else
			memset(wanted + at, 0, len);
	}
	assert_int_equal(pread(bench->fd, bench->more, SIZE, 0), SIZE);
	assert_memory_equal(bench->more, wanted, SIZE);
	free(wanted);
}

static void more_iovecs_than_the_kernel_takes(void **state)
{
	struct bench *bench = bench_of(state);
	unsigned n = 3 * IOV_MAX + 5, empty = IOV_MAX + 1;
	struct iovec *iov = calloc(empty + n, sizeof(*iov));

	for (unsigned i = 0; i < n; i++)
		iov[empty + i] = (struct iovec){ bench->bytes + 512 * (n - 1 - i), 512 };
	for (unsigned i = 0; i < 512 * n; i++)
		bench->bytes[i] = (uint8_t)(i / 512 * 3 + i);
	struct asked asked = { .request = { DISK_WRITE, .offset = 1024, .len = 512 * n, .iov = iov,
					    .n_iov = empty + n } };

	assert_int_equal(ask(bench->disk, &asked), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(pread(bench->fd, bench->more, 512, 1024 + 512 * i), 512);
		assert_memory_equal(bench->more, iov[empty + i].iov_base, 512);
	}
	memcpy(bench->more, bench->bytes, 512 * n);
	memset(bench->bytes, 0, 512 * n);
	asked.request.op = DISK_READ;
	assert_int_equal(ask(bench->disk, &asked), 0);
	assert_memory_equal(bench->more, bench->bytes, 512 * n);
	free(iov);
}

/* Pages of the file that are not on the medium; -1 where the kernel does not tell, or there is no medium. */
static int64_t dirty(int fd)
{
	struct {
		uint64_t off, len;
	} range = { 0, 0 };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} stat = { 0 };
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0 || fs.f_type == 0x01021994 /* tmpfs */ || syscall(451, fd, &range, &stat, 0) < 0)
		return -1;
	return (int64_t)(stat.dirty + stat.writeback);
}

static void a_flush_leaves_nothing_in_memory(void **state)
{
	struct bench *bench = bench_of(state);

	assert_int_equal(ask_bytes(bench->disk, DISK_WRITE, 0, bench->bytes, SIZE), 0);
	int64_t before = dirty(bench->fd);

	assert_int_equal(ask_range(bench->disk, DISK_FLUSH, 0, 0, false), 0);
	if (before > 0)
		assert_int_equal(dirty(bench->fd), 0);
}

/* The same request again and again: it is begun anew each time. */
static void what_is_synced_is_on_the_medium_when_done(void **state)
{
	struct bench *bench = bench_of(state);
	struct iovec iov = { bench->bytes, BLOCK };
	struct asked asked = { .request = { .len = BLOCK, .iov = &iov, .n_iov = 1, .sync = true } };

	for (unsigned i = 0; i < 6; i++) {
		asked.request.op = i % 3 == 2 ? DISK_ZERO : DISK_WRITE;
		memset(bench->bytes, (int)i + 1, BLOCK);
		assert_int_equal(ask(bench->disk, &asked), 0);
		assert_true(dirty(bench->fd) <= 0);
		if (asked.request.op == DISK_ZERO)
			memset(bench->bytes, 0, BLOCK);
		assert_int_equal(pread(bench->fd, bench->more, BLOCK, 0), BLOCK);
		assert_memory_equal(bench->bytes, bench->more, BLOCK);
	}
	asked.request.op = DISK_READ;
	assert_int_equal(ask(bench->disk, &asked), 0);
}

static blkcnt_t blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_size, SIZE);
	return st.st_blocks;
}

static void a_discard_gives_space_back(void **state)
{
	struct bench *bench = bench_of(state);

	if (!disk_can_discard(bench->disk)) {
		print_message("the file system of %s has no holes\n", bench->path);
		assert_int_equal(ask_range(bench->disk, DISK_DISCARD, 0, SIZE, false), 0);
		skip();
	}
	memset(bench->bytes, 'x', SIZE);
	assert_int_equal(ask_bytes(bench->disk, DISK_WRITE, 0, bench->bytes, SIZE), 0);
	assert_int_equal(ask_range(bench->disk, DISK_FLUSH, 0, 0, false), 0);
	blkcnt_t before = blocks(bench->fd);

	assert_int_equal(ask_range(bench->disk, DISK_DISCARD, SIZE / 4, SIZE / 2, false), 0);
	assert_true(blocks(bench->fd) <= before - SIZE / 4 / 512);
	assert_int_equal(pread(bench->fd, bench->more, SIZE, 0), SIZE);
	assert_memory_equal(bench->more, bench->bytes, SIZE / 4);
	assert_memory_equal(bench->more + SIZE / 4 * 3, bench->bytes, SIZE / 4);
}

/* Zeros from an odd sector on, and nothing besides. */
static void zero(struct disk *disk, int fd, struct bench *bench, uint64_t len, bool unmap)
{
	uint64_t at = 3 * DISK_SECTOR;

	memset(bench->bytes, 'x', SIZE);
	assert_int_equal(ask_bytes(disk, DISK_WRITE, 0, bench->bytes, SIZE), 0);
	assert_int_equal(ask_range(disk, DISK_ZERO, at, len, unmap), 0);
	memset(bench->bytes + at, 0, len);
	assert_int_equal(ask_bytes(disk, DISK_READ, 0, bench->more, SIZE), 0);
	assert_memory_equal(bench->bytes, bench->more, SIZE);
	blocks(fd);
}

static void zeros_are_read_with_and_without_unmap(void **state)
{
	static const uint64_t lens[] = { 512, 65536, 65536 + 512, 1 << 20, (3 << 20) + 512 * 77, SIZE - 3 * 512 };
	struct bench *bench = bench_of(state);
	struct temp_file file; /* tmpfs: it has no FALLOC_FL_ZERO_RANGE */

	file_make(&file, NULL, 0);
	assert_int_equal(ftruncate(file.fd, SIZE), 0);
	struct disk *in_memory = disk_on(file.path, bench->threads, false);

	for (unsigned i = 0; i < 2 * sizeof(lens) / sizeof(*lens); i++) {
		zero(bench->disk, bench->fd, bench, lens[i / 2], i % 2);
		zero(in_memory, file.fd, bench, lens[i / 2], i % 2);
	}
	blkcnt_t before = blocks(file.fd);

	assert_int_equal(ask_range(in_memory, DISK_ZERO, 0, SIZE, false), 0);
	assert_int_equal(blocks(file.fd), before > SIZE / 512 ? before : SIZE / 512);
	assert_int_equal(ask_range(in_memory, DISK_ZERO, 0, SIZE, true), 0);
	assert_int_equal(blocks(file.fd), 0);
	disk_close(in_memory);
	file_gone(&file);
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

static void nothing_outside_the_image(void **state)
{
	struct bench *bench = bench_of(state);
	struct iovec iov = { bench->bytes, 1024 };
	struct asked asked = { .request = { DISK_WRITE, .offset = SIZE - 512, .len = 512, .iov = &iov, .n_iov = 1 } };

	assert_int_equal(ask(bench->disk, &asked), -EINVAL);
	for (enum disk_op op = DISK_READ; op <= DISK_ZERO; op++) {
		if (op == DISK_FLUSH)
			continue;
		asked.request = (struct disk_request){ op, .offset = SIZE - 512, .len = 1024, .iov = &iov, .n_iov = 1 };
		assert_int_equal(ask(bench->disk, &asked), -EINVAL);
		asked.request.offset = UINT64_MAX - 511;
		assert_int_equal(ask(bench->disk, &asked), -EINVAL);
		asked.request.offset = 1024;
		asked.request.len = UINT64_MAX - 511; /* they add up to 512 */
		assert_int_equal(ask(bench->disk, &asked), -EINVAL);
		asked.request.len = 0;
		asked.request.offset = SIZE;
		asked.request.n_iov = 0;
		assert_int_equal(ask(bench->disk, &asked), 0);
	}
	blocks(bench->fd);
	/* io_uring of older kernels would not wait for its content */
	assert_int_equal(fcntl(bench->disk->fd, F_GETFL) & O_NONBLOCK, 0);
}

static void an_image_that_shrinks(void **state)
{
	struct bench *bench = bench_of(state);
	struct stat st;

	assert_int_equal(ftruncate(bench->fd, SIZE / 2 + 100), 0);
	assert_int_equal(ask_bytes(bench->disk, DISK_READ, SIZE / 2 - 512, bench->bytes, 512), 0);
	assert_int_equal(ask_bytes(bench->disk, DISK_READ, SIZE / 2, bench->bytes, 512), -EIO);
	assert_int_equal(ask_bytes(bench->disk, DISK_READ, SIZE - 512, bench->bytes, 512), -EIO);
	assert_int_equal(ask_bytes(bench->disk, DISK_READ, 0, bench->bytes, SIZE), -EIO);
	assert_int_equal(disk_size(bench->disk), SIZE);
	assert_int_equal(ask_range(bench->disk, DISK_DISCARD, 0, SIZE, false), 0);
	assert_int_equal(ask_range(bench->disk, DISK_ZERO, 0, SIZE, false), 0);
	assert_int_equal(ask_range(bench->disk, DISK_ZERO, 0, SIZE, true), 0);
	assert_int_equal(fstat(bench->fd, &st), 0);
	assert_in_range(st.st_size, SIZE / 2 + 100, SIZE); /* zeros may have to be written */
	assert_int_equal(ask_bytes(bench->disk, DISK_WRITE, SIZE - 512, bench->bytes, 512), 0);
	blocks(bench->fd);
}

static void a_file_system_that_is_full(void **state)
{
	struct bench *bench = bench_of(state);
	char path[300];

	if (!tmpfs_mount("full", "size=256k", 0)) {
		print_message("no mounting here\n");
		skip();
	}
	snprintf(path, sizeof(path), "%s", image_make("full/image", SIZE));
	struct disk *disk = disk_on(path, bench->threads, false);

	assert_int_equal(ask_bytes(disk, DISK_WRITE, 0, bench->bytes, BLOCK), 0);
	assert_int_equal(ask_bytes(disk, DISK_WRITE, 0, bench->bytes, SIZE), -ENOSPC);
	assert_int_equal(ask_range(disk, DISK_ZERO, 0, SIZE, false), -ENOSPC);
	assert_int_equal(ask_range(disk, DISK_DISCARD, 0, SIZE, false), 0);
	assert_int_equal(ask_bytes(disk, DISK_WRITE, SIZE - BLOCK, bench->bytes, BLOCK), 0);
	disk_close(disk);
	tmpfs_unmount("full");
}

static void an_error_of_the_kernel(void **state)
{
	struct bench *bench = bench_of(state);
	int fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[32];

	assert_int_equal(ftruncate(fd, SIZE), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	struct disk *disk = disk_on(path, bench->threads, false);

	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), 0);
	assert_int_equal(ask_bytes(disk, DISK_WRITE, 0, bench->bytes, BLOCK), -EPERM);
	assert_int_equal(ask_range(disk, DISK_DISCARD, 0, SIZE, false), -EPERM);
	assert_int_equal(ask_range(disk, DISK_ZERO, 0, SIZE, true), -EPERM);
	assert_int_equal(ask_bytes(disk, DISK_READ, 0, bench->bytes, BLOCK), 0);
	disk_close(disk);
	close(fd);
}

/* Each step gets little, or nothing, of what it asks for. */
static void a_kernel_that_gives_little(void **state)
{
	static const int64_t nothing[] = { -EINTR, -EAGAIN, -ECANCELED };
	struct bench *bench = bench_of(state);
	uint64_t seed = 3;

	for (unsigned i = 0; i < 60; i++) {
		struct iovec iov[20], short_iov[IOV_MAX];
		struct disk_request request = { .op = i % 3 == 2 ? DISK_ZERO :
						      i % 3      ? DISK_READ :
								   DISK_WRITE,
						.len = LITTLE };
		struct disk_step step;
		int64_t n;

		for (unsigned j = 0; j < LITTLE; j++)
			bench->bytes[j] = (uint8_t)random_next(&seed);
		request.iov = iov;
		request.n_iov = split(iov, 20, bench->bytes, LITTLE, &seed);
		request.method = METHOD_WRITE;
		do {
			size_t room = 1 + random_next(&seed) % 2000, sum = 0;

			disk_step(bench->disk, &request, &step);
			assert_in_range(step.n_iov, 1, IOV_MAX);
			for (unsigned j = 0; j < step.n_iov; j++) {
				sum += step.iov[j].iov_len;
				short_iov[j] = step.iov[j];
				if (short_iov[j].iov_len > room)
					short_iov[j].iov_len = room;
				room -= short_iov[j].iov_len;
			}
			assert_in_range(sum, 1, step.len);
			if (random_next(&seed) % 3 == 0)
				n = nothing[random_next(&seed) % 3];
			else if (step.call == CALL_READV)
				n = preadv(bench->fd, short_iov, (int)step.n_iov, (off_t)step.offset);
			else
				n = pwritev(bench->fd, short_iov, (int)step.n_iov, (off_t)step.offset);
			assert_true(n != 0);
		} while (!disk_stepped(bench->disk, &request, n));
		assert_int_equal(request.err, 0);
		assert_int_equal(pread(bench->fd, bench->more, LITTLE, 0), LITTLE);
		if (request.op == DISK_ZERO)
			memset(bench->bytes, 0, LITTLE);
		assert_memory_equal(bench->bytes, bench->more, LITTLE);
	}
	struct disk_request request = { .op = DISK_FLUSH };
	unsigned tries = 1;

	while (tries < 10000 && !disk_stepped(bench->disk, &request, -EAGAIN))
		tries++;
	assert_in_range(tries, 10, 1000);
	assert_int_equal(request.err, -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(content_is_what_was_written_however_it_is_split),
		ON_BOTH(more_iovecs_than_the_kernel_takes),
		ON_BOTH(a_flush_leaves_nothing_in_memory),
		ON_BOTH(what_is_synced_is_on_the_medium_when_done),
		ON_BOTH(a_discard_gives_space_back),
		ON_BOTH(zeros_are_read_with_and_without_unmap),
		ON_BOTH(nothing_outside_the_image),
		ON_BOTH(an_image_that_shrinks),
		ON_BOTH(a_file_system_that_is_full),
		ON_BOTH(an_error_of_the_kernel),
		ON_BOTH(a_kernel_that_gives_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
