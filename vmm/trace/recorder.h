/* SPDX-License-Identifier: GPL-2.0-only */
/* The flight recorder: what is left in memory of a run that went wrong. */
#ifndef MINIVMM_TRACE_RECORDER_H
#define MINIVMM_TRACE_RECORDER_H

#include "vmm/trace.h"
#include "vmm/trace/text.h"

/*
 * Copies the events that are kept, oldest first, to `records`, which has room for TRACE_RECORDS; of one device where
 * `dev` is not NULL. The machine may be running: what is overwritten meanwhile is left out. Returns how many.
 */
unsigned recorder_take(const struct trace *trace, const char *dev, struct trace_record *records);

/* The recorder's clock as it was at one moment, and its rate. */
struct recorder_clock {
	uint64_t cycles;
	double seconds; /* of one cycle */
};
struct recorder_clock recorder_clock(const struct trace *trace);
/* Seconds from `cycles` to that moment. */
double recorder_age(const struct recorder_clock *clock, uint64_t cycles);
/* Appends an event in a line, which begins with its time before that moment. */
void recorder_line(const struct recorder_clock *clock, const struct trace_record *record, struct text *out);

#endif
