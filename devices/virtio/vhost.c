// SPDX-License-Identifier: GPL-2.0-only
#include "devices/virtio/vhost.h"

#include <errno.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "vmm/vm.h"

/* Rings are lent where the driver says so, on a vCPU's thread; a failure takes them back on any. */
static const struct call_rule calls[] = {
	ALLOW(read, BY_VCPU),
	ALLOW_IOCTL(VHOST_SET_FEATURES, BY_VCPU),
	ALLOW_IOCTL(VHOST_SET_VRING_NUM, BY_VCPU),
	ALLOW_IOCTL(VHOST_SET_VRING_BASE, BY_VCPU),
	ALLOW_IOCTL(VHOST_GET_VRING_BASE, BY_DEVICE | BY_MAIN),
	ALLOW_IOCTL(VHOST_SET_VRING_ADDR, BY_VCPU),
	ALLOW_IOCTL(VHOST_SET_VRING_CALL, BY_VCPU),
	ALLOW_IOCTL(VHOST_SET_VRING_ERR, BY_VCPU),
	ALLOW_IOCTL(VHOST_SET_VRING_KICK, BY_VCPU),
	ALLOW_END,
};

struct vhost_queue {
	int kick_fd;      /* eventfd: ours to write, the kernel's to read */
	uint32_t session; /* of the ring that `base` is for */
	uint16_t base;    /* where the kernel goes on: the next entry of the available ring */
};

struct vhost {
	struct virtio_dev *dev;
	int fd;
	unsigned n_queues;
	vhost_run_fn *run;
	uint64_t features; /* of the kernel's */
	bool running;
	int call_fd, err_fd; /* eventfds that the kernel writes: buffers were used; a ring or chain is broken */
	struct vhost_queue queues[VIRTIO_QUEUES_MAX];
};

static bool eventfd_take(int fd)
{
	uint64_t count;

	return read(fd, &count, sizeof(count)) == sizeof(count);
}

static void eventfd_add(int fd)
{
	const uint64_t one = 1;
	ssize_t ignored = write(fd, &one, sizeof(one)); /* a count that is full has been told */

	(void)ignored;
}

/* --- what the kernel tells ---------------------------------------------------------------------------------------- */

static void on_call(struct virtio_dev *dev, void *ctx, uint32_t events)
{
	struct vhost *vhost = ctx;

	(void)events;
	if (eventfd_take(vhost->call_fd) && vhost->running)
		virtio_interrupt(dev, VIRTIO_ISR_USED);
}

static void on_error(struct virtio_dev *dev, void *ctx, uint32_t events)
{
	struct vhost *vhost = ctx;

	(void)events;
	if (eventfd_take(vhost->err_fd) && vhost->running)
		virtio_fail(dev, "the host's kernel finds a ring or a chain of queues 0 to %u broken (virtio 1.2, 2.7)",
			    vhost->n_queues - 1);
}

/* --- lending and taking back -------------------------------------------------------------------------------------- */

#define STEP(fd, request, arg) (ioctl(fd, request, arg) < 0 ? #request : NULL)

/* NULL, or the request that was refused. */
static const char *lend(struct vhost *vhost, unsigned q)
{
	const struct virtq *vq = &vhost->dev->queues[q];
	struct vhost_queue *queue = &vhost->queues[q];
	uint16_t base = queue->session == vq->session ? queue->base : 0;
	struct vhost_vring_state num = { .index = q, .num = vq->num }, from = { .index = q, .num = base };
	struct vhost_vring_addr addr = { .index = q,
					 .desc_user_addr = (uintptr_t)vq->desc,
					 .avail_user_addr = (uintptr_t)vq->avail,
					 .used_user_addr = (uintptr_t)vq->used };
	struct vhost_vring_file kick = { .index = q, .fd = queue->kick_fd },
				call = { .index = q, .fd = vhost->call_fd }, err = { .index = q, .fd = vhost->err_fd };
	const char *refused = STEP(vhost->fd, VHOST_SET_VRING_NUM, &num);

	queue->session = vq->session;
	if (!refused)
		refused = STEP(vhost->fd, VHOST_SET_VRING_BASE, &from);
	if (!refused)
		refused = STEP(vhost->fd, VHOST_SET_VRING_ADDR, &addr);
	if (!refused)
		refused = STEP(vhost->fd, VHOST_SET_VRING_CALL, &call);
	if (!refused)
		refused = STEP(vhost->fd, VHOST_SET_VRING_ERR, &err);
	if (!refused)
		refused = STEP(vhost->fd, VHOST_SET_VRING_KICK, &kick);
	return refused;
}

static void start(struct vhost *vhost)
{
	struct virtio_dev *dev = vhost->dev;
	uint64_t features = (dev->accepted[0] | (uint64_t)dev->accepted[1] << 32) & vhost->features;
	const char *refused = STEP(vhost->fd, VHOST_SET_FEATURES, &features);
	int err = 0;

	for (unsigned q = 0; q < vhost->n_queues && !refused; q++)
		refused = lend(vhost, q);
	if (refused) {
		virtio_warn(dev, "the host's kernel refuses %s: %s: its queues stand still", refused, strerror(errno));
		return;
	}
	/* of what was told before, the driver knows, or has forgotten it by its reset */
	eventfd_take(vhost->call_fd);
	eventfd_take(vhost->err_fd);
	err = vhost->run(vhost->fd, true);
	if (err) {
		virtio_warn(dev, "the host's kernel does not start: %s: its queues stand still", strerror(-err));
		return;
	}
	vhost->running = true;
	for (unsigned q = 0; q < vhost->n_queues; q++)
		vhost_kick(vhost, q); /* what was made available before, nobody will tell it */
}

