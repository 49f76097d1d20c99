/* SPDX-License-Identifier: GPL-2.0-only */
/* Ports of the host that lead to the guest. */
#ifndef MINIVMM_HOSTFWD_H
#define MINIVMM_HOSTFWD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* The network, host byte order. */
#define USERNET_NETWORK 0x0a000200u /* 10.0.2.0 */
#define USERNET_NETMASK 0xffffff00u
#define USERNET_HOST    (USERNET_NETWORK + 2)
#define USERNET_DNS     (USERNET_NETWORK + 3)
#define USERNET_GUEST   (USERNET_NETWORK + 15) /* the first address that DHCP gives */

#define HOSTFWD_FORM "tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT"

struct hostfwd {
	const char *text; /* as the user wrote it; borrowed */
	bool udp;
	struct in_addr host, guest;
	uint16_t host_port, guest_port; /* host byte order; not 0 */
};

struct Slirp;

/* 0 or -EINVAL, with a message that begins with `who`. */
int hostfwd_parse(struct hostfwd *fwd, const char *who, const char *text);
/* Binds the ports of all. 0 or -errno, with a message. */
int hostfwd_add(const struct hostfwd *fwds, unsigned n, const char *who, struct Slirp *slirp);

#endif
