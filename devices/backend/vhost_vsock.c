// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/vhost_vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_vsock.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/virtio/virtio.h"

#define QUEUES 2 /* rx and tx; events are not the kernel's (virtio 1.2, 5.10.2) */

static const struct call_rule calls[] = { ALLOW_IOCTL(VHOST_VSOCK_SET_RUNNING, BY_DEVICE | BY_MAIN), ALLOW_END };

static int set_running(int fd, bool run)
{
	int value = run;

	return ioctl(fd, VHOST_VSOCK_SET_RUNNING, &value) < 0 ? -errno : 0;
}

bool vhost_vsock_is_there(void)
{
	return access(VHOST_VSOCK_PATH, F_OK) == 0;
}

/* The device node, or -errno with a message. */
static int open_node(struct virtio_dev *dev)
{
	int fd = open(VHOST_VSOCK_PATH, O_RDWR | O_CLOEXEC);
	int err = errno;

	if (fd >= 0)
		return fd;
	if (err == EACCES || err == EPERM)
		virtio_error(dev,
			     VHOST_VSOCK_PATH " may not be opened: join the group that owns it, or give socket=PATH");
	else if (err == ENOENT || err == ENODEV || err == ENXIO)
		virtio_error(dev, "there is no " VHOST_VSOCK_PATH ": load vhost_vsock, or give socket=PATH");
	else
		virtio_error(dev, VHOST_VSOCK_PATH ": %s: give socket=PATH", strerror(err));
	return -err;
}

int vhost_vsock_open(struct vhost **vhost, struct virtio_dev *dev, uint32_t guest_cid)
{
	const uint64_t wanted = 1ull << VIRTIO_VSOCK_F_SEQPACKET, cid = guest_cid;
	int fd = open_node(dev);

	if (fd < 0)
		return fd;
	if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0) {
		int err = errno;

		if (err == EADDRINUSE)
			virtio_error(dev, "cid=%u: another guest of this host has it: choose another", guest_cid);
		else
			virtio_error(dev, "cid=%u: %s", guest_cid, strerror(err));
		close(fd);
		return -err;
	}
	virtio_allow(dev, calls);
	return vhost_open(vhost, dev, fd, QUEUES, wanted, set_running);
}
