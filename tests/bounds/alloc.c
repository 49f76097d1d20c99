// SPDX-License-Identifier: GPL-2.0-only
#include "tests/bounds/alloc.h"

#include <errno.h>
#include <execinfo.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES 24

static atomic_bool watching;
static atomic_uint count;
static void *frames[FRAMES];
static int n_frames;

static void seen(void)
{
	if (atomic_load(&watching) && atomic_fetch_add(&count, 1) == 0)
		n_frames = backtrace(frames, FRAMES);
}

/* glibc's own, behind the names that every object of the program, and of the C library, calls. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *bytes, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *bytes);

void *malloc(size_t size)
{
	seen();
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	seen();
	return __libc_calloc(n, size);
}

void *realloc(void *bytes, size_t size)
{
	seen();
	return __libc_realloc(bytes, size);
}

void *reallocarray(void *bytes, size_t n, size_t size)
{
	size_t all;

	seen();
	if (!__builtin_mul_overflow(n, size, &all))
		return __libc_realloc(bytes, all);
	errno = ENOMEM;
	return NULL;
}

void *memalign(size_t align, size_t size);
void *memalign(size_t align, size_t size)
{
	seen();
	return __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	seen();
	return __libc_memalign(align, size);
}

int posix_memalign(void **bytes, size_t align, size_t size)
{
	seen();
	*bytes = __libc_memalign(align, size);
	return *bytes ? 0 : ENOMEM;
}

void free(void *bytes)
{
	if (bytes)
		seen();
	__libc_free(bytes);
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t off)
{
	seen();
	return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, off);
}

int munmap(void *at, size_t len)
{
	seen();
	return (int)syscall(SYS_munmap, at, len);
}

void alloc_watch(void)
{
	n_frames = backtrace(frames, FRAMES); /* its first call takes memory itself */
	atomic_store(&count, 0);
	atomic_store(&watching, true);
}

unsigned alloc_count(void)
{
	atomic_store(&watching, false);
	return atomic_load(&count);
}

void alloc_tell(int fd)
{
	backtrace_symbols_fd(frames, n_frames, fd);
}
