/* SPDX-License-Identifier: GPL-2.0-only */
/* Which way of discovery suits a kernel: --discovery auto. */
#ifndef MINIVMM_KERNEL_CHOICE_H
#define MINIVMM_KERNEL_CHOICE_H

#include <stdbool.h>

#include "vmm/kernel/config.h"
#include "vmm/kernel/discovery.h"

#define DISCOVERY_COUNT 4
/* "auto", "dt", "acpi", "cmdline". */
extern const char *const discovery_names[DISCOVERY_COUNT];

/*
 * The option that a kernel lacks for this way (not AUTO): "CONFIG_OF". NULL where it lacks none. *sure is set to
 * whether that is known of all the options.
 */
const char *discovery_missing(const struct kconfig *config, enum discovery how, bool *sure);

struct kernel_facts;
struct discovery_choice {
	enum discovery how; /* never AUTO */
	char why[256];      /* a line for the user, "discovery: acpi, since ...", or "": no Linux, nothing to be told */
};

/*
 * The way that suits a kernel: the first of dt, acpi, cmdline for which nothing is known to be missing. A kernel that
 * is entered by its PVH note, as the user wants or as nothing else is possible, gets no device tree: pvh.h. 0 or
 * -errno, with a message about --kernel.
 */
int discovery_choose(const char *kernel, bool by_pvh, struct discovery_choice *choice);

/* The same of facts that are there, with their configuration. */
void discovery_of(const struct kernel_facts *facts, bool by_pvh, struct discovery_choice *choice);

#endif
