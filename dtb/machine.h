/* SPDX-License-Identifier: GPL-2.0-only */
/* The device tree of a machine, made from the machine itself. */
#ifndef MINIVMM_DTB_MACHINE_H
#define MINIVMM_DTB_MACHINE_H

struct dtb;
struct vm;

/*
 * Describes a machine that has all its devices and its kernel: chosen, memory, what the architecture adds (CPUs,
 * interrupt controllers), then every device that has something to say. 0 and a finished tree, or -errno with a message.
 * The caller frees the tree in either case. Needs no KVM.
 */
int machine_describe(const struct vm *vm, struct dtb *tree);

/* Writes a finished tree to the file named `path`, or to standard output for "-". 0 or -errno, with a message. */
int machine_dump(const struct dtb *tree, const char *path);

#endif
