/* SPDX-License-Identifier: GPL-2.0-only */
/* For the tests of devices: buffers of many pieces, waiting for what the device does in its own time, and the oracle of
 * checklist E for a device that is no echo. */
#ifndef MINIVMM_UNIT_PIECES_H
#define MINIVMM_UNIT_PIECES_H

#include "tests/unit/driver.h"

#define NOT_WRITTEN 0xee /* fills what a device may write, before it does */

/* A descriptor to be. */
struct piece {
	uint64_t gpa;
	uint32_t len;
	bool writable;
};

/* Makes a chain of descriptors from `head` on, or of one that is a table elsewhere, available; no kick. */
void pieces_add(struct ring *ring, uint16_t head, const struct piece *pieces, unsigned n);
void pieces_add_table(struct ring *ring, uint16_t head, const struct piece *pieces, unsigned n);
/* Appends [gpa, gpa + len) cut into pieces of `step` bytes, the last as it comes; returns the new number of pieces. */
unsigned pieces_cut(struct piece *pieces, unsigned n, uint64_t gpa, uint32_t len, uint32_t step, bool writable);

/* Waits for used.idx, 20 s at most. */
bool used_comes(struct ring *ring, uint16_t idx);
/* Waits for a condition, 20 s at most; the test fails where it does not come. */
#define wait_until(condition)                                         \
	do {                                                          \
		bool comes_ = (condition);                            \
		for (unsigned i_ = 0; i_ < 20000 && !comes_; i_++) {  \
			nap_ms(1);                                    \
			comes_ = (condition);                         \
		}                                                     \
		_assert_true(comes_, #condition, __FILE__, __LINE__); \
	} while (0)
void nap_ms(unsigned ms);

/* A count of the device's by its name in --stats. */
uint64_t device_count(struct driver *driver, const char *name);
/* The device is refused with one message that has `part` in it. */
void refuses_options(struct rig *rig, const char *class, const char *options, const char *part);

/*
 * After a driver that broke rules: the device's status is a legal one; if it needs a reset it said so; rig->b serves.
 * Whether it works again after a reset is the caller's to see.
 */
void still_alive_(struct driver *driver, const char *file, int line);
#define still_alive(driver) still_alive_(driver, __FILE__, __LINE__)

#endif
