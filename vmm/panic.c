// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/panic.h"

#include <string.h>

#include "vmm/clock.h"
#include "vmm/log.h"
#include "vmm/tail.h"

#define TELL_MS 1000

#define PANICKED "Kernel panic - not syncing: " /* kernel/panic.c */

/* What Linux says first of what may end in a panic: an oops has its call trace before the panic's line. */
static const char *const beginnings[] = { PANICKED, "BUG: ", "kernel BUG at ", "Oops: ", "general protection fault" };

/* The line at `line`, its end and a carriage return left out, as people may be shown it; up to PANIC_LINE_MAX
 * characters and a NUL go to `out`. */
static void escape(char *out, const char *line)
{
	static const char digits[] = "0123456789abcdef", cut[] = "...";
	size_t len = strcspn(line, "\n"), n = 0;

	while (len && line[len - 1] == '\r')
		len--;
	for (size_t i = 0; i < len; i++) {
		unsigned char byte = (unsigned char)line[i];
		bool plain = byte >= ' ' && byte <= '~';

		if (n + (plain ? 1 : 4) > PANIC_LINE_MAX - strlen(cut)) {
			memcpy(out + n, cut, strlen(cut));
			n += strlen(cut);
			break;
		}
		if (plain) {
			out[n++] = line[i];
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = digits[byte >> 4];
		out[n++] = digits[byte & 15];
	}
	out[n] = '\0';
}

static const char *last_of(const char *text, const char *word)
{
	const char *last = NULL;

	for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
		last = at;
	return last;
}

static const char *next_line(const char *line)
{
	const char *newline = strchr(line, '\n');

	return newline ? newline + 1 : line + strlen(line);
}

static bool is_beginning(const char *line)
{
	const char *end = next_line(line);

	for (unsigned i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++) {
		const char *at = strstr(line, beginnings[i]);

		if (at && at < end)
			return true;
	}
	return false;
}

/* Where the lines begin that are to be shown. */
static const char *first_shown(const char *text)
{
	unsigned left = 0;
	const char *line;

	for (line = text; *line; line = next_line(line))
		left++;
	for (line = text; *line && left > PANIC_LINES_ANY; line = next_line(line), left--)
		if (left <= PANIC_LINES && is_beginning(line))
			break;
	return line;
}

static void show_lines(const char *text)
{
	uint64_t deadline = clock_ns() + TELL_MS * 1000000ull;
	char line[PANIC_LINE_MAX + 2];

	for (const char *at = first_shown(text); *at; at = next_line(at)) {
		escape(line, at);
		strcat(line, "\n");
		log_block(clock_ms_until(deadline), "minivmm:   ", line, strlen(line));
	}
}

void panic_tell(const struct tail *tail, bool shown)
{
	char text[TAIL_MAX + 1], reason[PANIC_LINE_MAX + 1];
	size_t len = tail_text(tail, text);
	const char *panicked = last_of(text, PANICKED);

	if (panicked) {
		escape(reason, panicked + strlen(PANICKED));
		log_error("the guest's kernel panicked: %s", reason);
	} else {
		log_error("the guest's kernel panicked; %s: with console=ttyS0 in --append it says why",
			  len ? "why is not among the last lines of its console" : "its console is empty");
	}
	if (!shown)
		show_lines(text);
}
