// SPDX-License-Identifier: GPL-2.0-only
/*
 * The network device (virtio 1.2, 5.1): what it offers, its control queue, and a way out (backend/link.h). Frames move
 * in backend/net_pair.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/backend/mac.h"
#include "devices/backend/net_pair.h"
#include "devices/virtio/virtio.h"
#include "vmm/resident.h"

#define NET_TSO(side) (FEATURE(VIRTIO_NET_F_##side##_TSO4) | FEATURE(VIRTIO_NET_F_##side##_TSO6))
#define NET_OFFLOADS                                                                           \
	(FEATURE(VIRTIO_NET_F_CSUM) | NET_TSO(HOST) | FEATURE(VIRTIO_NET_F_HOST_ECN) |         \
	 FEATURE(VIRTIO_NET_F_GUEST_CSUM) | NET_TSO(GUEST) | FEATURE(VIRTIO_NET_F_GUEST_ECN) | \
	 FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
#define NET_CONTROLS                                                                                      \
	(FEATURE(VIRTIO_NET_F_CTRL_RX) | FEATURE(VIRTIO_NET_F_CTRL_MAC_ADDR) | FEATURE(VIRTIO_NET_F_MQ) | \
	 FEATURE(VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))

#define NET_COMMANDS 16u /* in one call: the host may take its time over each; then others have their turn */

struct net {
	char *tap, *mac;
	uint64_t fd, queues;
	struct option_list hostfwd;
	bool restricted;
	struct net_wire wire;
	struct net_pair *pairs; /* one for each descriptor of the link */
};

/* The driver sees an unplugged cable. */
static void net_gone(struct virtio_dev *dev, int err)
{
	struct net *net = virtio_priv(dev);
	struct virtio_net_config *config = virtio_config(dev);

	for (unsigned i = 0; i < net->wire.link.n_fds; i++)
		net_pair_watch(&net->pairs[i], false);
	virtio_warn(dev, "the network is gone: %s; the guest's link is down",
		    err ? strerror(err) : "its other end was closed");
	config->status = htole16(0);
	virtio_config_changed(dev);
}

/* --- the control queue -------------------------------------------------------------------------------------------- */

static int net_set_pairs(struct virtio_dev *dev, unsigned n)
{
	struct net *net = virtio_priv(dev);
	int err = n == 0 || n > net->wire.link.n_fds ? -EINVAL : 0;

	for (unsigned i = 1; i < net->wire.link.n_fds && !err; i++) {
		err = link_set_queue(&net->wire.link, i, i < n);
		net_pair_watch(&net->pairs[i], i < n);
	}
	return err;
}

static int net_command(struct virtio_dev *dev, struct virtio_chain *chain)
{
	struct net *net = virtio_priv(dev);
	struct virtio_net_config *config = virtio_config(dev);
	struct {
		struct virtio_net_ctrl_hdr header;
		union {
			uint8_t mac[ETH_ALEN];
			struct le16 pairs;
			struct le64 offloads;
			struct le32 counts[2];
		};
	} __attribute__((packed)) command;
	size_t len = chain_read(chain, &command, sizeof(command));

	if (len < sizeof(command.header))
		return -EINVAL;
	len -= sizeof(command.header);
	switch (command.header.class << 8 | command.header.cmd) {
	/* what the driver would not like to receive it gets all the same; filters are a hint (5.1.6.5.1) */
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_PROMISC:
	case VIRTIO_NET_CTRL_RX << 8 | VIRTIO_NET_CTRL_RX_ALLMULTI: return len >= 1 ? 0 : -EINVAL;
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_TABLE_SET:
		return len >= sizeof(command.counts) ? 0 : -EINVAL;
	case VIRTIO_NET_CTRL_MAC << 8 | VIRTIO_NET_CTRL_MAC_ADDR_SET:
		if (len < ETH_ALEN)
			return -EINVAL;
		memcpy(config->mac, command.mac, ETH_ALEN);
		virtio_config_changed(dev); /* another vCPU may be half-way through it (4.2.2.1) */
		return 0;
	case VIRTIO_NET_CTRL_MQ << 8 | VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET:
		if (len < sizeof(command.pairs) || !virtio_has_feature(dev, VIRTIO_NET_F_MQ))
			return -EINVAL;
		return net_set_pairs(dev, le16_get(command.pairs));
	case VIRTIO_NET_CTRL_GUEST_OFFLOADS << 8 | VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET:
		if (len < sizeof(command.offloads) || !virtio_has_feature(dev, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS))
			return -EINVAL;
		return net_wire_offload(&net->wire, dev, le64_get(command.offloads));
	default: return -EINVAL;
	}
}

