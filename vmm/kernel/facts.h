/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a kernel file tells about itself. The little that its head tells is read at once; what is inside it, which may
 * have to be unpacked (half a second for 60 MB of xz), only where nothing cheaper answers.
 */
#ifndef MINIVMM_KERNEL_FACTS_H
#define MINIVMM_KERNEL_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/file.h"
#include "vmm/kernel/config.h"
#include "vmm/kernel/vmlinux.h"

#define KERNEL_VERSION_MAX 256u         /* bytes, with the NUL */
#define KERNEL_RELEASE_MAX 65u          /* as utsname's */
#define KERNEL_INSIDE_MAX  (256u << 20) /* bytes that a kernel's inside may have, unpacked */

enum kernel_format {
	KERNEL_OTHER,
	KERNEL_BZIMAGE,
	KERNEL_ELF,
	KERNEL_PACKED, /* compressed as a whole: vmlinux.xz */
};

struct kernel_facts {
	struct file file;
	enum kernel_format format;
	const char *packing;              /* how what is inside is compressed, as unpack_format() says; or NULL */
	char version[KERNEL_VERSION_MAX]; /* "6.1.0-56-amd64 (debian-kernel@...) #1 SMP ..."; "" for no Linux, or where
					     it is inside and nobody looked */
	char release[KERNEL_RELEASE_MAX]; /* its first word, where that can be a part of a file's name; or "" */
	struct kconfig config;

	/* of a bzImage: boot.rst, "The Real-Mode Kernel Header" */
	unsigned protocol;             /* 0x020f: 2.15 */
	bool entry_64;                 /* as the 64-bit boot protocol needs it: 2.12, XLF_KERNEL_64, LOADED_HIGH */
	bool whole;                    /* the file has all that the header promises */
	uint64_t payload, payload_len; /* in the file */

	enum kernel_inside inside;
	bool elf_entry, pvh_entry; /* of a vmlinux: it can be entered there */
};

/* Opens the file and reads its head. 0 or -errno, with a message that begins with `option`. */
int facts_open(struct kernel_facts *facts, const char *option, const char *path);

/*
 * Finds the kernel's configuration, unless facts->config is one already: config-RELEASE beside the file, or beside what
 * it is a link to; else embedded in it; else what the version string tells. Where the release is inside only, what is
 * embedded comes first. None of these: config.source is KCONFIG_NONE, and that is no error. 0 or -errno, with a
 * message.
 */
int facts_find_config(struct kernel_facts *facts);

/* Looks inside, where nobody did yet. 0 or -errno, with a message; what is wrong with the inside is no error. */
int facts_look_inside(struct kernel_facts *facts);

/* Whether --boot auto enters it by its PVH note, for want of anything else. Of facts that were looked inside, as
 * facts_find_config() does to all but bzImages. */
bool facts_only_pvh(const struct kernel_facts *facts);

void facts_close(struct kernel_facts *facts);

#endif
