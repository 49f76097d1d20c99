/* SPDX-License-Identifier: GPL-2.0-only */
/* Unix sockets that have a name: one to listen on, which comes and goes with the device, and connecting to others. */
#ifndef MINIVMM_VSOCK_LISTEN_H
#define MINIVMM_VSOCK_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/un.h>

#define UNIX_PATH_LEN sizeof(((struct sockaddr_un *)NULL)->sun_path)

struct vsock_listener {
	const char *path; /* borrowed */
	int fd;           /* nonblocking, close-on-exec */
	bool bound;
	uint64_t dev, ino; /* of `path`: what we made */
};

/*
 * Listens at `path`, which has at most `longest` characters, mode 0600; a socket there that nobody listens on is
 * replaced. 0, or -errno with one message that begins with `who`; then too listener_close() is owed.
 */
int listener_open(struct vsock_listener *listener, const char *who, const char *path, size_t longest);
/* Also removes the name, where it is still ours. */
void listener_close(struct vsock_listener *listener);

/* A nonblocking socket that is connected to `path`, or -errno; -EAGAIN where too many others wait. Does not wait. */
int unix_connect(const char *path);

#endif
