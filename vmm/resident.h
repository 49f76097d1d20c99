/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that is taken from the host when it is asked for, so that no guest can make this process grow later. */
#ifndef MINIVMM_RESIDENT_H
#define MINIVMM_RESIDENT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define RESIDENT_STEP 4096u /* bytes; no host's pages are smaller */

/* calloc(3) of at least a byte, with every page touched; for free(3). */
static inline void *resident_alloc(size_t n, size_t size)
{
	volatile uint8_t *bytes = calloc(n, size);

	for (size_t at = 0; bytes && at < n * size; at += RESIDENT_STEP)
		bytes[at] = 0; /* volatile, or the compiler knows that it is 0 */
	if (bytes)
		bytes[n * size - 1] = 0; /* the area need not begin with a page */
	return (void *)(uintptr_t)bytes;
}

#endif
