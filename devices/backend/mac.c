// SPDX-License-Identifier: GPL-2.0-only
#include "devices/backend/mac.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "vmm/log.h"

#define MAC_LEN  6
#define MAC_TEXT (3 * MAC_LEN - 1)

/* The first byte's bits: one of a group's, not a card's; given out by no vendor. */
#define MAC_GROUP 1u
#define MAC_LOCAL 2u

static bool parse(uint8_t *mac, const char *text)
{
	unsigned any = 0;

	if (strlen(text) != MAC_TEXT)
		return false;
	for (unsigned i = 0; i < MAC_LEN; i++) {
		const char *at = text + 3 * i;

		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
		    (i + 1 < MAC_LEN && at[2] != ':') || sscanf(at, "%2hhx", &mac[i]) != 1)
			return false;
		any |= mac[i];
	}
	return any && !(mac[0] & MAC_GROUP);
}

/* FNV-1a */
static uint32_t hash_more(uint32_t hash, const char *text)
{
	for (; *text; text++)
		hash = (hash ^ (uint8_t)*text) * 16777619u;
	return hash;
}

int mac_choose(uint8_t mac[6], const char *who, const char *text, const char *name, const char *tap)
{
	uint32_t hash = hash_more(hash_more(2166136261u, name), tap ? tap : "");

	if (text && parse(mac, text))
		return 0;
	if (text) {
		log_error("%s: mac=%s: takes six bytes of a card's own address, such as 52:54:00:12:34:56", who, text);
		return -EINVAL;
	}
	mac[0] = 0x50 | MAC_LOCAL;
	mac[1] = 'M';
	for (unsigned i = 0; i < sizeof(hash); i++)
		mac[2 + i] = (uint8_t)(hash >> (8 * i));
	return 0;
}
