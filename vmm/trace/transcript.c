// SPDX-License-Identifier: GPL-2.0-only
/* The transcript: one JSON object a line, each field decoded. docs/tracing.md has its schema. */
#include <string.h>

#include "vmm/trace/decode.h"
#include "vmm/trace/format.h"

static void key(struct text *out, const char *name)
{
	text_bytes(out, ",\"", 2);
	text_str(out, name);
	text_bytes(out, "\":", 2);
}

static void field(struct text *out, const struct trace_event *event, unsigned i)
{
	const struct trace_field *desc = &trace_kinds[event->kind].fields[i];

	key(out, desc->name);
	if (decode_is_number(desc->type)) {
		decode_field(out, event, i);
	} else if (desc->type == TRACE_TEXT) {
		text_json(out, event->data, event->n_data);
	} else { /* our own words: nothing in them needs an escape */
		text_bytes(out, "\"", 1);
		decode_field(out, event, i);
		text_bytes(out, "\"", 1);
	}
}

static void descriptors(struct text *out, const struct trace_event *event)
{
	key(out, "descs");
	text_bytes(out, "[", 1);
	for (unsigned i = 0; i < event->n_descs; i++) {
		const struct trace_desc *desc = &event->descs[i];

		text_str(out, i ? ",{\"addr\":\"" : "{\"addr\":\"");
		text_hex(out, desc->addr);
		text_str(out, "\",\"len\":");
		text_u64(out, desc->len);
		text_str(out, ",\"flags\":\"");
		decode_flags(out, desc->flags);
		text_str(out, "\"}");
	}
	text_bytes(out, "]", 1);
}

static void first_bytes(struct text *out, const struct trace_event *event)
{
	key(out, "data");
	text_bytes(out, "\"", 1);
	text_hex_bytes(out, event->data, event->n_data);
	text_bytes(out, "\"", 1);
}

static void transcript_event(void *state, struct text *out, const struct trace_event *event)
{
	const struct trace_kind_desc *kind = &trace_kinds[event->kind];

	(void)state;
	text_str(out, "{\"t\":");
	text_seconds(out, event->ns);
	if (event->cpu >= 0) {
		key(out, "cpu");
		text_u64(out, (uint64_t)event->cpu);
	}
	text_str(out, ",\"ev\":\"");
	text_str(out, kind->name);
	text_bytes(out, "\"", 1);
	if (event->dev) {
		key(out, "dev");
		text_json_str(out, event->dev);
	}
	for (unsigned i = 0; i < kind->n_fields; i++)
		if (decode_has(event, i))
			field(out, event, i);
	if (event->n_descs)
		descriptors(out, event);
	if (event->kind == TRACE_pop || (event->kind == TRACE_used && event->n_data))
		first_bytes(out, event);
	text_bytes(out, "}\n", 2);
}

const struct trace_format trace_transcript = { .name = "transcript", .event = transcript_event };