static void net_control(struct virtio_dev *dev, unsigned q)
{
	struct virtio_chain chain;
	unsigned n = 0;

	for (; n < NET_COMMANDS && vq_pop(dev, q, &chain) > 0; n++) {
		uint8_t *ack = chain_cut_status(&chain);
		int err = net_command(dev, &chain);

		if (ack)
			*ack = err ? VIRTIO_NET_ERR : VIRTIO_NET_OK;
		vq_push(dev, q, &chain, chain.writable_len == 1);
	}
	if (n == NET_COMMANDS)
		vq_again(dev, q);
}

/* --- the contract ------------------------------------------------------------------------------------------------- */

static void net_kick(struct virtio_dev *dev, unsigned q)
{
	struct net *net = virtio_priv(dev);
	unsigned pairs = virtio_has_feature(dev, VIRTIO_NET_F_MQ) ? net->wire.link.n_fds : 1;

	if (q == 2 * pairs) /* behind those pairs that the driver knows of (5.1.2) */
		net_control(dev, q);
	else if (q < 2 * pairs && q % 2)
		net_pair_transmit(&net->pairs[q / 2]);
	else if (q < 2 * pairs)
		net_pair_receive(&net->pairs[q / 2]);
}

static void net_ready(struct virtio_dev *dev)
{
	struct net *net = virtio_priv(dev);

	net_wire_offload(&net->wire, dev, UINT64_MAX);
	net_set_pairs(dev, 1); /* until the driver asks for more (5.1.6.5.5) */
	net_pair_receive(&net->pairs[0]);
}

static void net_reset(struct virtio_dev *dev)
{
	struct net *net = virtio_priv(dev);

	for (unsigned i = 0; i < net->wire.link.n_fds; i++)
		net_pair_reset(&net->pairs[i]);
}

static void net_queue_reset(struct virtio_dev *dev, unsigned q)
{
	struct net *net = virtio_priv(dev);

	if (q / 2 < net->wire.link.n_fds)
		net_pair_reset_queue(&net->pairs[q / 2], q % 2);
}

