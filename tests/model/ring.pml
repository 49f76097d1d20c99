/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The notifications of a split ring (virtio 1.2, 2.7) between a driver and devices/virtio, with the store buffers of
 * their processors. Spin looks at every interleaving; ring.t says of which variants, and which of them have to fail.
 *
 * What is shown: no kick and no interrupt is lost. The driver sleeps until an interrupt, the device until a kick; who
 * sleeps in vain is an invalid end state. What is read from a ring is what was written there: the assertions.
 *
 * A store goes into its agent's buffer and from there, at any later time, to memory. The buffer is in order, as on x86
 * (TSO); with WEAK stores overtake each other, but a release overtakes none. A fence waits until the buffer is empty,
 * and so does whatever else empties it: the lock, an exit (the doorbell, a register), the eventfd of an interrupt. No
 * agent reads what it writes itself (both keep copies), so a load is one of memory. Loads keep their order; a missing
 * acquire is modelled as the load behind it being done first.
 *
 * Variants: EVENT_IDX, else avail.flags; SHARE (virtq's share of a kick); LATE (the device gives buffers back later, as
 * a disk does); WEAK. To be broken: the names that begin with NO_ or BAD_.
 */
#ifndef BUFFERS
#define BUFFERS 5 /* the driver makes available in all; indices wrap */
#endif
#ifndef CHANGES
#define CHANGES 1 /* of configuration space */
#endif
#define NUM  2 /* entries of the ring; also as many indices on either side of the wrap as 32768 have of 65536 */
#define MASK 3
#ifndef SHARE
#define SHARE NUM
#endif

/* --- memory ------------------------------------------------------------------------------------------------------- */

#define DRIVER 0
#define DEVICE 1

#define AVAIL_IDX   0 /* the driver's; its ring is the two behind */
#define AVAIL_RING  1
#define CALL        3 /* used_event, or avail.flags: 1 is NO_INTERRUPT */
#define USED_IDX    4 /* the device's */
#define USED_RING   5
#define AVAIL_EVENT 7

#include "buffers.pml"

/* --- between the two ---------------------------------------------------------------------------------------------- */

#define USED   1 /* bits of InterruptStatus */
#define CONFIG 2

bit lock;       /* virtio_dev.lock */
byte isr;       /* virtio_dev.isr */
byte generation;
bit kick_fd;    /* an eventfd: kicks that wait */
bit again_fd, again_queue;
bit irq;        /* an edge that the driver's processor has not taken yet; two are one */

/* --- the device --------------------------------------------------------------------------------------------------- */

/* pthread_mutex_lock(), which is a read-modify-write; what was stored under the lock is there for the next holder */
inline take_lock()
{
	atomic { drained(DEVICE) && lock == 0 -> lock = 1 }
}

inline drop_lock()
{
	atomic { drained(DEVICE) -> lock = 0 }
}

