/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a console's device and driver tell each other of the ports (virtio 1.2, 5.3.6.2): which there are, what they are
 * called, and whether somebody has them open, here and there. What the device has to tell waits until the driver has a
 * buffer for it. Nothing happens without the feature MULTIPORT. All under the device's lock.
 */
#ifndef MINIVMM_CONSOLE_CONTROL_H
#define MINIVMM_CONSOLE_CONTROL_H

#include "devices/virtio/virtio.h"

#define CONSOLE_PORTS_MAX 8 /* a bit of a byte each */
#define CONSOLE_NAME_MAX  63
/* Queues (virtio 1.2, 5.3.2): port 0 has the two before them, port n has 2n + 2 and 2n + 3. */
#define CONSOLE_CONTROL_RX 2
#define CONSOLE_CONTROL_TX 3

struct console_control {
	unsigned n_ports;                     /* port 0 is a console, and always open on the host's side */
	const char *names[CONSOLE_PORTS_MAX]; /* of the others; borrowed */
	uint8_t name_lens[CONSOLE_PORTS_MAX]; /* up to CONSOLE_NAME_MAX */
	uint8_t here;                         /* ports that the host has open; a bit a port, as below */
	uint8_t ready, open;                  /* ports that the driver knows and has open */
	uint8_t tell[CONSOLE_PORTS_MAX];      /* what it is still to be told of each */
};

/* What happened at the host; console_control_tell() tells it. */
void console_control_came(struct console_control *control, unsigned port);
void console_control_left(struct console_control *control, unsigned port);
void console_control_resized(struct console_control *control);

/* Takes the driver's messages. What makes no sense is ignored. */
void console_control_take(struct virtio_dev *dev, struct console_control *control);
/* Sends ours. The size is taken from the configuration space, which begins with it. */
void console_control_tell(struct virtio_dev *dev, struct console_control *control);
/* Whether bytes for a port would be heard: Linux throws away what comes for one that nobody has open. */
bool console_control_listens(struct virtio_dev *dev, const struct console_control *control, unsigned port);
/* The driver knows nothing any more. */
void console_control_reset(struct console_control *control);

#endif
