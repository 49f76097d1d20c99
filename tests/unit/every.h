/* SPDX-License-Identifier: GPL-2.0-only */
/* One device of each kind that minivmm has, for what holds for all of them. */
#ifndef MINIVMM_UNIT_EVERY_H
#define MINIVMM_UNIT_EVERY_H

#include "tests/unit/driver.h"

#define EVERY_N 7u

/* A device, and what the standard says of its kind (virtio 1.2, 5). */
struct every {
	struct driver d;
	const char *name;
	uint32_t type;
	uint64_t features; /* device-type bits that exist */
};

/* cmocka's setup and teardown; *state is EVERY_N of struct every, on the machine of rig_setup(). */
int every_setup(void **state);
int every_teardown(void **state);
#define EVERY_ITEM(n, fn) ITEM_TEST(n, fn, every_setup, every_teardown)

/* for each of them, `d` being its driver */
#define for_every(every, state, d) \
	for (struct every *every = *(state); every < (struct every *)*(state) + EVERY_N && ((d) = &every->d); every++)

/* Brings it up with all that it offers, or all but `without`; the test fails where it does not come. */
void every_up(struct every *every, uint64_t without);
/* A buffer of `in` readable and `out` writable bytes on each queue (0: no such descriptor), and a kick of each. */
void every_kick(struct every *every, uint32_t in, uint32_t out);

#endif
