// SPDX-License-Identifier: GPL-2.0-only
#include "devices/virtio/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/virtio.h"
#include "vmm/log.h"
#include "vmm/number.h"

#define VALUE_MAX 4096 /* characters, as many as a file's name may have */

/* What a value must look like, for messages and help. */
static void describe_values(const struct option_desc *desc, char *out, size_t size)
{
	size_t used = 0;

	switch (desc->type) {
	case OPTION_UINT: snprintf(out, size, "a number from %" PRIu64 " to %" PRIu64, desc->min, desc->max); break;
	case OPTION_POW2:
		snprintf(out, size, "a power of two from %" PRIu64 " to %" PRIu64, desc->min, desc->max);
		break;
	case OPTION_SIZE:
		snprintf(out, size, "a size from %" PRIu64 " to %" PRIu64 " bytes, such as 64K or 1G", desc->min,
			 desc->max);
		break;
	case OPTION_STRING: snprintf(out, size, "a text"); break;
	case OPTION_LIST: snprintf(out, size, "a text, up to %u times", OPTION_LIST_MAX); break;
	case OPTION_DURATION:
		snprintf(out, size, "a time from %" PRIu64 "us to %" PRIu64 "s, such as 10ms", desc->min / 1000,
			 desc->max / 1000000000);
		break;
	case OPTION_BOOL:
	case OPTION_FEATURE: snprintf(out, size, "on or off"); break;
	case OPTION_ENUM:
		*out = '\0';
		for (unsigned i = 0; desc->names[i] && used < size; i++)
			used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " or " : "", desc->names[i]);
		break;
	}
}

static int set_string(char **field, const char *text)
{
	if (!*text)
		return -EINVAL; /* no text of ours may be empty */
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

/* Parses one value into its field. -EINVAL where it is malformed or out of range, or -ENOMEM; the field is then
 * untouched. */
static int set_value(const struct option_desc *desc, void *target, const char *text)
{
	void *field = (char *)target + desc->offset;
	uint64_t number;

	switch (desc->type) {
	case OPTION_BOOL:
	case OPTION_FEATURE:
		if (strcmp(text, "on") != 0 && strcmp(text, "off") != 0)
			return -EINVAL;
		*(bool *)field = strcmp(text, "on") == 0;
		return 0;
	case OPTION_ENUM:
		for (unsigned i = 0; desc->names[i]; i++) {
			if (strcmp(desc->names[i], text) == 0) {
				*(unsigned *)field = i;
				return 0;
			}
		}
		return -EINVAL;
	case OPTION_STRING: return set_string(field, text);
	case OPTION_LIST: {
		struct option_list *list = field;
		int err = list->n == OPTION_LIST_MAX ? -EINVAL : set_string(&list->items[list->n], text);

		list->n += !err;
		return err;
	}
	case OPTION_SIZE:
		if (!number_size(text, &number))
			return -EINVAL;
		break;
	case OPTION_DURATION:
		if (!number_duration(text, &number))
			return -EINVAL;
		break;
	default:
		if (!number_parse(text, desc->min, desc->max, &number))
			return -EINVAL;
		if (desc->type == OPTION_POW2 && (number == 0 || (number & (number - 1))))
			return -EINVAL;
	}
	if (number < desc->min || number > desc->max)
		return -EINVAL;
	*(uint64_t *)field = number;
	return 0;
}

int options_defaults(const struct option_set *set)
{
	int err = 0;

	for (const struct option_desc *desc = set->descs; desc && desc->name && !err; desc++)
		if (desc->fallback)
			err = set_value(desc, set->target, desc->fallback);
	return err;
}

static const struct option_desc *find(const struct option_set *sets, unsigned n, const char *key, size_t len,
				      void **target)
{
	for (unsigned i = 0; i < n; i++) {
		for (const struct option_desc *desc = sets[i].descs; desc && desc->name; desc++) {
			if (strlen(desc->name) == len && memcmp(desc->name, key, len) == 0) {
				*target = sets[i].target;
				return desc;
			}
		}
	}
	return NULL;
}

/* The length of "key=value", up to a comma that is not doubled; the value, commas single, into `value`. */
static size_t take_value(const char *text, size_t key_len, char *value, size_t size)
{
	size_t at = key_len + (text[key_len] == '='), used = 0;

	for (; text[at] && (text[at] != ',' || text[at + 1] == ','); at++) {
		if (used + 1 < size)
			value[used++] = text[at];
		else
			used = 0, size = 1; /* too long for any file: as if it were empty */
		at += text[at] == ',';
	}
	value[used] = '\0';
	return at;
}

static int check_given(const char *who, const struct option_set *sets, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		for (const struct option_desc *desc = sets[i].descs; desc && desc->name; desc++) {
			const char *const *field = (const char *const *)((const char *)sets[i].target + desc->offset);

			if (desc->type != OPTION_STRING || !desc->min || *field)
				continue;
			log_error("%s: %s=... is missing: %s", who, desc->name, desc->help);
			return -EINVAL;
		}
	}
	return 0;
}

int options_parse(const char *who, const char *text, const struct option_set *sets, unsigned n)
{
	while (text && *text) {
		size_t key_len = strcspn(text, "=,");
		char value[VALUE_MAX], wanted[128];
		size_t len = take_value(text, key_len, value, sizeof(value));
		void *target;
		const struct option_desc *desc = find(sets, n, text, key_len, &target);

		if (!desc) {
			log_error("%s: unknown key '%.*s'; \"%s,help\" lists them", who, (int)key_len, text, who);
			return -EINVAL;
		}
		int err = set_value(desc, target, value);

		if (err == -ENOMEM) {
			log_error("%s: %s: %s", who, desc->name, strerror(ENOMEM));
			return err;
		}
		if (err) {
			describe_values(desc, wanted, sizeof(wanted));
			log_error("%s: '%.*s': %s takes %s", who, (int)len, text, desc->name, wanted);
			return -EINVAL;
		}
		text += len;
		text += *text == ',';
	}
	return check_given(who, sets, n);
}

void options_release(const struct option_set *set)
{
	for (const struct option_desc *desc = set->descs; desc && desc->name; desc++) {
		void *field = (char *)set->target + desc->offset;

		if (desc->type == OPTION_STRING)
			free(*(char **)field);
		for (unsigned i = 0; desc->type == OPTION_LIST && i < ((struct option_list *)field)->n; i++)
			free(((struct option_list *)field)->items[i]);
	}
}

void options_list(const struct option_desc *descs, FILE *out)
{
	for (const struct option_desc *desc = descs; desc && desc->name; desc++) {
		char wanted[128];

		describe_values(desc, wanted, sizeof(wanted));
		fprintf(out, "  %-20s %s: %s", desc->name, desc->help, wanted);
		fprintf(out, desc->fallback ? " (default %s)\n" : "\n", desc->fallback);
	}
}