static void stop(struct vhost *vhost)
{
	vhost->run(vhost->fd, false); /* waits until the kernel's thread has let go of the rings */
	vhost->running = false;
	for (unsigned q = 0; q < vhost->n_queues; q++) {
		struct vhost_vring_state state = { .index = q };

		if (ioctl(vhost->fd, VHOST_GET_VRING_BASE, &state) == 0)
			vhost->queues[q].base = (uint16_t)state.num;
	}
}

void vhost_sync(struct virtio_dev *dev)
{
	struct vhost *vhost = dev->vhost;
	bool run = vhost && virtio_driver_ok(dev);

	for (unsigned q = 0; run && q < vhost->n_queues; q++)
		run = dev->queues[q].ready;
	if (!vhost || run == vhost->running)
		return;
	if (run)
		start(vhost);
	else
		stop(vhost);
}

bool vhost_serves(const struct virtio_dev *dev, unsigned q)
{
	return dev->vhost && dev->vhost->running && q < dev->vhost->n_queues;
}

void vhost_kick(struct vhost *vhost, unsigned q)
{
	if (vhost->running && q < vhost->n_queues)
		eventfd_add(vhost->queues[q].kick_fd);
}

/* --- making it ---------------------------------------------------------------------------------------------------- */

static const char *give_memory(struct vhost *vhost)
{
	const struct memory *memory = &vhost->dev->vm->memory;
	struct vhost_memory *table = calloc(1, sizeof(*table) + MEMORY_REGIONS * sizeof(table->regions[0]));

	if (!table)
		return "calloc";
	table->nregions = memory->n_regions;
	for (unsigned i = 0; i < memory->n_regions; i++)
		table->regions[i] =
			(struct vhost_memory_region){ .guest_phys_addr = memory->regions[i].gpa,
						      .memory_size = memory->regions[i].size,
						      .userspace_addr = (uintptr_t)memory->regions[i].host };
	const char *refused = STEP(vhost->fd, VHOST_SET_MEM_TABLE, table);
	int err = errno;

	free(table);
	errno = err;
	return refused;
}

/* What is on offer must be what the kernel can: a ring's features, and the device type's. */
static void limit_offer(struct virtio_dev *dev, uint64_t has, uint64_t wanted)
{
	const uint64_t core = 1ull << VIRTIO_F_RING_RESET; /* and there are no other bits of the core's */

	dev->offered[0] = (uint32_t)(dev->offered[0] & has);
	dev->offered[1] &= (uint32_t)((has | core) >> 32);
	dev->offered[0] |= (uint32_t)(has & wanted);
	dev->offered[1] |= (uint32_t)((has & wanted) >> 32);
}

int vhost_open(struct vhost **out, struct virtio_dev *dev, int fd, unsigned n_queues, uint64_t wanted,
	       vhost_run_fn *run)
{
	struct vhost *vhost = calloc(1, sizeof(*vhost));
	int err;

	if (!vhost) {
		close(fd);
		return -ENOMEM;
	}
	*vhost = (struct vhost){ .dev = dev, .fd = fd, .n_queues = n_queues, .run = run };
	vhost->call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vhost->err_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	bool ok = vhost->call_fd >= 0 && vhost->err_fd >= 0;

	for (unsigned q = 0; q < n_queues; q++) {
		vhost->queues[q].kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ok = ok && vhost->queues[q].kick_fd >= 0;
	}
	const char *refused = ok ? STEP(fd, VHOST_SET_OWNER, NULL) : "eventfd";

	if (!refused)
		refused = STEP(fd, VHOST_GET_FEATURES, &vhost->features);
	if (!refused)
		refused = give_memory(vhost);
	if (refused) {
		err = -errno;
		virtio_error(dev, "vhost: %s: %s", refused, strerror(-err));
		goto fail;
	}
	if (!(vhost->features & (1ull << VIRTIO_F_VERSION_1))) {
		err = -ENOTSUP;
		virtio_error(dev, "vhost: the host's kernel is too old: it lacks VERSION_1");
		goto fail;
	}
	virtio_allow(dev, calls);
	limit_offer(dev, vhost->features, wanted);
	err = virtio_watch(dev, vhost->call_fd, EPOLLIN, on_call, vhost, NULL);
	if (!err)
		err = virtio_watch(dev, vhost->err_fd, EPOLLIN, on_error, vhost, NULL);
	if (err)
		goto fail;
	dev->vhost = vhost;
	*out = vhost;
	return 0;
fail:
	vhost_close(vhost);
	return err;
}

void vhost_close(struct vhost *vhost)
{
	if (!vhost)
		return;
	if (vhost->running)
		stop(vhost);
	vhost->dev->vhost = NULL;
	for (unsigned q = 0; q < vhost->n_queues; q++)
		if (vhost->queues[q].kick_fd >= 0)
			close(vhost->queues[q].kick_fd);
	if (vhost->call_fd >= 0)
		close(vhost->call_fd);
	if (vhost->err_fd >= 0)
		close(vhost->err_fd);
	close(vhost->fd);
	free(vhost);
}
