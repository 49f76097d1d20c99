// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/decode.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>

#include "vmm/bus.h"

#define COUNT(array) (unsigned)(sizeof(array) / sizeof((array)[0]))

/* virtio 1.2, 2.1 */
static const char *const status_names[] = { "ACKNOWLEDGE", "DRIVER", "DRIVER_OK",   "FEATURES_OK",
					    NULL,          NULL,     "NEEDS_RESET", "FAILED" };
/* virtio 1.2, 4.2.2 */
static const char *const isr_names[] = { "USED", "CONFIG" };
/* virtio 1.2, 6; the bits of the device's own type are numbers */
static const char *const feature_names[] = {
	[VIRTIO_F_NOTIFY_ON_EMPTY] = "NOTIFY_ON_EMPTY",
	[VIRTIO_F_ANY_LAYOUT] = "ANY_LAYOUT",
	[VIRTIO_RING_F_INDIRECT_DESC] = "INDIRECT_DESC",
	[VIRTIO_RING_F_EVENT_IDX] = "EVENT_IDX",
	[VIRTIO_F_VERSION_1] = "VERSION_1",
	[VIRTIO_F_ACCESS_PLATFORM] = "ACCESS_PLATFORM",
	[VIRTIO_F_RING_PACKED] = "RING_PACKED",
	[VIRTIO_F_IN_ORDER] = "IN_ORDER",
	[VIRTIO_F_ORDER_PLATFORM] = "ORDER_PLATFORM",
	[VIRTIO_F_SR_IOV] = "SR_IOV",
	[38] = "NOTIFICATION_DATA", /* younger than some kernel headers */
	[39] = "NOTIF_CONFIG_DATA",
	[VIRTIO_F_RING_RESET] = "RING_RESET",
};
/* virtio 1.2, 2.7.5 */
static const char *const flag_names[] = { "NEXT", "WRITE", "INDIRECT" };

void decode_bits(struct text *text, enum trace_type type, uint64_t value)
{
	switch (type) {
	case TRACE_STATUS: text_bits(text, value, status_names, COUNT(status_names)); break;
	case TRACE_ISR: text_bits(text, value, isr_names, COUNT(isr_names)); break;
	case TRACE_FEATURES: text_bits(text, value, feature_names, COUNT(feature_names)); break;
	default: text_hex(text, value);
	}
}

void decode_flags(struct text *text, uint16_t flags)
{
	text_bits(text, flags, flag_names, COUNT(flag_names));
}

void decode_reg(struct text *text, const struct bus_range *range, uint64_t addr)
{
	const char *(*reg_name)(uint64_t off) = range->ops->reg_name;
	const char *name = reg_name ? reg_name(addr - range->base) : NULL;
	uint64_t off = addr - range->base;

	if (name) {
		text_str(text, name);
		/* a name that goes for many offsets: how far behind the first */
		while (off && reg_name(off - 1) == name)
			off--;
		off = addr - range->base - off;
		if (!off)
			return;
	}
	text_bytes(text, "+", 1);
	text_hex(text, off);
}

/* A pointer that travelled as an argument. */
static const void *pointer(uint64_t arg)
{
	return (const void *)(uintptr_t)arg;
}

static void decode_value(struct text *text, const struct trace_event *event)
{
	const struct bus_range *range = pointer(event->args[0]);
	enum trace_type type = TRACE_HEX;

	if (range && range->ops->reg_type)
		type = range->ops->reg_type(event->args[1] - range->base);
	decode_bits(text, type, event->args[3]);
}

bool decode_is_number(enum trace_type type)
{
	return type == TRACE_DEC || type == TRACE_NS;
}

bool decode_has(const struct trace_event *event, unsigned field)
{
	const struct trace_field *desc = &trace_kinds[event->kind].fields[field];

	if (!desc->name)
		return false;
	if (desc->type == TRACE_REG)
		return event->args[field] != 0;
	/* an exit that is no access has no address */
	return !(event->kind == TRACE_enter && field == 3 && !event->args[2] && !event->args[3]);
}

void decode_field(struct text *text, const struct trace_event *event, unsigned field)
{
	enum trace_type type = trace_kinds[event->kind].fields[field].type;
	uint64_t arg = event->args[field];

	switch (type) {
	case TRACE_DEC:
	case TRACE_NS: text_u64(text, arg); break;
	case TRACE_WORD: text_str(text, pointer(arg)); break;
	case TRACE_REG: decode_reg(text, pointer(arg), event->args[field + 1]); break;
	case TRACE_VALUE: decode_value(text, event); break;
	case TRACE_TEXT: text_bytes(text, event->data, event->n_data); break;
	default: decode_bits(text, type, arg);
	}
}
