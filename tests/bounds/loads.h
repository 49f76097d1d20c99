/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts the loads from guest memory that the devices make. Their objects are compiled with -fsanitize=thread, which
 * has each load call a function, and linked without its run-time: the functions are loads.c's. Copies count as loads of
 * what they copy: memcpy() and its kind are loads.c's as well (Makefile: LOADS_OBJS). What the kernel reads for a
 * system call is not seen.
 */
#ifndef TESTS_BOUNDS_LOADS_H
#define TESTS_BOUNDS_LOADS_H

#include "tests/unit/pieces.h"

/* How a chain is laid out (virtio 1.2, 2.7.5). */
enum shape { DIRECT, INDIRECT, MIXED /* half of it direct, the rest in a table: 2.7.5.3.2 */, SHAPES };
extern const char *const shape_names[SHAPES];

/* A buffer to be, of which the device loads each byte so many times. */
struct part {
	const void *bytes; /* or NULL: zeros */
	uint32_t len;
	bool writable;
	unsigned loads;
};

/* Everything is forgotten; from now on loads are counted, and the pops of this device. */
void loads_begin(struct driver *driver);
/*
 * A chain of these parts, each cut into pieces of `cut` bytes with a gap behind each, is made available, no kick.
 * Descriptors, table entries and the slot of the available ring are to be loaded once.
 */
void loads_chain(struct ring *ring, enum shape shape, uint32_t cut, const struct part *parts, unsigned n);
/*
 * All that was said is so: no byte was loaded more or less often, and none but these; and of the fields that both sides
 * change at any time
 *   avail.idx   once for each chain and twice for a look that finds none: the second is the one behind the re-arming
 *               of kicks (virtio 1.2, 2.7.10), with EVENT_IDX alone
 *   used_event  once for each time that a notification is decided on, with EVENT_IDX alone (2.7.7.2)
 *   flags       the same, without it alone
 * NULL, or what is not so; overwritten by the next call.
 */
const char *loads_wrong(struct driver *driver, bool event_idx);

#endif
