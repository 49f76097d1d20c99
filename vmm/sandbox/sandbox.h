/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is left to the process once a guest runs, should the guest ever take it over (docs/security.md): each thread may
 * make the few system calls that its work needs, has no capabilities and gains no privileges, and of the file system
 * only what was named here, where the kernel has Landlock.
 *
 * Rules and paths are gathered while the machine is built; each thread enters by itself, when it begins or, the main
 * thread, when all others have. There is no way out. A NULL sandbox confines nobody: every function takes it.
 */
#ifndef MINIVMM_SANDBOX_H
#define MINIVMM_SANDBOX_H

#include <stdbool.h>
#include <stdio.h>

#include "vmm/sandbox/calls.h"

enum sandbox_mode {
	SANDBOX_OFF, /* as if there were none */
	SANDBOX_LOG, /* a call without a rule is told on standard error, and made */
	SANDBOX_ON,  /* ... is told, and ends the process as by SIGSYS */
};

struct sandbox;

/* Finds out whether the host's kernel can do it. *sandbox is NULL for SANDBOX_OFF. 0 or -errno, with a message. */
int sandbox_create(struct sandbox **sandbox, enum sandbox_mode mode);
void sandbox_destroy(struct sandbox *sandbox);

/* Adds rules, up to ALLOW_END. Before the threads that they are for begin. There is room for all that minivmm has. */
void sandbox_allow(struct sandbox *sandbox, const struct call_rule *rules);
enum path_use {
	PATH_REPLACE, /* a plain file is replaced by another, made beside it */
	PATH_WRITE,   /* what is there is written into */
	PATH_REMOVE,  /* removed; with the system calls for that */
};
/* What the main thread may do to the file of that name. 0 or -errno. */
int sandbox_allow_path(struct sandbox *sandbox, const char *path, enum path_use use);

/* Makes ready what threads of kind `by` enter; their rules are complete. 0 or -errno. */
int sandbox_prepare(struct sandbox *sandbox, unsigned by);
/* Confines the calling thread, of a kind that was prepared; `name` is for messages. 0 or -errno, with a message; then
 * the thread must not go on. */
int sandbox_enter(const struct sandbox *sandbox, unsigned by, const char *name);

/* The rules, a line a call: "vcpu ioctl 0xae80". */
void sandbox_print(const struct sandbox *sandbox, FILE *out);

#endif
