/* SPDX-License-Identifier: GPL-2.0-only */
/* One connection of vsock_unix.h: what it owes to either side, and the credit that each side has given. */
#ifndef MINIVMM_VSOCK_CONN_H
#define MINIVMM_VSOCK_CONN_H

#include <sys/epoll.h>

#include "devices/backend/vsock_listen.h"
#include "devices/backend/vsock_unix.h"

#define VSOCK_REFUSALS 64u /* RSTs for packets without a connection that wait for the guest, at most */
#define VSOCK_TICK     2   /* seconds */
#define VSOCK_PATIENCE 5u  /* ticks that the guest has for an answer */

enum conn_state {
	CONN_FREE,
	CONN_GREETING,  /* a program connected and has not yet said to which port */
	CONN_REQUESTED, /* the guest was, or is to be, asked by REQUEST */
	CONN_OPEN,
	CONN_CLOSING, /* the host's side is gone, SHUTDOWN says so; the guest's RST ends it */
	CONN_GONE, /* for the guest it is over, but for an RST that is owed; what it had sent still goes to the host */
};

/* Packets that a connection owes to the guest: a bit each, so that they take no room while the guest gives none. */
enum conn_owed {
	OWE_RST = 1,
	OWE_REQUEST = 2,
	OWE_RESPONSE = 4,
	OWE_SHUTDOWN = 8,
	OWE_CREDIT_UPDATE = 16,
	OWE_CREDIT_REQUEST = 32,
};

#define GONE_EVENTS (EPOLLHUP | EPOLLERR)
#define SHUT_BOTH   (VIRTIO_VSOCK_SHUTDOWN_RCV | VIRTIO_VSOCK_SHUTDOWN_SEND)

struct vsock_conn {
	struct vsock_unix *host;
	enum conn_state state;
	int fd;       /* -1: the host's side is closed */
	unsigned age; /* ticks in a state that waits for the guest */
	uint32_t host_port, guest_port;
	unsigned owed;                  /* enum conn_owed */
	unsigned host_shut, guest_shut; /* VIRTIO_VSOCK_SHUTDOWN_...: what each side will do no more */
	bool readable;                  /* edge-triggered: true until recv(2) says EAGAIN */
	bool hung_up;                   /* the program closed; what it wrote before may still be there */
	bool asked;                     /* CREDIT_REQUEST went out, no credit came yet */

	/* Free-running counts of payload bytes (virtio 1.2, 5.10.6.3). */
	uint32_t tx_cnt, peer_fwd_cnt, peer_buf_alloc; /* to the guest: sent, consumed there, its buffer */
	uint32_t rx_cnt, fwd_cnt, told_cnt;            /* from the guest: got, passed on, fwd_cnt as it knows it */
	uint8_t *bytes; /* VSOCK_BUF: those between fwd_cnt and rx_cnt, each at its count modulo VSOCK_BUF */

	struct vsock_conn *next; /* in the queue of those that may have a packet for the guest */
	bool queued;
};

struct vsock_unix {
	const char *path;
	uint32_t guest_cid;
	struct vsock_counts *counts;
	int epoll_fd, timer_fd;
	struct vsock_listener listener;
	bool up, ticking;
	bool muted; /* the listening socket: this process has too many files open */
	struct vsock_conn conns[VSOCK_CONNS];
	struct vsock_conn *first, **last;
	struct vsock_hdr refusals[VSOCK_REFUSALS]; /* RSTs that are ready to go */
	unsigned n_refusals;
	uint8_t *bytes; /* of all connections */
};

/* A free connection for the socket `fd`, which becomes its own, or NULL, where `fd` is closed. */
struct vsock_conn *conn_open(struct vsock_unix *host, int fd, enum conn_state state);
/* Closes the socket; nothing is told to the guest. */
void conn_free(struct vsock_conn *conn);
/* The connection between two ports that the guest knows of, or NULL. */
struct vsock_conn *conn_find(struct vsock_unix *host, uint32_t host_port, uint32_t guest_port);
/* The guest is to get the packets `owed`. */
void conn_owe(struct vsock_conn *conn, unsigned owed);

/* Its socket has news: EPOLLIN and its kind. */
void conn_event(struct vsock_conn *conn, uint32_t events);
/* A packet of the guest's for it. */
void conn_take(struct vsock_conn *conn, const struct vsock_packet *packet);
/* Its next packet for the guest, or false; frees a connection that has come to its end. */
bool conn_give(struct vsock_conn *conn, uint64_t room, struct vsock_packet *packet);
/* A tick has passed; true while it waits for the guest. */
bool conn_tick(struct vsock_conn *conn);

/* Somebody waits: one more tick, a while from now. */
void vsock_unix_wait(struct vsock_unix *host);

#endif
