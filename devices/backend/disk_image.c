// SPDX-License-Identifier: GPL-2.0-only
/* Which file can be a disk, who else may use it meanwhile, and what a user is told of one that cannot. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "devices/backend/disk_engine.h"
#include "vmm/log.h"

#define BLOCK_SIZE_MAX (1u << 20)

/* The one message; -err. */
__attribute__((format(printf, 3, 4))) static int refuse(const struct disk_settings *settings, int err, const char *fmt,
							...)
{
	char why[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	log_error("%s: %s: %s", settings->who, settings->path, why);
	return -err;
}

static int refuse_kind(const struct disk_settings *settings, mode_t mode)
{
	if (S_ISDIR(mode))
		return refuse(settings, EISDIR, "is a directory: name a raw image in it");
	return refuse(settings, EINVAL, "is a %s: name a raw image or a block device",
		      S_ISFIFO(mode) ? "FIFO" :
		      S_ISCHR(mode)  ? "character device" :
				       "socket");
}

/* stat(2) or open(2) said no. */
static int refuse_open(const struct disk_settings *settings, int err)
{
	const char *path = settings->path, *why = strerror(err);
	bool is_readable = faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;

	if (err == ENOENT && !*path)
		return refuse(settings, err, "%s: name a raw image", why);
	if (err == ENOENT)
		return refuse(settings, err, "%s: make an image with 'truncate -s 1G %s'", why, path);
	if (err == EBUSY)
		return refuse(settings, err, "%s: unmount it, end what uses it, or give readonly=on", why);
	if (!settings->readonly && is_readable && (err == EACCES || err == EPERM || err == EROFS || err == ETXTBSY))
		return refuse(settings, err, "%s, for writing: give readonly=on, or use a copy that you may write",
			      why);
	if (err == EACCES || err == EPERM)
		return refuse(settings, err, "%s: become a user who may %s it", why,
			      settings->readonly ? "read" : "read and write");
	return refuse(settings, err, "%s", why);
}

static bool is_image(mode_t mode)
{
	return S_ISREG(mode) || S_ISBLK(mode);
}

static int open_image(struct disk *disk, const struct disk_settings *settings)
{
	struct stat st;
	int flags = settings->readonly ? O_RDONLY : O_RDWR, is_readonly = 0;

	/* looked at first: to open some character devices does something */
	if (stat(settings->path, &st) < 0)
		return refuse_open(settings, errno);
	if (!is_image(st.st_mode))
		return refuse_kind(settings, st.st_mode);
	/* of a block device: not while it is mounted, nor once more for writing */
	if (S_ISBLK(st.st_mode) && !settings->readonly)
		flags |= O_EXCL;
	/* O_NONBLOCK: what has become a FIFO meanwhile must not make us wait */
	disk->fd = open(settings->path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (disk->fd < 0)
		return refuse_open(settings, errno);
	/* and off again: io_uring would not wait for such a file's content, but give EAGAIN */
	if (fstat(disk->fd, &st) < 0 || fcntl(disk->fd, F_SETFL, 0) < 0)
		return refuse(settings, errno, "%s", strerror(errno));
	if (!is_image(st.st_mode))
		return refuse_kind(settings, st.st_mode);
	disk->is_block = S_ISBLK(st.st_mode);
	/* a read-only device can be opened for writing all the same */
	if (disk->is_block && ioctl(disk->fd, BLKROGET, &is_readonly) == 0 && is_readonly && !settings->readonly)
		return refuse_open(settings, EROFS);
	return 0;
}

/*
 * Of the open file description, not the process: two devices of one minivmm exclude each other as two minivmms do.
 */
static int lock_image(struct disk *disk, const struct disk_settings *settings)
{
	struct flock lock = { .l_type = settings->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET };
	char pid[32] = "";

	if (fcntl(disk->fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno != EAGAIN && errno != EACCES) {
		log_error("%s: %s: cannot be locked (%s): see to it that nobody else uses it", settings->who,
			  settings->path, strerror(errno));
		return 0;
	}
	/* -1 where the other's lock is like ours; it has no type any more where it has gone meanwhile */
	if (fcntl(disk->fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0)
		snprintf(pid, sizeof(pid), " (process %ld)", (long)lock.l_pid);
	if (lock.l_type == F_RDLCK && !settings->readonly)
		return refuse(settings, EBUSY, "is in use by a reader%s: end that one, or give readonly=on", pid);
	return refuse(settings, EBUSY, "is in use by a writer%s: end that one, or use a copy of the image", pid);
}

static int measure(struct disk *disk, const struct disk_settings *settings)
{
	struct stat st;
	unsigned physical = 0;

	if (fstat(disk->fd, &st) < 0 || (disk->is_block && (ioctl(disk->fd, BLKGETSIZE64, &disk->size) < 0 ||
							    ioctl(disk->fd, BLKPBSZGET, &physical) < 0)))
		return refuse(settings, errno, "its size: %s", strerror(errno));
	if (!disk->is_block)
		disk->size = (uint64_t)st.st_size;
	if (disk->size == 0 && disk->is_block)
		return refuse(settings, EINVAL, "is empty: is there a medium in it?");
	if (disk->size == 0)
		return refuse(settings, EINVAL, "is empty: make it longer with 'truncate -s 1G %s'", settings->path);
	if (disk->size % DISK_SECTOR)
		return refuse(settings, EINVAL,
			      "%" PRIu64 " bytes are no whole sectors of %u, the last %u would be lost: "
			      "'truncate -s %%%u %s' rounds it up",
			      disk->size, DISK_SECTOR, (unsigned)(disk->size % DISK_SECTOR), DISK_SECTOR,
			      settings->path);
	disk->block_size = disk->is_block ? physical : (unsigned)st.st_blksize;
	if (disk->block_size < DISK_SECTOR || disk->block_size > BLOCK_SIZE_MAX ||
	    (disk->block_size & (disk->block_size - 1)))
		disk->block_size = 4096;
	return 0;
}

static bool queue_has(dev_t dev, const char *part, const char *limit)
{
	char path[128], first = '0';
	FILE *file;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/%squeue/%s", major(dev), minor(dev), part, limit);
	file = fopen(path, "re");
	if (file && fread(&first, 1, 1, file) != 1)
		first = '0';
	if (file)
		fclose(file);
	return first != '0';
}

/* Asked without giving anything back: a block device by its limits, a file system by a hole behind the end. */
static bool can_discard(const struct disk *disk)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct stat st;

	if (disk->readonly)
		return false;
	if (!disk->is_block)
		return fallocate(disk->fd, mode, (off_t)disk->size, disk->block_size) == 0;
	if (fstat(disk->fd, &st) < 0)
		return false;
	/* the kernel punches a hole into one by writing zeroes that unmap; a partition has its disk's queue */
	return (queue_has(st.st_rdev, "", "discard_max_bytes") &&
		queue_has(st.st_rdev, "", "write_zeroes_max_bytes")) ||
	       (queue_has(st.st_rdev, "../", "discard_max_bytes") &&
		queue_has(st.st_rdev, "../", "write_zeroes_max_bytes"));
}

int disk_image_open(struct disk *disk, const struct disk_settings *settings)
{
	int err;

	disk->fd = -1;
	disk->readonly = settings->readonly;
	err = open_image(disk, settings);
	if (!err)
		err = lock_image(disk, settings);
	if (!err)
		err = measure(disk, settings);
	if (err)
		disk_image_close(disk);
	else
		disk->can_discard = can_discard(disk);
	return err;
}

void disk_image_close(struct disk *disk)
{
	struct flock lock = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (disk->fd < 0)
		return;
	/* io_uring may hold on to the open file for a moment longer, and with it would to the lock */
	fcntl(disk->fd, F_OFD_SETLK, &lock);
	close(disk->fd);
	disk->fd = -1;
}
