/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every fuzz target shares: libFuzzer's two functions, the oracle's voice, and the process around the inputs. A
 * target is a file that defines fuzz_one(); it is linked with libFuzzer, or with replay.c and any compiler.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The target's: one input, from nothing to nothing. */
void fuzz_one(const uint8_t *data, size_t size);
/* The target's: once, before the first input, and after standard files and directory are as the inputs see them. */
void fuzz_start(void);

/* libFuzzer's entry points. */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with a message on the real standard error, which inputs cannot write to. */
void fuzz_fail(const char *file, int line, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));
#define fuzz_check(condition, ...)                                  \
	do {                                                        \
		if (!(condition))                                   \
			fuzz_fail(__FILE__, __LINE__, __VA_ARGS__); \
	} while (0)

/*
 * The standard files of the inputs: what is written to fuzz_typed is typed at standard input; what goes to standard
 * output comes out of fuzz_shown, which is non-blocking.
 */
extern int fuzz_typed, fuzz_shown;
/* Takes what was shown, and what was typed and not read. */
void fuzz_drain(void);

/* A directory of this process alone, empty before each input and gone at the end. */
extern char fuzz_dir[64];

#endif
