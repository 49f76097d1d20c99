/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MINIVMM_SANDBOX_RULES_H
#define MINIVMM_SANDBOX_RULES_H

#include "vmm/sandbox/calls.h"

/* What every machine's threads do; devices and options add to it. */
extern const struct call_rule sandbox_base[];

/* The name of a system call of this architecture; "?" for one that is not known. May be called by a signal's handler.
 */
const char *call_name(int nr);

#endif
