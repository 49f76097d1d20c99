// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/log.h"

/*
 * `size` bytes that begin at a multiple of MEMORY_ALIGN, or NULL with errno. Neither the ends that are given back nor
 * the wish for huge pages can cost more than memory and time, should the host refuse them.
 */
static uint8_t *map_aligned(uint64_t size)
{
	uint8_t *start = mmap(NULL, size + MEMORY_ALIGN, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (start == MAP_FAILED)
		return NULL;

	uint64_t before = -(uintptr_t)start % MEMORY_ALIGN; /* less than MEMORY_ALIGN: there is always an end */

	if (before)
		munmap(start, before);
	munmap(start + before + size, MEMORY_ALIGN - before);
	madvise(start + before, size, MADV_HUGEPAGE);
	return start + before;
}

int memory_init(struct memory *memory, uint64_t size, uint64_t hole_start, uint64_t hole_end)
{
	memset(memory, 0, sizeof(*memory));
	uint8_t *mapping = map_aligned(size);

	if (!mapping) {
		int err = errno;

		log_error("--mem: cannot map %llu MiB of guest RAM: %s; ask for less", (unsigned long long)(size >> 20),
			  strerror(err));
		return -err;
	}
	memory->mapping = mapping;
	memory->size = size;

	uint64_t low = size < hole_start ? size : hole_start;
	memory->regions[memory->n_regions++] = (struct memory_region){ .gpa = 0, .size = low, .host = memory->mapping };
	if (size > low)
		memory->regions[memory->n_regions++] =
			(struct memory_region){ .gpa = hole_end, .size = size - low, .host = memory->mapping + low };
	return 0;
}

void memory_release(struct memory *memory)
{
	if (memory->mapping)
		munmap(memory->mapping, memory->size);
	memset(memory, 0, sizeof(*memory));
}

void *mem_ptr(const struct memory *memory, uint64_t gpa, uint64_t len)
{
	for (unsigned i = 0; i < memory->n_regions; i++) {
		const struct memory_region *region = &memory->regions[i];

		/* Written so that no sum can overflow: a guest chooses both numbers. */
		if (gpa >= region->gpa && gpa - region->gpa < region->size && len <= region->size - (gpa - region->gpa))
			return region->host + (gpa - region->gpa);
	}
	return NULL;
}

uint64_t mem_discard(void *host, uint64_t len)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t first = ((uintptr_t)host + page - 1) & ~(page - 1), end = ((uintptr_t)host + len) & ~(page - 1);

	if (first >= end || madvise((void *)(uintptr_t)first, end - first, MADV_DONTNEED) < 0)
		return 0;
	return end - first;
}
