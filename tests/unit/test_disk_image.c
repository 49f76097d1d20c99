// SPDX-License-Identifier: GPL-2.0-only
/* Which files are opened as a disk image and what is said of the others; who excludes whom; block devices. */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/disk.h"
#include "tests/unit/json.h"

static int try_open(struct disk **disk, const char *path, bool readonly)
{
	struct disk_settings settings = { "--device blk", path, readonly, .depth = 4 };

	return disk_open(disk, &settings);
}

/* Refused with -err and one message that holds `part` and the name. */
static void refused_as(const char *path, bool readonly, int err, const char *part)
{
	struct disk *disk = (void *)-1;

	catch_stderr();
	int got = try_open(&disk, path, readonly);
	const char *said = caught_stderr();

	assert_one_message(said, part);
	assert_non_null(strstr(said, "--device blk: "));
	assert_non_null(strstr(said, path));
	assert_int_equal(got, -err);
	assert_null(disk);
}

static void opened(const char *path, bool readonly)
{
	struct disk *disk;

	catch_stderr();
	int err = try_open(&disk, path, readonly);

	assert_string_equal(caught_stderr(), "");
	assert_int_equal(err, 0);
	disk_close(disk);
}

static void files_that_are_no_images(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM, 0);
	char wanted[300];

	(void)state;
	snprintf(wanted, sizeof(wanted), "'truncate -s 1G %s'", scratch_path("none"));
	refused_as(scratch_path("none"), false, ENOENT, wanted);
	refused_as(scratch_path("none"), true, ENOENT, wanted);
	refused_as("", false, ENOENT, "name a raw image");
	assert_int_equal(access(scratch_path("none"), F_OK), -1);
	assert_int_equal(mkdir(scratch_path("dir"), 0755), 0);
	refused_as(scratch_path("dir"), false, EISDIR, "directory");
	refused_as(scratch_path("dir"), true, EISDIR, "directory");
	assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
	refused_as(scratch_path("fifo"), false, EINVAL, "FIFO");
	refused_as(scratch_path("fifo"), true, EINVAL, "FIFO");
	refused_as("/dev/zero", false, EINVAL, "character device");
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", scratch_path("socket"));
	assert_int_equal(bind(sock, (struct sockaddr *)&name, sizeof(name)), 0);
	refused_as(name.sun_path, false, EINVAL, "socket");
	close(sock);
	refused_as(scratch_path("fifo/image"), false, ENOTDIR, "Not a directory");
}

static void sizes(void **state)
{
	struct disk *disk;
	char wanted[300];

	(void)state;
	snprintf(wanted, sizeof(wanted), "'truncate -s 1G %s'", scratch_path("image"));
	refused_as(image_make("image", 0), false, EINVAL, wanted);
	refused_as(image_make("image", 0), true, EINVAL, "is empty");
	snprintf(wanted, sizeof(wanted), "the last 1 would be lost: 'truncate -s %%512 %s'", scratch_path("image"));
	refused_as(image_make("image", 1), false, EINVAL, wanted);
	refused_as(image_make("image", 1025), true, EINVAL, wanted);
	refused_as(image_make("image", 1023), false, EINVAL, "1023 bytes are no whole sectors of 512, the last 511");
	opened(image_make("image", 512), true);
	assert_int_equal(try_open(&disk, image_make("image", 3ll << 40), false), 0);
	assert_int_equal(disk_size(disk), 3ull << 40);
	unsigned block = disk_block_size(disk);

	assert_in_range(block, 512, 1 << 20);
	assert_int_equal(block & (block - 1), 0);
	disk_close(disk);
	disk_close(NULL);
}

/* As a user who is not above permissions; false where that cannot be. */
static bool mortal(bool is)
{
	static struct __user_cap_data_struct all[2];
	struct __user_cap_data_struct none[2];
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };

	if (is && syscall(SYS_capget, &header, all) < 0)
		return false;
	memcpy(none, all, sizeof(none));
	none[0].effective = none[1].effective = 0;
	return syscall(SYS_capset, &header, is ? none : all) == 0;
}

