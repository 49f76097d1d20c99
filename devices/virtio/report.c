// SPDX-License-Identifier: GPL-2.0-only
/* How a device stands when its run went wrong: status, rings, the buffers that wait for it, its own state; and what it
 * counted. */
#include <string.h>

#include "devices/virtio/core.h"
#include "devices/virtio/vhost.h"
#include "vmm/trace/counts.h"
#include "vmm/trace/decode.h"
#include "vmm/trace/recorder.h"
#include "vmm/vm.h"

#define HEADS_SHOWN 16u /* of a queue */

static void report_heads(const struct virtio_dev *dev, unsigned q, struct text *out)
{
	const struct recorder_clock clock = recorder_clock(&dev->vm->trace);
	const struct virtq *vq = &dev->queues[q];
	unsigned heads = 0;

	for (uint32_t head = 0; head < vq->num_max; head++) {
		if (!vq->out[head].popped_at || heads++ >= HEADS_SHOWN)
			continue;
		text_printf(out, "%s: queue %u: head %u is out: popped %.6f s ago and not yet used\n", dev->name, q,
			    head, recorder_age(&clock, vq->out[head].popped_at));
	}
	if (heads > HEADS_SHOWN)
		text_printf(out, "%s: queue %u: and %u more are out\n", dev->name, q, heads - HEADS_SHOWN);
}

static void report_queue(const struct virtio_dev *dev, unsigned q, struct text *out)
{
	const struct virtq *vq = &dev->queues[q];
	struct virtq_fields fields;

	if (!vq->ready) {
		text_printf(out, "%s: queue %u: not ready, size %u of at most %u\n", dev->name, q, vq->num,
			    vq->num_max);
		return;
	}
	virtq_look(vq, &fields);
	if (vhost_serves(dev, q)) {
		text_printf(out, "%s: queue %u: size %u, avail.idx %u; the host's kernel works on it\n", dev->name, q,
			    vq->num, fields.avail_idx);
		return;
	}
	text_printf(out, "%s: queue %u: size %u, avail.idx %u, popped up to %u, used.idx %u, %u not yet popped; ",
		    dev->name, q, vq->num, fields.avail_idx, vq->last_avail, vq->used_idx,
		    (uint16_t)(fields.avail_idx - vq->last_avail));
	if (vq->event_idx)
		text_printf(out, "used_event %u, avail_event %u\n", fields.used_event, fields.avail_event);
	else
		text_printf(out, "avail.flags %u\n", fields.avail_flags);
	report_heads(dev, q, out);
}

/* What a snapshot would carry, as bytes in the host's order. */
static void report_state(const struct virtio_dev *dev, struct text *out)
{
	for (const struct state_desc *desc = dev->class->state; desc && desc->name; desc++) {
		const uint8_t *bytes = (const uint8_t *)dev->priv + desc->offset;
		uint64_t number = 0;

		if (desc->size > sizeof(number))
			continue;
		memcpy(&number, bytes, desc->size);
		text_printf(out, "%s: %s %llu\n", dev->name, desc->name, (unsigned long long)number);
	}
}

void virtio_count(struct virtio_dev *dev, struct counts *counts)
{
	pthread_mutex_lock(&dev->lock);
	for (const struct counter_desc *desc = dev->class->counters; desc && desc->name; desc++) {
		const uint64_t *values = (const uint64_t *)((const uint8_t *)dev->priv + desc->offset);

		for (unsigned i = 0; i < desc->n_names; i++)
			counts_add(counts, dev->name, desc->names[i], values[i]);
		if (!desc->n_names)
			counts_add(counts, dev->name, desc->name, *values);
	}
	pthread_mutex_unlock(&dev->lock);
}

void virtio_report(struct virtio_dev *dev, struct text *out)
{
	pthread_mutex_lock(&dev->lock);
	text_printf(out, "%s: status ", dev->name);
	decode_bits(out, TRACE_STATUS, dev->status);
	text_str(out, "; accepted features ");
	decode_bits(out, TRACE_FEATURES, dev->accepted[0] | (uint64_t)dev->accepted[1] << 32);
	text_str(out, "; InterruptStatus ");
	decode_bits(out, TRACE_ISR, dev->isr);
	text_printf(out, "; config generation %u\n", dev->generation);
	for (unsigned q = 0; q < dev->n_queues; q++)
		report_queue(dev, q, out);
	report_state(dev, out);
	pthread_mutex_unlock(&dev->lock);
}
