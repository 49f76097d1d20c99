// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/recorder.h"

#include <stdio.h>
#include <string.h>

#include "vmm/trace/decode.h"

struct recorder_clock recorder_clock(const struct trace *trace)
{
	struct recorder_clock clock = { .cycles = arch_cycles() };
	uint64_t since = clock.cycles - trace->start_cycles;

	clock.seconds = since ? 1e-9 * (double)trace_now(trace) / (double)since : 0;
	return clock;
}

double recorder_age(const struct recorder_clock *clock, uint64_t cycles)
{
	return clock->seconds * (double)(int64_t)(clock->cycles - cycles);
}

/* Event `number` as it is in its slot. False where it is not written yet, or was overwritten. */
static bool take(const struct trace *trace, uint32_t number, struct trace_record *copy)
{
	const struct trace_record *slot = &trace->records[number % TRACE_RECORDS];
#define GET(field) __atomic_load_n(&slot->field, __ATOMIC_RELAXED)

	if (__atomic_load_n(&slot->seq, __ATOMIC_ACQUIRE) != trace_seq(number)) /* pairs with trace_record_end() */
		return false;
	copy->cycles = GET(cycles);
	copy->dev = GET(dev);
	copy->kind = GET(kind);
	copy->cpu = GET(cpu);
	for (unsigned i = 0; i < TRACE_ARGS_MAX; i++)
		copy->args[i] = GET(args[i]);
	for (unsigned i = 0; i < 2 * TRACE_RECORD_DESCS; i++)
		copy->words[i] = GET(words[i]);
	__atomic_thread_fence(__ATOMIC_ACQUIRE); /* pairs with the exchange in trace_record_begin() */
	return GET(seq) == trace_seq(number);
#undef GET
}

static void show_descs(struct text *out, const struct trace_event *event)
{
	for (unsigned i = 0; i < event->n_descs; i++) {
		const struct trace_desc *desc = &event->descs[i];

		text_str(out, "  ");
		text_hex(out, desc->addr);
		text_str(out, "+");
		text_u64(out, desc->len);
		if (desc->flags) {
			text_str(out, ":");
			decode_flags(out, desc->flags);
		}
	}
	if (event->n_descs < event->args[2])
		text_str(out, "  ...");
}

void recorder_line(const struct recorder_clock *clock, const struct trace_record *record, struct text *out)
{
	const struct trace_kind_desc *kind = &trace_kinds[record->kind];
	struct trace_event event = {
		.kind = record->kind, .cpu = record->cpu, .dev = record->dev, .data = record->text
	};
	char cpu[16] = "loop";

	memcpy(event.args, record->args, sizeof(event.args));
	event.n_data = (unsigned)strnlen(record->text, sizeof(record->text));
	if (event.cpu >= 0)
		snprintf(cpu, sizeof(cpu), "cpu%d", event.cpu);
	text_printf(out, "%13.6f  %-5s  %-8s  %-11s", -recorder_age(clock, record->cycles), cpu,
		    event.dev ? event.dev : "-", kind->name);
	for (unsigned i = 0; i < kind->n_fields; i++) {
		bool is_told = i > 0 && kind->fields[i - 1].type == TRACE_REG && decode_has(&event, i - 1);

		if (!decode_has(&event, i) || is_told) /* the address of a register that was named */
			continue;
		text_str(out, " ");
		text_str(out, kind->fields[i].name);
		text_str(out, "=");
		decode_field(out, &event, i);
	}
	if (event.kind == TRACE_pop) {
		event.descs = record->descs;
		event.n_descs = event.args[2] < TRACE_RECORD_DESCS ? (unsigned)event.args[2] : TRACE_RECORD_DESCS;
		show_descs(out, &event);
	}
	while (!out->failed && out->bytes[out->len - 1] == ' ') /* an event without fields */
		out->len--;
	text_str(out, "\n");
}

unsigned recorder_take(const struct trace *trace, const char *dev, struct trace_record *records)
{
	uint32_t end = __atomic_load_n(&trace->next, __ATOMIC_ACQUIRE);
	unsigned n = 0;

	/* all at once: while they are put into words, a machine that runs would overwrite them */
	for (uint32_t number = end - TRACE_RECORDS; number != end; number++)
		if (take(trace, number, &records[n]) && (!dev || records[n].dev == dev))
			n++;
	return n;
}
