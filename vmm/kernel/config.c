// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kernel/config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/file.h"
#include "vmm/kernel/unpack.h"
#include "vmm/log.h"

#define PREFIX "CONFIG_"

/* The next line in [*at, end), without its end; *at moves behind it. False where there is none. */
static bool next_line(const char **at, const char *end, const char **line, size_t *len)
{
	if (*at == end)
		return false;
	const char *eol = memchr(*at, '\n', (size_t)(end - *at));

	*line = *at;
	*at = eol ? eol + 1 : end;
	*len = (size_t)((eol ? eol : end) - *line);
	if (*len && (*line)[*len - 1] == '\r')
		--*len;
	return true;
}

/* Whether the line is `before` option `after`. */
static bool line_is(const char *line, size_t len, const char *before, const char *option, const char *after)
{
	size_t n_before = strlen(before), n_option = strlen(option);

	return len == n_before + n_option + strlen(after) && memcmp(line, before, n_before) == 0 &&
	       memcmp(line + n_before, option, n_option) == 0 &&
	       memcmp(line + n_before + n_option, after, strlen(after)) == 0;
}

/* "CONFIG_OPTION=" and anything. */
static bool line_sets(const char *line, size_t len, const char *option)
{
	size_t n = strlen(option);

	return len > n && memcmp(line, option, n) == 0 && line[n] == '=';
}

char kconfig_value(const struct kconfig *config, const char *option)
{
	const char *at = config->text ? config->text : "", *end = at + config->len, *line;
	char value = config->source == KCONFIG_FILE || config->source == KCONFIG_EMBEDDED ? 'n' : '?';
	size_t len;

	while (next_line(&at, end, &line, &len)) {
		if (line_is(line, len, "", option, "=y"))
			value = 'y';
		else if (line_is(line, len, "", option, "=m"))
			value = 'm';
		else if (line_sets(line, len, option) || line_is(line, len, "# ", option, " is not set"))
			value = 'n';
	}
	return value;
}

/* Text with a line "CONFIG_...=": any configuration has some, and hardly anything else. */
static bool is_configuration(const char *text, size_t size)
{
	const char *at = text, *end = text + size, *line;
	size_t len;

	if (memchr(text, '\0', size))
		return false;
	while (next_line(&at, end, &line, &len))
		if (len > sizeof(PREFIX) && memcmp(line, PREFIX, sizeof(PREFIX) - 1) == 0 && memchr(line, '=', len))
			return true;
	return false;
}

static int refuse(const struct file *file, const char *why)
{
	log_error("%s %s: %s", file->option, file->path, why);
	return -EINVAL;
}

/* In place of bytes that are compressed, what they hold. */
static int unpack_text(const struct file *file, uint8_t **bytes, size_t *len)
{
	struct unpacked whole;
	int err = unpack(*bytes, *len, KCONFIG_MAX, &whole);

	if (err == -ENOMEM) {
		log_error("%s %s: %s", file->option, file->path, strerror(ENOMEM));
		return err;
	}
	if (err)
		return refuse(file, err == -EFBIG ? "unpacks to more than a kernel configuration ever has" :
						    "is compressed, but damaged or in an unknown way");
	free(*bytes);
	*bytes = whole.bytes;
	*len = whole.size;
	return 0;
}

static int read_text(const struct file *file, struct kconfig *config)
{
	size_t len = (size_t)file->size;
	uint8_t *bytes;
	int err;

	if (file->size > KCONFIG_MAX)
		return refuse(file, "is no kernel configuration: it is too large");
	bytes = malloc(len);
	if (!bytes) {
		log_error("%s %s: %s", file->option, file->path, strerror(ENOMEM));
		return -ENOMEM;
	}
	err = file_read(file, 0, bytes, len);
	if (!err && unpack_format(bytes, len))
		err = unpack_text(file, &bytes, &len);
	if (!err && !is_configuration((const char *)bytes, len))
		err = refuse(file, "is no kernel configuration: it has no line CONFIG_...=");
	if (err) {
		free(bytes);
		return err;
	}
	config->text = (char *)bytes;
	config->len = len;
	return 0;
}

int kconfig_read(struct kconfig *config, const char *option, const char *path)
{
	struct file file;
	int err = file_open(&file, option, path);

	if (err)
		return err;
	*config = (struct kconfig){ .source = KCONFIG_FILE, .path = strdup(path) };
	if (config->path) {
		err = read_text(&file, config);
	} else {
		err = -ENOMEM;
		log_error("%s %s: %s", option, path, strerror(ENOMEM));
	}
	if (!err && kconfig_value(config, "CONFIG_X86_64") != 'y')
		err = refuse(&file, "is not that of a 64-bit x86 kernel: it has no CONFIG_X86_64=y");
	if (err)
		kconfig_free(config);
	file_close(&file);
	return err;
}

/* "IKCFG_ST", a gzip stream, "IKCFG_ED". The first may also be in the text of a program: the next one is tried then. */
int kconfig_extract(struct kconfig *config, const uint8_t *bytes, size_t len)
{
	/* not as one constant: this program's own text is no configuration either */
	static const char magic[8] = { 'I', 'K', 'C', 'F', 'G', '_', 'S', 'T' };
	const uint8_t *end = bytes + len, *at;

	while ((at = memmem(bytes, (size_t)(end - bytes), magic, sizeof(magic)))) {
		struct unpacked text;
		size_t left;
		int err;

		bytes = at + sizeof(magic);
		left = (size_t)(end - bytes);
		err = unpack(bytes, left < KCONFIG_MAX ? left : KCONFIG_MAX, KCONFIG_MAX, &text);
		if (err == -ENOMEM)
			return err;
		if (err)
			continue;
		if (text.size && is_configuration((const char *)text.bytes, text.size)) {
			*config = (struct kconfig){ .source = KCONFIG_EMBEDDED,
						    .text = (char *)text.bytes,
						    .len = text.size };
			return 0;
		}
		free(text.bytes);
	}
	return -ENOENT;
}

void kconfig_name(const struct kconfig *config, char *name, size_t size)
{
	const char *slash = config->path ? strrchr(config->path, '/') : NULL;

	switch (config->source) {
	case KCONFIG_FILE: snprintf(name, size, "%s", slash ? slash + 1 : config->path); break;
	case KCONFIG_EMBEDDED: snprintf(name, size, "its embedded configuration"); break;
	case KCONFIG_VENDOR: snprintf(name, size, "a kernel of %s (by its version string)", config->vendor); break;
	default: snprintf(name, size, "nothing"); break;
	}
}

void kconfig_free(struct kconfig *config)
{
	free(config->path);
	free(config->text);
	*config = (struct kconfig){ .source = KCONFIG_NONE };
}
