/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver of a balloon in plain memory (virtio 1.2, 5.5). */
#ifndef MINIVMM_UNIT_BALLOONDRIVE_H
#define MINIVMM_UNIT_BALLOONDRIVE_H

#include "tests/unit/pieces.h"

#define PAGE 4096u
#define FULL 0xa5 /* every byte of a page that fill_pages() wrote */

/* 5.5.3 */
#define BALLOON_F_STATS     BIT(1)
#define BALLOON_F_ON_OOM    BIT(2)
#define BALLOON_F_HINT      BIT(3)
#define BALLOON_F_POISON    BIT(4)
#define BALLOON_F_REPORTING BIT(5)

/* 5.5.2 */
enum { INFLATE, DEFLATE, STATS, HINT, REPORT };

/* 5.5.4 */
#define NUM_PAGES (R_CONFIG + 0)
#define ACTUAL    (R_CONFIG + 4)
#define COMMAND   (R_CONFIG + 8)
#define POISON    (R_CONFIG + 12)

#define BALLOON_ALL "free-page-hint=on,free-page-reporting=on,stats-interval=1m"

struct stat_entry {
	uint16_t tag;
	uint64_t value;
};

/* A balloon with these options that is up, with all that it offers and rings of `num`, or 32 where that is less. */
void balloon_up(struct driver *d, struct rig *rig, const char *options, uint32_t num);
/* The driver comes up once more, without some features; never with EVENT_IDX. */
void balloon_again(struct driver *d, uint64_t without);

void fill_pages(struct rig *rig, uint64_t gpa, unsigned n);
bool page_is(struct rig *rig, uint64_t gpa, uint8_t byte);
/* `len` bytes of an array of n page numbers on queue q; the used length. */
uint32_t send_pfns(struct driver *d, unsigned q, const uint32_t *pfns, unsigned n, uint32_t len);

#endif
