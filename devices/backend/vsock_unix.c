// SPDX-License-Identifier: GPL-2.0-only
/* The Unix sockets behind a virtio socket device: who listens, who may connect, and whose packet it is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/backend/vsock_conn.h"
#include "devices/backend/vsock_listen.h"
#include "vmm/log.h"
#include "vmm/number.h"
#include "vmm/resident.h"

#define EVENTS       32 /* of the sockets, in one call */
#define ACCEPTS      16
#define PORT_SUFFIX  11u /* "_4294967295" */
#define GREETING     "CONNECT "
#define GREETING_MAX 32u         /* bytes, with the newline */
#define PORT_FIRST   0x40000000u /* of the host, for programs that connect; as many again */

/* socket(2) and connect(2) are for where the guest connects to a program: Unix stream sockets, nothing else. */
const struct call_rule vsock_unix_calls[] = {
	ALLOW(close, BY_DEVICE),
	ALLOW(accept4, BY_LOOP),
	ALLOW_IF(socket, BY_LOOP, 0, 0xffffffffu, AF_UNIX),
	ALLOW(connect, BY_LOOP),
	ALLOW(recvfrom, BY_LOOP),
	ALLOW(sendto, BY_LOOP),
	ALLOW(shutdown, BY_LOOP),
	ALLOW_END,
};

/* --- making it ---------------------------------------------------------------------------------------------------- */

/* What is in the epoll set, by its data.ptr: these two, or a connection. 0 or -errno. */
static int watch(struct vsock_unix *host, int op, int *fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = fd };

	return epoll_ctl(host->epoll_fd, op, *fd, &event) < 0 ? -errno : 0;
}

int vsock_unix_open(struct vsock_unix **out, const char *who, const char *path, uint32_t guest_cid,
		    struct vsock_counts *counts)
{
	struct vsock_unix *host = calloc(1, sizeof(*host));
	int err;

	if (!host) {
		log_error("%s: socket=%s: %s", who, path, strerror(ENOMEM));
		return -ENOMEM;
	}
	*host = (struct vsock_unix){ .path = path, .guest_cid = guest_cid, .counts = counts };
	host->last = &host->first;
	host->bytes = resident_alloc(VSOCK_CONNS, VSOCK_BUF);
	for (unsigned i = 0; host->bytes && i < VSOCK_CONNS; i++)
		host->conns[i] =
			(struct vsock_conn){ .host = host, .fd = -1, .bytes = host->bytes + (size_t)i * VSOCK_BUF };
	host->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	host->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	err = host->epoll_fd < 0 || host->timer_fd < 0 ? -errno : host->bytes ? 0 : -ENOMEM;
	if (!err)
		err = watch(host, EPOLL_CTL_ADD, &host->timer_fd, EPOLLIN);
	if (err) {
		log_error("%s: socket=%s: %s", who, path, strerror(-err));
		goto fail;
	}
	err = listener_open(&host->listener, who, path, UNIX_PATH_LEN - 1 - PORT_SUFFIX);
	if (err)
		goto fail_listener;
	err = watch(host, EPOLL_CTL_ADD, &host->listener.fd, EPOLLIN);
	if (err) {
		log_error("%s: socket=%s: %s", who, path, strerror(-err));
		goto fail_listener;
	}
	*out = host;
	return 0;
fail_listener:
	listener_close(&host->listener);
fail:
	if (host->epoll_fd >= 0)
		close(host->epoll_fd);
	if (host->timer_fd >= 0)
		close(host->timer_fd);
	free(host->bytes);
	free(host);
	return err;
}

void vsock_unix_close(struct vsock_unix *host)
{
	if (!host)
		return;
	vsock_unix_set_up(host, false);
	listener_close(&host->listener);
	close(host->epoll_fd);
	close(host->timer_fd);
	free(host->bytes);
	free(host);
}

/* --- the host's sockets ------------------------------------------------------------------------------------------- */

