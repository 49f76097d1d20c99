// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"

int file_open(struct file *file, const char *option, const char *path)
{
	struct stat st;

	*file = (struct file){ .option = option, .path = path };
	/* O_NONBLOCK: opening a FIFO must not wait for somebody to write to it */
	file->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (file->fd < 0 || fstat(file->fd, &st) < 0) {
		int err = errno;

		log_error("%s %s: %s", option, path, strerror(err));
		file_close(file);
		return -err;
	}
	if (!S_ISREG(st.st_mode)) {
		log_error("%s %s: is a %s, not a plain file", option, path,
			  S_ISDIR(st.st_mode)  ? "directory" :
			  S_ISFIFO(st.st_mode) ? "FIFO: copy its content to a file first" :
						 "device or socket");
		file_close(file);
		return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	}
	if (st.st_size == 0) {
		log_error("%s %s: is empty", option, path);
		file_close(file);
		return -EINVAL;
	}
	file->size = (uint64_t)st.st_size;
	return 0;
}

void file_close(struct file *file)
{
	if (file->fd >= 0)
		close(file->fd);
	file->fd = -1;
}

int file_read(const struct file *file, uint64_t offset, void *to, uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		ssize_t n = pread(file->fd, (uint8_t *)to + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			int err = errno;

			log_error("%s %s: %s", file->option, file->path, strerror(err));
			return -err;
		}
		if (n == 0) {
			log_error("%s %s: became shorter while it was read; is it still being written?", file->option,
				  file->path);
			return -EIO;
		}
		done += (uint64_t)n;
	}
	return 0;
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* The file that a path with links means; the path itself where there is none yet. To be freed. */
static char *resolve(const char *path)
{
	struct stat st;

	/* a link to nowhere yet: its target comes into being */
	if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && access(path, F_OK) < 0) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

		if (fd >= 0)
			close(fd);
	}
	char *real = realpath(path, NULL);

	return real ? real : strdup(path);
}

/* Standard output or error under any name: others write there too, so it cannot be replaced. Its descriptor, or -1. */
static int standard_fd(const struct stat *st)
{
	struct stat own;

	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
			return fd;
	return -1;
}

static int replace(const char *path, const void *bytes, size_t len)
{
	char *fresh = NULL;

	if (asprintf(&fresh, "%s.new", path) < 0)
		return -ENOMEM;
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int err = fd < 0 ? -errno : write_all(fd, bytes, len);

	if (fd >= 0 && close(fd) < 0 && !err)
		err = -errno;
	if (!err && rename(fresh, path) < 0)
		err = -errno;
	if (err && fd >= 0)
		unlink(fresh);
	free(fresh);
	return err;
}

int file_replace(const char *path, const void *bytes, size_t len)
{
	struct stat st;

	bool exists = stat(path, &st) == 0;

	if (exists && standard_fd(&st) >= 0)
		return write_all(standard_fd(&st), bytes, len);
	if (exists && !S_ISREG(st.st_mode)) {
		int fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		int err = fd < 0 ? -errno : write_all(fd, bytes, len);

		if (fd >= 0)
			close(fd);
		return err;
	}
	char *real = resolve(path);
	int err = real ? replace(real, bytes, len) : -ENOMEM;

	free(real);
	return err;
}
