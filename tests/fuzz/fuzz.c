// SPDX-License-Identifier: GPL-2.0-only
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/faults.h"

#define SAVED_FD 100 /* the real standard error, out of the way of what inputs open */

int fuzz_typed, fuzz_shown;
char fuzz_dir[64];

static int typed_end;

void fuzz_fail(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	dprintf(SAVED_FD, "%s:%d: ", file, line);
	va_start(args, fmt);
	vdprintf(SAVED_FD, fmt, args);
	va_end(args);
	dprintf(SAVED_FD, "\n");
	abort();
}

/* Entries of a directory but "." and ".."; each is given to `fn` first, where there is one. */
static unsigned count_entries(const char *path, void (*fn)(int dir, const char *name))
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned n = 0;

	fuzz_check(dir, "%s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		n++;
		if (fn)
			fn(dirfd(dir), entry->d_name);
	}
	closedir(dir);
	return n;
}

static void remove_entry(int dir, const char *name)
{
	unlinkat(dir, name, 0);
}

static void remove_dir(void)
{
	count_entries(fuzz_dir, remove_entry);
	rmdir(fuzz_dir);
}

static void drain(int fd)
{
	char bytes[4096];

	while (read(fd, bytes, sizeof(bytes)) > 0)
		;
}

void fuzz_drain(void)
{
	drain(fuzz_shown);
	drain(typed_end);
}

/* Standard input and output become pipes; error, messages that nobody reads. */
static void make_standard_files(void)
{
	int in[2], out[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || null < 0 || dup2(in[0], STDIN_FILENO) < 0 ||
	    dup2(out[1], STDOUT_FILENO) < 0)
		abort();
	/* libFuzzer reports there; its -close_fd_mask=2 sends what inputs write to it nowhere */
	fuzz_check(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, SAVED_FD) == SAVED_FD, "descriptor %d is in use", SAVED_FD);
	fuzz_typed = in[1];
	fuzz_shown = out[0];
	/* of descriptions of our own, so that minivmm's side blocks as it does */
	typed_end = open("/proc/self/fd/0", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	fuzz_check(typed_end >= 0 && fcntl(fuzz_shown, F_SETFL, O_NONBLOCK) == 0 &&
			   fcntl(fuzz_typed, F_SETFL, O_NONBLOCK) == 0,
		   "standard files: %s", strerror(errno));
	close(in[0]);
	close(out[1]);
	close(null);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	make_standard_files();
	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	strcpy(fuzz_dir, "/tmp/minivmm-fuzz-XXXXXX");
	fuzz_check(mkdtemp(fuzz_dir), "%s: %s", fuzz_dir, strerror(errno));
	atexit(remove_dir);
	fuzz_start();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned fds = count_entries("/proc/self/fd", NULL);

	fuzz_one(data, size);
	faults_end();
	fuzz_drain();
	unsigned left = count_entries("/proc/self/fd", NULL);

	fuzz_check(left == fds, "%u descriptors were open before the input, %u are now", fds, left);
	left = count_entries(fuzz_dir, remove_entry);
	fuzz_check(left == 0, "%u files were left in the directory", left);
	return 0;
}
