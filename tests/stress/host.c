// SPDX-License-Identifier: GPL-2.0-only
/* What is at the other end of the devices: a disk's image, a network that sends frames back, clients of sockets. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/stress/stress.h"
#include "tests/unit/support.h"

#define IMAGE_SIZE (1u << 20)
#define CLIENTS    4 /* the first of the console's port, the others of the socket device */

struct client {
	int fd; /* -1: not connected */
	const char *path;
	unsigned port;
};

void host_open(struct host *host)
{
	*host = (struct host){ .dir = "/tmp/minivmm-stress-XXXXXX" };
	if (!mkdtemp(host->dir) || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, host->net) < 0)
		give_up("the host's part: %s", strerror(errno));
	snprintf(host->vsock, sizeof(host->vsock), "%s/v", host->dir);
	snprintf(host->port, sizeof(host->port), "%s/p", host->dir);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(host->images[i], sizeof(host->images[i]), "%s/image%u", host->dir, i);
		int fd = open(host->images[i], O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0 || ftruncate(fd, IMAGE_SIZE) < 0)
			give_up("%s: %s", host->images[i], strerror(errno));
		close(fd);
	}
}

static void send_back(int fd)
{
	uint8_t frame[4096];
	ssize_t n;

	while ((n = recv(fd, frame, sizeof(frame), MSG_DONTWAIT)) > 0)
		if (send(fd, frame, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
			return; /* the driver has enough of them */
}

static void dial(struct client *client)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char text[32];

	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	strcpy(addr.sun_path, client->path);
	if (connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		close(client->fd);
		client->fd = -1;
		return;
	}
	snprintf(text, sizeof(text), "CONNECT %u\n", client->port);
	send(client->fd, text, strlen(text), MSG_NOSIGNAL);
}

/* Takes what comes, says something, and now and then leaves. */
static void talk(struct client *client, uint64_t *seed)
{
	uint8_t bytes[512];
	ssize_t n;

	while ((n = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		;
	bool ended = n == 0 || errno != EAGAIN;

	if (!ended)
		send(client->fd, "something", 9, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (ended || random_next(seed) % 64 == 0) {
		close(client->fd);
		client->fd = -1;
	}
}

static void *host_thread(void *ctx)
{
	struct host *host = ctx;
	struct client clients[CLIENTS];
	struct pollfd net = { .fd = host->net[0], .events = POLLIN };
	uint64_t seed = 1;

	for (unsigned i = 0; i < CLIENTS; i++)
		clients[i] = (struct client){ -1, i ? host->vsock : host->port, i };
	while (!atomic_load(&host->over)) {
		poll(&net, 1, 1);
		send_back(host->net[0]);
		for (unsigned i = 0; i < CLIENTS; i++) {
			if (clients[i].fd < 0)
				dial(&clients[i]);
			else
				talk(&clients[i], &seed);
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		if (clients[i].fd >= 0)
			close(clients[i].fd);
	return NULL;
}

void host_run(struct host *host)
{
	if (pthread_create(&host->thread, NULL, host_thread, host))
		give_up("no thread");
}

void host_end(struct host *host)
{
	atomic_store(&host->over, true);
	pthread_join(host->thread, NULL);
}

void host_close(struct host *host)
{
	for (unsigned i = 0; i < 3; i++)
		unlink(host->images[i]);
	close(host->net[0]);
	if (rmdir(host->dir) < 0)
		give_up("%s: %s: a device left something there", host->dir, strerror(errno));
}
