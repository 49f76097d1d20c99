// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_MS 10000

void guest_find_program(void)
{
	char *here = realpath(".", NULL), *path;

	assert_non_null(here);
	assert_true(asprintf(&path, "%s:%s", here, getenv("PATH")) > 0);
	setenv("PATH", path, 1);
	free(path);
	free(here);
}

void guest_open(struct guest *guest, const char *hostfwd, bool restrict_)
{
	struct usernet_settings settings = { .hostfwd = &hostfwd,
					     .n_hostfwd = hostfwd != NULL,
					     .restrict_ = restrict_ };

	*guest = (struct guest){ .len = 0 };
	assert_int_equal(link_open_user(&guest->link, WHO, &settings), 0);
	guest_sync(guest);
	memcpy(guest->host_mac, guest->in + 6, 6);
}

void guest_close(struct guest *guest)
{
	link_close(&guest->link);
}

void guest_send(struct guest *guest, const uint8_t *frame, size_t len)
{
	struct pollfd out = { .fd = guest->link.fds[0], .events = POLLOUT };
	ssize_t n;

	while ((n = write(guest->link.fds[0], frame, len)) < 0 && errno == EAGAIN)
		assert_int_equal(poll(&out, 1, WAIT_MS), 1);
	assert_int_equal(n, len);
}

void guest_receive(struct guest *guest)
{
	struct pollfd in = { .fd = guest->link.fds[0], .events = POLLIN };

	if (poll(&in, 1, WAIT_MS) != 1)
		fail_msg("no frame came");
	ssize_t n = read(guest->link.fds[0], guest->in, sizeof(guest->in));

	if (n <= 0)
		fail_msg("the user network is gone");
	guest->len = (size_t)n;
}

static bool is_arp(const struct guest *guest, uint16_t op)
{
	return guest->len >= ETHER_HEADER + 28 && get_be16(guest->in + 12) == ETHER_ARP &&
	       get_be16(guest->in + ETHER_HEADER + 6) == op;
}

static void answer_arp(struct guest *guest)
{
	const uint8_t *arp = guest->in + ETHER_HEADER;
	uint8_t frame[2000];

	if (is_arp(guest, 1) && get_be32(arp + 24) == NET_GUEST)
		guest_send(guest, frame, ether_arp(frame, arp + 8, 2, NET_GUEST, get_be32(arp + 14)));
}

const uint8_t *guest_await(struct guest *guest, uint8_t proto)
{
	do {
		guest_receive(guest);
		answer_arp(guest);
	} while (guest->len < ETHER_HEADER + IP_HEADER || get_be16(guest->in + 12) != ETHER_IP ||
		 guest->in[ETHER_HEADER + 9] != proto);
	return guest->in + ETHER_HEADER + IP_HEADER;
}

void guest_sync(struct guest *guest)
{
	uint8_t frame[2000];

	guest_send(guest, frame, ether_arp(frame, ether_broadcast, 1, NET_GUEST, NET_HOST));
	do {
		guest_receive(guest);
		answer_arp(guest);
	} while (!is_arp(guest, 2) || get_be32(guest->in + ETHER_HEADER + 14) != NET_HOST);
}

int host_bind(int type, uint16_t *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

uint16_t free_port(int type)
{
	uint16_t port;

	close(host_bind(type, &port));
	return port;
}

int host_connect(int type, uint16_t port)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(port) };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		assert_int_equal(errno, EINPROGRESS);
	return fd;
}
