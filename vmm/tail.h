/* SPDX-License-Identifier: GPL-2.0-only */
/* The last bytes of the guest's console, whichever device they came by: for who asks in the end what it said. */
#ifndef MINIVMM_TAIL_H
#define MINIVMM_TAIL_H

#include <stddef.h>
#include <stdint.h>

#define TAIL_MAX (16u << 10) /* bytes: some two hundred of a kernel's lines */

/* Zeroed is a valid, empty tail. The owner's lock guards it. */
struct tail {
	char bytes[TAIL_MAX]; /* ring: byte n of the console at n % TAIL_MAX */
	uint64_t seen;        /* bytes in all */
};

void tail_put(struct tail *tail, const char *bytes, size_t len);

/*
 * Copies what is kept to `text`, of TAIL_MAX + 1 bytes, in order: whole lines, where the first one's beginning is lost
 * and another follows, and a NUL, as which a NUL of the guest's is not kept: it is '?'. Returns the length.
 */
size_t tail_text(const struct tail *tail, char *text);

#endif
