// SPDX-License-Identifier: GPL-2.0-only
/* A connection between a guest's port and a Unix socket (virtio 1.2, 5.10.6.3 to 5.10.6.5). */
#include "devices/backend/vsock_conn.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- coming and going --------------------------------------------------------------------------------------------- */

/* It may have a packet for the guest. */
static void conn_wake(struct vsock_conn *conn)
{
	if (conn->queued)
		return;
	conn->queued = true;
	conn->next = NULL;
	*conn->host->last = conn;
	conn->host->last = &conn->next;
}

void conn_owe(struct vsock_conn *conn, unsigned owed)
{
	conn->owed |= owed;
	conn_wake(conn);
}

struct vsock_conn *conn_open(struct vsock_unix *host, int fd, enum conn_state state)
{
	struct vsock_conn *conn = host->conns;
	/* edge-triggered: a socket that waits for the guest's buffers or credit costs nothing */
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET };

	while (conn < host->conns + VSOCK_CONNS && conn->state != CONN_FREE)
		conn++;
	event.data.ptr = conn;
	if (conn == host->conns + VSOCK_CONNS || epoll_ctl(host->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
		close(fd);
		return NULL;
	}
	*conn = (struct vsock_conn){ .host = host,
				     .state = state,
				     .fd = fd,
				     .bytes = conn->bytes,
				     /* a predecessor's place in the queue is still one */
				     .next = conn->next,
				     .queued = conn->queued };
	host->counts->open++;
	return conn;
}

/* The host's side is over: what the guest sent and the program did not take has nobody to go to. */
static void close_socket(struct vsock_conn *conn)
{
	if (conn->fd >= 0)
		close(conn->fd); /* also takes it from the epoll set */
	conn->fd = -1;
	conn->fwd_cnt = conn->rx_cnt;
	conn->readable = false;
}

void conn_free(struct vsock_conn *conn)
{
	close_socket(conn);
	conn->state = CONN_FREE;
	conn->owed = 0;
	conn->host->counts->open--;
}

/* Ends it by an RST of ours, at once. */
static void conn_reset(struct vsock_conn *conn)
{
	conn->host->counts->resets += conn->state == CONN_OPEN;
	close_socket(conn);
	conn->state = CONN_GONE;
	conn->owed = 0;
	conn_owe(conn, OWE_RST);
}

struct vsock_conn *conn_find(struct vsock_unix *host, uint32_t host_port, uint32_t guest_port)
{
	for (struct vsock_conn *conn = host->conns; conn < host->conns + VSOCK_CONNS; conn++) {
		bool known = conn->state >= CONN_REQUESTED && (conn->state != CONN_GONE || (conn->owed & OWE_RST));

		if (known && conn->host_port == host_port && conn->guest_port == guest_port)
			return conn;
	}
	return NULL;
}

/* --- the host's side ---------------------------------------------------------------------------------------------- */

/* The program will not do `what` any more. Once that is all, its socket has done its work (virtio 1.2, 5.10.6.5). */
static void host_shut(struct vsock_conn *conn, unsigned what)
{
	if ((conn->host_shut | what) == conn->host_shut)
		return;
	conn->host_shut |= what;
	if (conn->host_shut == SHUT_BOTH) {
		close_socket(conn);
		conn->state = CONN_CLOSING;
		conn->age = 0;
		vsock_unix_wait(conn->host);
		conn->owed &= OWE_RESPONSE; /* what else it owed is of no interest any more */
	}
	conn_owe(conn, OWE_SHUTDOWN);
}

/* All that the guest sent has gone to the program. */
static void conn_drained(struct vsock_conn *conn)
{
	if (conn->state == CONN_OPEN && (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND))
		shutdown(conn->fd, SHUT_WR);
	if (conn->state != CONN_GONE)
		return;
	if (conn->owed & OWE_RST)
		close_socket(conn); /* conn_give() does the rest */
	else
		conn_free(conn);
}

static void conn_flush(struct vsock_conn *conn)
{
	while (conn->fwd_cnt != conn->rx_cnt) {
		uint32_t at = conn->fwd_cnt % VSOCK_BUF, len = conn->rx_cnt - conn->fwd_cnt;

		if (len > VSOCK_BUF - at)
			len = VSOCK_BUF - at;
		ssize_t sent = send(conn->fd, conn->bytes + at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN)
			break;
		if (sent >= 0) {
			conn->fwd_cnt += (uint32_t)sent;
			continue;
		}
		conn->fwd_cnt = conn->rx_cnt; /* nobody reads it any more */
		if (conn->state == CONN_OPEN)
			host_shut(conn, VIRTIO_VSOCK_SHUTDOWN_RCV);
	}
	if (conn->fwd_cnt == conn->rx_cnt)
		conn_drained(conn);
	/* early enough that a guest with more to send need not stop (virtio 1.2, 5.10.6.3) */
	if (conn->state == CONN_OPEN && conn->fwd_cnt - conn->told_cnt >= VSOCK_BUF / 4)
		conn_owe(conn, OWE_CREDIT_UPDATE);
}

