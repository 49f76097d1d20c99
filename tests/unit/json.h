/* SPDX-License-Identifier: GPL-2.0-only */
/* The files of --trace as a program reads them: with a JSON library that is not ours. */
#ifndef TESTS_UNIT_JSON_H
#define TESTS_UNIT_JSON_H

#include <jansson.h>
#include <sys/resource.h>

#include "tests/unit/driver.h"
#include "vmm/trace/file.h"

/* Ends the test with a message that is seen although standard error is the rig's. */
void test_fail_(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4), noreturn));
#define test_fail(...) test_fail_(__FILE__, __LINE__, __VA_ARGS__)

/* A path in a directory of this program's own, which goes when it ends. The string stays for 15 more calls. */
const char *scratch_path(const char *name);
/* The whole file with a NUL behind it, to be freed; *len where not NULL. */
char *scratch_read(const char *path, size_t *len);

/* A disk that is full once a file has so many bytes; RLIM_INFINITY: no more. */
void limit_files(rlim_t bytes);

/* As --trace=NAME of the scratch directory and --trace-data=data_max do; the recorder stays as it is. */
void trace_begin(struct rig *rig, const char *name, unsigned data_max);
/* Closes all files of --trace. */
void trace_end(struct rig *rig);

/* An array of the file's lines: each whole, each an object without a key twice, and no "t" below the one before. */
json_t *json_transcript(const char *path);
/* Ends the trace; the transcript. */
json_t *trace_ended(struct rig *rig, const char *name);

/*
 * Events in words, a line each: "EV key=value key=value...", "t" left out; of kinds in `kinds` (" a b ", or NULL for
 * all). Descriptors are ADDR+LEN:FLAGS, joined by commas. To be freed.
 */
char *json_words(json_t *events, const char *kinds);

/* How many events of that kind, and the sum of an integer field of theirs. */
unsigned json_count(json_t *events, const char *kind);
uint64_t json_sum(json_t *events, const char *kind, const char *key);
const char *json_str(json_t *object, const char *key); /* "" where there is none */
uint64_t json_int(json_t *object, const char *key);    /* ends the test where there is none */

/* Lines to compare with. */
struct want {
	char text[32768];
	size_t len;
};
void want(struct want *want, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends the test with the first line that differs. */
void want_all_(const char *file, int line, const struct want *want, const char *got);
#define want_all(want, got) want_all_(__FILE__, __LINE__, want, got)

#endif
