// SPDX-License-Identifier: GPL-2.0-only
/* What every virtio device has in common, whatever carries it: features, status, failure, notifications, timers. */
#include "devices/virtio/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

/* Bits of device status that a driver writes (virtio 1.2, 2.1). */
#define STATUS_DRIVER_BITS                                                                    \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

static bool bit_of(const uint32_t *words, unsigned bit)
{
	return words[bit / 32] & (1u << (bit % 32));
}

/* --- notifications to the driver ---------------------------------------------------------------------------------- */

/* An edge for each bit that goes from 0 to 1: the line is asserted while any is set (virtio 1.2, 4.2.2, 4.2.3.4). */
static void interrupt(struct virtio_dev *dev, uint32_t bit)
{
	uint32_t before = dev->isr;

	dev->isr |= bit;
	if (dev->isr != before)
		irq_raise(dev->irq);
}

void virtio_config_changed(struct virtio_dev *dev)
{
	dev->generation++;
	if (virtio_driver_ok(dev))
		interrupt(dev, VIRTIO_ISR_CONFIG);
}

void virtio_fail(struct virtio_dev *dev, const char *fmt, ...)
{
	char rule[192];
	va_list args;

	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	va_start(args, fmt);
	vsnprintf(rule, sizeof(rule), fmt, args);
	va_end(args);
	/* with an allowance of its own: what a driver did wrong before must not hide what broke it */
	log_guest(&dev->failures, dev->name, "the driver broke a rule: %s; the device needs a reset", rule);
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) /* virtio 1.2, 2.1.2 */
		interrupt(dev, VIRTIO_ISR_CONFIG);
}

/* --- what a device asks ------------------------------------------------------------------------------------------- */

void *virtio_priv(struct virtio_dev *dev)
{
	return dev->priv;
}

void *virtio_config(struct virtio_dev *dev)
{
	return dev->config;
}

bool virtio_negotiated(const struct virtio_dev *dev, unsigned bit)
{
	return (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) && bit_of(dev->accepted, bit);
}

bool virtio_has_feature(const struct virtio_dev *dev, unsigned bit)
{
	return virtio_negotiated(dev, bit);
}

bool virtio_driver_ok(const struct virtio_dev *dev)
{
	return (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) &&
	       !(dev->status & (VIRTIO_CONFIG_S_NEEDS_RESET | VIRTIO_CONFIG_S_FAILED));
}

void virtio_print(struct virtio_dev *dev, const char *fmt, ...)
{
	char line[256];
	int used = snprintf(line, sizeof(line), "virtio-%s: ", dev->class->name);
	va_list args;

	va_start(args, fmt);
	vsnprintf(line + used, sizeof(line) - (size_t)used, fmt, args);
	va_end(args);
	terminal_line(dev->vm->terminal, line);
}

void virtio_error(struct virtio_dev *dev, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_error("--device %s: %s", dev->class->name, text);
}

int vq_pop(struct virtio_dev *dev, unsigned q, struct virtio_chain *chain)
{
	const char *rule;

	if (!virtio_driver_ok(dev))
		return 0;
	int popped = virtq_pop(&dev->queues[q], chain, &rule);

	if (popped < 0) {
		virtio_fail(dev, "queue %u: %s", q, rule);
		return 0;
	}
	return popped;
}

void vq_push(struct virtio_dev *dev, unsigned q, const struct virtio_chain *chain, uint32_t len)
{
	if (virtio_driver_ok(dev))
		virtq_push(&dev->queues[q], chain, len);
}

/* Every call of a device's function is between these two. Each gives it a share of work on every queue ... */
static void enter(struct virtio_dev *dev)
{
	for (unsigned q = 0; q < dev->class->n_queues; q++)
		virtq_begin(&dev->queues[q]);
}

/*
 * ... and what it pushed in one go is told in one notification. A driver that adds as fast as we take must not keep
 * this thread: where a share was used up, the loop goes on with that queue later.
 */
static void leave(struct virtio_dev *dev)
{
	uint64_t one = 1;

	for (unsigned q = 0; q < dev->class->n_queues && virtio_driver_ok(dev); q++) {
		if (virtq_notify(&dev->queues[q]))
			interrupt(dev, VIRTIO_ISR_USED);
		if (virtq_has_more(&dev->queues[q]))
			dev->again_queues |= 1u << q;
	}
	if (dev->again_queues) {
		ssize_t ignored = write(dev->again_fd, &one, sizeof(one));

		(void)ignored;
	}
}