static void open_event(struct vsock_conn *conn, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | GONE_EVENTS)) {
		conn->readable = !(conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV);
		conn_wake(conn);
	}
	conn->hung_up |= (events & GONE_EVENTS) != 0;
	/* where there is no end of file to be read any more, this is the end */
	if (conn->hung_up && (!conn->readable || (conn->host_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)))
		host_shut(conn, SHUT_BOTH);
	else
		conn_flush(conn);
}

void conn_event(struct vsock_conn *conn, uint32_t events)
{
	switch (conn->state) {
	case CONN_REQUESTED:
		conn->readable = true;
		if (events & GONE_EVENTS)
			conn_reset(conn);
		break;
	case CONN_OPEN: open_event(conn, events); break;
	case CONN_GONE: conn_flush(conn); break;
	case CONN_GREETING: break; /* vsock_unix.c's */
	case CONN_FREE:
	case CONN_CLOSING: break; /* they have no socket */
	}
}

/* --- to the guest ------------------------------------------------------------------------------------------------- */

static bool give(struct vsock_conn *conn, struct vsock_packet *packet, uint16_t op, uint32_t len)
{
	packet->hdr = (struct vsock_hdr){
		.src_cid = le64_from(VSOCK_HOST_CID),
		.dst_cid = le64_from(conn->host->guest_cid),
		.src_port = le32_from(conn->host_port),
		.dst_port = le32_from(conn->guest_port),
		.len = le32_from(len),
		.type = le16_from(VIRTIO_VSOCK_TYPE_STREAM),
		.op = le16_from(op),
		.flags = le32_from(op == VIRTIO_VSOCK_OP_SHUTDOWN ? conn->host_shut : 0),
		.buf_alloc = le32_from(VSOCK_BUF),
		.fwd_cnt = le32_from(conn->fwd_cnt),
	};
	packet->len = len;
	conn->told_cnt = conn->fwd_cnt; /* any packet tells it */
	conn->owed &= ~(unsigned)OWE_CREDIT_UPDATE;
	return true;
}

static bool give_owed(struct vsock_conn *conn, struct vsock_packet *packet, enum conn_owed owed, uint16_t op)
{
	if (!(conn->owed & owed))
		return false;
	conn->owed &= ~(unsigned)owed;
	return give(conn, packet, op, 0);
}

/* Bytes that the guest has room for. What it claims may be anything: it gets no more than it says to have. */
static uint32_t conn_credit(const struct vsock_conn *conn)
{
	uint32_t in_flight = conn->tx_cnt - conn->peer_fwd_cnt;

	return in_flight < conn->peer_buf_alloc ? conn->peer_buf_alloc - in_flight : 0;
}

/* Asks at most once: whoever says "none" tells by itself when there is some. */
static void ask_for_credit(struct vsock_conn *conn)
{
	if (!conn->asked)
		conn->owed |= OWE_CREDIT_REQUEST;
	conn->asked = true;
}

/* What the program wrote, as far as the guest has credit and a buffer for it. */
static bool give_data(struct vsock_conn *conn, struct vsock_packet *packet, uint64_t room)
{
	uint32_t len = conn_credit(conn);

	if (conn->state != CONN_OPEN || !conn->readable)
		return false;
	if (len == 0) {
		ask_for_credit(conn);
		return false;
	}
	conn->asked = false;
	if (len > VSOCK_BUF)
		len = VSOCK_BUF;
	ssize_t got = recv(conn->fd, packet->payload, len < room ? len : room, MSG_DONTWAIT);

	if (got > 0) {
		conn->tx_cnt += (uint32_t)got;
		conn->host->counts->to_guest += (uint64_t)got;
		return give(conn, packet, VIRTIO_VSOCK_OP_RW, (uint32_t)got);
	}
	conn->readable = false;
	if (got == 0)
		host_shut(conn, conn->hung_up ? SHUT_BOTH : VIRTIO_VSOCK_SHUTDOWN_SEND);
	else if (errno != EAGAIN)
		host_shut(conn, SHUT_BOTH); /* ECONNRESET: it closed without reading to the end */
	return false;
}

