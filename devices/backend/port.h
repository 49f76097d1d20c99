/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's ends of a console's ports: Unix stream sockets that listen at a path, one client at a time; the next one
 * waits in the socket's queue. A client is there until it has closed its socket (or both directions of it) and all that
 * it sent has been read: who only ended his sending still hears the guest.
 *
 * All is done by one thread at a time, and nothing waits.
 */
#ifndef MINIVMM_PORT_H
#define MINIVMM_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/un.h>

#include "vmm/sandbox/calls.h"

#define PORT_NAME_MAX 63 /* bytes */

struct port {
	const char *name; /* the user's text, from here name_len bytes; borrowed */
	size_t name_len;
	struct sockaddr_un addr;
	dev_t dev; /* of the socket's file, by which it is known to be ours */
	ino_t ino;
	int set_fd; /* borrowed */
	uint32_t id;
	int listen_fd, client_fd; /* -1 where there is none */
	bool ended, left;         /* the client sends no more; it takes no more */
	bool unsettled;           /* one of them is news to port_settle() */
};

/*
 * Makes the socket of "NAME:PATH" and has the epoll set `set_fd` watch it, with `id` in data.u32. Only its owner may
 * connect. What is at PATH is replaced where it is a socket that nobody listens on. 0, or -errno with one message that
 * begins with `who`; then port_close() does nothing.
 */
int port_open(struct port *port, const char *who, const char *spec, int set_fd, uint32_t id);
/* Disconnects the client and removes the socket. Nothing for a port that is zeroed or was not opened. */
void port_close(struct port *port);

/* Up to `len` bytes that the client sent; 0 where there are none. */
size_t port_read(struct port *port, void *bytes, size_t len);
/* Sends up to `len` bytes, and returns how many the client takes now; -1 where there is none. SIGPIPE is ignored. */
ssize_t port_write(struct port *port, const void *bytes, size_t len);
/* Whether a client is there. */
bool port_connected(const struct port *port);

/*
 * After port_read(), port_write() or an event of the set: lets a client that is gone go, and the next one in. PORT_LEFT
 * and PORT_CAME, or -errno where one could not be let in. Events are told once, as EPOLLET does: after one, go on until
 * port_read() and port_write() refuse.
 */
#define PORT_LEFT 1
#define PORT_CAME 2
int port_settle(struct port *port);

/* What it is listening at, after port_open(). */
const char *port_path(const struct port *port);
/* The system calls of all this once a guest runs: those of port_settle() are the event loop's. */
extern const struct call_rule port_calls[];

#endif
