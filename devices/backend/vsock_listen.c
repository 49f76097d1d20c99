// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/vsock_listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"

#define BACKLOG 64

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* A path that fits, as the callers made sure. */
static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

int unix_connect(const char *path)
{
	struct sockaddr_un addr = address(path);
	int fd = new_socket();

	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	int err = -errno;

	if (fd >= 0)
		close(fd);
	return err;
}

/* What is at `path` keeps us from listening there: removes it where it is a socket that nobody listens on. 0 or -errno,
 * with a message. */
static int remove_stale(const char *who, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		log_error("%s: socket=%s: is there already and is no socket: name another file", who, path);
		return -EEXIST;
	}
	int fd = unix_connect(path), err = fd;

	if (fd >= 0)
		close(fd);
	if (err == -ECONNREFUSED)
		err = unlink(path) < 0 ? -errno : -ENOENT;
	if (err == -ENOENT)
		return 0;
	if (err >= 0 || err == -EAGAIN || err == -EPROTOTYPE)
		log_error("%s: socket=%s: another program listens there, perhaps another minivmm: name another file",
			  who, path);
	else
		log_error("%s: socket=%s: is there already and cannot be replaced: %s: remove it", who, path,
			  strerror(-err));
	return -EADDRINUSE;
}

static int bind_and_listen(struct vsock_listener *listener)
{
	struct sockaddr_un addr = address(listener->path);
	struct stat st;

	/* the mode of the socket is that of its file, from its first moment on */
	if (fchmod(listener->fd, 0600) < 0 || bind(listener->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	if (lstat(listener->path, &st) < 0) {
		int err = -errno;

		unlink(listener->path); /* bind(2) made it just now: it is nobody else's */
		return err;
	}
	listener->bound = true;
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;
	return listen(listener->fd, BACKLOG) < 0 ? -errno : 0;
}

int listener_open(struct vsock_listener *listener, const char *who, const char *path, size_t longest)
{
	*listener = (struct vsock_listener){ .path = path, .fd = -1 };
	if (!*path || strlen(path) > longest) {
		log_error("%s: socket=%s: the name of a socket has 1 to %zu characters: name another file", who, path,
			  longest);
		return -ENAMETOOLONG;
	}
	listener->fd = new_socket();
	int err = listener->fd < 0 ? -errno : bind_and_listen(listener);

	if (err == -EADDRINUSE && !listener->bound) {
		err = remove_stale(who, path);
		if (err)
			return err;
		err = bind_and_listen(listener);
	}
	if (err)
		log_error("%s: socket=%s: cannot listen there: %s: name a file in a directory that you may write", who,
			  path, strerror(-err));
	return err;
}

void listener_close(struct vsock_listener *listener)
{
	struct stat st;

	if (listener->bound && lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->ino)
		unlink(listener->path);
	if (listener->fd >= 0)
		close(listener->fd);
}
