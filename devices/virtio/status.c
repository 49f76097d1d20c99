// SPDX-License-Identifier: GPL-2.0-only
/* What a driver does to a device, whatever carries it: features, status, queues, reset, configuration space. */
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "devices/virtio/core.h"
#include "devices/virtio/vhost.h"
#include "vmm/vm.h"

/* Bits of device status that a driver writes (virtio 1.2, 2.1). */
#define STATUS_DRIVER_BITS                                                                    \
	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_FEATURES_OK | \
	 VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_FAILED)

uint32_t virtio_offered(const struct virtio_dev *dev, uint32_t word)
{
	return word < VIRTIO_FEATURE_WORDS ? dev->offered[word] : 0;
}

void virtio_accept(struct virtio_dev *dev, uint32_t word, uint32_t bits)
{
	if (dev->status & VIRTIO_CONFIG_S_FEATURES_OK) {
		virtio_ignore(dev, "features are written after FEATURES_OK: ignored (virtio 1.2, 3.1.1)");
		return;
	}
	if (word < VIRTIO_FEATURE_WORDS)
		dev->accepted[word] = bits;
	else
		dev->accepted_more |= bits != 0;
}

struct virtq *virtio_queue(struct virtio_dev *dev, uint32_t index)
{
	return index < dev->n_queues ? &dev->queues[index] : NULL;
}

void virtio_queue_enable(struct virtio_dev *dev, uint32_t index)
{
	struct virtq *vq = virtio_queue(dev, index);

	if (!vq || vq->ready) {
		virtio_ignore_quietly(dev, vq ? "the queue is enabled already" : VIRTIO_NO_QUEUE);
		return;
	}
	const char *rule = virtq_enable(vq, virtio_bit(dev->accepted, VIRTIO_RING_F_EVENT_IDX),
					virtio_bit(dev->accepted, VIRTIO_RING_F_INDIRECT_DESC));

	if (rule)
		virtio_fail(dev, "queue %u: %s", index, rule);
	else
		TRACE(&dev->vm->trace, queue_ready, dev->name, index, vq->num, vq->desc_gpa, vq->avail_gpa,
		      vq->used_gpa);
	vhost_sync(dev);
}

/* What the device holds of a queue is no longer there; the memory is the driver's when this returns. */
static void void_chains(struct virtio_dev *dev, uint32_t index)
{
	if (!dev->class->queue_reset)
		return;
	virtio_enter(dev); /* it may push on other queues */
	dev->class->queue_reset(dev, index);
	virtio_leave(dev);
}

void virtio_queue_disable(struct virtio_dev *dev, uint32_t index)
{
	struct virtq *vq = virtio_queue(dev, index);

	if (!vq)
		virtio_ignore_quietly(dev, VIRTIO_NO_QUEUE);
	if (!vq || !vq->ready)
		return;
	vq->ready = false;
	vhost_sync(dev);
	TRACE(&dev->vm->trace, queue_stop, dev->name, index);
	void_chains(dev, index);
}

void virtio_queue_reset(struct virtio_dev *dev, uint32_t index)
{
	struct virtq *vq = virtio_queue(dev, index);

	if (!vq || !virtio_negotiated(dev, VIRTIO_F_RING_RESET)) {
		virtio_ignore_quietly(dev, vq ? "a queue reset, but RING_RESET is not negotiated (virtio 1.2, 2.6.1)" :
						VIRTIO_NO_QUEUE);
		return;
	}
	virtq_reset(vq);
	vhost_sync(dev);
	dev->again_queues &= ~(1u << index);
	TRACE(&dev->vm->trace, queue_reset, dev->name, index);
	void_chains(dev, index);
}

void virtio_change_status(struct virtio_dev *dev, uint8_t status)
{
	uint8_t old = dev->status;

	dev->status = status;
	if (status != old)
		TRACE(&dev->vm->trace, status, dev->name, old, status);
	vhost_sync(dev);
}

static void reset(struct virtio_dev *dev)
{
	virtio_change_status(dev, 0);
	TRACE(&dev->vm->trace, reset, dev->name, 0);
	dev->isr = 0;
	memset(dev->accepted, 0, sizeof(dev->accepted));
	dev->accepted_more = false;
	dev->again_queues = 0;
	for (unsigned q = 0; q < dev->n_queues; q++)
		virtq_reset(&dev->queues[q]);
	if (dev->class->reset)
		dev->class->reset(dev);
}

