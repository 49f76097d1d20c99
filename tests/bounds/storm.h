/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver gone mad, of any device: requests of all kinds, good and broken, in chains of all shapes; registers, resets
 * of queues and of the device, rings that jump. The same for the same seed. It allots nothing after storm_add().
 */
#ifndef TESTS_BOUNDS_STORM_H
#define TESTS_BOUNDS_STORM_H

#include "tests/unit/pieces.h"

#define STORM_NUM 64u /* entries of a ring, or what the device has */

struct storm {
	struct driver d;
	const char *class;
	uint64_t random;
	uint64_t buffers; /* gpa of STORM_BUFFERS bytes */
	int peer;         /* the other end of a network, or the client of a port; or -1 */
	int listener;     /* of the host's, where a guest's connection goes; or -1 */
	int taken[4];     /* connections that it accepted, or -1 */
	unsigned accepts; /* clients that the device lets in once the loop runs */
	unsigned ups, failures;
};

/* A device of the class with what it needs at its other end, all options on, not up. The loop may run. */
void storm_add(struct storm *storm, struct rig *rig, const char *class, uint64_t seed);
/* Does one thing. */
void storm_step(struct storm *storm);
/* The device is reset, and who is at its other end gone. */
void storm_end(struct storm *storm);

/* The names of all classes, NULL at the end; some twice, with other options. */
extern const char *const storm_classes[];

#endif
