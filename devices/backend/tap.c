// SPDX-License-Identifier: GPL-2.0-only
/* A tap: the kernel's end of a cable. Whoever may use it makes it beforehand, so that minivmm needs no privilege. */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/link.h"
#include "vmm/log.h"

#define TUN_PATH "/dev/net/tun"

_Static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "the header that link.h promises");

int link_prepare_tap(int fd)
{
	int header_len = sizeof(struct virtio_net_hdr_v1);
	int little_endian = 1; /* virtio 1.2, 5.1.6.1: the legacy header's order is the guest's, this one's is fixed */

	if (ioctl(fd, TUNSETVNETHDRSZ, &header_len) < 0 || ioctl(fd, TUNSETVNETLE, &little_endian) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, 0ul) < 0)
		return -errno;
	return 0;
}

/* One queue of the tap, or -errno. */
static int open_queue(const char *name, unsigned flags)
{
	struct ifreq ifr = { .ifr_flags = (short)flags };
	int fd = open(TUN_PATH, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	int err = 0;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		err = -errno;
	if (!err)
		err = link_prepare_tap(fd);
	if (!err)
		return fd;
	close(fd);
	return err;
}

/* Whether the tun driver made it, as a tap. */
static bool is_tap(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq ifr = { .ifr_data = (char *)&info };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	if (fd < 0)
		return true; /* the message is about something else then */
	ok = ioctl(fd, SIOCETHTOOL, &ifr) == 0 && strcmp(info.driver, "tun") == 0 && strcmp(info.bus_info, "tap") == 0;
	close(fd);
	return ok;
}

/* Says why open_queue() failed. */
static void tell(const char *who, const char *name, unsigned pairs, int err)
{
	switch (-err) {
	case ENOENT:
	case ENODEV:
	case ENXIO: log_error("%s: tap=%s: there is no " TUN_PATH ": as root, run 'modprobe tun'", who, name); return;
	case EACCES:
		log_error("%s: tap=%s: " TUN_PATH " may not be opened: as root, run 'chmod 666 " TUN_PATH "'", who,
			  name);
		return;
	case EPERM:
		log_error("%s: tap=%s: belongs to somebody else: as root, run 'ip tuntap del dev %s mode tap' and "
			  "'ip tuntap add dev %s mode tap%s user USER' with your name",
			  who, name, name, name, pairs > 1 ? " multi_queue" : "");
		return;
	case EBUSY:
		log_error("%s: tap=%s: is in use by another program, perhaps another minivmm: take another tap", who,
			  name);
		return;
	case EINVAL:
		if (!is_tap(name))
			log_error("%s: tap=%s: is an interface of another kind: 'ip tuntap show' lists the taps", who,
				  name);
		else if (pairs > 1)
			log_error(
				"%s: tap=%s: has one queue, and %u pairs are asked for: make it by 'ip tuntap add dev "
				"%s mode tap user USER multi_queue'",
				who, name, pairs, name);
		else
			log_error("%s: tap=%s: was made with multi_queue, and one pair is asked for: ask for more, or "
				  "make it by 'ip tuntap add dev %s mode tap user USER'",
				  who, name, name);
		return;
	default: log_error("%s: tap=%s: %s", who, name, strerror(-err));
	}
}

int link_open_tap(struct link *link, const char *who, const char *name, unsigned pairs)
{
	unsigned flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (pairs > 1 ? IFF_MULTI_QUEUE : 0);

	*link = (struct link){ .vnet_hdr = true };
	if (pairs == 0 || pairs > LINK_PAIRS_MAX) {
		log_error("%s: tap=%s: %u pairs of queues: 1 to %d are possible", who, name, pairs, LINK_PAIRS_MAX);
		return -EINVAL;
	}
	if (!*name || strlen(name) >= IFNAMSIZ) {
		log_error("%s: tap=%s: the name of an interface has 1 to %d characters", who, name, IFNAMSIZ - 1);
		return -EINVAL;
	}
	/* TUNSETIFF would make what is not there, where we are root: one nobody knows, down and without address */
	if (!if_nametoindex(name)) {
		log_error("%s: tap=%s: there is no such interface: as root, run 'ip tuntap add dev %s mode tap%s user "
			  "USER' with your name and 'ip link set %s up'",
			  who, name, name, pairs > 1 ? " multi_queue" : "", name);
		return -ENODEV;
	}
	while (link->n_fds < pairs) {
		int fd = open_queue(name, flags);

		if (fd < 0) {
			tell(who, name, pairs, fd);
			link_close(link);
			return fd;
		}
		link->fds[link->n_fds++] = fd;
	}
	return 0;
}