/* virtio_interrupt(), irq_raise() */
inline interrupt(bit_)
{
#ifdef BAD_ISR
	before = isr; /* two steps: the driver's ACK comes between them */
	atomic {
		isr = before | bit_;
#else
	atomic {
		before = isr;
		isr = isr | bit_;
#endif
		if
#ifdef BAD_EDGE
		:: before == 0 -> /* the line is edge-triggered: a second bit needs an edge too */
#else
		:: before != isr ->
#endif
			drained(DEVICE);
			irq = 1
		:: else
		fi;
		before = 0
	}
}

/* avail_pending() */
#define avail_pending ((memory[AVAIL_IDX] - last_avail) & MASK)

#ifdef NO_FENCE_ARM
#define fence_arm skip
#else
#define fence_arm drained(DEVICE)
#endif
#ifdef NO_FENCE_NOTIFY
#define fence_notify skip
#else
#define fence_notify drained(DEVICE)
#endif

/* virtq_pop(): n is 1 where it got one */
inline pop()
{
	n = 0;
	if
	:: popped < SHARE ->
#ifdef NO_ACQUIRE_AVAIL
		head = memory[AVAIL_RING + (last_avail & (NUM - 1))];
#endif
		n = avail_pending;
#ifdef EVENT_IDX
		if
		:: n == 0 ->
			put(DEVICE, AVAIL_EVENT, last_avail, 0); /* arm_kicks() */
			fence_arm;
#ifndef NO_SECOND_LOOK
			n = avail_pending
#endif
		:: else
		fi;
#endif
		assert(n <= NUM);
		if
		:: n ->
#ifndef NO_ACQUIRE_AVAIL
			head = memory[AVAIL_RING + (last_avail & (NUM - 1))];
#endif
			atomic {
				n = 1;
				out++;
				assert(head == ((used + out) & 7)); /* the driver numbers its buffers */
				head = 0;
				last_avail = (last_avail + 1) & MASK;
				popped++
			}
		:: else
		fi
	:: else
	fi
}

#ifdef NO_RELEASE_USED
#define RELEASE_USED 0
#else
#define RELEASE_USED 1
#endif

/* virtq_fill(), virtq_publish() */
inline push()
{
	used = (used + 1) & 7;
	out--;
	put(DEVICE, USED_RING + (used_idx & (NUM - 1)), used, 0);
	used_idx = (used_idx + 1) & MASK;
	put(DEVICE, USED_IDX, used_idx, RELEASE_USED)
}

/* virtio_leave(): virtq_notify(), virtq_has_more() */
inline leave()
{
	if
	:: used_idx != notified ->
		fence_notify;
#ifdef EVENT_IDX
		n = ((used_idx - memory[CALL] - 1) & MASK) < ((used_idx - notified) & MASK);
#else
		n = !memory[CALL];
#endif
		notified = used_idx;
		if
		:: n -> interrupt(USED)
		:: else
		fi
	:: else
	fi;
#ifndef NO_AGAIN
	if
	:: popped == SHARE -> atomic { again_queue = 1; again_fd = 1 }
	:: else
	fi;
#endif
	atomic { n = 0; popped = 0 } /* the next virtio_enter() */
}

/* virtio_kick() and the device's kick() */
inline serve()
{
	do
	:: pop();
		if
		:: n ->
#ifndef LATE
			push()
#endif
		:: else -> break
		fi
	od;
	leave()
}

proctype device()
{
	byte last_avail, used_idx, notified, popped; /* struct virtq */
	byte out, used;                              /* buffers: popped and not pushed; pushed */
	byte n, head, before;
end:
	do
	:: kick_fd -> /* on_kick() */
#ifndef BAD_READ
		kick_fd = 0;
#endif
		take_lock();
		serve();
		drop_lock();
#ifdef BAD_READ
		kick_fd = 0 /* with kicks that came since */
#endif
	:: again_fd -> /* virtio_kick_again() */
		again_fd = 0;
		take_lock();
		if
		:: again_queue -> again_queue = 0; serve()
		:: else
		fi;
		drop_lock()
	:: generation < CHANGES -> /* virtio_timer_expired(), virtio_config_changed() */
		take_lock();
		generation++;
		interrupt(CONFIG);
		leave();
		drop_lock()
#ifdef LATE
	:: out > 0 -> /* on_watch(): the disk is through with some */
		take_lock();
		do
		:: out > 0 -> push()
		:: true -> break
		od;
		leave();
		drop_lock()
#endif
	od
}

/* --- the driver, as the standard has it: 2.7.13, 2.7.14, 4.2.3.4 -------------------------------------------------- */

#ifdef NO_RELEASE_AVAIL
#define RELEASE_AVAIL 0
#else
#define RELEASE_AVAIL 1
#endif
#ifdef NO_FENCE_KICK
#define fence_kick skip
#else
#define fence_kick drained(DRIVER)
#endif
#ifdef NO_FENCE_CALL
#define fence_call skip
#else
#define fence_call drained(DRIVER)
#endif

/* Makes one or two buffers available, then kicks (2.7.13.4). */
inline submit()
{
	old = avail_idx;
	do
	:: added < BUFFERS && in_flight < NUM ->
		added++;
		in_flight++;
		put(DRIVER, AVAIL_RING + (avail_idx & (NUM - 1)), (added & 7), 0);
		avail_idx = (avail_idx + 1) & MASK;
		put(DRIVER, AVAIL_IDX, avail_idx, RELEASE_AVAIL)
	:: avail_idx != old || in_flight == NUM -> break
	od;
#ifdef EVENT_IDX
	fence_kick;
	u = ((avail_idx - memory[AVAIL_EVENT] - 1) & MASK) < ((avail_idx - old) & MASK);
#else
	u = 1; /* used.flags stays 0 */
#endif
	if
	:: u -> atomic { drained(DRIVER) -> kick_fd = 1 } /* an exit, or KVM's ioeventfd */
	:: else
	fi;
	atomic { u = 0; old = 0 }
}

/* 2.7.14: without interrupts through all that is used, then with them, and a last look. */
inline take_used()
{
	do
	::
#ifndef EVENT_IDX
		put(DRIVER, CALL, 1, 0);
#endif
		do
		::
#ifdef NO_ACQUIRE_USED
			elem = memory[USED_RING + (last_used & (NUM - 1))];
#endif
			u = memory[USED_IDX];
			if
			:: u != last_used ->
#ifndef NO_ACQUIRE_USED
				elem = memory[USED_RING + (last_used & (NUM - 1))];
#endif
				atomic {
					got++;
					assert(elem == (got & 7));
					elem = 0;
					in_flight--;
					last_used = (last_used + 1) & MASK
				}
			:: else -> break
			fi
		od;
#ifdef EVENT_IDX
		put(DRIVER, CALL, last_used, 0);
#else
		put(DRIVER, CALL, 0, 0);
#endif
		fence_call;
		if
		:: memory[USED_IDX] == last_used -> break
		:: else
		fi
	od;
	atomic { u = 0; elem = 0 }
}

/* A register access: an exit, and under the device's lock. */
#define exit_locked (drained(DRIVER) && lock == 0)

inline handle_irq()
{
	atomic { exit_locked -> status = isr }; /* InterruptStatus */
#ifdef BAD_ACK
	atomic { exit_locked -> isr = 0 }; /* all bits, not those written */
#else
#ifdef BAD_ISR
	before = isr;
	isr = before & (3 - status);
#else
	atomic { exit_locked -> isr = isr & (3 - status) }; /* virtio_acknowledge() */
#endif
#endif
	if
	:: status & CONFIG -> atomic { exit_locked -> seen = generation }
	:: else
	fi;
	if
	:: status & USED -> take_used()
	:: else
	fi;
	atomic { status = 0; before = 0 }
}

proctype driver()
{
	byte avail_idx, last_used; /* its own copies */
	byte added, got, in_flight, seen;
	byte old, u, elem, status, before;

	do
	:: added < BUFFERS && in_flight < NUM -> submit()
	:: atomic { irq -> irq = 0 }; handle_irq()
	:: got == BUFFERS && seen == CHANGES -> break
	od
}

init
{
	atomic {
		run drain(DRIVER);
		run drain(DEVICE);
		run device();
		run driver()
	}
}
