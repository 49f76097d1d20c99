/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest of a user network, played over its link: the real minivmm-usernet is at the other end. */
#ifndef MINIVMM_UNIT_GUEST_H
#define MINIVMM_UNIT_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "devices/backend/link.h"
#include "tests/unit/ether.h"

#define NET_HOST  0x0a000202u
#define NET_GUEST 0x0a00020fu

#define WHO "--device net"

struct guest {
	struct link link;
	uint8_t host_mac[6];
	uint8_t in[2000]; /* the last frame that was taken, and its parts */
	size_t len;
};

/* Lets link_open_user() find ./minivmm-usernet: tests run in the top directory. */
void guest_find_program(void);
/* A link with what options there are: one hostfwd or NULL. Knows the host's MAC address afterwards. */
void guest_open(struct guest *guest, const char *hostfwd, bool restrict_);
void guest_close(struct guest *guest);

void guest_send(struct guest *guest, const uint8_t *frame, size_t len);
/* The next frame, within ten seconds, without answering anything. */
void guest_receive(struct guest *guest);
/* Takes frames until one is IPv4 of `proto`, within ten seconds; answers what asks for the guest's MAC address. Its
 * payload behind the IP header. */
const uint8_t *guest_await(struct guest *guest, uint8_t proto);
/* Asks for the host's MAC address: the answer tells that all before has been dealt with. */
void guest_sync(struct guest *guest);

/* A socket of the host on 127.0.0.1, not connected; listens if SOCK_STREAM. */
int host_bind(int type, uint16_t *port);
/* A port that was free a moment ago. */
uint16_t free_port(int type);
/* Another socket, which connects there; SOCK_STREAM does not wait. */
int host_connect(int type, uint16_t port);

#endif
