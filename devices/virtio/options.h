/* SPDX-License-Identifier: GPL-2.0-only */
/* "key=value,..." into the fields of structs, as tables of struct option_desc say. */
#ifndef MINIVMM_VIRTIO_OPTIONS_H
#define MINIVMM_VIRTIO_OPTIONS_H

#include <stdio.h>

struct option_desc;

/* Descriptions and the struct that they fill. */
struct option_set {
	const struct option_desc *descs; /* name NULL at the end; or NULL */
	void *target;
};

/* Puts in the defaults; a description without one leaves its field as it is. 0 or -ENOMEM. */
int options_defaults(const struct option_set *set);

/*
 * Parses `text` (NULL or "" for none) into the sets, of which `n` are searched in order; ",," is a comma in a value.
 * `who` begins the messages:
 * "--device test". 0, or -EINVAL with a message that names the key and what it takes, or the one that is missing; or
 * -ENOMEM, with a message as well.
 */
int options_parse(const char *who, const char *text, const struct option_set *sets, unsigned n);

/* Frees the strings that were put in. */
void options_release(const struct option_set *set);

/* A line for each description. */
void options_list(const struct option_desc *descs, FILE *out);

#endif
