// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/echo.h"

#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/driver.h"

static void echo_chain(struct virtio_dev *dev, struct virtio_chain *chain)
{
	struct echo *echo = virtio_priv(dev);
	uint8_t piece[7]; /* no power of two: pieces and descriptors end at different places */
	size_t got, seen = 0, written = 0;

	while ((got = chain_read(chain, piece, sizeof(piece))) > 0) {
		for (size_t i = 0; i < got && seen < sizeof(echo->seen); i++)
			echo->seen[seen++] = piece[i];
		written += chain_write(chain, piece, got);
	}
	vq_push(dev, 0, chain, (uint32_t)written);
}

static void take(struct virtio_dev *dev, unsigned q)
{
	struct echo *echo = virtio_priv(dev);
	struct virtio_chain chain;

	while (vq_pop(dev, q, &chain) > 0) {
		echo->pops++;
		echo->n_readable = chain.n_readable;
		echo->n_writable = chain.n_writable;
		echo->readable_len = chain.readable_len;
		echo->writable_len = chain.writable_len;
		if (q != ECHO_HOLD)
			echo_chain(dev, &chain);
		else if (echo->n_held < ECHO_QUEUE_MAX)
			echo->held[echo->n_held++] = chain;
	}
}

static void echo_kick(struct virtio_dev *dev, unsigned q)
{
	struct echo *echo = virtio_priv(dev);

	echo->kicks++;
	take(dev, q);
}

static void give(struct virtio_dev *dev, unsigned at, uint32_t len)
{
	struct echo *echo = virtio_priv(dev);

	if (at >= echo->n_held)
		return;
	struct virtio_chain chain = echo->held[at];

	echo->n_held--;
	memmove(&echo->held[at], &echo->held[at + 1], (echo->n_held - at) * sizeof(chain));
	vq_push(dev, ECHO_HOLD, &chain, len);
}

static void echo_config_write(struct virtio_dev *dev, size_t off, size_t len, const void *bytes)
{
	struct echo *echo = virtio_priv(dev);
	uint8_t *config = virtio_config(dev);

	echo->config_writes++;
	if (off >= ECHO_CONFIG_SIZE || len > ECHO_CONFIG_SIZE - off) {
		echo->wrong_config_writes++; /* the core promised not to */
		return;
	}
	memcpy(config + off, bytes, len);
	if (off > ECHO_COMMAND || off + len <= ECHO_COMMAND)
		return;
	switch (config[ECHO_COMMAND]) {
	case ECHO_CHANGE:
		config[0]++;
		virtio_config_changed(dev);
		break;
	case ECHO_FAIL: virtio_fail(dev, "a test wants rule %d broken", 7); break;
	case ECHO_TAKE: take(dev, ECHO_HOLD); break;
	case ECHO_GIVE_FIRST: give(dev, 0, 0); break;
	case ECHO_GIVE_LAST: give(dev, echo->n_held - 1, 0); break;
	case ECHO_GIVE_TOO_LONG: give(dev, 0, UINT32_MAX); break;
	}
}

/* Keeps what it holds: that nothing comes of it is then the core's merit. */
static void echo_reset(struct virtio_dev *dev)
{
	struct echo *echo = virtio_priv(dev);

	echo->resets++;
}

static const struct virtio_class echo_class = {
	.name = "echo",
	.help = "copies what it reads to what it may write",
	.id = ECHO_ID,
	.n_queues = 2,
	.queue_size = ECHO_QUEUE_MAX,
	.config_size = ECHO_CONFIG_SIZE,
	.features = BIT(ECHO_FEATURE_LOW) | BIT(ECHO_FEATURE_HIGH),
	.priv_size = sizeof(struct echo),
	.kick = echo_kick,
	.config_write = echo_config_write,
	.reset = echo_reset,
};
VIRTIO_DEVICE(echo_class);

/* --- the driver's side -------------------------------------------------------------------------------------------- */

struct echo *echo_of(struct driver *driver)
{
	return virtio_priv(driver->dev);
}

unsigned echo_held(struct driver *driver)
{
	pthread_mutex_lock(&driver->dev->lock);
	unsigned n = echo_of(driver)->n_held;

	pthread_mutex_unlock(&driver->dev->lock);
	return n;
}

void echo_command(struct driver *driver, uint8_t command)
{
	window_put(driver, R_CONFIG + ECHO_COMMAND, 1, command);
}

void echo_add(struct driver *driver, unsigned q, uint16_t head, uint32_t in, uint32_t out)
{
	struct ring *ring = &driver->rings[q];
	uint16_t second = (uint16_t)(head + (in ? 1 : 0));

	if (in)
		ring_desc(ring, head, gpa_alloc(driver->rig, in, 1), in, out ? D_NEXT : 0, second);
	if (out)
		ring_desc(ring, second, gpa_alloc(driver->rig, out, 1), out, D_WRITE, 0);
	ring_add(ring, head);
}

bool echo_serves(struct driver *driver)
{
	static uint8_t number;
	struct rig *rig = driver->rig;
	struct ring *ring = &driver->rings[0];
	uint64_t in = gpa_alloc(rig, 5, 1), out = gpa_alloc(rig, 9, 1);
	uint8_t bytes[9] = { ++number, 2, 3, 4, 5, 0xee, 0xee, 0xee, 0xee };
	uint16_t at = ring_used_idx(ring);

	memcpy(gpa_ptr(rig, in, 5), bytes, 5);
	memset(gpa_ptr(rig, out, 9), 0xee, 9);
	ring_desc(ring, 0, in, 5, D_NEXT, 1);
	ring_desc(ring, 1, out, 9, D_WRITE, 0);
	ring_add(ring, 0);
	kick(driver, 0);
	return ring_used_idx(ring) == (uint16_t)(at + 1) && ring_used_id(ring, at) == 0 &&
	       ring_used_len(ring, at) == 5 && memcmp(gpa_ptr(rig, out, 9), bytes, 9) == 0;
}

/* --- the oracle --------------------------------------------------------------------------------------------------- */

#define check(condition) _assert_true(condition, #condition, file, line)

void oracle_(struct rig *rig, const char *file, int line)
{
	uint32_t status = reg_get(&rig->a, R_STATUS);

	check((status & ~(S_UP | S_NEEDS_RESET | S_FAILED)) == 0);
	if ((status & S_NEEDS_RESET) && (status & S_DRIVER_OK)) {
		check(reg_get(&rig->a, R_INTERRUPT_STATUS) & ISR_CONFIG);
		check(edges(&rig->a) > 0);
	}
	check(echo_serves(&rig->b));
	check(reg_get(&rig->b, R_STATUS) == S_UP);
	check(driver_up(&rig->a, F_VERSION_1 | F_INDIRECT));
	check(echo_serves(&rig->a));
	check(edges(&rig->a) == 1);
	check(echo_of(&rig->a)->wrong_config_writes == 0);
}
