// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace.h"

#include <ctype.h>
#include <string.h>

#include "vmm/clock.h"
#include "vmm/trace/file.h"

/* clang-format off */
#define FIELDS_(...) { __VA_ARGS__ }
#define DESC_(kind_, help_, ...) \
	[TRACE_##kind_] = { #kind_, help_, FIELDS_(__VA_ARGS__), TRACE_N_##kind_ },
/* clang-format on */
const struct trace_kind_desc trace_kinds[TRACE_KINDS] = { TRACE_EVENTS(DESC_) };

_Thread_local int trace_cpu = -1;

uint64_t trace_now(const struct trace *trace)
{
	return clock_ns() - trace->start_ns;
}

void trace_init(struct trace *trace, bool recorder)
{
	trace->start_ns = trace_now(trace);
	trace->start_cycles = arch_cycles();
	trace->on = trace->recorder = recorder;
}

/* The first of the bytes that come with an event, at most `max`. */
static unsigned gather(const struct trace_extra *extra, uint8_t *to, unsigned max)
{
	unsigned done = 0;

	if (extra->n_bytes < max)
		max = (unsigned)extra->n_bytes;
	for (unsigned i = 0; i < extra->n_iov && done < max; i++) {
		size_t here = extra->iov[i].iov_len;

		if (here > max - done)
			here = max - done;
		memcpy(to + done, extra->iov[i].iov_base, here);
		done += (unsigned)here;
	}
	return done;
}

void trace_feed(struct trace *trace, enum trace_kind kind, const char *dev, const struct trace_extra *extra, uint64_t a,
		uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	struct trace_event event = {
		.ns = trace_now(trace), .kind = kind, .cpu = trace_cpu, .dev = dev, .args = { a, b, c, d, e }
	};
	uint8_t data[TRACE_DATA_MAX];

	if (extra) {
		event.descs = extra->descs;
		event.n_descs = extra->n_descs;
	}
	if (extra && extra->text) {
		event.data = extra->text;
		event.n_data = (unsigned)strlen(extra->text);
	} else if (extra) {
		event.data = data;
		event.n_data = gather(extra, data, trace->data_max);
	}
	for (unsigned i = 0; i < trace->n_files; i++)
		trace_file_put(trace->files[i], &event);
}

void trace_record_text(struct trace_record *record, const char *text)
{
	uint64_t words[sizeof(record->words) / sizeof(record->words[0])] = { 0 };
	size_t len = strnlen(text, sizeof(words) - 1);

	memcpy(words, text, len);
	for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		TRACE_PUT_(record->words[i], words[i]);
}

static const char *type_words(enum trace_type type)
{
	switch (type) {
	case TRACE_DEC: return "number";
	case TRACE_NS: return "number, nanoseconds";
	case TRACE_HEX: return "0x...";
	case TRACE_WORD: return "word";
	case TRACE_REG: return "register by name or +offset; absent where nobody answers";
	case TRACE_VALUE: return "0x..., or names of bits for Status and interrupts";
	case TRACE_STATUS:
	case TRACE_ISR:
	case TRACE_FEATURES: return "names of bits joined by |, or 0";
	case TRACE_TEXT: return "text";
	}
	return "";
}

void trace_list(FILE *out)
{
	fputs("# Events\n\n"
	      "Each event has `t` (seconds since the machine was made), `ev` (its name), `cpu` (the vCPU; absent on the\n"
	      "event loop's thread), `dev` (the device; absent where there is none), and the fields below in this order.\n"
	      "A `pop` has `descs`, the chain's descriptors with `addr`, `len`, `flags`, and `data`, its first bytes in\n"
	      "hexadecimal; a `used` has in `data` the first of what was written, unless another chain was taken since.\n"
	      "Bits without a name are `bitN`. The USDT probe minivmm:EVENT has `dev` and the fields as its arguments.\n",
	      out);
	for (unsigned i = 0; i < TRACE_KINDS; i++) {
		const struct trace_kind_desc *kind = &trace_kinds[i];

		fprintf(out, "\n## %s\n\n%c%s.\n", kind->name, toupper((unsigned char)kind->help[0]), kind->help + 1);
		for (unsigned f = 0; f < kind->n_fields && kind->fields[f].name; f++)
			fprintf(out, "%s- `%s`: %s\n", f ? "" : "\n", kind->fields[f].name,
				type_words(kind->fields[f].type));
	}
}
