// SPDX-License-Identifier: GPL-2.0-only
/* A driver that keeps the rules (virtio 1.2, 2.7.13, 2.7.14), with the barriers that queue.c names as its partners. */
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/stress/stress.h"

#define USED_EVENT(ring)  ((ring)->avail + 4 + 2ull * (ring)->num)
#define AVAIL_EVENT(ring) ((ring)->used + 4 + 8ull * (ring)->num)

static uint16_t *shared(struct lane_ring *ring, uint64_t gpa)
{
	return gpa_ptr(ring->lane->d.rig, gpa, 2);
}

/* --- adding ------------------------------------------------------------------------------------------------------- */

static void add(struct lane_ring *ring, unsigned slot)
{
	struct part parts[SLOT_DESCS];
	unsigned n = ring->class->fill(ring, slot, parts);
	uint64_t gpa = ring->slots_gpa + slot * (uint64_t)SLOT_SIZE, table = gpa + SLOT_TABLE;
	bool indirect = ring->lane->indirect;
	uint16_t head = (uint16_t)(indirect ? slot : slot * SLOT_DESCS), first = indirect ? 0 : head;

	for (unsigned i = 0; i < n; i++)
		put_desc(ring->lane->d.rig, indirect ? table : ring->ring.desc, (uint16_t)(first + i),
			 gpa + parts[i].offset, parts[i].len,
			 (uint16_t)((parts[i].writable ? D_WRITE : 0) | (i + 1 < n ? D_NEXT : 0)),
			 (uint16_t)(first + i + 1));
	if (indirect)
		ring_desc(&ring->ring, head, table, 16 * n, D_INDIRECT, 0);
	ring->busy |= 1u << slot;
	ring->added++;
	ring_add(&ring->ring, head); /* with release */
}

