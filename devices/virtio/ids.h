/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio device ids that the registry does not give out, or gives to
 * something else. Shared by the device and by the guest driver, so this
 * header includes nothing. Every other id comes from linux/virtio_ids.h.
 */
#ifndef VIRTIO_IDS_H
#define VIRTIO_IDS_H

/* virtio-test; registered since as "signal distribution device", used by none */
#define VIRTIO_ID_TEST 21

#endif /* VIRTIO_IDS_H */
