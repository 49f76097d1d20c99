/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ports of a console with what is behind them: port 0 is the terminal, the others are sockets. Port 0 has the
 * queues 0 and 1, port n has 2n + 2 and 2n + 3 (virtio 1.2, 5.3.2). All under the device's lock, and nothing waits.
 */
#ifndef MINIVMM_CONSOLE_PORTS_H
#define MINIVMM_CONSOLE_PORTS_H

#include "devices/backend/console_control.h"
#include "devices/backend/port.h"
#include "devices/backend/stream.h"
#include "devices/virtio/virtio.h"

/* The device's own struct begins with it. */
struct console_ports {
	struct console_control control;
	struct port sockets[CONSOLE_PORTS_MAX]; /* but for port 0 */
	struct stream streams[CONSOLE_PORTS_MAX];
	struct stream_counts counts;
	int set_fd; /* epoll, of the sockets; -1 where there is none */
};

/*
 * In create(): makes a port of each "NAME:PATH", behind port 0, and has their sockets watched. 0 or -errno with a
 * message; console_ports_close() is due either way.
 */
int console_ports_open(struct virtio_dev *dev, const struct option_list *sockets);
void console_ports_close(struct virtio_dev *dev);

/* The driver kicked queue q. */
void console_ports_kick(struct virtio_dev *dev, unsigned q);
/* The terminal has input, or room. */
void console_ports_terminal(struct virtio_dev *dev);
/* The driver reset queue q, or the device. */
void console_ports_queue_reset(struct virtio_dev *dev, unsigned q);
void console_ports_reset(struct virtio_dev *dev);

#endif
