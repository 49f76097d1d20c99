/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line. */
#ifndef MINIVMM_OPTIONS_H
#define MINIVMM_OPTIONS_H

#include "vmm/vm.h"

/* The kernel's command line begins with this, unless the text of --append, which comes behind, names a console. */
#define OPTIONS_CMDLINE_BASE "console=ttyS0"

struct options {
	struct vm_config config;
	char *cmdline; /* owned: what config.cmdline points to */
};

/*
 * Parses the command line into *options. 0, or -EINVAL after a message that names the option; --help, --usage and
 * --version print and exit. The strings of argv must outlive the options.
 */
int options_read(struct options *options, int argc, char **argv);
void options_free(struct options *options);

#endif
