// SPDX-License-Identifier: GPL-2.0-only
/* What a virtio device asks of the core: buffers, notifications, failure, messages; and what drives it: kicks. */
#include "devices/virtio/virtio.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "vmm/observe.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

/* --- notifications to the driver ---------------------------------------------------------------------------------- */

/* An edge for each bit that goes from 0 to 1: the line is asserted while any is set (virtio 1.2, 4.2.2, 4.2.3.4). */
void virtio_interrupt(struct virtio_dev *dev, uint32_t bit)
{
	uint32_t before = dev->isr;

	dev->isr |= bit;
	if (dev->isr == before) {
		TRACE(&dev->vm->trace, pending, dev->name, bit, dev->isr);
		return;
	}
	TRACE(&dev->vm->trace, interrupt, dev->name, bit, dev->isr, dev->irq->gsi);
	irq_raise(dev->irq);
}

void virtio_acknowledge(struct virtio_dev *dev, uint32_t bits)
{
	dev->isr &= ~bits;
	TRACE(&dev->vm->trace, ack, dev->name, bits, dev->isr);
}

void virtio_config_changed(struct virtio_dev *dev)
{
	dev->generation++;
	TRACE(&dev->vm->trace, config, dev->name, dev->generation);
	if (virtio_driver_ok(dev))
		virtio_interrupt(dev, VIRTIO_ISR_CONFIG);
}

/* `vq`: whose last chain was at fault, or NULL. */
static void fail(struct virtio_dev *dev, const struct virtq *vq, const char *rule)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	/* with an allowance of its own: what a driver did wrong before must not hide what broke it */
	log_guest(&dev->failures, dev->name, "the driver broke a rule: %s; the device needs a reset", rule);
	TRACE_WITH(
		&dev->vm->trace, fail, dev->name,
		(&(struct trace_extra){ .text = rule, .descs = vq ? vq->seen : NULL, .n_descs = vq ? vq->n_seen : 0 }),
		rule);
	virtio_change_status(dev, dev->status | VIRTIO_CONFIG_S_NEEDS_RESET);
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) /* virtio 1.2, 2.1.2 */
		virtio_interrupt(dev, VIRTIO_ISR_CONFIG);
	if (dev->vm->observer)
		observe_failure(dev->vm->observer, dev->name);
}

void virtio_fail(struct virtio_dev *dev, const char *fmt, ...)
{
	char rule[192];
	va_list args;

	va_start(args, fmt);
	vsnprintf(rule, sizeof(rule), fmt, args);
	va_end(args);
	fail(dev, NULL, rule);
}

void virtio_ignore_quietly(struct virtio_dev *dev, const char *why)
{
	TRACE_WITH(&dev->vm->trace, ignored, dev->name, (&(struct trace_extra){ .text = why }), why);
}

void virtio_ignore(struct virtio_dev *dev, const char *fmt, ...)
{
	char why[192];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	virtio_ignore_quietly(dev, why);
	log_guest(&dev->log, dev->name, "%s", why);
}

/* --- what a device asks ------------------------------------------------------------------------------------------- */

void *virtio_priv(struct virtio_dev *dev)
{
	return dev->priv;
}

const char *virtio_name(const struct virtio_dev *dev)
{
	return dev->name;
}

void *virtio_config(struct virtio_dev *dev)
{
	return dev->config;
}

