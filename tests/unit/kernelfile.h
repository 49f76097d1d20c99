/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel files with something inside: an ELF file with a banner, a configuration, notes; and a bzImage around it. */
#ifndef MINIVMM_UNIT_KERNELFILE_H
#define MINIVMM_UNIT_KERNELFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/image.h"

#define DEBIAN_VERSION "6.1.0-56-amd64 (debian-kernel@lists.debian.org) #1 SMP Debian"

/* Bytes that are the caller's to free. */
struct bytes {
	uint8_t *at;
	size_t len;
};
/* Exactly so many, so that the address sanitizer sees what is read behind them. */
struct bytes bytes_copy(const void *from, size_t len);
struct bytes bytes_gzip(const void *from, size_t len);

/* What an ELF kernel holds, in CONTENT_SIZE bytes that are loaded at CONTENT_AT. */
#define CONTENT_AT   (16 * MIB)
#define CONTENT_SIZE 8192u
struct content {
	const char *banner; /* a text, or NULL */
	const char *config; /* as CONFIG_IKCONFIG has it, or NULL */
	uint64_t entry;     /* gpa: its own and that in the note */
	const char *note;   /* the owner's name: "Xen"; or NULL: an empty segment of notes */
	uint32_t note_type, note_len;
	uint64_t note_align;
};
struct content content_plain(void);
/* A struct vmlinux and, behind it, what it loads. */
struct bytes content_make(const struct content *content);

/* A bzImage with a version string (or NULL) and a payload, whose header is the caller's to change. */
struct bytes bz_with(const char *version, const struct bytes *payload);
/* One with content_plain() in it. */
struct bytes bz_debian(const char *version);
struct setup_header *bz_header(const struct bytes *image);

#endif
