/* SPDX-License-Identifier: GPL-2.0-only */
/* "minivmm preflight KERNEL": what a kernel can use, and what it lacks for the rest, before it is booted. */
#ifndef MINIVMM_KERNEL_PREFLIGHT_H
#define MINIVMM_KERNEL_PREFLIGHT_H

#include <stdbool.h>
#include <stdio.h>

struct kernel_facts;

/*
 * The command, with its name in argv[0]. Its exit status: 0 where the kernel can be booted and will find devices, 1
 * where not as far as is known, 2 after a message where that could not be told. --help exits.
 */
int preflight_main(int argc, char **argv);

/*
 * The verdicts, a line each, by facts that have a configuration and were looked inside. config_given: by --config. The
 * first two words of a line stay as they are, for scripts. True as with status 0.
 */
bool preflight_print(const struct kernel_facts *facts, bool config_given, FILE *out);

#endif