bool conn_give(struct vsock_conn *conn, uint64_t room, struct vsock_packet *packet)
{
	if (give_owed(conn, packet, OWE_RST, VIRTIO_VSOCK_OP_RST)) {
		if (conn->fd < 0)
			conn_free(conn);
		return true;
	}
	return give_owed(conn, packet, OWE_REQUEST, VIRTIO_VSOCK_OP_REQUEST) ||
	       give_owed(conn, packet, OWE_RESPONSE, VIRTIO_VSOCK_OP_RESPONSE) || give_data(conn, packet, room) ||
	       give_owed(conn, packet, OWE_SHUTDOWN, VIRTIO_VSOCK_OP_SHUTDOWN) ||
	       give_owed(conn, packet, OWE_CREDIT_UPDATE, VIRTIO_VSOCK_OP_CREDIT_UPDATE) ||
	       give_owed(conn, packet, OWE_CREDIT_REQUEST, VIRTIO_VSOCK_OP_CREDIT_REQUEST);
}

/* --- from the guest ----------------------------------------------------------------------------------------------- */

static void take_data(struct vsock_conn *conn, const struct vsock_packet *packet)
{
	uint32_t len = le32_get(packet->hdr.len);
	uint32_t at = conn->rx_cnt % VSOCK_BUF, first = len < VSOCK_BUF - at ? len : VSOCK_BUF - at;

	/* more than it sent along, more than its credit (virtio 1.2, 5.10.6.3.1), or behind its own end */
	if (len > packet->len || len > VSOCK_BUF - (conn->rx_cnt - conn->fwd_cnt) ||
	    (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_SEND)) {
		conn_reset(conn);
		return;
	}
	memcpy(conn->bytes + at, packet->payload, first);
	memcpy(conn->bytes, packet->payload + first, len - first);
	conn->host->counts->from_guest += len;
	conn->rx_cnt += len;
	conn_flush(conn);
}

static void take_shutdown(struct vsock_conn *conn, const struct vsock_packet *packet)
{
	conn->guest_shut |= le32_get(packet->hdr.flags) & SHUT_BOTH; /* for good: 5.10.6.5 */
	if (conn->guest_shut & VIRTIO_VSOCK_SHUTDOWN_RCV) {
		if (conn->fd >= 0)
			shutdown(conn->fd, SHUT_RD);
		conn->readable = false;
	}
	if (conn->guest_shut == SHUT_BOTH) { /* the end that 5.10.6.5 calls clean, with the RST that it asks for */
		conn->state = CONN_GONE;
		conn->owed = 0;
		conn_owe(conn, OWE_RST);
	}
	conn_flush(conn);
}

/* The guest accepted. */
static void take_response(struct vsock_conn *conn)
{
	char line[24];
	int len = snprintf(line, sizeof(line), "OK %u\n", conn->host_port);

	if (send(conn->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) != len) {
		conn_reset(conn);
		return;
	}
	conn->state = CONN_OPEN;
	conn->owed = 0;
	conn->host->counts->connections++;
}

static void take_open(struct vsock_conn *conn, const struct vsock_packet *packet)
{
	switch (le16_get(packet->hdr.op)) {
	case VIRTIO_VSOCK_OP_RW: take_data(conn, packet); break;
	case VIRTIO_VSOCK_OP_SHUTDOWN: take_shutdown(conn, packet); break;
	case VIRTIO_VSOCK_OP_CREDIT_UPDATE: break; /* its header has been taken */
	case VIRTIO_VSOCK_OP_CREDIT_REQUEST: conn_owe(conn, OWE_CREDIT_UPDATE); break;
	default: conn_reset(conn);
	}
}

void conn_take(struct vsock_conn *conn, const struct vsock_packet *packet)
{
	uint16_t op = le16_get(packet->hdr.op);

	conn->peer_buf_alloc = le32_get(packet->hdr.buf_alloc);
	conn->peer_fwd_cnt = le32_get(packet->hdr.fwd_cnt);
	if (conn->state != CONN_GONE && op == VIRTIO_VSOCK_OP_RST) {
		conn->host->counts->resets += conn->state == CONN_OPEN;
		conn_free(conn);
		return;
	}
	switch (conn->state) {
	case CONN_REQUESTED:
		if (op == VIRTIO_VSOCK_OP_RESPONSE)
			take_response(conn);
		else
			conn_reset(conn);
		break;
	case CONN_OPEN: take_open(conn, packet); break;
	case CONN_CLOSING:
		if (op == VIRTIO_VSOCK_OP_SHUTDOWN)
			take_shutdown(conn, packet);
		break;  /* what was on its way when the program left */
	default: break; /* GONE: the RST that is owed answers everything */
	}
	if (conn->readable)
		conn_wake(conn); /* there may be credit now */
}

/* --- patience ----------------------------------------------------------------------------------------------------- */

/* Who gets no answer "within an implementation-specific amount of time" sends an RST (virtio 1.2, 5.10.6.5). */
bool conn_tick(struct vsock_conn *conn)
{
	if (conn->state != CONN_REQUESTED && conn->state != CONN_CLOSING)
		return false;
	if (++conn->age < VSOCK_PATIENCE)
		return true;
	conn_reset(conn);
	return false;
}
