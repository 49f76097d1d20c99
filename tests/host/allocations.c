// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into minivmm under the address sanitizer: its allocations and those that libc makes for it fail as the
 * environment says. What a failure loses the leak sanitizer reports at the end.
 *
 *   FAIL_AT=N       from main() on, the Nth allocation of the main thread fails
 *   FAIL_FOR=M      and M - 1 more behind it, where M is not 1
 *   FAIL_LOG=FILE   gets a line for the first that failed: "start" or "run", which begins with the event loop, the
 *                   caller's address, the function that it called, and the caller's file
 *
 * These functions stand before the sanitizer's, which are weak so that a program can have its own.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PLAIN __attribute__((no_sanitize("address", "undefined")))

void *__interceptor_malloc(size_t size);
void *__interceptor_calloc(size_t n, size_t size);
void *__interceptor_realloc(void *old, size_t size);
int __interceptor_posix_memalign(void **out, size_t alignment, size_t size);

static unsigned long fail_at, fail_for = 1; /* 0: none fails */
static const char *fail_log;
static unsigned long count;
static bool runs;
static _Thread_local bool is_main; /* the sanitizer itself allocates in every new thread, and takes no failure */

/* Right before main(): nothing of the sanitizer's own start is counted. */
__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("FAIL_AT"), *many = getenv("FAIL_FOR");

	fail_log = getenv("FAIL_LOG");
	fail_for = many ? strtoul(many, NULL, 10) : 1;
	fail_at = at ? strtoul(at, NULL, 10) : 0;
	is_main = true;
}

PLAIN static bool fails(const void *caller, const char *function)
{
	if (!is_main || !fail_at)
		return false;
	count++;
	if (count < fail_at || count - fail_at >= fail_for)
		return false;
	if (count == fail_at && fail_log) {
		Dl_info where = { .dli_fname = "" };
		char line[512];

		dladdr(caller, &where);
		int len = snprintf(line, sizeof(line), "%s %p %s %s\n", runs ? "run" : "start", caller, function,
				   where.dli_fname);
		int fd = open(fail_log, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		ssize_t ignored = write(fd, line, (size_t)len);

		(void)ignored;
		close(fd);
	}
	errno = ENOMEM;
	return true;
}

#define FAILS() fails(__builtin_return_address(0), __func__)

PLAIN void *malloc(size_t size)
{
	return FAILS() ? NULL : __interceptor_malloc(size);
}

PLAIN void *calloc(size_t n, size_t size)
{
	return FAILS() ? NULL : __interceptor_calloc(n, size);
}

PLAIN void *realloc(void *old, size_t size)
{
	return FAILS() ? NULL : __interceptor_realloc(old, size);
}

PLAIN int posix_memalign(void **out, size_t alignment, size_t size)
{
	return FAILS() ? ENOMEM : __interceptor_posix_memalign(out, alignment, size);
}

/* The sanitizer's own would allocate past us. */
PLAIN char *strdup(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = FAILS() ? NULL : __interceptor_malloc(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

PLAIN char *strndup(const char *text, size_t max)
{
	size_t len = strnlen(text, max);
	char *copy = FAILS() ? NULL : __interceptor_malloc(len + 1);

	if (!copy)
		return NULL;
	copy[len] = '\0';
	return memcpy(copy, text, len);
}

/* Without a timeout: the loop's. */
int epoll_wait(int fd, struct epoll_event *events, int max, int timeout)
{
	if (timeout < 0)
		runs = true;
	return epoll_pwait(fd, events, max, timeout, NULL);
}