void virtio_timer_expired(void *ctx, uint64_t expirations)
{
	struct virtio_dev *dev = ctx;

	(void)expirations;
	pthread_mutex_lock(&dev->lock);
	enter(dev);
	dev->timer_fn(dev);
	leave(dev);
	pthread_mutex_unlock(&dev->lock);
}

void virtio_timer(struct virtio_dev *dev, uint64_t first_ns, uint64_t period_ns, virtio_timer_fn *fn)
{
	dev->timer_fn = fn;
	loop_set_timer(dev->timer, first_ns, period_ns);
}

/* --- kicks -------------------------------------------------------------------------------------------------------- */

bool virtio_queue_live(struct virtio_dev *dev, uint32_t index)
{
	const struct virtq *vq = virtio_queue(dev, index);

	return vq && vq->ready && virtio_driver_ok(dev);
}

void virtio_kick(struct virtio_dev *dev, uint32_t index)
{
	if (!virtio_queue_live(dev, index)) {
		log_guest(
			&dev->log, dev->name, "a kick of queue %u is ignored: %s", index,
			!virtio_queue(dev, index) ?
				"there is no such queue" :
			!virtio_driver_ok(dev) ?
				"the driver is not up (virtio 1.2, 3.1.1), status lacks DRIVER_OK or shows a failure" :
				"QueueReady is 0");
		return;
	}
	enter(dev);
	if (dev->class->kick)
		dev->class->kick(dev, index);
	leave(dev);
}

void virtio_kick_again(void *ctx, uint32_t events)
{
	struct virtio_dev *dev = ctx;
	uint64_t count;

	(void)events;
	if (read(dev->again_fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&dev->lock);
	uint32_t queues = dev->again_queues;

	dev->again_queues = 0;
	for (unsigned q = 0; q < dev->class->n_queues; q++)
		if ((queues & (1u << q)) && virtio_queue_live(dev, q)) /* it may have failed since */
			virtio_kick(dev, q);
	pthread_mutex_unlock(&dev->lock);
}

/* --- what a driver does ------------------------------------------------------------------------------------------- */

uint32_t virtio_offered(const struct virtio_dev *dev, uint32_t word)
{
	return word < VIRTIO_FEATURE_WORDS ? dev->offered[word] : 0;
}

void virtio_accept(struct virtio_dev *dev, uint32_t word, uint32_t bits)
{
	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		log_guest(&dev->log, dev->name, "features are written after FEATURES_OK: ignored (virtio 1.2, 3.1.1)");
		return;
	}
	if (word < VIRTIO_FEATURE_WORDS)
		dev->accepted[word] = bits;
	else
		dev->accepted_more |= bits != 0;
}

struct virtq *virtio_queue(struct virtio_dev *dev, uint32_t index)
{
	return index < dev->class->n_queues ? &dev->queues[index] : NULL;
}

void virtio_queue_enable(struct virtio_dev *dev, uint32_t index)
{
	struct virtq *vq = virtio_queue(dev, index);

	if (!vq || vq->ready)
		return;
	const char *rule = virtq_enable(vq, bit_of(dev->accepted, VIRTIO_RING_F_EVENT_IDX),
					bit_of(dev->accepted, VIRTIO_RING_F_INDIRECT_DESC));

	if (rule)
		virtio_fail(dev, "queue %u: %s", index, rule);
}

void virtio_queue_reset(struct virtio_dev *dev, uint32_t index)
{
	struct virtq *vq = virtio_queue(dev, index);

	if (vq && virtio_negotiated(dev, VIRTIO_F_RING_RESET)) {
		virtq_reset(vq);
		dev->again_queues &= ~(1u << index);
	}
}

static void reset(struct virtio_dev *dev)
{
	dev->status = 0;
	dev->isr = 0;
	memset(dev->accepted, 0, sizeof(dev->accepted));
	dev->accepted_more = false;
	dev->again_queues = 0;
	for (unsigned q = 0; q < dev->class->n_queues; q++)
		virtq_reset(&dev->queues[q]);
	if (dev->class->reset)
		dev->class->reset(dev);
}

