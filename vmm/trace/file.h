/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of --trace and the thread that writes it. Emitters copy events into a ring in memory; the thread decodes them
 * and writes. Nobody waits for a disk: where the ring is full, events are counted instead, and the count takes their
 * place in the file.
 */
#ifndef MINIVMM_TRACE_FILE_H
#define MINIVMM_TRACE_FILE_H

#include "vmm/trace.h"

/* Creates the file that `spec` names, "FILE[,format=NAME]", and starts its thread. 0 or -errno, with a message. */
int trace_file_open(struct trace_file **file, const char *spec);
/* Checks `spec` alone. 0 or -EINVAL, with a message. */
int trace_file_check(const char *spec);
/* Writes what is left, says what is missing, and closes it. No emitter may be left. */
void trace_file_close(struct trace_file *file);
/* Closes it, and removes it where it is ours: the run did not come about. */
void trace_file_discard(struct trace_file *file);

/* Any thread; copies all that the event points to but device names, ranges and words. */
void trace_file_put(struct trace_file *file, const struct trace_event *event);

#endif
