/* SPDX-License-Identifier: GPL-2.0-only */
/* The virtio-mmio transport, version 2 (virtio 1.2, 4.2): a window of registers and an interrupt line for a device. */
#ifndef MINIVMM_VIRTIO_MMIO_H
#define MINIVMM_VIRTIO_MMIO_H

struct virtio_dev;
struct vm;

/* Bytes of a device's window: registers to 0x100, then configuration space. */
#define VIRTIO_MMIO_WINDOW 0x1000u

/*
 * Gives the device a window, a line and a device-tree node, and takes it over: it is destroyed with the machine, or at
 * once where this fails. 0 or -errno, with a message.
 */
int virtio_mmio_attach(struct vm *vm, struct virtio_dev *dev);

#endif
