/* SPDX-License-Identifier: GPL-2.0-only */
/* What writes events down: one for each kind of file that --trace makes. */
#ifndef MINIVMM_TRACE_FORMAT_H
#define MINIVMM_TRACE_FORMAT_H

#include "vmm/trace.h"
#include "vmm/trace/text.h"

/*
 * Called on the file's own thread, in the events' order. Whole lines only are appended, and what was appended may be
 * lost when the disk is full: a reader must be able to take the rest.
 */
struct trace_format {
	const char *name;   /* --trace FILE,format=NAME */
	const char *ending; /* of a file's name that means this format; NULL: any other name */
	size_t state_size;  /* bytes, zeroed */
	void (*begin)(void *state, struct text *out);
	void (*event)(void *state, struct text *out, const struct trace_event *event);
	void (*end)(void *state, struct text *out);
};

extern const struct trace_format trace_transcript, trace_timeline;

#endif
