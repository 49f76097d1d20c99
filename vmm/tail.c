// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/tail.h"

#include <string.h>

void tail_put(struct tail *tail, const char *bytes, size_t len)
{
	size_t skipped = len > TAIL_MAX ? len - TAIL_MAX : 0;

	tail->seen += skipped;
	for (size_t i = skipped; i < len; i++)
		tail->bytes[tail->seen++ % TAIL_MAX] = bytes[i];
}

size_t tail_text(const struct tail *tail, char *text)
{
	size_t len = tail->seen < TAIL_MAX ? (size_t)tail->seen : TAIL_MAX;

	for (size_t i = 0; i < len; i++) {
		text[i] = tail->bytes[(tail->seen - len + i) % TAIL_MAX];
		if (text[i] == '\0')
			text[i] = '?';
	}
	text[len] = '\0';
	const char *newline = tail->seen > len ? strchr(text, '\n') : NULL;

	if (newline && newline[1]) {
		len -= (size_t)(newline + 1 - text);
		memmove(text, newline + 1, len + 1);
	}
	return len;
}