static int net_create(struct virtio_dev *dev)
{
	struct net *net = virtio_priv(dev);
	struct virtio_net_config *config = virtio_config(dev);
	struct link_settings settings = { net->tap,
					  (unsigned)net->queues,
					  (unsigned)net->fd,
					  { (const char *const *)net->hostfwd.items, net->hostfwd.n,
					    net->restricted } };
	int err = mac_choose(config->mac, "--device net", net->mac, virtio_name(dev), net->tap);

	if (!err)
		err = link_open(&net->wire.link, "--device net", &settings);
	if (err)
		return err;
	link_allow(&net->wire.link, virtio_sandbox(dev));
	net->wire.on_gone = net_gone;
	net->pairs = resident_alloc(net->wire.link.n_fds, sizeof(*net->pairs));
	if (!net->pairs) {
		virtio_error(dev, "its pairs of queues: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	for (unsigned i = 0; i < net->wire.link.n_fds && !err; i++)
		err = net_pair_init(&net->pairs[i], dev, &net->wire, i);
	config->status = htole16(VIRTIO_NET_S_LINK_UP);
	config->max_virtqueue_pairs = htole16((uint16_t)net->wire.link.n_fds);
	virtio_set_queues(dev, 2 * net->wire.link.n_fds + 1);
	virtio_offer(dev, net->wire.link.vnet_hdr ? NET_OFFLOADS : 0);
	virtio_offer(dev, net->wire.link.n_fds > 1 ? FEATURE(VIRTIO_NET_F_MQ) : 0);
	return err;
}

static void net_destroy(struct virtio_dev *dev)
{
	struct net *net = virtio_priv(dev);

	link_close(&net->wire.link);
	free(net->pairs);
}

#define FIELD(field) offsetof(struct net, field)

static const struct option_desc net_options[] = {
	{ "tap", OPTION_STRING, FIELD(tap), NULL, 0, 0, NULL,
	  "a tap device; without it or fd=, a network of minivmm's own" },
	{ "fd", OPTION_UINT, FIELD(fd), NULL, 3, INT32_MAX, NULL, "an open descriptor: a tap or a socket of frames" },
	{ "hostfwd", OPTION_LIST, FIELD(hostfwd), NULL, 0, 0, NULL,
	  "a port of the host's that is the guest's: tcp:127.0.0.1:2222-:22" },
	{ "restrict", OPTION_BOOL, FIELD(restricted), "off", 0, 0, NULL, "let the guest reach nothing outside" },
	{ "mac", OPTION_STRING, FIELD(mac), NULL, 0, 0, NULL, "its address; where not given, the same in every run" },
	{ "queues", OPTION_UINT, FIELD(queues), "1", 1, LINK_PAIRS_MAX, NULL,
	  "pairs of queues, of a tap with multi_queue" },
	{ .name = NULL },
};

static const struct counter_desc net_counters[] = {
	COUNTER("rx-frames", FIELD(wire.rx_frames), "received by the guest"),
	COUNTER("rx-bytes", FIELD(wire.rx_bytes), "... in bytes"),
	COUNTER("rx-dropped", FIELD(wire.rx_dropped), "frames that no buffer of the driver's could hold"),
	COUNTER("tx-frames", FIELD(wire.tx_frames), "sent by the guest"),
	COUNTER("tx-bytes", FIELD(wire.tx_bytes), "... in bytes, with headers"),
	COUNTER("tx-dropped", FIELD(wire.tx_dropped), "frames that are none, or that the link refused"),
	{ .name = NULL },
};

/* virtio 1.2, 5.1.3.1 */
static const struct feature_need net_needs[] = {
	{ NET_TSO(HOST), FEATURE(VIRTIO_NET_F_CSUM) },        { FEATURE(VIRTIO_NET_F_HOST_ECN), NET_TSO(HOST) },
	{ NET_TSO(GUEST), FEATURE(VIRTIO_NET_F_GUEST_CSUM) }, { FEATURE(VIRTIO_NET_F_GUEST_ECN), NET_TSO(GUEST) },
	{ NET_CONTROLS, FEATURE(VIRTIO_NET_F_CTRL_VQ) },      { 0, 0 }
};

static const struct state_desc net_state[] = { STATE(struct net, wire.gone), { .name = NULL } };

static const struct virtio_class net_class = {
	.name = "net",
	.help = "a network card: a tap, or a user network without privileges",
	.id = VIRTIO_ID_NET,
	.n_queues = 3,
	.queue_size = 256,
	.config_size = offsetof(struct virtio_net_config, mtu),
	.features = 1u << VIRTIO_NET_F_MAC | 1u << VIRTIO_NET_F_STATUS | 1u << VIRTIO_NET_F_MRG_RXBUF |
		    1u << VIRTIO_NET_F_CTRL_VQ | 1u << VIRTIO_NET_F_CTRL_RX | 1u << VIRTIO_NET_F_CTRL_MAC_ADDR,
	.needs = net_needs,
	.priv_size = sizeof(struct net),
	.chains = NET_MERGE_MAX,
	.options = net_options,
	.counters = net_counters,
	.state = net_state,
	.linux_option = "CONFIG_VIRTIO_NET",
	.create = net_create,
	.kick = net_kick,
	.reset = net_reset,
	.queue_reset = net_queue_reset,
	.ready = net_ready,
	.destroy = net_destroy,
};
VIRTIO_DEVICE(net_class);