/* As many as there is room for, up to n. True where the device wants a kick for them (2.7.13.4). */
static bool add_some(struct lane_ring *ring, unsigned n)
{
	uint16_t old = ring->ring.avail_idx, new;

	for (unsigned slot = 0; slot < ring->n_slots && n; slot++)
		if (!(ring->busy & (1u << slot))) {
			add(ring, slot);
			n--;
		}
	new = ring->ring.avail_idx;
	if (new == old)
		return false;
	/* full: pairs with arm_kicks() */
	atomic_thread_fence(memory_order_seq_cst);
	if (!ring->lane->event_idx)
		return !(__atomic_load_n(shared(ring, ring->ring.used), __ATOMIC_RELAXED) & 1);
	uint16_t event = __atomic_load_n(shared(ring, AVAIL_EVENT(&ring->ring)), __ATOMIC_RELAXED);

	return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

/* KVM takes the store to an eventfd's register, where there is one. */
void give_kick(struct driver *d, unsigned q)
{
	const struct vm *vm = d->rig->vm;
	uint64_t one = 1;

	for (unsigned i = 0; i < vm->n_ioeventfds; i++)
		if (vm->ioeventfds[i].gpa == d->base + R_QUEUE_NOTIFY && vm->ioeventfds[i].datamatch == q) {
			if (write(vm->ioeventfds[i].fd, &one, sizeof(one)) != sizeof(one))
				give_up("%s: an eventfd takes no kick", d->dev->name);
			return;
		}
	kick(d, q);
}

void lane_send(struct lane *lane, unsigned i, unsigned n)
{
	struct lane_ring *ring = &lane->rings[i];

	pthread_rwlock_rdlock(&lane->life);
	pthread_mutex_lock(&ring->lock);
	bool wanted = add_some(ring, n);

	pthread_mutex_unlock(&ring->lock);
	if (wanted)
		give_kick(&lane->d, ring->class->q);
	pthread_rwlock_unlock(&lane->life);
}

/* --- taking back -------------------------------------------------------------------------------------------------- */

static void take_one(struct lane_ring *ring)
{
	uint32_t id = ring_used_id(&ring->ring, ring->last_used), step = ring->lane->indirect ? 1 : SLOT_DESCS;
	uint32_t slot = id / step;

	if (id % step || slot >= ring->n_slots || !(ring->busy & (1u << slot)))
		give_up("%s, queue %u: %u is used and was not available", ring->lane->class->name, ring->class->q, id);
	if (ring->class->check)
		ring->class->check(ring, slot, ring_used_len(&ring->ring, ring->last_used));
	ring->busy &= ~(1u << slot);
	ring->last_used++;
	ring->got++;
}

/* Not to be interrupted, while it takes what there is; then to be. */
static void want_irqs(struct lane_ring *ring, bool wanted)
{
	if (!ring->lane->event_idx)
		__atomic_store_n(shared(ring, ring->ring.avail), wanted ? 0 : 1, __ATOMIC_RELAXED);
	else if (wanted)
		__atomic_store_n(shared(ring, USED_EVENT(&ring->ring)), ring->last_used, __ATOMIC_RELAXED);
	/* full: pairs with virtq_notify() */
	if (wanted)
		atomic_thread_fence(memory_order_seq_cst);
}

static void take(struct lane_ring *ring)
{
	bool wanted = false;

	pthread_mutex_lock(&ring->lock);
	do {
		want_irqs(ring, false);
		while (ring_used_idx(&ring->ring) != ring->last_used) /* with acquire */
			take_one(ring);
		want_irqs(ring, true);
	} while (ring_used_idx(&ring->ring) != ring->last_used);
	if (ring->class->role == FILL)
		wanted = add_some(ring, SLOTS);
	pthread_mutex_unlock(&ring->lock);
	if (wanted)
		give_kick(&ring->lane->d, ring->class->q);
}

static void read_config(struct lane *lane)
{
	uint32_t before, after = reg_get(&lane->d, R_CONFIG_GENERATION);

	do {
		before = after;
		for (unsigned at = 0; at < 12; at += 4)
			reg_get(&lane->d, R_CONFIG + at);
		after = reg_get(&lane->d, R_CONFIG_GENERATION);
	} while (before != after);
	lane->seen_generation = after;
}

bool lane_irq(struct lane *lane)
{
	uint64_t n = 0;

	pthread_rwlock_rdlock(&lane->life);
	if (pthread_mutex_trylock(&lane->irq) == 0) {
		n = edges(&lane->d);
		if (n) {
			uint32_t status = reg_get(&lane->d, R_INTERRUPT_STATUS);

			lane->edges += n;
			sched_yield(); /* an exit takes its time: the device raises the other bit now */
			reg_put(&lane->d, R_INTERRUPT_ACK, status);
			if (status & ISR_CONFIG) {
				lane->configs++;
				read_config(lane);
			}
			for (unsigned i = 0; (status & ISR_USED) && i < lane->class->n_rings; i++)
				take(&lane->rings[i]);
		}
		pthread_mutex_unlock(&lane->irq);
	}
	pthread_rwlock_unlock(&lane->life);
	return n;
}

/* --- up and down -------------------------------------------------------------------------------------------------- */

/* The memory is the driver's again: if the device still writes to it, the sanitizer sees both. */
static void ring_begin(struct lane_ring *ring)
{
	struct rig *rig = ring->lane->d.rig;
	uint32_t num = ring->n_slots * (ring->lane->indirect ? 1 : SLOT_DESCS);

	memset(gpa_ptr(rig, ring->ring.desc, 16 * num), 0, 16 * num);
	memset(gpa_ptr(rig, ring->ring.avail, 6 + 2 * num), 0, 6 + 2 * num);
	memset(gpa_ptr(rig, ring->ring.used, 6 + 8 * num), 0, 6 + 8 * num);
	memset(ring->slots, 0, SLOTS * SLOT_SIZE);
	memset(ring->known, 0, sizeof(ring->known));
	ring->voided += (unsigned)__builtin_popcount(ring->busy);
	ring->busy = 0;
	ring->last_used = 0;
	ring->ring.avail_idx = 0;
	ring->ring.num = num;
	ring_program(&ring->ring);
	ring_ready(&ring->ring, 1);
}

void lane_up(struct lane *lane)
{
	uint64_t features = lane->class->features | F_VERSION_1 | F_RING_RESET | (lane->event_idx ? F_EVENT_IDX : 0) |
			    (lane->indirect ? F_INDIRECT : 0);

	if (!driver_negotiate(&lane->d, features))
		give_up("%s does not take its features", lane->class->name);
	for (unsigned i = 0; i < lane->class->n_rings; i++)
		ring_begin(&lane->rings[i]);
	edges(&lane->d);
	reg_put(&lane->d, R_STATUS, S_UP);
	read_config(lane);
	for (unsigned i = 0; i < lane->class->n_rings; i++)
		if (lane->rings[i].class->role == FILL && add_some(&lane->rings[i], SLOTS))
			give_kick(&lane->d, lane->rings[i].class->q);
}

void lane_reset(struct lane *lane)
{
	pthread_rwlock_wrlock(&lane->life);
	if (reg_get(&lane->d, R_STATUS) != S_UP)
		give_up("%s needs a reset", lane->class->name);
	lane->resets++;
	lane->event_idx = lane->resets & 1;
	lane->indirect = lane->resets & 2;
	lane_up(lane);
	pthread_rwlock_unlock(&lane->life);
}

void lane_reset_ring(struct lane *lane, unsigned i)
{
	struct lane_ring *ring = &lane->rings[i];

	pthread_rwlock_wrlock(&lane->life);
	reg_put(&lane->d, R_QUEUE_SEL, ring->class->q);
	reg_put(&lane->d, R_QUEUE_RESET, 1);
	ring_begin(ring);
	if (ring->class->role == FILL && add_some(ring, SLOTS))
		give_kick(&lane->d, ring->class->q);
	pthread_rwlock_unlock(&lane->life);
}

unsigned lane_busy(struct lane *lane)
{
	unsigned n = 0;

	for (unsigned i = 0; i < lane->class->n_rings; i++) {
		pthread_mutex_lock(&lane->rings[i].lock);
		if (lane->rings[i].class->role == SEND)
			n += (unsigned)__builtin_popcount(lane->rings[i].busy);
		pthread_mutex_unlock(&lane->rings[i].lock);
	}
	return n;
}

void lane_account(struct lane *lane)
{
	const char *name = lane->class->name;

	while (lane_irq(lane))
		;
	if (reg_get(&lane->d, R_STATUS) != S_UP)
		give_up("%s: its status is 0x%x", name, reg_get(&lane->d, R_STATUS));
	if (reg_get(&lane->d, R_INTERRUPT_STATUS))
		give_up("%s: an interrupt is lost: status 0x%x without an edge", name,
			reg_get(&lane->d, R_INTERRUPT_STATUS));
	if (lane->seen_generation != reg_get(&lane->d, R_CONFIG_GENERATION))
		give_up("%s: a configuration interrupt is lost", name);
	for (unsigned i = 0; i < lane->class->n_rings; i++) {
		struct lane_ring *ring = &lane->rings[i];
		uint64_t out = (unsigned)__builtin_popcount(ring->busy);

		if (ring->added != ring->got + ring->voided + out)
			give_up("%s, queue %u: %llu added, %llu used, %llu void, %llu out", name, ring->class->q,
				(unsigned long long)ring->added, (unsigned long long)ring->got,
				(unsigned long long)ring->voided, (unsigned long long)out);
	}
}
