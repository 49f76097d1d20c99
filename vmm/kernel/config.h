/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration that a Linux kernel was built with (its .config), as far as it is known. */
#ifndef MINIVMM_KERNEL_CONFIG_H
#define MINIVMM_KERNEL_CONFIG_H

#include <stddef.h>
#include <stdint.h>

#define KCONFIG_MAX (4u << 20) /* bytes of text; that of a distribution has some 300 KB */

enum kconfig_source {
	KCONFIG_NONE, /* nothing is known */
	KCONFIG_FILE,
	KCONFIG_EMBEDDED, /* in the kernel, by CONFIG_IKCONFIG */
	KCONFIG_VENDOR,   /* what the kernels of a distribution have in common: no option that it does not name is known
			   */
};

struct kconfig {
	enum kconfig_source source;
	char *path;         /* owned: KCONFIG_FILE's */
	const char *vendor; /* KCONFIG_VENDOR's: "Debian" */
	char *text;         /* owned: len bytes, lines as Kconfig writes them; no NUL at the end */
	size_t len;
};

/*
 * What `option` ("CONFIG_OF") is set to: 'y'; 'm', a module; 'n', not set, or to something other than these; '?' where
 * that is not known. Of several lines the last counts, as it does for Kconfig.
 */
char kconfig_value(const struct kconfig *config, const char *option);

/*
 * Reads a configuration, plain or compressed as in /proc/config.gz, into *config, which holds none yet. 0 or -errno,
 * with a message that begins with `option`: it may not be readable, not be a configuration, or that of another
 * architecture than 64-bit x86.
 */
int kconfig_read(struct kconfig *config, const char *option, const char *path);

/* The one that CONFIG_IKCONFIG puts into a kernel, somewhere in these bytes (kernel/configs.c). 0, or without a message
 * -ENOENT or -ENOMEM. */
int kconfig_extract(struct kconfig *config, const uint8_t *bytes, size_t len);

/* What a kernel's version string alone tells: whose it is. 0, or without a message -ENOENT or -ENOMEM. */
int kconfig_guess(struct kconfig *config, const char *version);

/* The subject of a sentence about what it has: "config-6.1.0-56-amd64", "its embedded configuration", "a kernel of
 * Debian". Cut where it is longer than `size`, with the NUL. */
void kconfig_name(const struct kconfig *config, char *name, size_t size);

void kconfig_free(struct kconfig *config);

#endif