static bool needs_met(struct virtio_dev *dev)
{
	uint64_t accepted = dev->accepted[0] | (uint64_t)dev->accepted[1] << 32;

	for (const struct feature_need *need = dev->class->needs; need && need->any_of; need++) {
		if (!(accepted & need->any_of) || (accepted & need->one_of))
			continue;
		virtio_ignore(dev, "FEATURES_OK refused: of bits 0x%llx one is needed for 0x%llx (virtio 1.2, 2.2.1)",
			      (unsigned long long)need->one_of, (unsigned long long)(accepted & need->any_of));
		return false;
	}
	return true;
}

/* A valid subset of what is offered, VERSION_1 among it: there is no legacy interface (virtio 1.2, 2.2, 6). */
static bool features_valid(struct virtio_dev *dev)
{
	for (unsigned word = 0; word < VIRTIO_FEATURE_WORDS; word++) {
		uint32_t extra = dev->accepted[word] & ~dev->offered[word];

		if (extra) {
			virtio_ignore(dev,
				      "FEATURES_OK refused: bits 0x%x of word %u are not offered (virtio 1.2, 2.2.1)",
				      extra, word);
			return false;
		}
	}
	if (dev->accepted_more) {
		virtio_ignore(dev, "FEATURES_OK refused: bits from 128 on do not exist (virtio 1.2, 2.2)");
		return false;
	}
	if (!virtio_bit(dev->accepted, VIRTIO_F_VERSION_1)) {
		virtio_ignore(dev, "FEATURES_OK refused: the driver does not accept VERSION_1 (virtio 1.2, 6.1)");
		return false;
	}
	return needs_met(dev);
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
		return "DRIVER_OK before FEATURES_OK";
	return NULL;
}

static void call_ready(struct virtio_dev *dev)
{
	if (dev->class->on_loop)
		virtio_kick_later(dev, (1u << dev->n_queues) - 1);
	if (!dev->class->ready || dev->class->on_loop)
		return;
	virtio_enter(dev);
	dev->class->ready(dev);
	virtio_leave(dev);
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
		virtio_ignore(dev, "a write of 0x%x to status 0x%x is ignored: %s (virtio 1.2, 3.1.1)", value,
			      dev->status, why);
		return;
	}
	uint8_t new = (uint8_t)value &STATUS_DRIVER_BITS;

	if ((new & ~old &VIRTIO_CONFIG_S_FEATURES_OK) && !features_valid(dev))
		new &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	/* a queue that was enabled earlier works by what is now agreed */
	for (unsigned q = 0; (new & ~old &VIRTIO_CONFIG_S_FEATURES_OK) && q < dev->n_queues; q++) {
		dev->queues[q].event_idx = virtio_bit(dev->accepted, VIRTIO_RING_F_EVENT_IDX);
		dev->queues[q].indirect = virtio_bit(dev->accepted, VIRTIO_RING_F_INDIRECT_DESC);
	}
	bool was_failed = dev->status & VIRTIO_CONFIG_S_NEEDS_RESET;

	if (new & ~old & VIRTIO_CONFIG_S_FEATURES_OK)
		TRACE(&dev->vm->trace, features, dev->name, dev->accepted[0] | (uint64_t)dev->accepted[1] << 32);
	virtio_change_status(dev, new | (was_failed ? VIRTIO_CONFIG_S_NEEDS_RESET : 0));
	if (was_failed && (new & ~old &VIRTIO_CONFIG_S_DRIVER_OK)) /* it failed while nobody could be told */
		virtio_interrupt(dev, VIRTIO_ISR_CONFIG);
	else if ((new & ~old &VIRTIO_CONFIG_S_DRIVER_OK) && virtio_driver_ok(dev))
		call_ready(dev);
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

	if (!config_holds(dev, off, len) || !dev->class->config_write) {
		virtio_ignore_quietly(dev, dev->class->config_write ?
						   "a write beyond the configuration space" :
						   "a write to a configuration space that is read-only");
		return;
	}
	virtio_enter(dev);
	dev->class->config_write(dev, off, len, &bytes);
	virtio_leave(dev);
}
