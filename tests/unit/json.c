// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/json.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

void test_fail_(const char *file, int line, const char *fmt, ...)
{
	char text[2048];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	_assert_true(0, text, file, line);
	abort();
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static char directory[] = "/tmp/minivmm-unit-XXXXXX";
static pid_t owner;

static void remove_directory(void)
{
	DIR *dir = owner == getpid() ? opendir(directory) : NULL;

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..") && unlinkat(dirfd(dir), entry->d_name, 0))
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	if (dir) {
		closedir(dir);
		rmdir(directory);
	}
}

const char *scratch_path(const char *name)
{
	static char paths[16][256];
	static unsigned next;

	if (!owner) {
		assert_non_null(mkdtemp(directory));
		owner = getpid();
		atexit(remove_directory);
	}
	char *path = paths[next++ % 16];

	snprintf(path, sizeof(paths[0]), "%s/%s", directory, name);
	return path;
}

char *scratch_read(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		test_fail("%s is not there", path);
	char *text = calloc(1, (size_t)st.st_size + 1);

	assert_non_null(text);
	for (size_t done = 0; done < (size_t)st.st_size;) {
		ssize_t got = read(fd, text + done, (size_t)st.st_size - done);

		assert_true(got > 0);
		done += (size_t)got;
	}
	close(fd);
	if (len)
		*len = (size_t)st.st_size;
	return text;
}

/* --- from beginning to end ---------------------------------------------------------------------------------------- */

void trace_begin(struct rig *rig, const char *name, unsigned data_max)
{
	struct trace *trace = &rig->vm->trace;

	assert_int_equal(trace_file_open(&trace->files[trace->n_files], scratch_path(name), NULL, NULL), 0);
	trace->n_files++;
	trace->data_max = data_max;
	trace->on = true;
}

void trace_end(struct rig *rig)
{
	struct trace *trace = &rig->vm->trace;
	unsigned n = trace->n_files;

	trace->n_files = 0;
	trace->on = trace->recorder;
	for (unsigned i = 0; i < n; i++)
		trace_file_close(trace->files[i]);
}

json_t *trace_ended(struct rig *rig, const char *name)
{
	trace_end(rig);
	return json_transcript(scratch_path(name));
}

json_t *json_transcript(const char *path)
{
	size_t len;
	char *text = scratch_read(path, &len);
	json_t *events = json_array();
	double last = 0;

	for (char *line = text, *end; line < text + len; line = end + 1) {
		json_error_t error = { .text = "no object" };

		end = memchr(line, '\n', (size_t)(text + len - line));
		if (!end)
			test_fail("a part of a line at the end: '%s'", line);
		json_t *event = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, &error);

		*end = '\0';
		if (!json_is_object(event))
			test_fail("line %zu: %s: '%s'", json_array_size(events) + 1, error.text, line);
		json_t *t = json_object_get(event, "t");

		if (!json_is_real(t) || json_real_value(t) < last)
			test_fail("line %zu: t was %.9f: '%s'", json_array_size(events) + 1, last, line);
		last = json_real_value(t);
		json_array_append_new(events, event);
	}
	free(text);
	return events;
}

/* --- events ------------------------------------------------------------------------------------------------------- */

static void put_value(FILE *out, const char *key, json_t *value)
{
	size_t i;
	json_t *desc;

	fprintf(out, " %s=", key);
	if (json_is_integer(value))
		fprintf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_string(value))
		fputs(json_string_value(value), out);
	json_array_foreach(value, i, desc)
		fprintf(out, "%s%s+%" JSON_INTEGER_FORMAT ":%s", i ? "," : "", json_str(desc, "addr"),
			json_integer_value(json_object_get(desc, "len")), json_str(desc, "flags"));
}

char *json_words(json_t *events, const char *kinds)
{
	char *text = NULL, kind[32];
	size_t size, i;
	FILE *out = open_memstream(&text, &size);
	json_t *event, *value;
	const char *key;

	assert_non_null(out);
	json_array_foreach(events, i, event)
	{
		snprintf(kind, sizeof(kind), " %s ", json_str(event, "ev"));
		if (kinds && !strstr(kinds, kind))
			continue;
		fputs(json_str(event, "ev"), out);
		json_object_foreach(event, key, value) if (strcmp(key, "ev") && strcmp(key, "t"))
			put_value(out, key, value);
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

unsigned json_count(json_t *events, const char *kind)
{
	unsigned n = 0;
	size_t i;
	json_t *event;

	json_array_foreach(events, i, event) n += strcmp(json_str(event, "ev"), kind) == 0;
	return n;
}

uint64_t json_sum(json_t *events, const char *kind, const char *key)
{
	uint64_t sum = 0;
	size_t i;
	json_t *event;

	json_array_foreach(events, i, event) if (strcmp(json_str(event, "ev"), kind) == 0) sum += json_int(event, key);
	return sum;
}

const char *json_str(json_t *object, const char *key)
{
	const char *str = json_string_value(json_object_get(object, key));

	return str ? str : "";
}

uint64_t json_int(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		test_fail("no number '%s'", key);
	return (uint64_t)json_integer_value(value);
}

/* --- what was expected -------------------------------------------------------------------------------------------- */

void want(struct want *want, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	want->len += (size_t)vsnprintf(want->text + want->len, sizeof(want->text) - want->len, fmt, args);
	va_end(args);
	assert_true(want->len + 1 < sizeof(want->text));
	want->text[want->len++] = '\n';
	want->text[want->len] = '\0';
}

void want_all_(const char *file, int at, const struct want *want, const char *got)
{
	size_t line = 0, i = 0;

	for (; want->text[i] && want->text[i] == got[i]; i++)
		if (got[i] == '\n')
			line = i + 1;
	if (want->text[i] || got[i])
		test_fail_(file, at, "got '%.*s' instead of '%.*s'", (int)strcspn(got + line, "\n"), got + line,
			   (int)strcspn(want->text + line, "\n"), want->text + line);
}

void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
