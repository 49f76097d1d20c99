// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/console_control.h"

#include <linux/virtio_console.h>
#include <string.h>

/* What is to be told of a port: bits of console_control.tell, in the order in which it is told. */
enum tell { TELL_ADD, TELL_CONSOLE, TELL_SIZE, TELL_NAME, TELL_CLOSED, TELL_OPEN, N_TELL };
#define BIT(n) (1u << (n))

struct message {
	struct le32 id;
	struct le16 event, value;
	char more[CONSOLE_NAME_MAX]; /* of some events */
};
#define HEAD_LEN offsetof(struct message, more)
#define SIZE_LEN (2 * sizeof(struct le16)) /* columns and rows */
_Static_assert(HEAD_LEN == sizeof(struct virtio_console_control), "virtio 1.2, 5.3.6.2");

static void add(struct console_control *control, unsigned port, unsigned bits)
{
	control->tell[port] = (uint8_t)(control->tell[port] | bits);
}

/* --- what happened here ------------------------------------------------------------------------------------------- */

void console_control_came(struct console_control *control, unsigned port)
{
	control->here = (uint8_t)(control->here | BIT(port));
	if (control->ready & BIT(port))
		add(control, port, BIT(TELL_OPEN));
}

/* A client of which the driver was not told need not be closed either. */
void console_control_left(struct console_control *control, unsigned port)
{
	control->here = (uint8_t)(control->here & ~BIT(port));
	if (control->tell[port] & BIT(TELL_OPEN))
		control->tell[port] = (uint8_t)(control->tell[port] & ~BIT(TELL_OPEN));
	else if (control->ready & BIT(port))
		add(control, port, BIT(TELL_CLOSED));
}

void console_control_resized(struct console_control *control)
{
	if (control->ready & BIT(0))
		add(control, 0, BIT(TELL_SIZE));
}

/* --- what the driver says ----------------------------------------------------------------------------------------- */

static void obey(struct console_control *control, uint32_t port, uint16_t event, bool yes)
{
	if (event == VIRTIO_CONSOLE_DEVICE_READY) { /* its port is of no meaning */
		for (unsigned p = 0; yes && p < control->n_ports; p++)
			add(control, p, BIT(TELL_ADD));
		return;
	}
	if (port >= control->n_ports)
		return;
	uint8_t bit = (uint8_t)BIT(port);

	if (event == VIRTIO_CONSOLE_PORT_READY) {
		control->ready = (uint8_t)(yes ? control->ready | bit : control->ready & ~bit);
		control->tell[port] = 0;
		if (yes)
			add(control, port, port ? BIT(TELL_NAME) : BIT(TELL_CONSOLE) | BIT(TELL_SIZE));
		if (yes && (control->here & bit))
			add(control, port, BIT(TELL_OPEN));
	} else if (event == VIRTIO_CONSOLE_PORT_OPEN) {
		control->open = (uint8_t)(yes ? control->open | bit : control->open & ~bit);
	}
}

void console_control_take(struct virtio_dev *dev, struct console_control *control)
{
	struct virtio_chain chain;
	struct message message;

	if (!virtio_has_feature(dev, VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	while (vq_pop(dev, CONSOLE_CONTROL_TX, &chain) > 0) {
		if (chain_read(&chain, &message, HEAD_LEN) == HEAD_LEN)
			obey(control, le32_get(message.id), le16_get(message.event), le16_get(message.value) == 1);
		vq_push(dev, CONSOLE_CONTROL_TX, &chain, 0);
	}
}

/* --- what it is told ---------------------------------------------------------------------------------------------- */

/* Writes the message; returns its length, or 0 where it has no meaning. */
static size_t write_message(struct virtio_dev *dev, const struct console_control *control, unsigned port,
			    enum tell what, struct message *message)
{
	static const uint16_t events[N_TELL] = { VIRTIO_CONSOLE_PORT_ADD,  VIRTIO_CONSOLE_CONSOLE_PORT,
						 VIRTIO_CONSOLE_RESIZE,    VIRTIO_CONSOLE_PORT_NAME,
						 VIRTIO_CONSOLE_PORT_OPEN, VIRTIO_CONSOLE_PORT_OPEN };

	*message = (struct message){ .id = le32_from(port),
				     .event = le16_from(events[what]),
				     .value = le16_from(what != TELL_CLOSED) };
	if (what == TELL_SIZE) {
		static const char unknown[SIZE_LEN];

		memcpy(message->more, virtio_config(dev), SIZE_LEN);
		return virtio_has_feature(dev, VIRTIO_CONSOLE_F_SIZE) && memcmp(message->more, unknown, SIZE_LEN) ?
			       HEAD_LEN + SIZE_LEN :
			       0;
	}
	if (what != TELL_NAME)
		return HEAD_LEN;
	memcpy(message->more, control->names[port], control->name_lens[port]);
	return HEAD_LEN + control->name_lens[port];
}

/* True where the driver had a buffer for it. One that is too small goes back empty. */
static bool send_message(struct virtio_dev *dev, const struct message *message, size_t len)
{
	struct virtio_chain chain;
	size_t written = 0;

	while (!written && vq_pop(dev, CONSOLE_CONTROL_RX, &chain) > 0) {
		if (chain.writable_len >= len)
			written = chain_write(&chain, message, len);
		vq_push(dev, CONSOLE_CONTROL_RX, &chain, (uint32_t)written);
	}
	return written;
}

void console_control_tell(struct virtio_dev *dev, struct console_control *control)
{
	struct message message;

	if (!virtio_has_feature(dev, VIRTIO_CONSOLE_F_MULTIPORT))
		return;
	for (unsigned port = 0; port < control->n_ports; port++) {
		for (unsigned what = 0; what < N_TELL; what++) {
			if (!(control->tell[port] & BIT(what)))
				continue;
			size_t len = write_message(dev, control, port, what, &message);

			if (len && !send_message(dev, &message, len))
				return;
			control->tell[port] = (uint8_t)(control->tell[port] & ~BIT(what));
		}
	}
}

bool console_control_listens(struct virtio_dev *dev, const struct console_control *control, unsigned port)
{
	if (!virtio_driver_ok(dev))
		return false;
	if (!virtio_has_feature(dev, VIRTIO_CONSOLE_F_MULTIPORT))
		return port == 0;
	/* not before it knows who is at the other end: Linux asks for that when it has read all */
	return (control->open & BIT(port)) && !(control->tell[port] & (BIT(TELL_CLOSED) | BIT(TELL_OPEN)));
}

void console_control_reset(struct console_control *control)
{
	memset(control->tell, 0, sizeof(control->tell));
	control->ready = control->open = 0;
}
