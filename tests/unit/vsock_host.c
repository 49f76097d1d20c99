// SPDX-License-Identifier: GPL-2.0-only
/* The programs of the host, at the Unix sockets of a socket device: see vsock.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/vsock.h"

#define WAIT_MS 5000

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, path);
	return addr;
}

int host_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

void host_dial_from(int fd, const char *path)
{
	struct sockaddr_un addr = address(path);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

int host_dial(struct peer *peer, const char *text)
{
	int fd = host_socket();

	host_dial_from(fd, peer->path);
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) /* some are sent away at once */
		assert_int_equal(errno, EPIPE);
	return fd;
}

int host_listen(struct peer *peer, uint32_t port)
{
	char path[96];
	int fd = host_socket();

	snprintf(path, sizeof(path), "%s_%u", peer->path, port);
	unlink(path);
	struct sockaddr_un addr = address(path);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1024), 0);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	if (poll(&pollfd, 1, WAIT_MS) != 1)
		fail_msg("the host waits in vain");
}

int host_accept(int listener)
{
	wait_for(listener, POLLIN);
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

void host_write(int fd, const void *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

void host_read(int fd, void *bytes, size_t len)
{
	for (size_t done = 0; done < len;) {
		wait_for(fd, POLLIN);
		ssize_t got = recv(fd, (uint8_t *)bytes + done, len - done, 0);

		if (got <= 0)
			fail_msg("after %zu bytes: %s", done, got ? strerror(errno) : "the end");
		done += (size_t)got;
	}
}

void host_expect(int fd, const char *text)
{
	char got[64];

	host_read(fd, got, strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

void host_eof(int fd)
{
	char byte;

	wait_for(fd, POLLIN);
	ssize_t got = recv(fd, &byte, 1, 0);

	if (got > 0 || (got < 0 && errno != ECONNRESET))
		fail_msg("no end: %zd", got);
}
