/* SPDX-License-Identifier: GPL-2.0-only */
/* Plays the guest's driver of a socket device, and the programs of the host at its Unix sockets. Numbers are written
 * here once more, from the standard. */
#ifndef TESTS_UNIT_VSOCK_H
#define TESTS_UNIT_VSOCK_H

#include "devices/backend/vsock_conn.h"
#include "devices/backend/vsock_unix.h"
#include "tests/unit/driver.h"

#define RX         0
#define TX         1
#define HEADER     44u
#define HOST_CID   2
#define GUEST_CID  3
#define PACKET_MAX (256u << 10)
#define RX_NUM     16
#define F_STREAM   BIT(0)

/* virtio 1.2, 5.10.6 */
enum op { INVALID, REQUEST, RESPONSE, RST, SHUTDOWN, RW, CREDIT_UPDATE, CREDIT_REQUEST };
#define STREAM    1
#define SHUT_RCV  1
#define SHUT_SEND 2

struct packet {
	uint64_t src_cid, dst_cid;
	uint32_t src_port, dst_port, len;
	uint16_t type, op;
	uint32_t flags, buf_alloc, fwd_cnt;
	uint32_t n; /* bytes of data */
	uint8_t data[PACKET_MAX];
};

/* A guest with one socket device, and a directory for its sockets. */
struct peer {
	struct rig *rig;
	struct driver d;
	bool vhost; /* no path, and the kernel works when it likes */
	char dir[32], path[64];
	uint64_t rx_gpa, tx_gpa;
	uint32_t rx_len; /* of each buffer */
	uint16_t rx_at;  /* used entries that were seen */
	bool hasty;      /* peer_kick() waits for nothing */
	struct packet in, out;
};

/* One connection as the guest sees it. */
struct flow {
	struct peer *peer;
	uint32_t guest_port, host_port;
	uint32_t buf_alloc, fwd_cnt;         /* what this side says */
	uint32_t tx_cnt, peer_buf, peer_fwd; /* what it sent, and what the device says */
	int fd;                              /* the host's program */
};

/* cmocka's setup and teardown: a rig, its loop running, and a device that is up with RX_NUM buffers. */
int peer_setup(void **state);
int peer_setup_vhost(void **state); /* by /dev/vhost-vsock, which has to be there */
int peer_teardown(void **state);
#define PEER_TEST(fn) cmocka_unit_test_setup_teardown(fn, peer_setup, peer_teardown)

/* From reset to DRIVER_OK, with `n` rx buffers of `len` bytes. */
void peer_up(struct peer *peer, uint16_t n, uint32_t len);
/* Kicks, and waits until the device has done what it could. */
void peer_kick(struct peer *peer, unsigned q);
void peer_add_rx(struct peer *peer, uint16_t head, uint32_t len);
/* As they are now; until the next call. */
const struct vsock_counts *peer_counts(struct peer *peer);
/* Looked into between peer_lock() and peer_unlock(): the loop works on it. */
struct vsock_unix *peer_backend(struct peer *peer);
/* What the one connection that there is is at. */
void peer_conn(struct peer *peer, enum conn_state *state, unsigned *age);
void peer_lock(struct peer *peer);
void peer_unlock(struct peer *peer);

/* peer->out with the addresses of a flow of `guest_port` to `host_port`, no payload. */
struct packet *peer_packet(struct peer *peer, enum op op, uint32_t guest_port, uint32_t host_port);
/* Puts a packet with `n` bytes of its data into queue TX, kicks; and waits until it was taken. */
void peer_post(struct peer *peer, const struct packet *packet);
void peer_send(struct peer *peer, const struct packet *packet);
/* The next packet, within five seconds, in peer->in; its buffer goes back to the device. */
const struct packet *peer_receive(struct peer *peer);
/* Nothing comes. */
void peer_silent(struct peer *peer);
/* An RST for that pair of ports. */
void peer_expect_rst(struct peer *peer, uint32_t guest_port, uint32_t host_port);

/* Connections: the host connects to the guest's port, or the guest to the host's. */
void flow_from_host(struct flow *flow, struct peer *peer, uint32_t guest_port);
void flow_from_guest(struct flow *flow, struct peer *peer, uint32_t guest_port, uint32_t host_port);
void flow_send(struct flow *flow, enum op op, uint32_t flags, const void *data, uint32_t n);
/* The next packet is of this flow, and `op`. */
const struct packet *flow_expect(struct flow *flow, enum op op);
/* Data both ways. */
void flow_works(struct flow *flow);
/* Bytes that the device says to have room for. */
uint32_t flow_credit(const struct flow *flow);
/* The same once it was asked, and nothing is on its way any more. */
uint32_t flow_ask(struct flow *flow);
/* Bytes that differ, the same for the same seed. */
void fill(uint8_t *bytes, size_t len, uint64_t seed);

/* The device is up, its sibling serves, and after a reset it works. */
void peer_is_well(struct peer *peer);

/* The host's programs; sockets are blocking, and every wait ends after five seconds. */
int host_socket(void);
void host_dial_from(int fd, const char *path);
int host_dial(struct peer *peer, const char *text);
int host_listen(struct peer *peer, uint32_t port);
int host_accept(int listener);
void host_write(int fd, const void *bytes, size_t len);
void host_read(int fd, void *bytes, size_t len);
void host_expect(int fd, const char *text);
/* End of file, or a connection that was reset. */
void host_eof(int fd);
void sleep_ms(unsigned ms);
/* Until no connection is left, or five seconds. */
void peer_expect_open(struct peer *peer, uint32_t open);

#endif
