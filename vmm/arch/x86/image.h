/* SPDX-License-Identifier: GPL-2.0-only */
/* A kernel image on its way into guest RAM: between boot.c and the readers of its formats. */
#ifndef MINIVMM_X86_IMAGE_H
#define MINIVMM_X86_IMAGE_H

#include <asm/bootparam.h>
#include <elf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/file.h"
#include "vmm/memory.h"
#include "vmm/vm.h"

#define IMAGE_HEAD_SIZE 1024 /* bytes of the start that are read to tell the format; the rest is zeros */

struct image {
	struct file file;
	uint8_t *bytes; /* what was unpacked of the file and takes its place, owned; or NULL */
	uint64_t size;  /* of the file, or of the bytes */
	uint8_t head[IMAGE_HEAD_SIZE];
	const struct memory *memory;
	uint64_t ram_end; /* gpa: end of the RAM below the hole */

	/* set by the reader */
	struct setup_header header; /* the boot header, as the kernel gave it or as an ELF file would have */
	enum boot_path path;
	uint64_t entry; /* gpa; by the path in 64-bit mode, or in 32-bit mode without paging */
	uint64_t end;   /* gpa: the kernel needs everything below, from where it was loaded */
};

/* Opens the kernel's file and reads the head. 0 or -errno, with a message; to be closed in either case. */
int image_open(struct image *image, const struct vm *vm);
void image_close(struct image *image);

/* Reads [offset, offset + len), which lies in the image. 0 or -errno, with a message. */
int image_read(const struct image *image, uint64_t offset, void *to, uint64_t len);

/*
 * Makes what is compressed at [offset, offset + len), which lies in the image, the image: at most as much as the guest
 * has RAM. 0 or -errno, with a message, of `what` ("its payload is") and the way out where the format is not known.
 */
int image_unpack(struct image *image, uint64_t offset, uint64_t len, const char *what, const char *otherwise);

/* -EINVAL, with the message. */
int image_refuse(const struct image *image, const char *why);

bool bzimage_is(const struct image *image);
bool elf_is(const struct image *image);
/* Whether something is loaded at a gpa. */
bool elf_is_loaded(const Elf64_Phdr *segments, unsigned n, uint64_t gpa);

/* Each checks the image, reads it into guest RAM and fills what is "set by the reader". 0 or -errno, with a message. */
int bzimage_load(struct image *image);
/* By BOOT_ELF, BOOT_PVH, or BOOT_AUTO: the one for which it has an entry, BOOT_ELF if both. */
int elf_load(struct image *image, enum boot_path wanted);

/* Makes the ELF file that a bzImage has as its payload the image. 0 or -errno, with a message. */
int bzimage_unpack(struct image *image);

#endif
