/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Hostile guests: the device under test, its sibling, and the oracle of all cases. The first virtio device may be any,
 * the second is a test device with a short period: its numbers and its ticks must go on whatever the first one suffers.
 */
#ifndef MINIVMM_PAYLOAD_HOSTILE_H
#define MINIVMM_PAYLOAD_HOSTILE_H

#include "tests/payload/any.h"

extern struct any any;
extern struct device sibling;
extern uint64_t ram_end; /* of the RAM that the payload is in */

/* Finds both devices and brings the sibling up; each is a check. */
bool hostile_begin(void);
/*
 * The oracle, after each case: the device's answer was a legal one (ignored, served, or NEEDS_RESET with the
 * configuration interrupt), the sibling has ticked since the last case and takes a number, and the device serves again
 * after a reset. How long that took is kept. One check of that name.
 */
void oracle(const char *name);
/* The same where `held`: what the case itself had to see. */
void oracle_and(bool held, const char *name);
/* Sends the sibling its next number; true where it takes that. */
bool sibling_takes(void);
/* How long the slowest device took to serve after a reset, in milliseconds of the sibling's clock: less than ten; and
 * how many numbers the sibling was sent. */
void hostile_end(void);

/* The device is up with one hostile chain: the answer of its work queue. On another queue, which may want an occasion,
 * a good request is made too, and no answer awaited. */
bool is_refused(unsigned q, uint16_t head);
bool is_judged(unsigned q, uint16_t head);

/* Random numbers, the same in every run. */
uint64_t random_next(void);

/* --- a second processor, for races --- */

/* What second_cpu() of a payload with races does. */
void race_second_cpu(void);
/* Has the second processor call `step` over and over; and stops it. */
void race_begin(void (*step)(void));
void race_end(void);
/* True for `ms` of the sibling's clock from the first call on, then once false. */
bool race_goes_on(uint32_t ms);

#endif
