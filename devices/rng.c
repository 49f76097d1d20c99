// SPDX-License-Identifier: GPL-2.0-only
/* The entropy device (virtio 1.2, 5.4): fills the driver's buffers with the host's random bytes, at a rate if asked. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "devices/virtio/virtio.h"

/* Of one buffer: it may be given back with less in it than it could hold (virtio 1.2, 5.4.6.2), and no driver may keep
 * us busy by offering gigabytes. */
#define RNG_CHUNK 4096u

/* A buffer of up to so many bytes is filled whole, on account of the next window if need be: after one that is not,
 * Linux's driver (6.12.117), whose buffers have 64, waits for one that it has not asked for. */
#define RNG_WHOLE 64u

#define RNG_WINDOW_NS 100000000u /* rate= is kept in each window of this length */
#define RNG_WINDOWS   10u        /* a second */

struct rng {
	uint64_t rate; /* bytes a second; 0: as fast as the host can */
	int64_t left;  /* bytes that may still be given in this window, or were given too early */
	bool in_window, waiting;
	uint64_t requests, bytes, waits;
};

static void rng_serve(struct virtio_dev *dev);
static void rng_window_over(struct virtio_dev *dev);

/* The window begins with its first byte, so that an idle device has no timer. */
static void rng_begin_window(struct virtio_dev *dev)
{
	struct rng *rng = virtio_priv(dev);

	rng->in_window = true;
	rng->left = (rng->left < 0 ? rng->left : 0) + (int64_t)(rng->rate / RNG_WINDOWS);
	virtio_timer(dev, RNG_WINDOW_NS, 0, rng_window_over);
}

static void rng_window_over(struct virtio_dev *dev)
{
	struct rng *rng = virtio_priv(dev);

	rng->in_window = false;
	if (rng->left < 0)
		rng_begin_window(dev);
	if (rng->in_window && rng->left <= 0)
		return;
	rng->waiting = false;
	rng_serve(dev);
}

static bool rng_may(struct virtio_dev *dev)
{
	struct rng *rng = virtio_priv(dev);

	if (!rng->rate || !rng->in_window || rng->left > 0)
		return true;
	if (!rng->waiting) {
		rng->waiting = true;
		rng->waits++;
	}
	return false;
}

/* How much of a buffer is filled. */
static size_t rng_share(struct virtio_dev *dev, uint64_t writable)
{
	struct rng *rng = virtio_priv(dev);
	size_t len = writable < RNG_CHUNK ? (size_t)writable : RNG_CHUNK;

	if (!rng->rate || !len)
		return len;
	if (!rng->in_window)
		rng_begin_window(dev);
	return len > RNG_WHOLE && (int64_t)len > rng->left ? (size_t)rng->left : len;
}

static uint32_t rng_fill(struct virtio_chain *chain, size_t len)
{
	uint8_t bytes[RNG_CHUNK];
	size_t done = 0;

	while (done < len) {
		ssize_t n = getrandom(bytes + done, len - done, 0);

		if (n > 0)
			done += (size_t)n;
		else if (n == 0 || errno != EINTR)
			break;
	}
	return (uint32_t)chain_write(chain, bytes, done);
}

static void rng_serve(struct virtio_dev *dev)
{
	struct rng *rng = virtio_priv(dev);
	struct virtio_chain chain;

	while (rng_may(dev) && vq_pop(dev, 0, &chain) > 0) {
		size_t len = rng_share(dev, chain.writable_len);
		uint32_t n = len ? rng_fill(&chain, len) : 0;

		if (len && !n) {
			virtio_fail(dev, "the host has no random bytes: %s (virtio 1.2, 5.4.6.2)", strerror(errno));
			return;
		}
		rng->left -= n;
		rng->requests++;
		rng->bytes += n;
		vq_push(dev, 0, &chain, n);
	}
}

static int rng_create(struct virtio_dev *dev)
{
	static const struct call_rule calls[] = { ALLOW(getrandom, BY_DEVICE), ALLOW_END };

	virtio_allow(dev, calls);
	return 0;
}

static void rng_kick(struct virtio_dev *dev, unsigned q)
{
	(void)q;
	rng_serve(dev);
}

#define FIELD(field) offsetof(struct rng, field)

static const struct option_desc rng_options[] = {
	{ "rate", OPTION_SIZE, FIELD(rate), NULL, 64, 1ull << 40, NULL,
	  "bytes a second, at most (as fast as the host can, where not given)" },
	{ .name = NULL },
};

static const struct counter_desc rng_counters[] = {
	COUNTER("requests", FIELD(requests), "buffers filled"),
	COUNTER("bytes", FIELD(bytes), "random bytes given"),
	COUNTER("waits", FIELD(waits), "times that the driver waited for rate="),
	{ .name = NULL },
};

static const struct state_desc rng_state[] = { STATE(struct rng, left), { .name = NULL } };

static const struct virtio_class rng_class = {
	.name = "rng",
	.help = "the host's random bytes",
	.id = VIRTIO_ID_RNG,
	.n_queues = 1,
	.queue_size = 64,
	.priv_size = sizeof(struct rng),
	.chains = 1,
	.options = rng_options,
	.counters = rng_counters,
	.state = rng_state,
	.linux_option = "CONFIG_HW_RANDOM_VIRTIO",
	.linux_module = "virtio-rng",
	.create = rng_create,
	.kick = rng_kick,
};
VIRTIO_DEVICE(rng_class);
