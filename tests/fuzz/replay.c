// SPDX-License-Identifier: GPL-2.0-only
/* A fuzz target without libFuzzer: runs each file that is named, and each file of a directory, once. */
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_MAX (1u << 20)

/* Of the sanitizers, where there are any: their reports go to the real standard error. */
void __sanitizer_set_report_fd(void *fd) __attribute__((weak));
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static int real_stdout, real_stderr;
static const char *current;

static void tell_current(void)
{
	if (current)
		dprintf(real_stderr, "... with the input %s\n", current);
}

static void run_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : -1;
	uint8_t *copy = malloc(len > 0 ? (size_t)len : 1); /* just as long, so that a read beyond it is seen */

	if (len < 0 || !copy) {
		dprintf(real_stderr, "%s: %s\n", path, strerror(errno));
		exit(2);
	}
	close(fd);
	memcpy(copy, bytes, (size_t)len);
	current = path;
	LLVMFuzzerTestOneInput(copy, (size_t)len);
	current = NULL;
	free(copy);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

int main(int argc, char **argv)
{
	unsigned n = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	real_stdout = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 110);
	real_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 111);
	LLVMFuzzerInitialize(&argc, &argv);
	if (__sanitizer_set_report_fd)
		__sanitizer_set_report_fd((void *)(intptr_t)real_stderr);
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(tell_current);
	atexit(tell_current); /* cmocka's assertions exit */
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDERR_FILENO);
	close(null);
	for (int i = 1; i < argc; i++) {
		char *paths[] = { argv[i], NULL };
		FTS *tree = fts_open(paths, FTS_LOGICAL | FTS_NOCHDIR, by_name);
		FTSENT *entry;

		while (tree && (entry = fts_read(tree))) {
			if (entry->fts_info == FTS_F) {
				run_file(entry->fts_path);
				n++;
			} else if (entry->fts_info == FTS_NS || entry->fts_info == FTS_DNR) {
				dprintf(real_stderr, "%s: %s\n", entry->fts_path, strerror(entry->fts_errno));
				return 2;
			}
		}
		fts_close(tree);
	}
	dprintf(real_stdout, "%s: %u inputs\n", argv[0], n);
	return n == 0;
}