bool virtio_negotiated(const struct virtio_dev *dev, unsigned bit)
{
	return (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) && virtio_bit(dev->accepted, bit);
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

void virtio_warn(struct virtio_dev *dev, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	log_guest(&dev->warnings, dev->name, "%s", text);
}

/* A chain or its ring is broken. */
static __attribute__((noinline)) void fail_queue(struct virtio_dev *dev, unsigned q, const char *rule)
{
	char text[192];

	snprintf(text, sizeof(text), "queue %u: %s", q, rule);
	fail(dev, &dev->queues[q], text);
}

int vq_pop(struct virtio_dev *dev, unsigned q, struct virtio_chain *chain)
{
	const char *rule;

	if (!virtio_driver_ok(dev))
		return 0;
	int popped = virtq_pop(&dev->queues[q], chain, &rule);

	if (popped < 0) {
		fail_queue(dev, q, rule);
		return 0;
	}
	return popped;
}

void vq_again(struct virtio_dev *dev, unsigned q)
{
	dev->again_queues |= 1u << q;
}

void vq_push(struct virtio_dev *dev, unsigned q, const struct virtio_chain *chain, uint32_t len)
{
	vq_push_all(dev, q, chain, &len, 1);
}

void vq_push_all(struct virtio_dev *dev, unsigned q, const struct virtio_chain *chains, const uint32_t *lens,
		 unsigned n)
{
	if (!virtio_driver_ok(dev))
		return;
	for (unsigned i = 0; i < n; i++)
		virtq_fill(&dev->queues[q], &chains[i], lens[i]);
	virtq_publish(&dev->queues[q]);
}

void virtio_kick_later(struct virtio_dev *dev, uint32_t queues)
{
	uint64_t one = 1;

	dev->again_queues |= queues;
	ssize_t ignored = write(dev->again_fd, &one, sizeof(one));

	(void)ignored;
}

/* Every call of a device's function is between these two. Each gives it a share of work on every queue ... */
void virtio_enter(struct virtio_dev *dev)
{
	for (unsigned q = 0; q < dev->n_queues; q++)
		virtq_begin(&dev->queues[q]);
}

/*
 * ... and what it pushed in one go is told in one notification. A driver that adds as fast as we take must not keep
 * this thread: where a share was used up, the loop goes on with that queue later.
 */
void virtio_leave(struct virtio_dev *dev)
{
	uint32_t more = 0;

	for (unsigned q = 0; q < dev->n_queues && virtio_driver_ok(dev); q++) {
		if (virtq_notify(&dev->queues[q]))
			virtio_interrupt(dev, VIRTIO_ISR_USED);
		if (virtq_has_more(&dev->queues[q]))
			more |= 1u << q;
	}
	if (more | dev->again_queues) /* a device may have asked, too: vq_again() */
		virtio_kick_later(dev, more);
}

/* --- kicks -------------------------------------------------------------------------------------------------------- */

bool virtio_queue_live(struct virtio_dev *dev, uint32_t index)
{
	const struct virtq *vq = virtio_queue(dev, index);

	return vq && vq->ready && virtio_driver_ok(dev);
}

void virtio_kick(struct virtio_dev *dev, uint32_t index, const char *via)
{
	if (!virtio_queue_live(dev, index)) {
		virtio_ignore(
			dev, "a kick of queue %u is ignored: %s", index,
			!virtio_queue(dev, index) ?
				"there is no such queue" :
			!virtio_driver_ok(dev) ?
				"the driver is not up (virtio 1.2, 3.1.1), status lacks DRIVER_OK or shows a failure" :
				"QueueReady is 0");
		return;
	}
	TRACE(&dev->vm->trace, kick, dev->name, index, via);
	virtio_enter(dev);
	if (dev->class->kick)
		dev->class->kick(dev, index);
	virtio_leave(dev);
}

void virtio_kick_by_exit(struct virtio_dev *dev, uint32_t index)
{
	if (!dev->class->on_loop || !virtio_queue_live(dev, index)) {
		virtio_kick(dev, index, "exit");
		return;
	}
	TRACE(&dev->vm->trace, kick, dev->name, index, "exit");
	virtio_kick_later(dev, 1u << index);
}

void virtio_key(struct virtio_dev *dev, char key)
{
	const char *keys = dev->class->keys;
	char line[160];

	if (!keys)
		return;
	if (key == '?') {
		snprintf(line, sizeof(line), "minivmm: Ctrl-A %s (%s)", keys, dev->name);
		terminal_line(dev->vm->terminal, line);
		return;
	}
	if (!memchr(keys, key, strcspn(keys, " ")))
		return;
	pthread_mutex_lock(&dev->lock);
	virtio_enter(dev);
	dev->class->key(dev, key);
	virtio_leave(dev);
	pthread_mutex_unlock(&dev->lock);
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
	for (unsigned q = 0; q < dev->n_queues; q++)
		if ((queues & (1u << q)) && virtio_queue_live(dev, q)) /* it may have failed since */
			virtio_kick(dev, q, "again");
	pthread_mutex_unlock(&dev->lock);
}
