/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A file of --trace and the thread that writes it. Emitters copy events into a ring in memory; the thread decodes them
 * and writes. Nobody waits for a disk: where the ring is full, events are counted instead, and the count takes their
 * place in the file.
 */
#ifndef MINIVMM_TRACE_FILE_H
#define MINIVMM_TRACE_FILE_H

#include "vmm/trace.h"

struct sandbox;

/*
 * Creates the file that `spec` names, "FILE[,format=NAME]", and starts its thread. What is there under that name is
 * written over, but not a standard file of ours, nor one of `spared`, names up to a NULL, or NULL. `sandbox` confines
 * the thread. 0 or -errno, with a message.
 */
int trace_file_open(struct trace_file **file, const char *spec, const char *const *spared, struct sandbox *sandbox);
/* Its name without the format; as long as the file. */
const char *trace_file_path(const struct trace_file *file);
/* Writes what is left, says what is missing, and closes it, within a second or as fast as the disk. No emitter may be
 * left. */
void trace_file_close(struct trace_file *file);
/* Closes it, and removes it where it was not there before: the run did not come about. */
void trace_file_discard(struct trace_file *file);

/* Any thread; copies all that the event points to but device names, ranges and words. */
void trace_file_put(struct trace_file *file, const struct trace_event *event);

#endif
