/* SPDX-License-Identifier: GPL-2.0-only */
/* A driver of any class of device in plain memory, kicked by an exit or by its eventfd; a test device beside it, whose
 * numbers and ticks must go on; and the oracle of checklist E for all of them. */
#ifndef MINIVMM_UNIT_ANYDRIVE_H
#define MINIVMM_UNIT_ANYDRIVE_H

#include "tests/unit/pieces.h"

#define ANY_NUM     16u /* entries of each ring */
#define ANY_SCRATCH 8192u

struct anydrive;
typedef void any_case(struct anydrive *any);

/* A case, whose name begins "hN: ". */
struct any_test {
	const char *name;
	any_case *run;
};

struct anydrive {
	struct rig *rig;
	const struct any_test *test;
	struct driver d, sibling;
	unsigned work, n_queues;   /* the queue of any_request(), and how many there are */
	uint64_t features;         /* that any_up() accepts */
	bool eventfd;              /* how it is kicked */
	bool raced;                /* an edge may have been taken by the test itself */
	uint64_t request, scratch; /* gpa; ANY_SCRATCH bytes for buffers of the test's */
	int peer;                  /* the other end of a network device, or -1 */
	uint64_t ticks;            /* of the sibling, when the oracle last looked */
};

/* Runs each case with each class and each kind of kick, as a test of its own. */
int any_run_group(const char *group, const struct any_test *tests, unsigned n);

/* From reset to DRIVER_OK, with all queues. */
void any_up(struct anydrive *any);
void any_kick(struct anydrive *any, uint32_t q);
/* The request that must be served, in descriptors from 0 on of queue `work`; and with a kick. */
void any_request(struct anydrive *any);
/* Something that a queue of buffers for the driver may wait for: a frame, an answer. */
void any_occasion(struct anydrive *any);

/* Waits for the answer on queue q: it needs a reset, or has used all that was added. */
enum any_answer { ANY_NONE, ANY_USED, ANY_FAILED };
enum any_answer any_answer(struct anydrive *any, unsigned q);
/* Makes the chain available and kicks. On the work queue it must be refused, or judged one way or the other; on another
 * one there is an occasion to take it. */
void any_refused(struct anydrive *any, unsigned q, uint16_t head);
void any_judged(struct anydrive *any, unsigned q, uint16_t head);

/* The answer was a legal one and told, the siblings serve and tick, and the device serves again after a reset, which
 * takes less than 10 ms of processor time. */
void any_oracle_(struct anydrive *any, const char *file, int line);
#define any_oracle(any) any_oracle_(any, __FILE__, __LINE__)

/* Calls step(any) over and over in a thread of its own. */
void any_race_begin(struct anydrive *any, any_case *step);
unsigned any_race_steps(void); /* how often it did */
void any_race_end(void);

#endif
