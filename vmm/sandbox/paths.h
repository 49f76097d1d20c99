/* SPDX-License-Identifier: GPL-2.0-only */
/* What may be done to files by their names, where the kernel has Landlock; else the rules on calls are all there is. */
#ifndef MINIVMM_SANDBOX_PATHS_H
#define MINIVMM_SANDBOX_PATHS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/sandbox/sandbox.h"

struct sandbox_paths {
	int ruleset_fd;   /* -1: no Landlock */
	uint64_t handled; /* what this Landlock can forbid */
	bool any;         /* some path was allowed */
};

/* 0 or -errno; no Landlock is no error. */
int paths_init(struct sandbox_paths *paths);
void paths_release(struct sandbox_paths *paths);
/* PATH_REPLACE and PATH_REMOVE are allowed in all of its directory. 0 or -errno. */
int paths_allow(struct sandbox_paths *paths, const char *path, enum path_use use);
/* Binds the calling thread, and what it starts, to what was allowed so far; no_new_privs is set. 0 or -errno. */
int paths_enter(const struct sandbox_paths *paths);

#endif
