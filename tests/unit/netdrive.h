/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver of a network device in plain memory (virtio 1.2, 5.1), and the other end of its link, a passed socket. */
#ifndef MINIVMM_UNIT_NETDRIVE_H
#define MINIVMM_UNIT_NETDRIVE_H

#include "tests/unit/pieces.h"

/* 5.1.3 */
#define NET_F_CSUM       BIT(0)
#define NET_F_GUEST_CSUM BIT(1)
#define NET_F_OFFLOADS   BIT(2) /* CTRL_GUEST_OFFLOADS */
#define NET_F_MAC        BIT(5)
#define NET_F_GUEST_TSO4 BIT(7)
#define NET_F_GUEST_TSO6 BIT(8)
#define NET_F_GUEST_ECN  BIT(9)
#define NET_F_HOST_TSO4  BIT(11)
#define NET_F_HOST_TSO6  BIT(12)
#define NET_F_HOST_ECN   BIT(13)
#define NET_F_MRG_RXBUF  BIT(15)
#define NET_F_STATUS     BIT(16)
#define NET_F_CTRL_VQ    BIT(17)
#define NET_F_CTRL_RX    BIT(18)
#define NET_F_MQ         BIT(22)
#define NET_F_CTRL_MAC   BIT(23)
#define NET_F_BASIC                                                                                           \
	(F_VERSION_1 | F_INDIRECT | F_RING_RESET | NET_F_MAC | NET_F_STATUS | NET_F_CTRL_VQ | NET_F_CTRL_RX | \
	 NET_F_CTRL_MAC)

/* 5.1.2, of one pair */
enum { RX, TX, CONTROL };

/* 5.1.4 */
#define MAC       (R_CONFIG + 0)
#define LINK      (R_CONFIG + 6)
#define MAX_PAIRS (R_CONFIG + 8)

#define NET_HEADER 12u /* bytes of struct virtio_net_hdr (5.1.6) */
#define NET_RING   64u
#define NET_FRAME  2000u

struct netdrive {
	struct driver d;
	struct rig *rig;
	int peer;                    /* the link's other end, or -1 */
	uint64_t rx[NET_RING];       /* gpa of what lies in queue RX, by head */
	uint16_t seen[DRIVER_RINGS]; /* used entries that were looked at, by queue */
};

/* A device with fd= and more options (or NULL), not up; the loop in its thread. */
void net_add(struct netdrive *net, struct rig *rig, const char *options);
void net_up(struct netdrive *net, uint64_t features);
/* A frame of `len` bytes that differs with `seed`. */
void net_frame(uint8_t *frame, uint32_t len, uint32_t seed);

/* --- the driver's side --- */

/* A buffer of one descriptor on queue RX, which is its head; kicks. */
void net_give(struct netdrive *net, uint16_t head, uint32_t len);
/* Waits for the next received frame: it is this one, behind a header with just that num_buffers; in buffers that are
 * used up to the last. */
void net_expect(struct netdrive *net, const uint8_t *frame, uint32_t len, uint16_t num_buffers);
/* A frame with a header of zeros, in one descriptor, which is its head; kicks. */
void net_send(struct netdrive *net, uint16_t head, const uint8_t *frame, uint32_t len);
/* A command with `len` bytes of data; the ack, or -1 where there is none. */
int net_command_of(struct netdrive *net, unsigned q, uint8_t class, uint8_t command, const void *data, uint32_t len);
#define net_control(net, class, command, data, len) net_command_of(net, CONTROL, class, command, data, len)
/* Frames go both ways. */
void net_works(struct netdrive *net);

/* --- the link's side --- */

void peer_sends(struct netdrive *net, const uint8_t *frame, uint32_t len);
/* Waits for a frame: it is this one. */
void peer_expects(struct netdrive *net, const uint8_t *frame, uint32_t len);
/* None comes within 30 ms. */
void peer_expects_none(struct netdrive *net);
void peer_closes(struct netdrive *net);

#endif
