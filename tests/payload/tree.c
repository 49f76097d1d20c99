// SPDX-License-Identifier: GPL-2.0-only
/* A walk over the flattened device tree (Devicetree Specification 0.4, 5), so that no address is written down here. */
#include "tests/payload/guest.h"

#define FDT_MAGIC 0xd00dfeedu
#define DEPTH_MAX 8

enum { BEGIN_NODE = 1, END_NODE = 2, PROP = 3, NOP = 4, END = 9 };

static uint32_t be32(const void *at)
{
	const uint8_t *b = at;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static bool same(const char *a, const char *b)
{
	size_t n = strlen(a);

	return n == strlen(b) && memcmp(a, b, n) == 0;
}

/* Is `wanted` one of the strings in a property? */
static bool has_string(const char *list, uint32_t len, const char *wanted)
{
	for (uint32_t at = 0; at < len; at += (uint32_t)strlen(list + at) + 1)
		if (same(list + at, wanted))
			return true;
	return false;
}

static const uint8_t *tree(void)
{
	const struct setup_data *data = (const void *)(uintptr_t)boot_params->hdr.setup_data;

	for (; data; data = (const void *)(uintptr_t)data->next)
		if (data->type == SETUP_DTB && be32(data->data) == FDT_MAGIC)
			return data->data;
	return NULL;
}

/* What is looked for, and what was found. */
struct search {
	const char *compatible, *device_type, *chosen;
	unsigned skip, seen;
	const char *text;
	struct node node;
	bool found;
};

static void property(struct search *search, const char *node, const char *name, const uint8_t *value, uint32_t len,
		     struct node *out, bool *match)
{
	if (search->compatible && same(name, "compatible") && has_string((const char *)value, len, search->compatible))
		*match = true;
	if (search->device_type && same(name, "device_type") && same((const char *)value, search->device_type))
		*match = true;
	if (search->chosen && same(node, "chosen") && same(name, search->chosen))
		search->text = (const char *)value;
	if (same(name, "reg") && len >= 16) {
		out->address = (uint64_t)be32(value) << 32 | be32(value + 4);
		out->size = (uint64_t)be32(value + 8) << 32 | be32(value + 12);
	}
	if (same(name, "interrupts") && len >= 4) {
		out->pin = be32(value);
		out->has_pin = true;
	}
	if (same(name, "offset"))
		out->offset = be32(value);
	if (same(name, "value"))
		out->value = be32(value);
}

static void node_ends(struct search *search, const struct node *node, bool match)
{
	if (!match || search->found)
		return;
	if (search->device_type || search->seen++ == search->skip) {
		search->found = !search->device_type;
		search->skip += search->device_type != NULL;
		search->node = *node;
	}
}

static void walk(struct search *search)
{
	const uint8_t *fdt = tree(), *at;
	struct node nodes[DEPTH_MAX];
	bool match[DEPTH_MAX];
	const char *names[DEPTH_MAX];
	unsigned depth = 0;

	if (!fdt)
		return;
	for (at = fdt + be32(fdt + 8);;) {
		uint32_t token = be32(at);

		at += 4;
		if (token == BEGIN_NODE && depth < DEPTH_MAX) {
			size_t n = strlen((const char *)at);

			names[depth] = (const char *)at;
			memset(&nodes[depth], 0, sizeof(nodes[depth]));
			memcpy(nodes[depth].name, at,
			       n < sizeof(nodes[depth].name) ? n : sizeof(nodes[depth].name) - 1);
			match[depth++] = false;
			at += (n + 4) & ~(size_t)3;
		} else if (token == PROP && depth) {
			uint32_t len = be32(at);

			property(search, names[depth - 1], (const char *)fdt + be32(fdt + 12) + be32(at + 4), at + 8,
				 len, &nodes[depth - 1], &match[depth - 1]);
			at += 8 + ((len + 3) & ~3u);
		} else if (token == END_NODE && depth) {
			depth--;
			node_ends(search, &nodes[depth], match[depth]);
		} else if (token != NOP) {
			return;
		}
	}
}

bool tree_find(const char *compatible, unsigned n, struct node *node)
{
	struct search search = { .compatible = compatible, .skip = n };

	walk(&search);
	*node = search.node;
	return search.found;
}

unsigned tree_count(const char *device_type)
{
	struct search search = { .device_type = device_type };

	walk(&search);
	return search.skip;
}

const char *tree_chosen(const char *name)
{
	struct search search = { .chosen = name };

	walk(&search);
	return search.text;
}
