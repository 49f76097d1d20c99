/* SPDX-License-Identifier: GPL-2.0-only */
/* The kernel's own virtio socket device, /dev/vhost-vsock: the host's programs use AF_VSOCK to talk to the guest. */
#ifndef MINIVMM_VHOST_VSOCK_H
#define MINIVMM_VHOST_VSOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/vhost.h"

#define VHOST_VSOCK_PATH "/dev/vhost-vsock"

/* Whether the host has it; if so, opening it may fail nevertheless. */
bool vhost_vsock_is_there(void);
/* In create(): queues 0 and 1 of `dev` are the kernel's, the guest has the CID `guest_cid`, which no other guest of
 * this host has. 0 and *vhost, or -errno with a message. */
int vhost_vsock_open(struct vhost **vhost, struct virtio_dev *dev, uint32_t guest_cid);

#endif
