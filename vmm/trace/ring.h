/* SPDX-License-Identifier: GPL-2.0-only */
/* Events in memory on their way to a file. The owner's lock guards a ring, but for ring_next(): what lies there already
 * is the reader's. */
#ifndef MINIVMM_TRACE_RING_H
#define MINIVMM_TRACE_RING_H

#include "vmm/trace.h"

#define RING_SIZE (8u << 20) /* bytes; only what is used takes memory */

struct trace_ring {
	uint8_t *bytes;
	size_t head, used;    /* where the oldest event is, and how much lies from there on */
	uint64_t crowded_out; /* events that found no room since the last that did */
	uint64_t last_ns;     /* of the last event: two threads may get here in another order than to the clock */
};

/* 0 or -ENOMEM. */
int ring_init(struct trace_ring *ring);
void ring_release(struct trace_ring *ring);

/* A copy of the event with its descriptors and data; where there is no room it is counted, and the count goes before
 * the next that finds some. Times do not go back. */
void ring_put(struct trace_ring *ring, const struct trace_event *event);

/* The event at *at, which is `taken` behind the head: its pointers lead into the ring. Moves both behind it. */
struct trace_event ring_next(const struct trace_ring *ring, size_t *at, size_t *taken);
/* The first `taken` bytes are done with. */
void ring_drop(struct trace_ring *ring, size_t taken);

#endif
