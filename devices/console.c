// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio console (virtio 1.2, 5.3). Port 0 is the terminal, hvc0 for Linux; the others are Unix sockets of the
 * host's. A port's bytes go through its pair of queues (backend/stream.h), what there is to tell of ports through
 * another (backend/console_control.h); here is the rest: the size of the terminal, and bytes without a queue.
 */
#include <linux/virtio_console.h>

#include "devices/backend/console_ports.h"
#include "devices/virtio/virtio.h"

struct console_config {
	struct le16 cols, rows;
	struct le32 max_nr_ports, emerg_wr;
};
_Static_assert(sizeof(struct console_config) == sizeof(struct virtio_console_config), "virtio 1.2, 5.3.4");

struct console {
	struct console_ports ports;
	struct option_list sockets;
};

static void console_resized(struct virtio_dev *dev)
{
	struct console *console = virtio_priv(dev);
	struct console_config *config = virtio_config(dev);
	uint16_t cols, rows;

	virtio_terminal_size(dev, &cols, &rows);
	if (cols == le16_get(config->cols) && rows == le16_get(config->rows))
		return;
	config->cols = le16_from(cols);
	config->rows = le16_from(rows);
	virtio_config_changed(dev);
	console_control_resized(&console->ports.control);
	console_control_tell(dev, &console->ports.control);
}

static const struct virtio_terminal console_terminal = { .input = console_ports_terminal,
							 .room = console_ports_terminal,
							 .resized = console_resized };

/* emerg_wr, also from a driver that is not up, is the byte to be shown (virtio 1.2, 5.3.4.1); all else is ours. */
static void console_config_write(struct virtio_dev *dev, size_t off, size_t len, const void *bytes)
{
	const size_t emerg_wr = offsetof(struct console_config, emerg_wr);
	struct console *console = virtio_priv(dev);

	if (off > emerg_wr || len <= emerg_wr - off)
		return;
	if (virtio_terminal_write(dev, (const char *)bytes + (emerg_wr - off), 1))
		console->ports.counts.tx++;
	else
		console->ports.counts.dropped++;
}

static int console_create(struct virtio_dev *dev)
{
	struct console *console = virtio_priv(dev);
	struct console_config *config = virtio_config(dev);
	int err = console_ports_open(dev, &console->sockets);

	if (!err)
		err = virtio_terminal_claim(dev, &console_terminal);
	if (err)
		return err;
	config->max_nr_ports = le32_from(console->ports.control.n_ports);
	virtio_set_queues(dev, 2 * console->ports.control.n_ports + 2);
	console_resized(dev);
	return 0;
}

static const struct option_desc console_options[] = {
	{ "port", OPTION_LIST, offsetof(struct console, sockets), NULL, 0, 0, NULL,
	  "NAME:PATH, another port: /dev/virtio-ports/NAME in the guest, the Unix socket PATH here; up to 7" },
	{ .name = NULL },
};

#define COUNT(field) offsetof(struct console, ports.counts.field)

static const struct counter_desc console_counters[] = {
	COUNTER("rx-bytes", COUNT(rx), "to the guest"),
	COUNTER("tx-bytes", COUNT(tx), "from the guest"),
	COUNTER("dropped-bytes", COUNT(dropped), "from the guest, with nobody to take them"),
	{ .name = NULL },
};

/* Clients do not move to another host: the driver is told that they left. */
static const struct state_desc console_state[] = {
	STATE(struct console, ports.control.ready),
	STATE(struct console, ports.control.open),
	STATE(struct console, ports.control.tell),
	{ .name = NULL },
};

static const struct virtio_class console_class = {
	.name = "console",
	.help = "a console (hvc0) on the terminal beside the serial port, and ports that are Unix sockets",
	.id = VIRTIO_ID_CONSOLE,
	.n_queues = 4,
	.queue_size = 64,
	.config_size = sizeof(struct console_config),
	.single = true,
	.features = 1u << VIRTIO_CONSOLE_F_SIZE | 1u << VIRTIO_CONSOLE_F_MULTIPORT | 1u << VIRTIO_CONSOLE_F_EMERG_WRITE,
	.priv_size = sizeof(struct console),
	.chains = 1,
	.options = console_options,
	.counters = console_counters,
	.state = console_state,
	.linux_option = "CONFIG_VIRTIO_CONSOLE",
	.create = console_create,
	.kick = console_ports_kick,
	.config_write = console_config_write,
	.reset = console_ports_reset,
	.queue_reset = console_ports_queue_reset,
	.destroy = console_ports_close,
};
VIRTIO_DEVICE(console_class);
