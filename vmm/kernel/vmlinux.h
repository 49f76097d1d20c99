/* SPDX-License-Identifier: GPL-2.0-only */
/* The ELF file that a kernel for 64-bit x86 is, as a file or as bytes that were unpacked: would it be loaded? */
#ifndef MINIVMM_KERNEL_VMLINUX_H
#define MINIVMM_KERNEL_VMLINUX_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/file.h"
#include "vmm/kernel/unpack.h"

/* What is inside a kernel's file: the file itself where it is an ELF file, else what it unpacks to. */
enum kernel_inside {
	INSIDE_UNSEEN,  /* nobody looked yet */
	INSIDE_DAMAGED, /* cut off, does not unpack, or is larger than KERNEL_INSIDE_MAX */
	INSIDE_UNKNOWN, /* is compressed in a way that minivmm does not know */
	INSIDE_OTHER,   /* no ELF file that is a kernel for 64-bit x86 */
	INSIDE_VMLINUX,
};

/* How much of the start of an ELF file is loaded, or notes, in bytes; 0 where it is not one for 64 bits. 0 or -errno,
 * with a message. */
int vmlinux_loaded(const struct file *file, uint64_t *len);

/* What the bytes are, and where a vmlinux has an entry point in what is loaded: its own, and the one of a PVH note. */
enum kernel_inside vmlinux_look(const struct unpacked *bytes, bool *elf_entry, bool *pvh_entry);

#endif
