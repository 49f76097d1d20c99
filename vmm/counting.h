/* SPDX-License-Identifier: GPL-2.0-only */
/* --stats: the vCPUs' counts of exits, and what devices counted, as a table and as JSON. On the main thread. */
#ifndef MINIVMM_COUNTING_H
#define MINIVMM_COUNTING_H

#include <stdint.h>

struct counting;
struct loop;
struct vm;

/* Has the vCPUs count, and the timers of --stats-interval and --stats=FILE on `loop`. 0 and *counting, NULL where
 * nobody asked for counts; or -errno. */
int counting_start(struct counting **counting, struct vm *vm, struct loop *loop);
/* Shows the counts where the user wants them. `exits`: how many there were, at the end; 0: as many as were counted, for
 * the vCPUs run on. */
void counting_show(struct counting *counting, uint64_t exits);
/* The loop's timers end with the loop. NULL is ignored. */
void counting_free(struct counting *counting);

#endif
