// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/clock.h"
#include "vmm/log.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/wait.h"

const struct call_rule file_replace_calls[] = {
	ALLOW(newfstatat, BY_MAIN),
	ALLOW(access, BY_MAIN),
	ALLOW(readlink, BY_MAIN),
	ALLOW(getcwd, BY_MAIN), /* for the real name of a file that is there: this, and what follows ".." */
	ALLOW(faccessat2, BY_MAIN),
	ALLOW(umask, BY_MAIN),
	ALLOW(getrandom, BY_MAIN), /* for a name */
	ALLOW(openat, BY_MAIN),
	ALLOW(fchmod, BY_MAIN),
	ALLOW(rename, BY_MAIN),
	ALLOW(unlink, BY_MAIN),
	ALLOW_END,
};

#define WRITE_NS 1000000000u /* how long what is no plain file may take, while a machine runs */

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

/* All of the bytes, by `deadline` (clock_ns(); 0: whenever). */
static int write_all(int fd, const uint8_t *bytes, size_t len, uint64_t deadline)
{
	while (len) {
		if (fd_wait(fd, POLLOUT, deadline ? clock_ms_until(deadline) : -1) == 0)
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

bool file_is_same(const struct stat *st, const char *path)
{
	struct stat other;

	return stat(path, &other) == 0 && other.st_dev == st->st_dev && other.st_ino == st->st_ino;
}

int file_standard(const struct stat *st)
{
	struct stat own;

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &own) == 0 && own.st_dev == st->st_dev && own.st_ino == st->st_ino)
			return fd;
	return -1;
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
	struct stat st;

	if (lstat(path, &st) < 0)
		return strdup(path); /* there is none yet; or it cannot be, which making it will tell */
	if (S_ISLNK(st.st_mode) && stat(path, &st) < 0) {
		int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

		if (fd >= 0)
			close(fd);
	}
	if (begins(path, "/dev/") || begins(path, "/proc/") || stat(path, &st) < 0 || !S_ISREG(st.st_mode) ||
	    file_standard(&st) >= 0)
		return NULL;
	return realpath(path, NULL);
}

/* Beside the file, under a name that nobody has. Its descriptor and *name, to be freed, or -errno. */
static int make_fresh(const char *real, char **name)
{
	mode_t mask = umask(0);
	struct stat st;
	int fd;

	umask(mask);
	*name = NULL;
	if (access(real, F_OK) == 0 && access(real, W_OK) < 0) /* a new one in its place would not ask */
		return -errno;
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

static int replace(const char *real, const void *bytes, size_t len, uint64_t deadline)
{
	char *fresh;
	int fd = make_fresh(real, &fresh);
	int err = fd < 0 ? fd : write_all(fd, bytes, len, deadline);

	if (fd >= 0 && close(fd) < 0 && !err)
		err = -errno;
	if (!err && rename(fresh, real) < 0)
		err = -errno;
	if (err && fd >= 0)
		unlink(fresh);
	free(fresh);
	return err;
}

static int write_into(const char *path, const void *bytes, size_t len, uint64_t deadline)
{
	struct stat st;
	/* standard output and error have their place in their file, which an open() of their name would not have */
	int fd = stat(path, &st) == 0 ? file_standard(&st) : -1;
	bool is_opened = fd < STDOUT_FILENO;

	if (is_opened)
		fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int err = fd < 0 ? -errno : write_all(fd, bytes, len, deadline);

	if (is_opened && fd >= 0)
		close(fd);
	return err;
}

static int put(const char *path, const void *bytes, size_t len, uint64_t deadline)
{
	char *real = replaceable(path);
	int err = real ? replace(real, bytes, len, deadline) : write_into(path, bytes, len, deadline);

	free(real);
	return err;
}

int file_replace(const char *path, const void *bytes, size_t len)
{
	return put(path, bytes, len, clock_ns() + WRITE_NS);
}

int file_dump(const char *option, const char *path, const void *bytes, size_t len)
{
	int err = strcmp(path, "-") == 0 ? write_all(STDOUT_FILENO, bytes, len, 0) : put(path, bytes, len, 0);

	if (err)
		log_error("%s %s: %s", option, path, strerror(-err));
	return err;
}

int file_allow_replace(const char *path, struct sandbox *sandbox)
{
	char *real = sandbox ? replaceable(path) : NULL;
	int err = sandbox_allow_path(sandbox, real ? real : path, real ? PATH_REPLACE : PATH_WRITE);

	free(real);
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
