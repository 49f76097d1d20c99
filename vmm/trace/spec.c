// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/spec.h"

#include <stdbool.h>
#include <string.h>

#include "vmm/log.h"

#define FORMAT_WORD ",format="

static const struct trace_format *const formats[] = { &trace_transcript, &trace_timeline };
#define N_FORMATS (sizeof(formats) / sizeof(formats[0]))

static bool ends_with(const char *text, size_t len, const char *ending)
{
	size_t n = strlen(ending);

	return len > n && memcmp(text + len - n, ending, n) == 0;
}

/* The format that a file's name means: the one with that ending, else the one without any. */
static const struct trace_format *format_of(const char *path, size_t len)
{
	const struct trace_format *other = NULL;

	for (unsigned i = 0; i < N_FORMATS; i++) {
		if (!formats[i]->ending)
			other = formats[i];
		else if (ends_with(path, len, formats[i]->ending))
			return formats[i];
	}
	return other;
}

/* "key=word", in small letters. */
static bool is_option(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	size_t key = strspn(text, letters);

	return key && text[key] == '=' && text[key + 1 + strspn(text + key + 1, letters)] == '\0';
}

const struct trace_format *trace_spec(const char *spec, size_t *path_len)
{
	const char *word = strrchr(spec, ',');

	if (word && !is_option(word + 1))
		word = NULL; /* a name with a comma */
	*path_len = word ? (size_t)(word - spec) : strlen(spec);
	if (*path_len == 0 || (*path_len == 1 && *spec == '-')) {
		log_error("--trace %s: takes a file's name; standard output is the guest's console", spec);
		return NULL;
	}
	if (!word)
		return format_of(spec, *path_len);
	if (strncmp(word, FORMAT_WORD, strlen(FORMAT_WORD)) != 0) {
		log_error("--trace %s: behind the comma there is only format=NAME", spec);
		return NULL;
	}
	word += strlen(FORMAT_WORD);
	for (unsigned i = 0; i < N_FORMATS; i++)
		if (strcmp(word, formats[i]->name) == 0)
			return formats[i];
	log_error("--trace %.*s: there is no format '%s'; there are %s and %s", (int)*path_len, spec, word,
		  formats[0]->name, formats[1]->name);
	return NULL;
}
