/* SPDX-License-Identifier: GPL-2.0-only */
/* What several unit tests need: standard error caught, files made in memory, time, a machine without KVM. */
#ifndef MINIVMM_UNIT_SUPPORT_H
#define MINIVMM_UNIT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/vm.h"

/* What the code under test says on standard error, from catch_stderr() to caught_stderr(), whose string stays valid
 * until the next. */
void catch_stderr(void);
const char *caught_stderr(void);

/* The contract of a message: exactly one line, and it begins "minivmm: ". */
bool is_one_message(const char *text);
#define assert_one_message(text, part)                                            \
	do {                                                                      \
		const char *text_ = (text);                                       \
		if (!is_one_message(text_) || !strstr(text_, part))               \
			fail_msg("not one message with '%s': '%s'", part, text_); \
	} while (0)

/* A plain file that has a name and vanishes with file_gone(). */
struct temp_file {
	int fd;
	char path[32];
};
void file_make(struct temp_file *file, const void *bytes, size_t len);
void file_gone(struct temp_file *file);

/* Nanoseconds of CLOCK_MONOTONIC, and of processor time that the calling thread has used. */
uint64_t now_ns(void);
uint64_t thread_cpu_ns(void);

/* A configuration that vm_create() takes: 64 MiB, one vCPU, no devices but the machine's own. */
struct vm_config plain_config(void);

/* xorshift64*: the same numbers for the same seed everywhere. */
uint64_t random_next(uint64_t *state);

#endif
