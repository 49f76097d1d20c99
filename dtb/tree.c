// SPDX-License-Identifier: GPL-2.0-only
#include "dtb/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"

#define TREE_START 4096       /* bytes; doubled as often as it takes */
#define TREE_MAX   (16 << 20) /* no machine of ours comes near */

/* Gives libfdt a buffer of twice the size. 0 where the call that failed for space can be made again. */
static int grow(struct dtb *tree)
{
	int size = tree->size * 2;
	void *blob = size <= TREE_MAX ? malloc((size_t)size) : NULL;

	if (!blob)
		return -FDT_ERR_NOSPACE;
	int err = fdt_resize(tree->blob, blob, size);

	if (err) {
		free(blob);
		return err;
	}
	free(tree->blob);
	tree->blob = blob;
	tree->size = size;
	return 0;
}

/* Makes a libfdt call, with a larger buffer where the space ran out, unless an error sticks already. */
#define TRY(tree, call)                                                                          \
	do {                                                                                     \
		int err_ = (tree)->err;                                                          \
		while (!err_ && (err_ = (call)) == -FDT_ERR_NOSPACE && (err_ = grow(tree)) == 0) \
			;                                                                        \
		(tree)->err = err_;                                                              \
	} while (0)

void dtb_start(struct dtb *tree)
{
	*tree = (struct dtb){ .blob = malloc(TREE_START), .size = TREE_START };
	if (!tree->blob) {
		tree->err = -FDT_ERR_NOSPACE;
		return;
	}
	TRY(tree, fdt_create(tree->blob, tree->size));
	TRY(tree, fdt_finish_reservemap(tree->blob));
	TRY(tree, fdt_begin_node(tree->blob, ""));
}

int dtb_finish(struct dtb *tree)
{
	dtb_end(tree);
	TRY(tree, fdt_finish(tree->blob));
	if (tree->err) {
		log_error("the device tree: %s", fdt_strerror(tree->err));
		return -ENOMEM;
	}
	tree->size = (int)fdt_totalsize(tree->blob);
	return 0;
}

void dtb_free(struct dtb *tree)
{
	free(tree->blob);
	tree->blob = NULL;
}

void dtb_begin(struct dtb *tree, const char *name, uint64_t unit)
{
	char full[64];

	snprintf(full, sizeof(full), "%s@%" PRIx64, name, unit);
	dtb_begin_plain(tree, full);
}

void dtb_begin_plain(struct dtb *tree, const char *name)
{
	TRY(tree, fdt_begin_node(tree->blob, name));
}

void dtb_end(struct dtb *tree)
{
	TRY(tree, fdt_end_node(tree->blob));
}

void dtb_empty(struct dtb *tree, const char *property)
{
	TRY(tree, fdt_property(tree->blob, property, NULL, 0));
}

void dtb_string(struct dtb *tree, const char *property, const char *value)
{
	dtb_strings(tree, property, value, strlen(value) + 1);
}

void dtb_strings(struct dtb *tree, const char *property, const char *values, size_t len)
{
	TRY(tree, fdt_property(tree->blob, property, values, (int)len));
}

void dtb_cells(struct dtb *tree, const char *property, const uint32_t *cells, size_t n)
{
	void *to = NULL;

	TRY(tree, fdt_property_placeholder(tree->blob, property, (int)(n * sizeof(*cells)), &to));
	for (size_t i = 0; i < n && !tree->err; i++)
		fdt32_st((uint8_t *)to + i * sizeof(*cells), cells[i]);
}

void dtb_u32(struct dtb *tree, const char *property, uint32_t value)
{
	dtb_cells(tree, property, &value, 1);
}

void dtb_u64(struct dtb *tree, const char *property, uint64_t value)
{
	DTB_CELLS(tree, property, (uint32_t)(value >> 32), (uint32_t)value);
}

void dtb_reg(struct dtb *tree, uint64_t address, uint64_t size)
{
	DTB_CELLS(tree, "reg", (uint32_t)(address >> 32), (uint32_t)address, (uint32_t)(size >> 32), (uint32_t)size);
}

void dtb_interrupt(struct dtb *tree, uint32_t pin)
{
	DTB_CELLS(tree, "interrupts", pin, DTB_IRQ_EDGE_RISING);
}