static void permissions(void **state)
{
	const char *path = image_make("image", 512);

	(void)state;
	assert_true(mortal(true));
	assert_int_equal(chmod(path, 0400), 0);
	refused_as(path, false, EACCES, "Permission denied, for writing: give readonly=on");
	opened(path, true);
	assert_int_equal(chmod(path, 0), 0);
	refused_as(path, false, EACCES, "become a user who may read and write it");
	refused_as(path, true, EACCES, "become a user who may read it");
	assert_true(mortal(false));
	unlink(path);
	if (!tmpfs_mount("read-only", "", MS_RDONLY) ||
	    mount("none", scratch_path("read-only"), "none", MS_REMOUNT, NULL)) {
		print_message("no mounting here\n");
		return;
	}
	path = image_make("read-only/image", 512);
	assert_int_equal(mount("none", scratch_path("read-only"), "none", MS_REMOUNT | MS_RDONLY, NULL), 0);
	refused_as(path, false, EROFS, "Read-only file system, for writing: give readonly=on");
	opened(path, true);
	tmpfs_unmount("read-only");
}

static void what_is_read_only(void **state)
{
	struct bench *bench = bench_of(state);

	disk_close(bench->disk);
	bench->disk = disk_on(bench->path, bench->threads, true);
	assert_int_equal(pwrite(bench->fd, "content", 7, 4096), 7);
	assert_int_equal(ask_bytes(bench->disk, DISK_READ, 4096, bench->bytes, 4096), 0);
	assert_string_equal((char *)bench->bytes, "content");
	assert_int_equal(ask_bytes(bench->disk, DISK_WRITE, 4096, bench->more, 4096), -EROFS);
	assert_int_equal(ask_range(bench->disk, DISK_DISCARD, 0, 8192, false), -EROFS);
	assert_int_equal(ask_range(bench->disk, DISK_ZERO, 0, 8192, true), -EROFS);
	assert_int_equal(ask_range(bench->disk, DISK_FLUSH, 0, 0, false), 0);
	assert_false(disk_can_discard(bench->disk));
	assert_int_equal(pread(bench->fd, bench->more, 4096, 4096), 4096);
	assert_memory_equal(bench->bytes, bench->more, 4096);
}

/* --- who else uses it --------------------------------------------------------------------------------------------- */

/* With the image opened as `held`, another can open it as `wanted` or gets EBUSY; in this process and in another. */
static void excludes(bool held, bool wanted, const char *part)
{
	char path[256];
	struct disk *disk;
	int status;

	snprintf(path, sizeof(path), "%s", image_make("image", 4096));
	assert_int_equal(try_open(&disk, path, held), 0);
	if (part)
		refused_as(path, wanted, EBUSY, part);
	else
		opened(path, wanted);
	catch_stderr();
	pid_t pid = fork();

	if (pid == 0) {
		struct disk *other;

		_exit(try_open(&other, path, wanted) == (part ? -EBUSY : 0) ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	caught_stderr();
	assert_int_equal(status, 0);
	disk_close(disk);
	opened(path, wanted);
}

static void writers_exclude_all_and_readers_writers(void **state)
{
	(void)state;
	excludes(false, false, "is in use by a writer: end that one, or use a copy");
	excludes(false, true, "is in use by a writer: end that one, or use a copy");
	excludes(true, false, "is in use by a reader: end that one, or give readonly=on");
	excludes(true, true, NULL);
}

static void the_other_is_named_where_it_can_be(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const char *path = image_make("image", 4096);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char wanted[64];

	(void)state;
	assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
	pid_t pid = fork(); /* a lock of a process conflicts only with those of others: the child is refused */

	if (pid == 0) {
		char text[512] = "";
		int out = open(scratch_path("said"), O_RDWR | O_CREAT, 0600);
		struct disk *disk;

		dup2(out, STDERR_FILENO);
		snprintf(wanted, sizeof(wanted), "in use by a writer (process %d)", getppid());
		_exit(try_open(&disk, path, true) == -EBUSY && pread(out, text, 511, 0) > 0 && strstr(text, wanted) ?
			      0 :
			      1);
	}
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd);
}

/* --- block devices ------------------------------------------------------------------------------------------------ */

/* A loop device over an image of that size; -1 where there are none. It goes when the last descriptor is closed. */
static int loop_make(char path[32], off_t size, unsigned block, unsigned flags)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), n, fd = -1;
	int image = open(image_make("loop", size), O_RDWR | O_CLOEXEC);
	struct loop_config config = { .fd = (uint32_t)image,
				      .block_size = block,
				      .info = { .lo_flags = flags | LO_FLAGS_AUTOCLEAR } };

	if (control >= 0 && (n = ioctl(control, LOOP_CTL_GET_FREE)) >= 0) {
		snprintf(path, 32, "/dev/loop%d", n);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_CONFIGURE, &config) < 0) {
			close(fd);
			fd = -1;
		}
	}
	close(image);
	close(control);
	return fd;
}

