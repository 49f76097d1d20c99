// SPDX-License-Identifier: GPL-2.0-only
/* A virtio device that is a console of the terminal's. */
#include <errno.h>

#include "devices/virtio/core.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

/* As every call of a device's function: under its lock, and what it pushes is told. */
static void call(struct virtio_dev *dev, void (*fn)(struct virtio_dev *dev))
{
	pthread_mutex_lock(&dev->lock);
	virtio_enter(dev);
	fn(dev);
	virtio_leave(dev);
	pthread_mutex_unlock(&dev->lock);
}

static void on_input(void *ctx)
{
	struct virtio_dev *dev = ctx;

	call(dev, dev->terminal->input);
}

static void on_room(void *ctx)
{
	struct virtio_dev *dev = ctx;

	call(dev, dev->terminal->room);
}

static void on_resized(void *ctx)
{
	struct virtio_dev *dev = ctx;

	call(dev, dev->terminal->resized);
}

static const struct terminal_user user = { .input = on_input, .room = on_room, .resized = on_resized };

int virtio_terminal_claim(struct virtio_dev *dev, const struct virtio_terminal *terminal)
{
	if (!terminal_set_user(dev->vm->terminal, &user, dev)) {
		virtio_error(dev, "another device has the terminal: leave one of them out");
		return -EBUSY;
	}
	dev->terminal = terminal;
	return 0;
}

void virtio_terminal_release(struct virtio_dev *dev)
{
	if (dev->terminal)
		terminal_set_user(dev->vm->terminal, NULL, NULL);
	dev->terminal = NULL;
}

void virtio_terminal_listen(struct virtio_dev *dev, bool here)
{
	if (dev->terminal)
		terminal_claim_input(dev->vm->terminal, here);
}

size_t virtio_terminal_read(struct virtio_dev *dev, void *bytes, size_t len)
{
	return dev->terminal ? terminal_user_read(dev->vm->terminal, bytes, len) : 0;
}

size_t virtio_terminal_write(struct virtio_dev *dev, const void *bytes, size_t len)
{
	return terminal_try_write(dev->vm->terminal, bytes, len);
}

bool virtio_terminal_size(struct virtio_dev *dev, uint16_t *cols, uint16_t *rows)
{
	(void)dev;
	return terminal_size(cols, rows);
}
