/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The split virtqueue (virtio 1.2, 2.7). queue.c is the only file that touches ring memory, walk.c its descriptors.
 *
 * A broken rule is returned as a string that names rule and clause; the core fails the device with it. All functions
 * are called under the device's lock.
 *
 * The driver holds no lock of ours, so what it shares with us has an order by barriers, each with a partner on its
 * side. tests/model/ring.pml has them step by step, and takes each away once.
 *
 * 1. An entry before its index. The driver's write barrier before it adds to avail.idx (2.7.13.3) is the release to
 *    avail_pending()'s acquire: entry, descriptors and buffer are what it wrote. virtq_publish() stores used.idx with
 *    release; the partner is the driver's read barrier behind its load of it (2.7.14).
 *
 * 2. No kick is lost.       arm_kicks(), virtq_pop()       driver (2.7.13.4)
 *                           store avail_event              store avail.idx
 *                           full barrier                   full barrier
 *                           load avail.idx again           load avail_event
 *    Acquire and release let a load pass the store before it, and so does x86: both sides would see what was before,
 *    and sleep. With both full barriers one of them at least sees the other's store: the driver kicks, or our second
 *    look finds the entry. Without EVENT_IDX every kick comes: used.flags stays 0. A ring that is left with entries in
 *    it, as the share of a kick was used up, is not armed: virtio_leave() has the loop come back to it.
 *
 * 3. No interrupt is lost.  virtq_publish(), _notify()     driver (2.7.14)
 *                           store used.idx                 store used_event, or avail.flags
 *                           full barrier                   full barrier
 *                           load used_event, avail.flags   load used.idx again
 *
 * 4. The line is edge-triggered. InterruptStatus changes under the device's lock alone. A bit that is set already needs
 *    no edge: the driver has its ACK still to write, which takes the lock, and looks at the rings behind that. A second
 *    bit needs one: it may come between the driver's read of InterruptStatus and its ACK, which leaves it set, and
 *    nothing else would tell of it (virtio_interrupt(), virtio_acknowledge()).
 *
 * 5. Eventfds. on_kick() and virtio_kick_again() read theirs before they look at the ring, so that a kick which comes
 *    meanwhile makes it readable again. The exit of a kick, write(2) and read(2) put in order what is before and behind
 *    them: a kick and an edge (irq_raise()) need no barrier of their own.
 */
#ifndef MINIVMM_VIRTIO_QUEUE_H
#define MINIVMM_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "devices/virtio/virtio.h"
#include "vmm/trace.h"

#define VIRTQ_SIZE_MAX 32768u
#define VIRTQ_SHARE    256u                 /* chains that are popped in one call of the device, at most */
#define VIRTQ_CHAIN    1024u                /* buffers of a chain, at most; and no more than the queue has entries */
#define VIRTQ_IOVECS   (256u * VIRTQ_CHAIN) /* of all chains of a queue that are out, at most: 4 MiB */

struct memory;

/* What a queue is told of at its making, for as long as it lives. */
struct virtq_owner {
	const struct memory *memory;
	struct trace *trace;
	const char *dev;   /* the device's name, for events */
	uint32_t index;    /* the queue's number */
	size_t chain_size; /* of the device's own for each chain */
	uint32_t chains;   /* that the device keeps at a time, at most; 0: all */
};

/* A head that was popped and is not yet pushed. */
struct virtq_out {
	uint64_t popped_at; /* arch_cycles(); 0: it is not out */
	uint32_t row;       /* of virtq.iov: its chain's iovecs */
};

struct virtq {
	struct virtq_owner owner;
	uint32_t num_max; /* entries that the device offers */

	/* What the driver wrote; frozen while ready (virtio 1.2, 4.2.2.2). */
	uint32_t num;
	uint64_t desc_gpa, avail_gpa, used_gpa;
	bool ready;

	/* Host addresses of the three areas, each checked as a whole when the queue became ready. */
	const void *desc;
	void *avail, *used;
	bool event_idx, indirect; /* negotiated */

	uint32_t session;    /* counts the times that the queue was enabled */
	uint16_t last_avail; /* free-running index of the next entry to pop */
	uint16_t used_idx;   /* free-running index of the next entry to fill */
	uint16_t notified;   /* used_idx when a notification was last decided on */
	unsigned popped;     /* since virtq_begin(): bounds the work of one kick */
	bool waits;          /* a chain was not popped, as no row was free */

	/* All memory that a chain may need is there, and taken from the host, since virtq_init(). */
	struct iovec *iov; /* n_rows of row_len: one for each chain that is out */
	uint32_t n_rows, row_len;
	uint8_t *privs;        /* n_rows times chain_size: by row as well */
	struct virtq_out *out; /* num_max: by head */
	uint32_t *rows;        /* n_rows: a stack of the rows, those that are free from n_out on */
	uint32_t n_out;
	struct trace_desc
		*seen; /* the descriptors of the chain that was popped last, n_seen of them, as they were read */
	unsigned n_seen;
	char rule[160]; /* the broken rule, in words; returned by pointer */
};

/* For a device under construction. 0 or -ENOMEM. */
int virtq_init(struct virtq *vq, const struct virtq_owner *owner, uint32_t num_max);
void virtq_release(struct virtq *vq);
/* The state after a device reset or a queue reset (virtio 1.2, 2.6.1): nothing of the driver's is left. */
void virtq_reset(struct virtq *vq);

/* Checks size, alignment and place of the areas and begins to use them. NULL, or the rule that forbids it. */
const char *virtq_enable(struct virtq *vq, bool event_idx, bool indirect);

/* Starts counting the work of one kick. */
void virtq_begin(struct virtq *vq);
/*
 * 1 and *chain; 0 where the ring is empty, the kick's share is used up, or too many chains are out; -1 with *rule where
 * the driver broke one. An empty ring has its kicks armed again; of the other two virtq_has_more() tells.
 */
int virtq_pop(struct virtq *vq, struct virtio_chain *chain, const char **rule);
/* virtq_pop()'s second half, in walk.c: follows the chain from its head. NULL with *chain and its iovecs in the row
 * `iov`, or the rule. */
const char *virtq_walk(struct virtq *vq, struct virtio_chain *chain, struct iovec *iov);
/* A broken rule in words; the string is the queue's, until the next. */
const char *virtq_broken(struct virtq *vq, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* True where the share was used up, or a chain can be popped now that could not: the ring has to be looked at again. */
bool virtq_has_more(const struct virtq *vq);
/* Fills the next used entry. A chain that is not out, or more bytes than are writable, is the device's mistake:
 * ignored, cut. */
void virtq_fill(struct virtq *vq, const struct virtio_chain *chain, uint32_t len);
/* Shows the driver what was filled. */
void virtq_publish(struct virtq *vq);
/* Once after pushes: true where the driver wants a used buffer notification for them (virtio 1.2, 2.7.7.2). */
bool virtq_notify(struct virtq *vq);

/* What the ring's shared fields say at the moment, for people; all 0 where it is not ready. */
struct virtq_fields {
	uint16_t avail_flags, avail_idx, used_event; /* the driver's */
	uint16_t avail_event;                        /* ours */
};
void virtq_look(const struct virtq *vq, struct virtq_fields *fields);

#endif
