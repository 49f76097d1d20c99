// SPDX-License-Identifier: GPL-2.0-only
/*
 * minivmm-usernet: a network for one guest that needs no privilege, by libslirp. minivmm starts it with a socket; see
 * usernet.h.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/usernet/loop.h"
#include "devices/backend/usernet/usernet.h"
#include "vmm/log.h"

#if !SLIRP_CHECK_VERSION(4, 7, 0)
#error "libslirp 4.7 or later is needed"
#endif

/* --- start and end ------------------------------------------------------------------------------------------------ */

static Slirp *create_slirp(struct usernet *net)
{
	SlirpConfig config = {
		.version = 4,
		.restricted = net->restrict_,
		.in_enabled = true,
		.vnetwork.s_addr = htonl(USERNET_NETWORK),
		.vnetmask.s_addr = htonl(USERNET_NETMASK),
		.vhost.s_addr = htonl(USERNET_HOST),
		.vnameserver.s_addr = htonl(USERNET_DNS),
		.vdhcp_start.s_addr = htonl(USERNET_GUEST),
		.vhostname = "minivmm",
		.if_mtu = 1500,
		.if_mru = 1500,
		/* what `restricted` means is written for IPv4: the other way out stays closed */
		.in6_enabled = !net->restrict_,
		.vprefix_len = 64,
	};

	inet_pton(AF_INET6, "fd00::", &config.vprefix_addr6);
	inet_pton(AF_INET6, "fd00::2", &config.vhost6);
	inet_pton(AF_INET6, "fd00::3", &config.vnameserver6);
	return slirp_new(&config, &usernet_callbacks, net);
}

/* From here on the guest's frames are parsed: what is not needed for that is given up. */
static int give_up_rights(const struct usernet *net)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	if (null < 0 || chdir("/") < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	/* last, as no message gets out any more: a guest can make libslirp and its libraries talk at will */
	if (!net->verbose)
		dup2(null, STDERR_FILENO);
	close(null);
	return 0;
}

static int serve(struct usernet *net)
{
	int err = usernet_open(net);

	net->slirp = err ? NULL : create_slirp(net);
	if (!net->slirp) {
		log_error("%s: no memory for the user network", net->who);
		usernet_close(net);
		return -ENOMEM;
	}
	err = hostfwd_add(net->fwds, net->n_fwds, net->who, net->slirp);
	if (!err) {
		err = give_up_rights(net);
		if (err)
			log_error("%s: minivmm-usernet cannot give up its rights: %s", net->who, strerror(-err));
	}
	/* fails where minivmm is gone already */
	if (!err && send(USERNET_FD, USERNET_READY, strlen(USERNET_READY), MSG_NOSIGNAL) >= 0)
		err = usernet_run(net);
	usernet_close(net);
	return err;
}

/* --- options ------------------------------------------------------------------------------------------------------ */

enum { OPT_WHO = 256, OPT_VERBOSE };

static const struct argp_option options[] = {
	{ "hostfwd", 'f', "RULE", 0,
	  "Forward a port of the host to the guest: " HOSTFWD_FORM ". HOSTADDR is 127.0.0.1 if empty, "
	  "so that only the host itself gets in; 0.0.0.0 lets everybody in. GUESTADDR is 10.0.2.15 if empty. Up to 16 times",
	  0 },
	{ "restrict", 'r', NULL, 0, "The guest reaches nothing outside, nor the host; forwarded ports still work", 0 },
	{ "who", OPT_WHO, "TEXT", 0, "What messages begin with", 0 },
	{ "verbose", OPT_VERBOSE, NULL, 0, "Keep standard error, for what libslirp says about the guest's frames", 0 },
	{ 0 },
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct usernet *net = state->input;

	switch (key) {
	case 'f':
		if (net->n_fwds == USERNET_HOSTFWD_MAX)
			argp_error(state, "--hostfwd: at most %d are possible", USERNET_HOSTFWD_MAX);
		net->fwds[net->n_fwds++].text = arg;
		return 0;
	case 'r': net->restrict_ = true; return 0;
	case OPT_WHO: net->who = arg; return 0;
	case OPT_VERBOSE: net->verbose = true; return 0;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.doc = "A network for one guest that needs no privilege: minivmm starts this program with one end of a "
	       "SOCK_SEQPACKET Unix socket as descriptor 3; each message is one Ethernet frame."
	       "\vThe network is 10.0.2.0/24 and fd00::/64. The guest is 10.0.2.15, by DHCP; the gateway 10.0.2.2 is the "
	       "host, also for what listens on its 127.0.0.1; 10.0.2.3 is a DNS server. The program ends when the other "
	       "end of the socket is closed.",
};

int main(int argc, char **argv)
{
	struct usernet net = { .who = "minivmm-usernet" };
	socklen_t len = sizeof(int);
	int type;

	argp_err_exit_status = USERNET_EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &net);
	prctl(PR_SET_PDEATHSIG, SIGTERM); /* should somebody else hold minivmm's end of the socket */
	signal(SIGPIPE, SIG_IGN);         /* libslirp's own sockets */
	for (unsigned i = 0; i < net.n_fwds; i++)
		if (hostfwd_parse(&net.fwds[i], net.who, net.fwds[i].text) < 0)
			return USERNET_EXIT_USAGE;
	if (getsockopt(USERNET_FD, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET) {
		log_error("%s: descriptor %d is no SOCK_SEQPACKET socket: minivmm starts this program; see --help",
			  net.who, USERNET_FD);
		return USERNET_EXIT_USAGE;
	}
	return serve(&net) < 0 ? 1 : 0;
}
