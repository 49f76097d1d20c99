/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queues of a virtio device that the host's kernel serves (linux/vhost.h): for a device's backend, beside virtio.h.
 *
 * The core keeps what a driver sees: registers, features, status, interrupts. While the driver is up and all the queues
 * that were lent are ready, their rings are the kernel's and nobody touches them here; a reset of the device or of one
 * of the queues, or a failure, takes them back before it returns.
 */
#ifndef MINIVMM_VIRTIO_VHOST_H
#define MINIVMM_VIRTIO_VHOST_H

#include <stdbool.h>
#include <stdint.h>

struct vhost;
struct virtio_dev;

/* The device type's own ioctl(2) that starts or stops the kernel's work on the queues. 0 or -errno. */
typedef int vhost_run_fn(int fd, bool run);

/*
 * In create(): lends the device's queues 0 to n_queues - 1 to the kernel behind `fd` (/dev/vhost-...), which becomes
 * the vhost's, also where this fails. Features that the kernel has not are no longer offered; one of the device type
 * that it has is, where `wanted` (by bit number) has it too. 0 and *vhost, or -errno with a message.
 */
int vhost_open(struct vhost **vhost, struct virtio_dev *dev, int fd, unsigned n_queues, uint64_t wanted,
	       vhost_run_fn *run);
/* In kick(): the driver has made buffers available in a queue that was lent. */
void vhost_kick(struct vhost *vhost, unsigned q);
/* In destroy(), or where create() fails later. NULL is ignored. */
void vhost_close(struct vhost *vhost);

/* For the core, lock held: brings the kernel to where status and queues are. Nothing where no queue was lent. */
void vhost_sync(struct virtio_dev *dev);
/* Whether a queue is the kernel's at the moment. */
bool vhost_serves(const struct virtio_dev *dev, unsigned q);

#endif