int vsock_unix_fd(const struct vsock_unix *host)
{
	return host->epoll_fd;
}

static void accept_some(struct vsock_unix *host)
{
	for (unsigned i = 0; i < ACCEPTS; i++) {
		/* cppcheck-suppress nullPointer */
		int fd = accept4(host->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0 && host->up)
			conn_open(host, fd, CONN_GREETING);
		else if (fd >= 0)
			close(fd);
		else if (errno == EAGAIN)
			return;
		else if (errno != ECONNABORTED) { /* EMFILE and its kind: it would be told again and again */
			host->muted = watch(host, EPOLL_CTL_MOD, &host->listener.fd, 0) == 0;
			vsock_unix_wait(host);
			return;
		}
	}
}

/* The program said to which port of the guest it wants. */
static void request(struct vsock_conn *conn, uint32_t guest_port)
{
	uint32_t *next = &conn->host->counts->next_port;
	uint32_t port;

	do {
		port = PORT_FIRST | *next;
		*next = (*next + 1) % PORT_FIRST;
	} while (conn_find(conn->host, port, guest_port));
	conn->host_port = port;
	conn->guest_port = guest_port;
	conn->state = CONN_REQUESTED;
	conn->readable = true; /* as far as we know */
	vsock_unix_wait(conn->host);
	conn_owe(conn, OWE_REQUEST);
}

/* "CONNECT PORT\n"; what is behind it is the guest's, and stays in the socket. */
static void greet(struct vsock_conn *conn, uint32_t events)
{
	char line[GREETING_MAX + 1];
	ssize_t got = recv(conn->fd, line, GREETING_MAX, MSG_PEEK | MSG_DONTWAIT);
	char *end = got > 0 ? memchr(line, '\n', (size_t)got) : NULL;
	uint64_t port;

	if (!(events & GONE_EVENTS) && !end &&
	    ((got < 0 && errno == EAGAIN) || (got > 0 && got < GREETING_MAX && !(events & EPOLLRDHUP))))
		return; /* the rest of the line is still to come */
	if (!end || (events & GONE_EVENTS) || recv(conn->fd, line, (size_t)(end + 1 - line), MSG_DONTWAIT) < 0) {
		conn_free(conn);
		return;
	}
	*end = '\0';
	if (strncmp(line, GREETING, strlen(GREETING)) == 0 &&
	    number_parse(line + strlen(GREETING), 0, UINT32_MAX, &port))
		request(conn, (uint32_t)port);
	else
		conn_free(conn);
}

void vsock_unix_wait(struct vsock_unix *host)
{
	const struct itimerspec soon = { .it_value.tv_sec = VSOCK_TICK };

	if (!host->ticking)
		host->ticking = timerfd_settime(host->timer_fd, 0, &soon, NULL) == 0;
}

static void tick(struct vsock_unix *host)
{
	uint64_t expirations;
	bool waits = false;

	if (read(host->timer_fd, &expirations, sizeof(expirations)) < 0)
		return;
	host->ticking = false;
	if (host->muted) /* there may be descriptors again */
		host->muted = watch(host, EPOLL_CTL_MOD, &host->listener.fd, EPOLLIN) != 0;
	for (unsigned i = 0; i < VSOCK_CONNS; i++)
		waits |= conn_tick(&host->conns[i]);
	if (waits || host->muted)
		vsock_unix_wait(host);
}

void vsock_unix_poll(struct vsock_unix *host)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(host->epoll_fd, events, EVENTS, 0);

	for (int i = 0; i < n; i++) {
		struct vsock_conn *conn = events[i].data.ptr;

		if (events[i].data.ptr == &host->listener.fd)
			accept_some(host);
		else if (events[i].data.ptr == &host->timer_fd)
			tick(host);
		else if (conn->state == CONN_GREETING)
			greet(conn, events[i].events);
		else
			conn_event(conn, events[i].events);
	}
}

