/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The host's end of a virtio socket device (virtio 1.2, 5.10.6): connections between stream sockets of the guest and
 * Unix sockets of the host. It speaks in packets and knows no virtqueue.
 *
 *     host to guest   a program connects to PATH and writes "CONNECT PORT\n"; it reads "OK HOSTPORT\n" once somebody in
 *                     the guest accepted, else its end of file. What it writes behind the line goes to the guest.
 *     guest to host   to CID 2, port P: connects to the Unix socket PATH_P; nobody there: RST.
 *
 * All calls under the device's lock; none waits, and none takes memory: there are VSOCK_CONNS connections, each with
 * VSOCK_BUF bytes for what its Unix socket does not take at the moment.
 */
#ifndef MINIVMM_VSOCK_UNIX_H
#define MINIVMM_VSOCK_UNIX_H

#include <linux/virtio_vsock.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/virtio/le.h"
#include "vmm/sandbox/calls.h"

#define VSOCK_HOST_CID 2u           /* virtio 1.2, 5.10.4 */
#define VSOCK_CONNS    128u         /* open at a time, at most */
#define VSOCK_BUF      (128u << 10) /* bytes: buf_alloc of each connection, so also the longest payload */

struct vsock_hdr {
	struct le64 src_cid, dst_cid;
	struct le32 src_port, dst_port;
	struct le32 len;
	struct le16 type, op;
	struct le32 flags;
	struct le32 buf_alloc, fwd_cnt;
} __attribute__((packed)); /* 44 bytes: no whole number of le64 */
_Static_assert(sizeof(struct vsock_hdr) == sizeof(struct virtio_vsock_hdr), "5.10.6");

struct vsock_packet {
	struct vsock_hdr hdr;
	uint32_t len; /* bytes of payload that are there, whatever the header says */
	uint8_t payload[VSOCK_BUF];
};

/* For --stats and the flight recorder; written here, read by the device. */
struct vsock_counts {
	uint64_t connections;          /* that were established */
	uint64_t to_guest, from_guest; /* bytes of payload */
	uint64_t resets;               /* connections that ended by an RST which no SHUTDOWN announced */
	uint64_t refused;              /* packets that met no connection: answered with an RST */
	uint64_t ignored;              /* packets that nobody can answer */
	uint32_t open;                 /* connections at the moment, in any state */
	uint32_t next_port;            /* of the host, for the next program that connects */
};

struct vsock_unix;

/*
 * Listens at `path`, mode 0600; a socket there that nobody listens on is replaced. `counts` outlives it. 0 and *host,
 * or -errno with one message that begins with `who` ("--device vsock").
 */
/* The system calls of all this once a guest runs: a reset closes what there is, the rest is the event loop's. */
extern const struct call_rule vsock_unix_calls[];

int vsock_unix_open(struct vsock_unix **host, const char *who, const char *path, uint32_t guest_cid,
		    struct vsock_counts *counts);
/* Closes all connections, and removes `path` where it is still ours. NULL is ignored. */
void vsock_unix_close(struct vsock_unix *host);

/* To be watched for EPOLLIN: there is something for vsock_unix_poll(). */
int vsock_unix_fd(const struct vsock_unix *host);
void vsock_unix_poll(struct vsock_unix *host);

/* Whether the guest's driver is up. When it no longer is, all connections are closed; until it is again, programs that
 * connect are sent away. */
void vsock_unix_set_up(struct vsock_unix *host, bool up);

/*
 * A packet of the guest's, with a whole header. Not while vsock_unix_can_take() is false: too many replies wait, and
 * the guest has to make room for them first (virtio 1.2, 5.10.6.1).
 */
bool vsock_unix_can_take(const struct vsock_unix *host);
void vsock_unix_take(struct vsock_unix *host, const struct vsock_packet *packet);
/* The next packet for the guest, with at most `room` (1 or more) bytes of payload, or false. */
bool vsock_unix_give(struct vsock_unix *host, uint64_t room, struct vsock_packet *packet);

#endif
