// SPDX-License-Identifier: GPL-2.0-only
/* What a virtio device asks of the host: timers, descriptors to be watched, guest memory to be given back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "vmm/loop.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/vm.h"

/* --- a timer ------------------------------------------------------------------------------------------------------ */

void virtio_timer_expired(void *ctx, uint64_t expirations)
{
	struct virtio_dev *dev = ctx;

	pthread_mutex_lock(&dev->lock);
	TRACE(&dev->vm->trace, tick, dev->name, expirations);
	virtio_enter(dev);
	dev->timer_fn(dev);
	virtio_leave(dev);
	pthread_mutex_unlock(&dev->lock);
}

void virtio_timer(struct virtio_dev *dev, uint64_t first_ns, uint64_t period_ns, virtio_timer_fn *fn)
{
	dev->timer_fn = fn;
	loop_set_timer(dev->timer, first_ns, period_ns);
}

/* --- watches ------------------------------------------------------------------------------------------------------ */

struct virtio_watch {
	struct virtio_watch *next;
	struct virtio_dev *dev;
	virtio_fd_fn *fn;
	void *ctx;
	struct loop_source *source;
};

static void on_watch(void *ctx, uint32_t events)
{
	struct virtio_watch *watch = ctx;
	struct virtio_dev *dev = watch->dev;

	pthread_mutex_lock(&dev->lock);
	virtio_enter(dev);
	watch->fn(dev, watch->ctx, events);
	virtio_leave(dev);
	pthread_mutex_unlock(&dev->lock);
}

int virtio_watch(struct virtio_dev *dev, int fd, uint32_t events, virtio_fd_fn *fn, void *ctx,
		 struct virtio_watch **out)
{
	struct virtio_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch) {
		virtio_error(dev, "no memory");
		return -ENOMEM;
	}
	*watch = (struct virtio_watch){ .dev = dev, .fn = fn, .ctx = ctx };
	err = loop_add_fd(dev->vm->loop, fd, events, on_watch, watch, &watch->source);
	if (err) {
		virtio_error(dev, "cannot watch a descriptor: %s", strerror(-err));
		free(watch);
		return err;
	}
	watch->next = dev->watches;
	dev->watches = watch;
	if (out)
		*out = watch;
	return 0;
}

void virtio_watch_events(struct virtio_watch *watch, uint32_t events)
{
	loop_set_events(watch->source, events);
}

/* --- guest memory ------------------------------------------------------------------------------------------------- */

uint64_t virtio_ram_size(const struct virtio_dev *dev)
{
	return dev->vm->memory.size;
}

bool virtio_discard_gpa(struct virtio_dev *dev, uint64_t gpa, uint64_t len)
{
	void *host = mem_ptr(&dev->vm->memory, gpa, len);

	if (host)
		mem_discard(host, len);
	return host;
}

uint64_t virtio_discard_iov(struct virtio_dev *dev, const struct iovec *iov)
{
	(void)dev; /* a chain's iovecs are guest RAM */
	return mem_discard(iov->iov_base, iov->iov_len);
}

/* --- what its threads may do -------------------------------------------------------------------------------------- */

void virtio_allow(struct virtio_dev *dev, const struct call_rule *rules)
{
	sandbox_allow(dev->vm->sandbox, rules);
}

int virtio_allow_remove(struct virtio_dev *dev, const char *path)
{
	int err = sandbox_allow_path(dev->vm->sandbox, path, PATH_REMOVE);

	if (err)
		virtio_error(dev, "%s: --sandbox cannot allow that it is removed: %s", path, strerror(-err));
	return err;
}

struct sandbox *virtio_sandbox(const struct virtio_dev *dev)
{
	return dev->vm->sandbox;
}

/* --- from birth to death ------------------------------------------------------------------------------------------ */

int virtio_host_init(struct virtio_dev *dev)
{
	return loop_add_timer(dev->vm->loop, virtio_timer_expired, dev, &dev->timer);
}

void virtio_host_release(struct virtio_dev *dev)
{
	loop_del(dev->timer);
	virtio_terminal_release(dev);
	while (dev->watches) {
		struct virtio_watch *watch = dev->watches;

		dev->watches = watch->next;
		loop_del(watch->source);
		free(watch);
	}
}
