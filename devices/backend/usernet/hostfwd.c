// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/usernet/hostfwd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"
#include "vmm/number.h"

/* An IPv4 address and the character `end` behind it; what is empty leaves *addr. Where it ends, or NULL. */
static const char *take_addr(const char *text, char end, struct in_addr *addr)
{
	const char *stop = strchr(text, end);
	char part[INET_ADDRSTRLEN] = "";

	if (!stop || (size_t)(stop - text) >= sizeof(part))
		return NULL;
	memcpy(part, text, (size_t)(stop - text));
	if (*part && inet_pton(AF_INET, part, addr) != 1)
		return NULL;
	return stop + 1;
}

/* A port and the character `end` behind it. Where it ends, or NULL. */
static const char *take_port(const char *text, char end, uint16_t *port)
{
	uint64_t number;
	char *stop;

	if (!number_digits(text, &stop, &number) || *stop != end || number < 1 || number > UINT16_MAX)
		return NULL;
	*port = (uint16_t)number;
	return stop + (end != '\0');
}

/* What is wrong with it, or NULL. */
static const char *parse(struct hostfwd *fwd)
{
	const char *rest = fwd->text;
	uint32_t guest;

	if (strncmp(rest, "tcp:", 4) != 0 && strncmp(rest, "udp:", 4) != 0)
		return "begins neither with tcp: nor with udp:";
	fwd->udp = *rest == 'u';
	rest = take_addr(rest + 4, ':', &fwd->host);
	if (!rest)
		return "HOSTADDR is no IPv4 address";
	rest = take_port(rest, '-', &fwd->host_port);
	if (!rest)
		return "HOSTPORT is no number from 1 to 65535";
	rest = take_addr(rest, ':', &fwd->guest);
	if (!rest)
		return "GUESTADDR is no IPv4 address";
	if (!take_port(rest, '\0', &fwd->guest_port))
		return "GUESTPORT is no number from 1 to 65535";
	guest = ntohl(fwd->guest.s_addr);
	if ((guest & USERNET_NETMASK) != USERNET_NETWORK || guest == USERNET_NETWORK || guest == USERNET_HOST ||
	    guest == USERNET_DNS || guest == (USERNET_NETWORK | ~USERNET_NETMASK))
		return "GUESTADDR is none that a guest can have";
	return NULL;
}

int hostfwd_parse(struct hostfwd *fwd, const char *who, const char *text)
{
	const char *fault;

	*fwd = (struct hostfwd){ .text = text };
	fwd->host.s_addr = htonl(INADDR_LOOPBACK); /* who wants others to get in has to say so */
	fwd->guest.s_addr = htonl(USERNET_GUEST);
	fault = parse(fwd);
	if (!fault)
		return 0;
	log_error("%s: hostfwd=%s: %s: the form is " HOSTFWD_FORM ", as in tcp::2222-:22", who, text, fault);
	return -EINVAL;
}

/* SO_REUSEADDR, which libslirp sets, lets several UDP sockets have one port: the kernel would not complain. */
static bool is_twice(const struct hostfwd *a, const struct hostfwd *b)
{
	return a->udp == b->udp && a->host_port == b->host_port &&
	       (a->host.s_addr == b->host.s_addr || a->host.s_addr == INADDR_ANY || b->host.s_addr == INADDR_ANY);
}

static void tell(const struct hostfwd *fwd, const char *who, int err)
{
	switch (-err) {
	case EADDRINUSE:
		log_error("%s: hostfwd=%s: port %u of the host is in use: take another", who, fwd->text,
			  fwd->host_port);
		return;
	case EACCES:
	case EPERM:
		log_error("%s: hostfwd=%s: port %u of the host is not permitted to this user: take one from 1024", who,
			  fwd->text, fwd->host_port);
		return;
	case EADDRNOTAVAIL:
		log_error("%s: hostfwd=%s: the host does not have this address: take 127.0.0.1, or 0.0.0.0 for all",
			  who, fwd->text);
		return;
	default: log_error("%s: hostfwd=%s: %s", who, fwd->text, strerror(-err));
	}
}

int hostfwd_add(const struct hostfwd *fwds, unsigned n, const char *who, struct Slirp *slirp)
{
	for (unsigned i = 0; i < n; i++) {
		const struct hostfwd *fwd = &fwds[i];

		for (unsigned k = 0; k < i; k++)
			if (is_twice(fwd, &fwds[k])) {
				log_error("%s: hostfwd=%s: port %u of the host is in use by hostfwd=%s: take another",
					  who, fwd->text, fwd->host_port, fwds[k].text);
				return -EADDRINUSE;
			}
		errno = 0;
		if (slirp_add_hostfwd(slirp, fwd->udp, fwd->host, fwd->host_port, fwd->guest, fwd->guest_port) < 0) {
			int err = errno ? -errno : -EIO;

			tell(fwd, who, err);
			return err;
		}
	}
	return 0;
}
