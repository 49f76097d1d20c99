/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two vCPUs, the event loop and the host's programs at work on devices of all classes at once, without KVM: for the
 * thread sanitizer (make check-tsan), and to see that nothing is lost. See main.c.
 *
 * A lane is a device and its driver. That is one which keeps the rules: what it shares with the device goes over by
 * the rings' own ordering, so that the sanitizer proves that. It takes used buffers when an interrupt says so and at no
 * other time, and kicks where the device asks for it: what is lost stays away. A wild device's driver keeps no rule.
 */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/unit/driver.h"

#define VCPUS       2u
#define SLOTS       16u                           /* buffers of a ring */
#define SLOT_DESCS  4u                            /* descriptors of each */
#define SLOT_TABLE  (SLOT_SIZE - 16 * SLOT_DESCS) /* in it: an indirect table */
#define SLOT_SIZE   8192u                         /* bytes, page by page */
#define RING_NUM    (SLOTS * SLOT_DESCS)          /* entries, where the device has so many */
#define LANES_MAX   10u
#define LANE_RINGS  6u
#define WILD_MAX    5u
#define PORT_NAME   "p"
#define VSOCK_PORTS 4u /* of the guest's that the host dials, from 1 on */

struct lane;
struct lane_ring;

/* Ends the process: cmocka's assertions are for its tests' own thread. */
void give_up(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* --- a class of device, and what its driver sends: lanes.c -------------------------------------------------------- */

struct part {
	uint32_t offset, len; /* of the slot */
	bool writable;
};

enum role { SEND, FILL }; /* to be used soon; or when something comes in: kept full */

struct lane_ring_class {
	unsigned q;
	enum role role;
	/* Writes the slot and says what of it is readable, then writable: up to SLOT_DESCS parts. */
	unsigned (*fill)(struct lane_ring *ring, unsigned slot, struct part *parts);
	/* What came back, or NULL. */
	void (*check)(struct lane_ring *ring, unsigned slot, uint32_t len);
};

struct lane_class {
	const char *name, *options; /* with %s for what the host has of it: main.c */
	uint64_t features;
	unsigned n_rings;
	struct lane_ring_class rings[LANE_RINGS];
	uint32_t config_write; /* a byte of configuration space that the driver may write; UINT32_MAX: none */
};

extern const struct lane_class lane_classes[];
extern const unsigned n_lane_classes;

/* --- a driver: ring.c --------------------------------------------------------------------------------------------- */

struct lane_ring {
	struct lane *lane;
	const struct lane_ring_class *class;
	pthread_mutex_t lock; /* what follows, which is the driver's alone */
	struct ring ring;     /* where it lies */
	unsigned n_slots;
	uint64_t slots_gpa;
	uint8_t *slots;
	uint32_t busy; /* a bit a slot that the device has */
	uint16_t last_used;
	uint64_t added, got, voided;
	uint64_t seed[SLOTS]; /* fill's and check's */
	uint32_t len[SLOTS];
	bool known[SLOTS];
};

struct lane {
	const struct lane_class *class;
	struct driver d;
	bool event_idx, indirect;
	pthread_rwlock_t life; /* for writing: the driver resets a queue or the device */
	pthread_mutex_t irq;   /* its handler runs on one vCPU at a time */
	struct lane_ring rings[LANE_RINGS];
	uint32_t seen_generation;
	uint64_t edges, configs, resets;
	_Atomic uint32_t dialled; /* vsock: the host's port that asked last */
};

/* From reset to DRIVER_OK, with all that may be full. */
void lane_up(struct lane *lane);
/* Up to n buffers on ring i, and a kick where that is asked for. */
void lane_send(struct lane *lane, unsigned i, unsigned n);
/* Handles an interrupt, where there is an edge. */
bool lane_irq(struct lane *lane);
/* The driver resets the device, or one queue; what was out is void. */
void lane_reset(struct lane *lane);
void lane_reset_ring(struct lane *lane, unsigned i);
/* A kick of queue q, by exit or by eventfd as the device has it. */
void give_kick(struct driver *d, unsigned q);
/* Buffers that the device has and is to give back. */
unsigned lane_busy(struct lane *lane);
/* What was counted fits together; when the device is quiet and the loop has stopped. */
void lane_account(struct lane *lane);

/* --- the host's programs: host.c ---------------------------------------------------------------------------------- */

struct host {
	char dir[32], images[3][48], vsock[48], port[48];
	int net[2]; /* a pair; the second is the device's */
	struct lane *vsock_lane;
	atomic_bool over;
	pthread_t thread;
};

void host_open(struct host *host);
void host_run(struct host *host);
/* Once nothing is sent any more. */
void host_end(struct host *host);
void host_close(struct host *host);

/* --- a device whose driver breaks all rules: wild.c --------------------------------------------------------------- */

struct wild {
	struct driver d;
	struct memory memory;  /* its own */
	uint8_t *alias[VCPUS]; /* the same, mapped once more for each */
};

void wild_open(struct wild *wild, struct rig *rig, unsigned i, const struct host *host);
/* Anything, from vCPU `cpu`. */
void wild_step(struct wild *wild, unsigned cpu, uint64_t *seed);
void wild_close(struct wild *wild);

#endif
