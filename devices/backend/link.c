// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/clock.h"
#include "vmm/log.h"
#include "vmm/sandbox/sandbox.h"

#define HELPER_END_NS  1000000000u
#define HELPER_POLL_US 1000

/* What the descriptor is, from getsockopt(2); -1 where it is none of that. */
static int socket_option(int fd, int option)
{
	socklen_t len = sizeof(int);
	int value;

	return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 ? value : -1;
}

/* Why frames cannot go through this descriptor, and what to do; NULL where they can. */
static const char *find_fault(int fd, bool *vnet_hdr)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);
	int type = socket_option(fd, SO_TYPE);
	struct ifreq ifr;

	*vnet_hdr = false;
	if (type >= 0) {
		if (socket_option(fd, SO_DOMAIN) != AF_UNIX || (type != SOCK_SEQPACKET && type != SOCK_DGRAM))
			return "is a socket, but of a kind that keeps no frames apart: pass a SOCK_SEQPACKET or "
			       "SOCK_DGRAM Unix socket";
		if (getpeername(fd, (struct sockaddr *)&peer, &len) < 0)
			return "is a socket that is not connected: connect it first, or use socketpair(2)";
		return NULL;
	}
	memset(&ifr, 0, sizeof(ifr));
	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return errno == EBADFD ? "is /dev/net/tun without an interface: use TUNSETIFF before passing it" :
					 "is neither a tap nor a Unix socket";
	if (!(ifr.ifr_flags & IFF_TAP))
		return "is a tun, which carries no Ethernet: open it with IFF_TAP";
	*vnet_hdr = ifr.ifr_flags & IFF_VNET_HDR;
	return NULL;
}

int link_open(struct link *link, const char *who, const struct link_settings *settings)
{
	bool is_user = settings->user.n_hostfwd || settings->user.restrict_;

	link->n_fds = 0;
	if (!!settings->tap + !!settings->fd + is_user > 1) {
		log_error("%s: tap=, fd=, and hostfwd= or restrict= are three different networks: choose one", who);
		return -EINVAL;
	}
	if (settings->pairs > 1 && !settings->tap) {
		log_error("%s: queues=%u: only a tap has more than one pair; give tap=NAME", who, settings->pairs);
		return -EINVAL;
	}
	if (settings->tap)
		return link_open_tap(link, who, settings->tap, settings->pairs);
	return settings->fd ? link_open_fd(link, who, settings->fd) : link_open_user(link, who, &settings->user);
}

int link_open_fd(struct link *link, const char *who, unsigned fd_number)
{
	int fd = (int)fd_number;
	int flags = fd_number > STDERR_FILENO ? fcntl(fd, F_GETFD) : -1;
	const char *fault;
	int err = 0;

	*link = (struct link){ .n_fds = 0 };
	if (fd_number <= STDERR_FILENO) {
		log_error("%s: fd=%u: 0 to 2 are the standard files: pass another", who, fd_number);
		return -EINVAL;
	}
	if (flags < 0) {
		log_error("%s: fd=%u: is not open: whoever starts minivmm has to open it, without O_CLOEXEC", who,
			  fd_number);
		return -EBADF;
	}
	/* what is inherited went through an exec: it cannot have the flag, and everything of minivmm's own has it */
	if (flags & FD_CLOEXEC) {
		log_error("%s: fd=%u: was not passed to minivmm, or is given twice", who, fd_number);
		return -EBADF;
	}
	fault = find_fault(fd, &link->vnet_hdr);
	if (fault) {
		log_error("%s: fd=%u: %s", who, fd_number, fault);
		return -EINVAL;
	}
	if (link->vnet_hdr)
		err = link_prepare_tap(fd);
	flags = fcntl(fd, F_GETFL);
	if (!err && (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0))
		err = -errno;
	if (err) {
		log_error("%s: fd=%u: cannot be set up: %s", who, fd_number, strerror(-err));
		return err;
	}
	link->fds[link->n_fds++] = fd;
	return 0;
}

int link_set_offloads(struct link *link, unsigned tun_f_flags)
{
	if (!link->vnet_hdr)
		return 0;
	/* the interface's, of whichever queue they are asked */
	return ioctl(link->fds[0], TUNSETOFFLOAD, (unsigned long)tun_f_flags) < 0 ? -errno : 0;
}

int link_set_queue(struct link *link, unsigned pair, bool attached)
{
	struct ifreq ifr = { .ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE };

	if (pair >= link->n_fds)
		return -EINVAL;
	if (link->detached[pair] == !attached)
		return 0;
	if (link->n_fds == 1)
		return -EOPNOTSUPP;
	if (ioctl(link->fds[pair], TUNSETQUEUE, &ifr) < 0)
		return -errno;
	link->detached[pair] = !attached;
	return 0;
}

/* Its socket is closed, which ends it; where that does not help, a signal does. */
static void end_helper(pid_t helper)
{
	uint64_t deadline = clock_ns() + HELPER_END_NS;
	pid_t ended;

	while ((ended = waitpid(helper, NULL, WNOHANG)) == 0 && clock_ns() < deadline)
		usleep(HELPER_POLL_US);
	if (ended == 0) {
		kill(helper, SIGKILL);
		while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
			;
	}
}

void link_allow(const struct link *link, struct sandbox *sandbox)
{
	static const struct call_rule frames[] = { ALLOW(read, BY_DEVICE), ALLOW(writev, BY_DEVICE), ALLOW_END };
	static const struct call_rule tap[] = { ALLOW_IOCTL(TUNSETOFFLOAD, BY_DEVICE),
						ALLOW_IOCTL(TUNSETQUEUE, BY_DEVICE), ALLOW_END };
	const struct call_rule helper[] = { ALLOW_IF(kill, BY_MAIN, 0, UINT32_MAX, (uint32_t)link->helper),
					    ALLOW(wait4, BY_MAIN), ALLOW(restart_syscall, BY_MAIN),
					    ALLOW(clock_nanosleep, BY_MAIN), ALLOW_END };

	sandbox_allow(sandbox, frames);
	if (link->vnet_hdr)
		sandbox_allow(sandbox, tap);
	if (link->helper)
		sandbox_allow(sandbox, helper);
}

void link_close(struct link *link)
{
	while (link->n_fds)
		close(link->fds[--link->n_fds]);
	if (link->helper)
		end_helper(link->helper);
	link->helper = 0;
}
