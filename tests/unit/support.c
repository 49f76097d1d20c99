// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/support.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define TEXT_MAX 65536

static int saved_stderr = -1, caught_fd = -1;

void catch_stderr(void)
{
	assert_int_equal(saved_stderr, -1);
	fflush(stderr);
	saved_stderr = dup(STDERR_FILENO);
	if (caught_fd < 0)
		caught_fd = memfd_create("stderr", MFD_CLOEXEC);
	assert_true(saved_stderr >= 0 && caught_fd >= 0);
	assert_int_equal(ftruncate(caught_fd, 0), 0);
	lseek(caught_fd, 0, SEEK_SET);
	assert_true(dup2(caught_fd, STDERR_FILENO) >= 0);
}

const char *caught_stderr(void)
{
	static char text[TEXT_MAX];

	fflush(stderr);
	assert_true(dup2(saved_stderr, STDERR_FILENO) >= 0);
	close(saved_stderr);
	saved_stderr = -1;
	ssize_t n = pread(caught_fd, text, sizeof(text) - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

bool is_one_message(const char *text)
{
	const char *end = strchr(text, '\n');

	return strncmp(text, "minivmm: ", 9) == 0 && end && end[1] == '\0' && end > text + 9;
}

void file_make(struct temp_file *file, const void *bytes, size_t len)
{
	file->fd = memfd_create("file", MFD_CLOEXEC);
	assert_true(file->fd >= 0);
	if (len)
		assert_int_equal(pwrite(file->fd, bytes, len, 0), len);
	snprintf(file->path, sizeof(file->path), "/proc/self/fd/%d", file->fd);
}

void file_gone(struct temp_file *file)
{
	close(file->fd);
	file->fd = -1;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static char none[] = "none";
static char *no_devices[] = { none };

struct vm_config plain_config(void)
{
	return (struct vm_config){
		.cmdline = "console=ttyS0", .mem_size = 64ull << 20, .cpus = 1, .devices = no_devices, .n_devices = 1
	};
}

uint64_t random_next(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1du;
}