/* A valid subset of what is offered, VERSION_1 among it: there is no legacy interface (virtio 1.2, 2.2, 6). */
static bool features_valid(struct virtio_dev *dev)
{
	for (unsigned word = 0; word < VIRTIO_FEATURE_WORDS; word++) {
		uint32_t extra = dev->accepted[word] & ~dev->offered[word];

		if (extra) {
			log_guest(&dev->log, dev->name,
				  "FEATURES_OK refused: bits 0x%x of word %u are not offered (virtio 1.2, 2.2.1)",
				  extra, word);
			return false;
		}
	}
	if (dev->accepted_more) {
		log_guest(&dev->log, dev->name, "FEATURES_OK refused: bits from 128 on do not exist (virtio 1.2, 2.2)");
		return false;
	}
	if (!bit_of(dev->accepted, VIRTIO_F_VERSION_1)) {
		log_guest(&dev->log, dev->name,
			  "FEATURES_OK refused: the driver does not accept VERSION_1 (virtio 1.2, 6.1)");
		return false;
	}
	return true;
}

/* Which step of the initialisation (virtio 1.2, 3.1.1) a write of `new` would skip or undo; NULL: it is legal. */
static const char *illegal_step(uint8_t old, uint8_t new)
{
	if (new & ~(STATUS_DRIVER_BITS | VIRTIO_CONFIG_S_NEEDS_RESET))
		return "it sets a bit that does not exist";
	if (old & STATUS_DRIVER_BITS & ~new)
		return "it clears a bit; only a reset does";
	if ((old & VIRTIO_CONFIG_S_FAILED) && new != old)
		return "FAILED is set; only a reset helps";
	if ((new &VIRTIO_CONFIG_S_DRIVER) && !(new &VIRTIO_CONFIG_S_ACKNOWLEDGE))
		return "DRIVER before ACKNOWLEDGE";
	if ((new &VIRTIO_CONFIG_S_FEATURES_OK) && !(new &VIRTIO_CONFIG_S_DRIVER))
		return "FEATURES_OK before DRIVER";
	if ((new &VIRTIO_CONFIG_S_DRIVER_OK) && !(old & VIRTIO_CONFIG_S_FEATURES_OK))
		return "DRIVER_OK before FEATURES_OK was read back";
	return NULL;
}

void virtio_set_status(struct virtio_dev *dev, uint32_t value)
{
	if (value == 0) {
		reset(dev);
		return;
	}
	uint8_t old = dev->status & STATUS_DRIVER_BITS;
	const char *why = value > UINT8_MAX ? "it sets a bit that does not exist" : illegal_step(old, (uint8_t)value);

	if (why) {
		log_guest(&dev->log, dev->name, "a write of 0x%x to status 0x%x is ignored: %s (virtio 1.2, 3.1.1)",
			  value, dev->status, why);
		return;
	}
	uint8_t new = (uint8_t)value &STATUS_DRIVER_BITS;

	if ((new & ~old &VIRTIO_CONFIG_S_FEATURES_OK) && !features_valid(dev))
		new &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	/* a queue that was enabled earlier works by what is now agreed */
	for (unsigned q = 0; (new & ~old &VIRTIO_CONFIG_S_FEATURES_OK) && q < dev->class->n_queues; q++) {
		dev->queues[q].event_idx = bit_of(dev->accepted, VIRTIO_RING_F_EVENT_IDX);
		dev->queues[q].indirect = bit_of(dev->accepted, VIRTIO_RING_F_INDIRECT_DESC);
	}
	bool was_failed = dev->status & VIRTIO_CONFIG_S_NEEDS_RESET;

	dev->status = new | (was_failed ? VIRTIO_CONFIG_S_NEEDS_RESET : 0);
	if (was_failed && (new & ~old &VIRTIO_CONFIG_S_DRIVER_OK)) /* it failed while nobody could be told */
		interrupt(dev, VIRTIO_ISR_CONFIG);
}

static bool config_holds(const struct virtio_dev *dev, size_t off, size_t len)
{
	return off < dev->class->config_size && len <= dev->class->config_size - off;
}

uint64_t virtio_config_read(const struct virtio_dev *dev, size_t off, size_t len)
{
	struct le64 value = { 0 };

	if (config_holds(dev, off, len))
		memcpy(&value, dev->config + off, len);
	return le64_get(value);
}

void virtio_config_write(struct virtio_dev *dev, size_t off, size_t len, uint64_t value)
{
	struct le64 bytes = le64_from(value);

	if (!config_holds(dev, off, len) || !dev->class->config_write)
		return;
	enter(dev);
	dev->class->config_write(dev, off, len, &bytes);
	leave(dev);
}
