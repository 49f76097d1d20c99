/* SPDX-License-Identifier: GPL-2.0-only */
/* The trace-event format of Chrome, in its array form: each call appends elements, each with the comma before it. */
#ifndef MINIVMM_TRACE_CHROME_H
#define MINIVMM_TRACE_CHROME_H

#include "vmm/trace.h"
#include "vmm/trace/text.h"

/* A track (tid) is called "NAME", or "NAME N" where `number` is not negative. Tracks are shown in the tids' order. */
void chrome_track(struct text *out, unsigned tid, const char *name, int number);
/* A slice begins: what is left to write is its name, then "} or other keys. Slices of a track do not overlap. */
void chrome_begin(struct text *out, unsigned tid, uint64_t ns, const char *category);
void chrome_end(struct text *out, unsigned tid, uint64_t ns);
/* A mark for an event with its fields. */
void chrome_instant(struct text *out, unsigned tid, uint64_t ns, const struct trace_event *event);
/* One end of an arrow, "s" where it starts or "f" where it ends, in a slice that is there at that time. */
void chrome_flow(struct text *out, const char *phase, unsigned tid, uint64_t ns, uint64_t id);

#endif
