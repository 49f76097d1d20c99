// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/port.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/wait.h"

const struct call_rule port_calls[] = {
	ALLOW(read, BY_VCPU), ALLOW(accept4, BY_LOOP), ALLOW(recvfrom, BY_LOOP), ALLOW(close, BY_LOOP), ALLOW_END,
};

#define BACKLOG 4 /* clients that wait for their turn */

/* --- the socket at its path --------------------------------------------------------------------------------------- */

/* The name becomes a symbolic link in the guest's /dev/virtio-ports. */
static bool name_is_good(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isgraph((unsigned char)name[i]) || name[i] == '/')
			return false;
	return len > 0 && len <= PORT_NAME_MAX && name[0] != '.';
}

static int parse(struct port *port, const char *who, const char *spec)
{
	const char *path = strchr(spec, ':');

	if (!path || !path[1] || !name_is_good(spec, (size_t)(path - spec))) {
		log_error("%s: port=%s: takes NAME:PATH, a name of up to %d characters without spaces and slashes, and "
			  "the path of a socket",
			  who, spec, PORT_NAME_MAX);
		return -EINVAL;
	}
	port->name = spec;
	port->name_len = (size_t)(path++ - spec);
	if (strlen(path) >= sizeof(port->addr.sun_path)) {
		log_error("%s: port=%s: the path of a socket has at most %zu characters", who, spec,
			  sizeof(port->addr.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	port->addr.sun_family = AF_UNIX;
	strcpy(port->addr.sun_path, path);
	return 0;
}

/* Who is at the path: 0 where a socket is that nobody listens on, else -errno with a message. */
static int check_stale(const struct port *port, const char *who, const char *spec)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct stat st;
	int err = 0;

	if (lstat(port->addr.sun_path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		err = -EEXIST;
		log_error("%s: port=%s: there is a file that is no socket: remove it, or name another path", who, spec);
	} else if (fd < 0 || connect(fd, (const struct sockaddr *)&port->addr, sizeof(port->addr)) == 0 ||
		   errno == EAGAIN) {
		err = -EADDRINUSE;
		log_error("%s: port=%s: the socket is in use, perhaps by another minivmm: name another path", who,
			  spec);
	} else if (errno != ECONNREFUSED && errno != ENOENT) {
		err = -errno;
		log_error("%s: port=%s: the socket is somebody else's: %s: name another path", who, spec,
			  strerror(-err));
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* bind(2) makes the file with the socket's own mode, so there is no moment in which others could connect. */
static int bind_path(struct port *port, const char *who, const char *spec)
{
	const struct sockaddr *addr = (const struct sockaddr *)&port->addr;
	int err = 0;

	port->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (port->listen_fd < 0 || fchmod(port->listen_fd, S_IRUSR | S_IWUSR) < 0)
		goto fail;
	if (bind(port->listen_fd, addr, sizeof(port->addr)) < 0) {
		if (errno != EADDRINUSE)
			goto fail;
		err = check_stale(port, who, spec);
		if (err)
			return err;
		if ((unlink(port->addr.sun_path) < 0 && errno != ENOENT) ||
		    bind(port->listen_fd, addr, sizeof(port->addr)) < 0)
			goto fail;
	}
	return 0;
fail:
	err = -errno;
	log_error("%s: port=%s: %s: the path's directory must be there, and yours to write", who, spec, strerror(-err));
	return err;
}

static int watch(const struct port *port, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events | EPOLLET, .data.u32 = port->id };

	return epoll_ctl(port->set_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Remembers which file is ours, so that no other is removed in its place. */
static int know_path(struct port *port)
{
	struct stat st;

	if (lstat(port->addr.sun_path, &st) < 0) {
		int err = -errno;

		unlink(port->addr.sun_path); /* bind(2) made it just now */
		return err;
	}
	port->dev = st.st_dev;
	port->ino = st.st_ino;
	return 0;
}

int port_open(struct port *port, const char *who, const char *spec, int set_fd, uint32_t id)
{
	struct port made = { .set_fd = set_fd, .id = id, .listen_fd = -1, .client_fd = -1 };
	int err = parse(&made, who, spec);

	*port = (struct port){ .listen_fd = -1, .client_fd = -1 };
	if (err)
		return err;
	err = bind_path(&made, who, spec);
	if (err) {
		made.addr.sun_path[0] = '\0'; /* what is there is not ours */
	} else {
		err = know_path(&made);
		if (!err)
			err = listen(made.listen_fd, BACKLOG) < 0 ? -errno : watch(&made, made.listen_fd, EPOLLIN);
		if (err)
			log_error("%s: port=%s: %s", who, spec, strerror(-err));
	}
	if (err)
		port_close(&made);
	else
		*port = made;
	return err;
}

void port_close(struct port *port)
{
	struct stat st;

	if (!port->name)
		return;
	if (port->client_fd >= 0)
		close(port->client_fd);
	if (port->listen_fd >= 0)
		close(port->listen_fd);
	if (port->addr.sun_path[0] && lstat(port->addr.sun_path, &st) == 0 && st.st_dev == port->dev &&
	    st.st_ino == port->ino)
		unlink(port->addr.sun_path);
	port->name = NULL;
}

const char *port_path(const struct port *port)
{
	return port->addr.sun_path;
}

/* --- the client --------------------------------------------------------------------------------------------------- */

bool port_connected(const struct port *port)
{
	return port->client_fd >= 0;
}

size_t port_read(struct port *port, void *bytes, size_t len)
{
	ssize_t n;

	if (port->client_fd < 0 || port->ended)
		return 0;
	do {
		n = read(port->client_fd, bytes, len); /* it does not block */
	} while (n < 0 && errno == EINTR);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		port->ended = port->unsettled = true; /* ECONNRESET comes behind the last byte */
	port->unsettled |= port->left;                /* that may have been its last byte */
	return n > 0 ? (size_t)n : 0;
}

ssize_t port_write(struct port *port, const void *bytes, size_t len)
{
	ssize_t n;

	if (port->client_fd < 0 || port->left)
		return -1;
	do {
		n = write(port->client_fd, bytes, len);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		port->left = port->unsettled = true;
	return n;
}

/* 0 where there is a client now that was not, -EAGAIN where none waits. */
static int let_in(struct port *port)
{
	/* cppcheck-suppress nullPointer */
	int fd = accept4(port->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int err;

	if (fd < 0)
		return errno == ECONNABORTED || errno == EINTR ? -EAGAIN : -errno;
	port->client_fd = fd;
	err = watch(port, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	if (!err)
		return 0;
	close(fd);
	port->client_fd = -1;
	return err;
}

/* Whether the client left, also where the guest takes nothing of what it sent. */
static void look(struct port *port)
{
	char byte;

	if (!port->left && fd_wait(port->client_fd, 0, 0) <= 0) /* POLLHUP: it neither sends nor takes more */
		return;
	port->left = true;
	if (!port->ended) {
		ssize_t n = recv(port->client_fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

		port->ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
	}
}

int port_settle(struct port *port)
{
	int changed = 0, err;

	port->unsettled = false;
	if (port->client_fd >= 0)
		look(port);
	if (port->client_fd >= 0 && port->ended && port->left) {
		close(port->client_fd);
		port->client_fd = -1;
		port->ended = port->left = false;
		changed |= PORT_LEFT;
	}
	if (port->client_fd >= 0)
		return changed;
	err = let_in(port);
	if (!err)
		changed |= PORT_CAME;
	return err && err != -EAGAIN && !changed ? err : changed;
}
