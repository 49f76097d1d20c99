/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel image on its way into guest RAM: between boot.c and the readers of its formats. */
#ifndef MINIVMM_X86_IMAGE_H
#define MINIVMM_X86_IMAGE_H

#include <asm/bootparam.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/file.h"
#include "vmm/memory.h"

#define IMAGE_HEAD_SIZE 1024 /* bytes of the file's start that are read to tell its format; the rest is zeros */

struct image {
	struct file file;
	uint8_t head[IMAGE_HEAD_SIZE];
	const struct memory *memory;
	uint64_t ram_end; /* gpa: end of the RAM below the hole */

	/* set by the reader */
	struct setup_header header; /* the boot header, as the kernel gave it or as an ELF file would have */
	uint64_t entry;             /* gpa, 64-bit mode */
	uint64_t end;               /* gpa: the kernel needs everything below, from where it was loaded */
};

bool bzimage_is(const struct image *image);
bool elf_is(const struct image *image);

/* Each checks the file, reads it into guest RAM and fills what is "set by the reader". 0 or -errno, with a message. */
int bzimage_load(struct image *image);
int elf_load(struct image *image);

#endif
