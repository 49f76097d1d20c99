/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device tree under construction: libfdt's sequential writer with a buffer that grows and a first error that sticks,
 * so that whoever adds nodes need not check each call. Cells are 32 bits, in the tree's byte order when stored.
 */
#ifndef MINIVMM_DTB_TREE_H
#define MINIVMM_DTB_TREE_H

#include <stddef.h>
#include <stdint.h>

struct dtb {
	void *blob; /* malloc'ed, owned by the tree */
	int size;   /* bytes of the buffer; after dtb_finish() of the tree */
	int err;    /* the first libfdt error (negative), 0 while all is well */
};

/* Nodes refer to each other by these. */
enum dtb_phandle { DTB_PHANDLE_IOAPIC = 1, DTB_PHANDLE_POWER = 2 };

/* The second of an interrupt's two cells: how Linux's x86 code reads it; the first is the IOAPIC's pin. */
#define DTB_IRQ_EDGE_RISING 3u

/* Begins the tree and opens its root node. */
void dtb_start(struct dtb *tree);
/* Closes the root. 0, or -errno with a message. The blob is then tree->blob, tree->size bytes, until dtb_free(). */
int dtb_finish(struct dtb *tree);
void dtb_free(struct dtb *tree);

/* A node "NAME@UNIT", or "NAME" with dtb_begin_plain(). Each is closed by dtb_end(). */
void dtb_begin(struct dtb *tree, const char *name, uint64_t unit);
void dtb_begin_plain(struct dtb *tree, const char *name);
void dtb_end(struct dtb *tree);

void dtb_empty(struct dtb *tree, const char *property);
void dtb_string(struct dtb *tree, const char *property, const char *value);
/* Several strings in one property: `values` ends with its own NUL besides the NUL between each two. */
void dtb_strings(struct dtb *tree, const char *property, const char *values, size_t len);
void dtb_cells(struct dtb *tree, const char *property, const uint32_t *cells, size_t n);
#define DTB_CELLS(tree, property, ...)                               \
	dtb_cells(tree, property, (const uint32_t[]){ __VA_ARGS__ }, \
		  sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
void dtb_u32(struct dtb *tree, const char *property, uint32_t value);
void dtb_u64(struct dtb *tree, const char *property, uint64_t value);
/* reg = <address size> for #address-cells = <2>, #size-cells = <2>. */
void dtb_reg(struct dtb *tree, uint64_t address, uint64_t size);
/* interrupts = <pin, rising edge>, at the IOAPIC. */
void dtb_interrupt(struct dtb *tree, uint32_t pin);

#endif
