// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/console_ports.h"

#include <errno.h>
#include <linux/virtio_console.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS 16

/* --- the host's ends ---------------------------------------------------------------------------------------------- */

static size_t read_terminal(struct virtio_dev *dev, void *end, void *bytes, size_t len)
{
	(void)end;
	return virtio_terminal_read(dev, bytes, len);
}

static ssize_t write_terminal(struct virtio_dev *dev, void *end, const void *bytes, size_t len)
{
	(void)end;
	return (ssize_t)virtio_terminal_write(dev, bytes, len);
}

static size_t read_socket(struct virtio_dev *dev, void *end, void *bytes, size_t len)
{
	(void)dev;
	return port_read(end, bytes, len);
}

static ssize_t write_socket(struct virtio_dev *dev, void *end, const void *bytes, size_t len)
{
	(void)dev;
	return port_write(end, bytes, len);
}

/* --- work --------------------------------------------------------------------------------------------------------- */

static void settle(struct virtio_dev *dev, unsigned p)
{
	struct console_ports *ports = virtio_priv(dev);
	int changed = port_settle(&ports->sockets[p]);

	if (changed < 0) {
		virtio_warn(dev, "port %.*s: a client could not be let in: %s", (int)ports->sockets[p].name_len,
			    ports->sockets[p].name, strerror(-changed));
		return;
	}
	if (changed & PORT_LEFT) {
		stream_drop(dev, &ports->streams[p]);
		console_control_left(&ports->control, p);
	}
	if (changed & PORT_CAME)
		console_control_came(&ports->control, p);
	if (changed)
		console_control_tell(dev, &ports->control);
}

static void on_loop(struct virtio_dev *dev);

/* Moves what can be moved. */
static void serve(struct virtio_dev *dev, unsigned p)
{
	struct console_ports *ports = virtio_priv(dev);
	struct stream *stream = &ports->streams[p];
	bool listens = console_control_listens(dev, &ports->control, p);

	/* from its first buffer on, until it is gone, the driver has what is typed */
	if (p == 0 && (!listens || stream_has_room(dev, stream)))
		virtio_terminal_listen(dev, listens);
	if (listens)
		stream_receive(dev, stream);
	/* soon, but not before the loop's other work */
	if (!stream_send(dev, stream) || ports->sockets[p].unsettled)
		virtio_timer(dev, 1, 0, on_loop);
}

static void serve_all(struct virtio_dev *dev)
{
	struct console_ports *ports = virtio_priv(dev);

	console_control_tell(dev, &ports->control);
	for (unsigned p = 0; p < ports->control.n_ports; p++)
		serve(dev, p);
}

/* The loop lets clients in and out: a vCPU must not have those calls. */
static void on_loop(struct virtio_dev *dev)
{
	struct console_ports *ports = virtio_priv(dev);

	for (unsigned p = 1; p < ports->control.n_ports; p++)
		settle(dev, p);
	serve_all(dev);
}

void console_ports_kick(struct virtio_dev *dev, unsigned q)
{
	struct console_ports *ports = virtio_priv(dev);

	if (q > 1 && !virtio_has_feature(dev, VIRTIO_CONSOLE_F_MULTIPORT))
		return; /* there are no such queues (virtio 1.2, 5.3.2) */
	if (q == CONSOLE_CONTROL_TX)
		console_control_take(dev, &ports->control);
	if (q == CONSOLE_CONTROL_RX || q == CONSOLE_CONTROL_TX)
		serve_all(dev);
	else
		serve(dev, q > 1 ? q / 2 - 1 : 0);
}

void console_ports_terminal(struct virtio_dev *dev)
{
	serve(dev, 0);
}

static void on_sockets(struct virtio_dev *dev, void *ctx, uint32_t ready)
{
	struct console_ports *ports = ctx;
	struct epoll_event events[EVENTS];
	int n = epoll_wait(ports->set_fd, events, EVENTS, 0);

	(void)ready;
	for (int i = 0; i < n; i++) {
		serve(dev, events[i].data.u32);
		settle(dev, events[i].data.u32);
	}
}

void console_ports_queue_reset(struct virtio_dev *dev, unsigned q)
{
	struct console_ports *ports = virtio_priv(dev);

	for (unsigned p = 0; p < ports->control.n_ports; p++)
		stream_queue_reset(&ports->streams[p], q);
}

void console_ports_reset(struct virtio_dev *dev)
{
	struct console_ports *ports = virtio_priv(dev);

	for (unsigned q = 0; q < 2 * ports->control.n_ports + 2; q++)
		console_ports_queue_reset(dev, q);
	console_control_reset(&ports->control);
	virtio_terminal_listen(dev, false);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static int open_port(struct virtio_dev *dev, unsigned p, const char *spec)
{
	struct console_ports *ports = virtio_priv(dev);
	struct console_control *control = &ports->control;
	struct port *port = &ports->sockets[p];
	int err = port_open(port, "--device console", spec, ports->set_fd, p);

	if (!err)
		err = virtio_allow_remove(dev, port_path(port));
	if (err)
		return err;
	for (unsigned other = 1; other < p; other++) {
		if (control->name_lens[other] != port->name_len ||
		    memcmp(control->names[other], port->name, port->name_len) != 0)
			continue;
		virtio_error(dev, "port=%s: another port has that name: each needs its own", spec);
		return -EEXIST;
	}
	control->names[p] = port->name;
	control->name_lens[p] = (uint8_t)port->name_len;
	return 0;
}

int console_ports_open(struct virtio_dev *dev, const struct option_list *sockets)
{
	struct console_ports *ports = virtio_priv(dev);
	int err = 0;

	ports->control.n_ports = 1;
	ports->control.here = 1;
	ports->set_fd = epoll_create1(EPOLL_CLOEXEC);
	if (ports->set_fd < 0) {
		err = -errno;
		virtio_error(dev, "epoll: %s", strerror(-err));
		return err;
	}
	if (sockets->n >= CONSOLE_PORTS_MAX) {
		virtio_error(dev, "port=%s: there are %d already, the most that can be", sockets->items[sockets->n - 1],
			     CONSOLE_PORTS_MAX - 1);
		return -EINVAL;
	}
	for (unsigned p = 0; p <= sockets->n && !err; p++) {
		ports->streams[p] = (struct stream){ .rx_queue = p ? 2 * p + 2 : 0,
						     .tx_queue = p ? 2 * p + 3 : 1,
						     .read = p ? read_socket : read_terminal,
						     .write = p ? write_socket : write_terminal,
						     .end = &ports->sockets[p],
						     .counts = &ports->counts };
		err = p ? open_port(dev, p, sockets->items[p - 1]) : 0;
	}
	ports->control.n_ports += sockets->n;
	virtio_allow(dev, port_calls);
	return err ? err : virtio_watch(dev, ports->set_fd, EPOLLIN, on_sockets, ports, NULL);
}

void console_ports_close(struct virtio_dev *dev)
{
	struct console_ports *ports = virtio_priv(dev);

	for (unsigned p = 1; p < ports->control.n_ports; p++)
		port_close(&ports->sockets[p]);
	if (ports->control.n_ports && ports->set_fd >= 0)
		close(ports->set_fd);
}
