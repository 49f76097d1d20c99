// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"

#define WRITE_MS 1000u

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

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

/* All of the bytes; a pipe or terminal gets a second to take them. */
static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	uint64_t end = now_ms() + WRITE_MS, now;

	while (len) {
		struct pollfd out = { .fd = fd, .events = POLLOUT };

		now = now_ms();
		if (now >= end || poll(&out, 1, (int)(end - now)) == 0)
			return -ETIMEDOUT;
		/* so much fits, and a write that is no longer does not block, where poll() says that there is room */
		ssize_t n = write(fd, bytes, len < PIPE_BUF ? len : PIPE_BUF);

		if (n < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		bytes += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static bool begins(const char *path, const char *with)
{
	return strncmp(path, with, strlen(with)) == 0;
}

/*
 * The plain file that is to be replaced, by its real name, to be freed; a link to nowhere gets its target. NULL where
 * the path is something to write into instead: a device, a pipe, a descriptor under another name.
 */
static char *replaceable(const char *path)
{
	struct stat st, own;
	char *real = realpath(path, NULL);

	if (!real && errno == ENOENT && lstat(path, &st) < 0) {
		return strdup(path); /* there is none yet */
	} else if (!real && S_ISLNK(st.st_mode)) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

		if (fd >= 0)
			close(fd);
		real = realpath(path, NULL);
	}
	bool is_own = false;

	for (int fd = STDIN_FILENO; real && fd <= STDERR_FILENO; fd++)
		is_own |= stat(real, &st) == 0 && fstat(fd, &own) == 0 && own.st_dev == st.st_dev &&
			  own.st_ino == st.st_ino;
	if (!real || is_own || begins(path, "/dev/") || begins(path, "/proc/") || !S_ISREG(st.st_mode)) {
		free(real);
		return NULL;
	}
	return real;
}

/* Beside the file, under a name that nobody has. Its descriptor and *name, to be freed, or -errno. */
static int make_fresh(const char *real, char **name)
{
	mode_t mask = umask(0);
	struct stat st;
	int fd;

	umask(mask);
	if (asprintf(name, "%s.XXXXXX", real) < 0) {
		*name = NULL;
		return -ENOMEM;
	}
	fd = mkostemp(*name, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	fchmod(fd, stat(real, &st) == 0 ? st.st_mode & 07777 : 0666 & ~mask);
	return fd;
}

static int replace(const char *real, const void *bytes, size_t len)
{
	char *fresh;
	int fd = make_fresh(real, &fresh);
	int err = fd < 0 ? fd : write_all(fd, bytes, len);

	if (fd >= 0 && close(fd) < 0 && !err)
		err = -errno;
	if (!err && rename(fresh, real) < 0)
		err = -errno;
	if (err && fd >= 0)
		unlink(fresh);
	free(fresh);
	return err;
}

/* Standard output and error keep their place in their file, which an open() of their name would not. */
static int open_in_place(const char *path, int *fd)
{
	struct stat st, own;

	for (*fd = STDOUT_FILENO; *fd <= STDERR_FILENO; ++*fd)
		if (stat(path, &st) == 0 && fstat(*fd, &own) == 0 && own.st_dev == st.st_dev && own.st_ino == st.st_ino)
			return 0;
	*fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	return *fd < 0 ? -errno : 0;
}

int file_replace(const char *path, const void *bytes, size_t len)
{
	char *real = replaceable(path);
	int fd, err;

	if (real) {
		err = replace(real, bytes, len);
		free(real);
		return err;
	}
	err = open_in_place(path, &fd);
	if (err)
		return err;
	err = write_all(fd, bytes, len);
	if (fd > STDERR_FILENO)
		close(fd);
	return err;
}

int file_can_replace(const char *path)
{
	char *real = replaceable(path), *fresh;
	struct stat st;
	int fd;

	if (!real && access(path, W_OK) < 0)
		return -errno;
	if (!real)
		return stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? -EISDIR : 0;
	fd = make_fresh(real, &fresh);
	if (fd >= 0) {
		close(fd);
		unlink(fresh);
	}
	free(fresh);
	free(real);
	return fd < 0 ? fd : 0;
}
