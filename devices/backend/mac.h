/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses of network cards. */
#ifndef MINIVMM_MAC_H
#define MINIVMM_MAC_H

#include <stdint.h>

/*
 * The six bytes of `text`, "52:54:00:12:34:56"; where that is NULL, an address that is the same in every run: locally
 * administered, made of the device's name and its tap's (or NULL). 0, or -EINVAL with a message that begins with `who`.
 */
int mac_choose(uint8_t mac[6], const char *who, const char *text, const char *name, const char *tap);

#endif
