/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading a file that the user named, with messages that name it and the way out. */
#ifndef MINIVMM_FILE_H
#define MINIVMM_FILE_H

#include <stdint.h>

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

#endif
