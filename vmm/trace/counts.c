// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/counts.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/trace/text.h"

void counts_add(struct counts *counts, const char *dev, const char *name, uint64_t value)
{
	if (counts->n == counts->room) {
		unsigned room = counts->room ? 2 * counts->room : 64;
		struct count *items = realloc(counts->items, room * sizeof(*items));

		counts->failed |= !items;
		if (!items)
			return;
		counts->items = items;
		counts->room = room;
	}
	counts->items[counts->n++] = (struct count){ .dev = dev, .name = name, .value = value };
}

void counts_release(struct counts *counts)
{
	free(counts->items);
	*counts = (struct counts){ 0 };
}

static bool is_first(const struct counts *counts, unsigned i)
{
	return i == 0 || strcmp(counts->items[i].dev, counts->items[i - 1].dev) != 0;
}

void counts_table(const struct counts *counts, struct text *out)
{
	const char *shown = NULL; /* the device whose line is open */

	for (unsigned i = 0; i < counts->n; i++) {
		const struct count *count = &counts->items[i];

		if (is_first(counts, i) && shown) {
			text_str(out, "\n");
			shown = NULL;
		}
		if (!count->value)
			continue;
		text_printf(out, "%s%s%llu %s", shown ? "" : count->dev, shown ? ", " : ": ",
			    (unsigned long long)count->value, count->name);
		shown = count->dev;
	}
	if (shown)
		text_str(out, "\n");
}

void counts_json(const struct counts *counts, struct text *out)
{
	text_str(out, "\"devices\":{");
	for (unsigned i = 0; i < counts->n; i++) {
		bool first = is_first(counts, i);

		if (first) {
			text_str(out, i ? "},\n" : "\n");
			text_json_str(out, counts->items[i].dev);
			text_str(out, ":{");
		}
		text_str(out, first ? "" : ",");
		text_json_str(out, counts->items[i].name);
		text_str(out, ":");
		text_u64(out, counts->items[i].value);
	}
	text_str(out, counts->n ? "}}" : "}");
}
