// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/number.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *suffix;
	uint64_t ns;
} units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 }, { "m", 60000000000 } };

bool number_digits(const char *text, char **end, uint64_t *value)
{
	errno = 0;
	if (*text < '0' || *text > '9') /* strtoull would take a sign or spaces */
		return false;
	*value = strtoull(text, end, 10);
	return errno == 0;
}

bool number_parse(const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
	uint64_t number;
	char *end;

	if (strncmp(text, "0x", 2) == 0) {
		const char *digits = text + 2;

		errno = 0;
		number = strtoull(digits, &end, 16);
		/* strtoull would take a sign, spaces, and one more 0x */
		if (errno || end == digits || strspn(digits, "0123456789abcdefABCDEF") != strlen(digits))
			return false;
	} else if (!number_digits(text, &end, &number) || *end) {
		return false;
	}
	if (number < min || number > max)
		return false;
	*value = number;
	return true;
}

bool number_size(const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMGT";
	unsigned shift = 0;
	char *end;

	if (!number_digits(text, &end, bytes))
		return false;
	if (*end) {
		const char *suffix = strchr(suffixes, *end >= 'a' ? *end - 'a' + 'A' : *end);

		if (!suffix || end[1])
			return false;
		shift = 10 * (unsigned)(suffix - suffixes + 1);
	}
	return !__builtin_mul_overflow(*bytes, 1ull << shift, bytes);
}

bool number_duration(const char *text, uint64_t *ns)
{
	char *end;

	if (!number_digits(text, &end, ns))
		return false;
	for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].suffix) == 0)
			return !__builtin_mul_overflow(*ns, units[i].ns, ns);
	return false;
}
