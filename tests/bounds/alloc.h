/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts what any thread takes from the heap or maps: this program's malloc() and its kind are alloc.c's. */
#ifndef TESTS_BOUNDS_ALLOC_H
#define TESTS_BOUNDS_ALLOC_H

/* From now on, until alloc_count(), which returns how often memory was taken or given back. */
void alloc_watch(void);
unsigned alloc_count(void);
/* Who was the first; to a descriptor. */
void alloc_tell(int fd);

#endif