void vsock_unix_set_up(struct vsock_unix *host, bool up)
{
	if (!up) { /* also where it was not up yet: a device may fail in its first turn, and owe already */
		for (unsigned i = 0; i < VSOCK_CONNS; i++)
			if (host->conns[i].state != CONN_FREE)
				conn_free(&host->conns[i]);
		host->n_refusals = 0;
	}
	host->up = up;
}

/* --- the guest's packets ------------------------------------------------------------------------------------------ */

bool vsock_unix_can_take(const struct vsock_unix *host)
{
	return host->n_refusals < VSOCK_REFUSALS;
}

/* An RST for what met no connection; for an RST there is none. */
static void refuse(struct vsock_unix *host, const struct vsock_hdr *hdr)
{
	if (le16_get(hdr->op) == VIRTIO_VSOCK_OP_RST || !vsock_unix_can_take(host))
		return;
	host->counts->refused++;
	host->refusals[host->n_refusals++] = (struct vsock_hdr){
		.src_cid = hdr->dst_cid,
		.dst_cid = hdr->src_cid,
		.src_port = hdr->dst_port,
		.dst_port = hdr->src_port,
		.type = hdr->type,
		.op = le16_from(VIRTIO_VSOCK_OP_RST),
	};
}

/* The guest wants a port of the host's: PATH_PORT. NULL where nobody listens there, or there is no room. */
static struct vsock_conn *connect_port(struct vsock_unix *host, uint32_t port)
{
	char path[UNIX_PATH_LEN];

	if (host->counts->open == VSOCK_CONNS)
		return NULL;
	snprintf(path, sizeof(path), "%s_%u", host->path, port);
	int fd = unix_connect(path);

	return fd < 0 ? NULL : conn_open(host, fd, CONN_OPEN);
}

static void take_request(struct vsock_unix *host, const struct vsock_packet *packet)
{
	const struct vsock_hdr *hdr = &packet->hdr;
	struct vsock_conn *conn = connect_port(host, le32_get(hdr->dst_port));

	if (!conn) {
		refuse(host, hdr);
		return;
	}
	conn->host_port = le32_get(hdr->dst_port);
	conn->guest_port = le32_get(hdr->src_port);
	conn->peer_buf_alloc = le32_get(hdr->buf_alloc);
	conn->peer_fwd_cnt = le32_get(hdr->fwd_cnt);
	conn_owe(conn, OWE_RESPONSE);
	host->counts->connections++;
}

void vsock_unix_take(struct vsock_unix *host, const struct vsock_packet *packet)
{
	const struct vsock_hdr *hdr = &packet->hdr;

	if (le64_get(hdr->src_cid) != host->guest_cid) { /* 5.10.6.4.1; whom it is from cannot be told */
		host->counts->ignored++;
		return;
	}
	/* an unknown type is answered by RST (5.10.6.4.2), and so is an address where nobody is */
	bool known = le64_get(hdr->dst_cid) == VSOCK_HOST_CID && le16_get(hdr->type) == VIRTIO_VSOCK_TYPE_STREAM;
	struct vsock_conn *conn = known ? conn_find(host, le32_get(hdr->dst_port), le32_get(hdr->src_port)) : NULL;

	if (conn)
		conn_take(conn, packet);
	else if (known && le16_get(hdr->op) == VIRTIO_VSOCK_OP_REQUEST)
		take_request(host, packet);
	else
		refuse(host, hdr);
}

bool vsock_unix_give(struct vsock_unix *host, uint64_t room, struct vsock_packet *packet)
{
	struct vsock_conn *conn;

	if (host->n_refusals) {
		packet->hdr = host->refusals[--host->n_refusals];
		packet->len = 0;
		return true;
	}
	while ((conn = host->first)) {
		host->first = conn->next;
		if (!host->first)
			host->last = &host->first;
		conn->queued = false;
		if (!conn_give(conn, room, packet))
			continue;
		conn_owe(conn, 0); /* there may be more, once the others had their turn */
		return true;
	}
	return false;
}