static void block_devices(void **state)
{
	struct bench *bench = bench_of(state);
	char path[32];
	int fd = loop_make(path, IMAGE_SIZE + 512, 512, 0);

	if (fd < 0) {
		print_message("no loop devices here\n");
		skip();
	}
	struct disk *disk = disk_on(path, bench->threads, false);

	assert_int_equal(disk_size(disk), IMAGE_SIZE + 512);
	assert_int_equal(disk_block_size(disk), 512);
	assert_true(disk_can_discard(disk));
	refused_as(path, false, EBUSY, "unmount it, end what uses it, or give readonly=on");
	refused_as(path, true, EBUSY, "is in use by a writer");
	memset(bench->bytes, 'x', IMAGE_SIZE);
	assert_int_equal(ask_bytes(disk, DISK_WRITE, 512, bench->bytes, IMAGE_SIZE), 0);
	assert_int_equal(ask_range(disk, DISK_FLUSH, 0, 0, false), 0);
	assert_int_equal(ask_range(disk, DISK_DISCARD, 4096, 1 << 20, false), 0);
	for (unsigned unmap = 0; unmap < 2; unmap++) {
		uint64_t at = (1 + 2 * unmap) << 20;

		assert_int_equal(ask_range(disk, DISK_ZERO, at + 512, 1 << 20, unmap), 0);
		assert_int_equal(ask_bytes(disk, DISK_READ, at, bench->bytes, 2 << 20), 0);
		memset(bench->more, 'x', 2 << 20);
		memset(bench->more + 512, 0, 1 << 20);
		assert_memory_equal(bench->bytes + (1 << 20), bench->more + (1 << 20), 1 << 20);
		assert_memory_equal(bench->bytes + 512, bench->more + 512, 1 << 20);
	}
	assert_int_equal(ask_bytes(disk, DISK_WRITE, IMAGE_SIZE, bench->bytes, 1024), -EINVAL);
	disk_close(disk);
	opened(path, true);
	close(fd);
	fd = loop_make(path, IMAGE_SIZE, 512, LO_FLAGS_READ_ONLY);
	assert_true(fd >= 0);
	refused_as(path, false, EROFS, "for writing: give readonly=on");
	opened(path, true);
	close(fd);
}

/* What is not whole blocks of the device is zero all the same, and may be discarded. */
static void block_devices_with_large_blocks(void **state)
{
	struct bench *bench = bench_of(state);
	char path[32];
	int fd = loop_make(path, IMAGE_SIZE, 4096, 0);

	if (fd < 0) {
		print_message("no loop devices here\n");
		skip();
	}
	struct disk *disk = disk_on(path, bench->threads, false);

	assert_int_equal(disk_block_size(disk), 4096);
	memset(bench->more, 'x', IMAGE_SIZE);
	assert_int_equal(ask_bytes(disk, DISK_WRITE, 0, bench->more, IMAGE_SIZE), 0);
	assert_int_equal(ask_range(disk, DISK_ZERO, 512, 1024, true), 0);
	assert_int_equal(ask_range(disk, DISK_ZERO, 8192 + 512, (3 << 20) + 512, false), 0);
	assert_int_equal(ask_range(disk, DISK_DISCARD, 4096 + 512, 512, false), 0);
	assert_int_equal(ask_bytes(disk, DISK_READ, 0, bench->bytes, IMAGE_SIZE), 0);
	memset(bench->more + 512, 0, 1024);
	memset(bench->more + 8192 + 512, 0, (3 << 20) + 512);
	assert_memory_equal(bench->bytes, bench->more, 4096);
	assert_memory_equal(bench->bytes + 8192, bench->more + 8192, IMAGE_SIZE - 8192);
	disk_close(disk);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_are_no_images),
		cmocka_unit_test(sizes),
		cmocka_unit_test(permissions),
		ON_BOTH(what_is_read_only),
		cmocka_unit_test(writers_exclude_all_and_readers_writers),
		cmocka_unit_test(the_other_is_named_where_it_can_be),
		ON_BOTH(block_devices),
		ON_BOTH(block_devices_with_large_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
