// SPDX-License-Identifier: GPL-2.0-only
/*
 * The virtio socket device (virtio 1.2, 5.10): the guest's AF_VSOCK sockets, and on the host either Unix sockets, for
 * which this file carries packets, or the kernel's AF_VSOCK, which works on the rings itself.
 */
#include <sys/epoll.h>

#include "devices/backend/vhost_vsock.h"
#include "devices/backend/vsock_rings.h"
#include "devices/virtio/virtio.h"

#define VSOCK_F_STREAM   0 /* feature bit: virtio 1.2, 5.10.3 */
#define VSOCK_QUEUE_SIZE 128
#define VSOCK_CID_MIN    3u /* those below and the last one are reserved: virtio 1.2, 5.10.4 */
#define VSOCK_CID_MAX    0xfffffffeu

struct vsock_config {
	struct le64 guest_cid;
};
_Static_assert(sizeof(struct vsock_config) == sizeof(struct virtio_vsock_config), "5.10.4");

struct vsock {
	uint64_t cid;
	char *path;
	struct vsock_rings rings; /* one of the two backends */
	struct vhost *vhost;      /* the other */
};

static void vsock_carry(struct virtio_dev *dev)
{
	struct vsock *vsock = virtio_priv(dev);

	vsock_rings_carry(dev, &vsock->rings);
}

static void on_sockets(struct virtio_dev *dev, void *unix_, uint32_t events)
{
	(void)events;
	vsock_unix_poll(unix_);
	vsock_carry(dev);
}

static void vsock_kick(struct virtio_dev *dev, unsigned q)
{
	const struct vsock *vsock = virtio_priv(dev);

	if (vsock->vhost)
		vhost_kick(vsock->vhost, q);
	else
		vsock_carry(dev);
}

static void vsock_queue_reset(struct virtio_dev *dev, unsigned q)
{
	struct vsock *vsock = virtio_priv(dev);

	if (q == VSOCK_RX)
		vsock_rings_forget(&vsock->rings);
}

static void vsock_reset(struct virtio_dev *dev)
{
	vsock_queue_reset(dev, VSOCK_RX);
	vsock_carry(dev); /* there is no driver, so this closes all connections */
}

static void vsock_destroy(struct virtio_dev *dev)
{
	struct vsock *vsock = virtio_priv(dev);

	vsock_unix_close(vsock->rings.unix_);
	vhost_close(vsock->vhost);
}

static int vsock_create(struct virtio_dev *dev)
{
	struct vsock *vsock = virtio_priv(dev);
	struct vsock_config *config = virtio_config(dev);
	uint32_t cid = (uint32_t)vsock->cid;

	config->guest_cid = le64_from(cid);
	if (!vsock->path)
		return vhost_vsock_open(&vsock->vhost, dev, cid);
	int err = vsock_unix_open(&vsock->rings.unix_, "--device vsock", vsock->path, cid, &vsock->rings.counts);

	if (err)
		return err;
	virtio_offer(dev, FEATURE(VSOCK_F_STREAM));
	virtio_allow(dev, vsock_unix_calls);
	err = virtio_allow_remove(dev, vsock->path);
	if (err)
		return err;
	return virtio_watch(dev, vsock_unix_fd(vsock->rings.unix_), EPOLLIN, on_sockets, vsock->rings.unix_, NULL);
}

#define FIELD(field) offsetof(struct vsock, field)

static const struct option_desc vsock_options[] = {
	{ "cid", OPTION_UINT, FIELD(cid), "3", VSOCK_CID_MIN, VSOCK_CID_MAX, NULL, "the guest's address" },
	{ "socket", OPTION_STRING, FIELD(path), NULL, 0, 0, NULL,
	  "name of a Unix socket for the host's programs; without it they use AF_VSOCK (vhost)" },
	{ .name = NULL },
};

static const struct counter_desc vsock_counters[] = {
	COUNTER("connections", FIELD(rings.counts.connections), "established, either way"),
	COUNTER("to-guest", FIELD(rings.counts.to_guest), "bytes of payload"),
	COUNTER("from-guest", FIELD(rings.counts.from_guest), "bytes of payload"),
	COUNTER("resets", FIELD(rings.counts.resets), "connections that broke off"),
	COUNTER("refused", FIELD(rings.counts.refused), "packets that met no connection"),
	COUNTER("ignored", FIELD(rings.counts.ignored), "packets that cannot be answered"),
	{ .name = NULL },
};

/* Connections do not go along to another host; but no port is to be used again soon. */
static const struct state_desc vsock_state[] = {
	STATE(struct vsock, rings.counts.open),
	STATE(struct vsock, rings.counts.next_port),
	{ .name = NULL },
};

static const struct virtio_class vsock_class = {
	.name = "vsock",
	.on_loop = true,
	.help = "stream sockets between guest and host",
	.id = VIRTIO_ID_VSOCK,
	.n_queues = VSOCK_QUEUES,
	.queue_size = VSOCK_QUEUE_SIZE,
	.config_size = sizeof(struct vsock_config),
	.priv_size = sizeof(struct vsock),
	.chains = 1,
	.options = vsock_options,
	.counters = vsock_counters,
	.state = vsock_state,
	.linux_option = "CONFIG_VIRTIO_VSOCKETS",
	.linux_module = "vmw_vsock_virtio_transport",
	.create = vsock_create,
	.kick = vsock_kick,
	.reset = vsock_reset,
	.queue_reset = vsock_queue_reset,
	.destroy = vsock_destroy,
};
VIRTIO_DEVICE(vsock_class);
