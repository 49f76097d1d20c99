/* SPDX-License-Identifier: GPL-2.0-only */
/* Files that the user named: reading one whole, with messages that name it and the way out; replacing one. */
#ifndef MINIVMM_FILE_H
#define MINIVMM_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/sandbox/calls.h"

struct sandbox;

struct file {
	const char *option; /* "--kernel": what the user wrote it after */
	const char *path;   /* borrowed */
	int fd;
	uint64_t size; /* bytes, when it was opened; never 0 */
};

/* Opens a regular, non-empty file for reading. 0 or -errno, with a message. */
int file_open(struct file *file, const char *option, const char *path);
void file_close(struct file *file);

/*
 * Reads exactly [offset, offset + len) into `to`. 0 or -errno, with a message: a file that shrinks meanwhile is an
 * error, not a short read.
 */
int file_read(const struct file *file, uint64_t offset, void *to, uint64_t len);

/*
 * Makes `bytes` the content of a plain file in one step: a reader sees the old or the new, never a part. What is there
 * and no plain file (a pipe, a device), or one of our own standard files under any name, is written into, for a second
 * at most. 0 or -errno, without a message; a plain file then is as it was.
 */
int file_replace(const char *path, const void *bytes, size_t len);
/* The same for a file that an option is to write before there is a machine, "-" being standard output; with a message,
 * and however long it takes. */
int file_dump(const char *option, const char *path, const void *bytes, size_t len);
/* The system calls of file_replace(), for the main thread; and has the sandbox allow it for this file. 0 or -errno. */
extern const struct call_rule file_replace_calls[];
int file_allow_replace(const char *path, struct sandbox *sandbox);
/* Whether file_replace() would work, as far as can be told without doing it. 0 or -errno, without a message. */
int file_can_replace(const char *path);

/* Whether a name means the file that is open as `st`. */
struct stat;
bool file_is_same(const struct stat *st, const char *path);
/* Which of our standard files `st` is, 0 to 2, or -1. */
int file_standard(const struct stat *st);

#endif
