/* SPDX-License-Identifier: GPL-2.0-only */
/* The cheapest clock of the host: a counter with a constant rate that all its CPUs share. */
#ifndef MINIVMM_ARCH_CYCLES_H
#define MINIVMM_ARCH_CYCLES_H

#include <stdint.h>

static inline uint64_t arch_cycles(void)
{
#ifdef __x86_64__
	return __builtin_ia32_rdtsc();
#else
#error "name this architecture's counter"
#endif
}

#endif
