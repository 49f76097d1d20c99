// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/chrome.h"

#include "vmm/trace/decode.h"

static void event_begin(struct text *out, const char *phase, unsigned tid, uint64_t ns)
{
	text_str(out, ",\n{\"ph\":\"");
	text_str(out, phase);
	text_str(out, "\",\"pid\":1,\"tid\":");
	text_u64(out, tid);
	text_str(out, ",\"ts\":");
	text_us(out, ns);
}

void chrome_begin(struct text *out, unsigned tid, uint64_t ns, const char *category)
{
	event_begin(out, "B", tid, ns);
	text_str(out, ",\"cat\":\"");
	text_str(out, category);
	text_str(out, "\",\"name\":\"");
}

void chrome_end(struct text *out, unsigned tid, uint64_t ns)
{
	event_begin(out, "E", tid, ns);
	text_str(out, "}");
}

/* "NAME", or "NAME N" where `number` is not negative. */
void chrome_track(struct text *out, unsigned tid, const char *name, int number)
{
	text_printf(out, ",\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":\"%s", tid,
		    name);
	if (number >= 0)
		text_printf(out, " %d", number);
	text_printf(
		out,
		"\"}},\n{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_sort_index\",\"args\":{\"sort_index\":%u}}",
		tid, tid);
}

void chrome_instant(struct text *out, unsigned tid, uint64_t ns, const struct trace_event *event)
{
	const struct trace_kind_desc *kind = &trace_kinds[event->kind];

	event_begin(out, "i", tid, ns);
	text_str(out, ",\"s\":\"t\",\"name\":\"");
	text_str(out, kind->name);
	text_str(out, "\",\"args\":{");
	for (unsigned i = 0; i < kind->n_fields && decode_has(event, i); i++) {
		struct text value = { 0 };

		decode_field(&value, event, i);
		text_str(out, i ? ",\"" : "\"");
		text_str(out, kind->fields[i].name);
		text_str(out, "\":");
		text_json(out, value.bytes, value.len);
		text_free(&value);
	}
	text_str(out, "}}");
}

void chrome_flow(struct text *out, const char *phase, unsigned tid, uint64_t ns, uint64_t id)
{
	event_begin(out, phase, tid, ns);
	text_printf(out, ",\"cat\":\"kick\",\"name\":\"kick to interrupt\",\"id\":%llu%s}", (unsigned long long)id,
		    *phase == 'f' ? ",\"bp\":\"e\"" : "");
}
