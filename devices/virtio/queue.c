// SPDX-License-Identifier: GPL-2.0-only
#include "devices/virtio/queue.h"

#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/memory.h"
#include "vmm/resident.h"

/* Two areas as they lie in guest memory (virtio 1.2, 2.7.6, 2.7.8), written with our own number types; the third is
 * walk.c's. */
struct avail {
	struct le16 flags;
	struct le16 idx;
	struct le16 ring[]; /* num entries, then used_event */
};
struct used_elem {
	struct le32 id;
	struct le32 len;
};
struct used {
	struct le16 flags;
	struct le16 idx;
	struct used_elem ring[]; /* num entries, then avail_event */
};

_Static_assert(offsetof(struct avail, ring) == offsetof(struct vring_avail, ring), "2.7.6");
_Static_assert(sizeof(struct used_elem) == sizeof(struct vring_used_elem), "2.7.8");
_Static_assert(offsetof(struct used, ring) == offsetof(struct vring_used, ring), "2.7.8");

/* Both sides of a ring run at the same time: each shared field is read or written once, as a whole. */
static uint16_t shared_load(const struct le16 *field, int order)
{
	return le16toh(__atomic_load_n(&field->raw, order));
}

static void shared_store(struct le16 *field, uint16_t value, int order)
{
	__atomic_store_n(&field->raw, htole16(value), order);
}

/* No chain is out any more. */
static void forget_out(struct virtq *vq)
{
	memset(vq->out, 0, vq->num_max * sizeof(*vq->out));
	for (uint32_t i = 0; i < vq->n_rows; i++)
		vq->rows[i] = i;
	vq->n_out = 0;
}

int virtq_init(struct virtq *vq, const struct virtq_owner *owner, uint32_t num_max)
{
	memset(vq, 0, sizeof(*vq));
	vq->owner = *owner;
	vq->num_max = num_max;
	vq->row_len = num_max < VIRTQ_CHAIN ? num_max : VIRTQ_CHAIN;
	vq->n_rows = owner->chains && owner->chains < num_max ? owner->chains : num_max;
	if (vq->n_rows > VIRTQ_IOVECS / vq->row_len)
		vq->n_rows = VIRTQ_IOVECS / vq->row_len;
	vq->iov = resident_alloc(vq->n_rows, vq->row_len * sizeof(*vq->iov));
	vq->out = resident_alloc(num_max, sizeof(*vq->out));
	vq->rows = resident_alloc(vq->n_rows, sizeof(*vq->rows));
	vq->privs = resident_alloc(vq->n_rows, owner->chain_size + 1);    /* never 0, which may give NULL */
	vq->seen = resident_alloc(2ull * vq->row_len, sizeof(*vq->seen)); /* a table's worth, and an indirect one's */
	if (!vq->iov || !vq->out || !vq->rows || !vq->privs || !vq->seen) {
		virtq_release(vq);
		return -ENOMEM;
	}
	forget_out(vq);
	return 0;
}

void virtq_release(struct virtq *vq)
{
	free(vq->iov);
	free(vq->out);
	free(vq->rows);
	free(vq->privs);
	free(vq->seen);
	vq->iov = NULL;
	vq->out = NULL;
	vq->rows = NULL;
	vq->privs = NULL;
	vq->seen = NULL;
}

void virtq_reset(struct virtq *vq)
{
	struct virtq fresh = { .owner = vq->owner,
			       .num_max = vq->num_max,
			       .iov = vq->iov,
			       .n_rows = vq->n_rows,
			       .row_len = vq->row_len,
			       .out = vq->out,
			       .rows = vq->rows,
			       .privs = vq->privs,
			       .seen = vq->seen,
			       .session = vq->session };

	*vq = fresh;
	forget_out(vq);
}

const char *virtq_broken(struct virtq *vq, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(vq->rule, sizeof(vq->rule), fmt, args);
	va_end(args);
	return vq->rule;
}

const char *virtq_enable(struct virtq *vq, bool event_idx, bool indirect)
{
	uint64_t num = vq->num;
	/* the event index fields are there whether negotiated or not */
	uint64_t avail_len = sizeof(struct avail) + num * sizeof(struct le16) + sizeof(struct le16);
	uint64_t used_len = sizeof(struct used) + num * sizeof(struct used_elem) + sizeof(struct le16);

	if (num == 0 || num > vq->num_max || (num & (num - 1)))
		return virtq_broken(vq, "queue size %u is not a power of two up to %u (virtio 1.2, 2.7)", vq->num,
				    vq->num_max);
	if (vq->desc_gpa % 16 || vq->avail_gpa % 2 || vq->used_gpa % 4)
		return virtq_broken(vq, "ring at 0x%llx, 0x%llx, 0x%llx is not aligned to 16, 2, 4 (virtio 1.2, 2.7)",
				    (unsigned long long)vq->desc_gpa, (unsigned long long)vq->avail_gpa,
				    (unsigned long long)vq->used_gpa);
	vq->desc = mem_ptr(vq->owner.memory, vq->desc_gpa, num * sizeof(struct vring_desc));
	vq->avail = mem_ptr(vq->owner.memory, vq->avail_gpa, avail_len);
	vq->used = mem_ptr(vq->owner.memory, vq->used_gpa, used_len);
	if (!vq->desc || !vq->avail || !vq->used)
		return virtq_broken(vq, "ring at 0x%llx, 0x%llx, 0x%llx is not in guest RAM (virtio 1.2, 2.7)",
				    (unsigned long long)vq->desc_gpa, (unsigned long long)vq->avail_gpa,
				    (unsigned long long)vq->used_gpa);

	vq->session++;
	vq->last_avail = vq->used_idx = vq->notified = 0;
	vq->waits = false;
	forget_out(vq);
	vq->event_idx = event_idx;
	vq->indirect = indirect;
	vq->ready = true;
	return NULL;
}

/* --- popping ------------------------------------------------------------------------------------------------------ */

static uint32_t share(const struct virtq *vq)
{
	return vq->num < VIRTQ_SHARE ? vq->num : VIRTQ_SHARE;
}

void virtq_begin(struct virtq *vq)
{
	vq->popped = 0;
}

bool virtq_has_more(const struct virtq *vq)
{
	return vq->ready && (vq->popped == share(vq) || (vq->waits && vq->n_out < vq->n_rows));
}

/* Entries that the driver has added and we have not popped. */
static uint16_t avail_pending(const struct virtq *vq)
{
	const struct avail *avail = vq->avail;

	/* acquire: pairs with the driver's write barrier between filling the ring entry and adding to avail.idx
	 * (2.7.13.3) */
	return (uint16_t)(shared_load(&avail->idx, __ATOMIC_ACQUIRE) - vq->last_avail);
}

/* Asks for a kick for the next entry (virtio 1.2, 2.7.10). Without EVENT_IDX used.flags stays 0, which asks for all. */
static void arm_kicks(struct virtq *vq)
{
	struct used *used = vq->used;

	shared_store((struct le16 *)&used->ring[vq->num], vq->last_avail, __ATOMIC_RELAXED);
	/* full: pairs with the driver's barrier between adding to avail.idx and reading avail_event (2.7.13.4); one of
	 * us sees the other's store, so either the driver kicks or our second look finds the entry */
	atomic_thread_fence(memory_order_seq_cst);
}

/* The events are told apart from the work, so that they cost nothing where nobody listens. */
static __attribute__((noinline)) void tell_pop(const struct virtq *vq, const struct virtio_chain *chain)
{
	struct trace_extra extra = { .descs = vq->seen,
				     .n_descs = vq->n_seen,
				     .iov = chain->readable,
				     .n_iov = chain->n_readable,
				     .n_bytes = chain->readable_len };

	TRACE_WITH(vq->owner.trace, pop, vq->owner.dev, &extra, vq->owner.index, chain->head, vq->n_seen,
		   chain->readable_len, chain->writable_len);
}

int virtq_pop(struct virtq *vq, struct virtio_chain *chain, const char **rule)
{
	const struct avail *avail = vq->avail;

	vq->n_seen = 0;
	if (!vq->ready || vq->popped == share(vq))
		return 0;
	vq->waits = vq->n_out == vq->n_rows;
	if (vq->waits) /* whoever gives one back has the ring looked at again */
		return 0;
	uint16_t pending = avail_pending(vq);

	if (pending == 0 && vq->event_idx) {
		arm_kicks(vq);
		pending = avail_pending(vq);
	}
	if (pending == 0)
		return 0;
	if (pending > vq->num) {
		*rule = virtq_broken(vq, "avail.idx is %u ahead in a queue of %u (virtio 1.2, 2.7.13.3)", pending,
				     vq->num);
		return -1;
	}

	uint16_t head = shared_load(&avail->ring[vq->last_avail & (vq->num - 1)], __ATOMIC_RELAXED);

	if (head >= vq->num) {
		*rule = virtq_broken(vq, "head %u in a queue of %u (virtio 1.2, 2.7.6)", head, vq->num);
		return -1;
	}
	if (vq->out[head].popped_at) {
		*rule = virtq_broken(vq, "head %u is made available again before it was used (virtio 1.2, 2.7.13)",
				     head);
		return -1;
	}
	uint32_t row = vq->rows[vq->n_out];

	*chain = (struct virtio_chain){ .head = head,
					.session = vq->session,
					.priv = vq->privs + row * vq->owner.chain_size };

	*rule = virtq_walk(vq, chain, vq->iov + (size_t)row * vq->row_len);
	if (*rule)
		return -1;
	vq->out[head] = (struct virtq_out){ .popped_at = arch_cycles(), .row = row };
	vq->n_out++;
	vq->last_avail++;
	vq->popped++;
	if (trace_is_on(vq->owner.trace))
		tell_pop(vq, chain);
	return 1;
}

/* --- pushing ------------------------------------------------------------------------------------------------------ */

/* The event goes before the entry is shown: afterwards the driver may have the buffer for something else. */
static __attribute__((noinline)) void tell_used(const struct virtq *vq, const struct virtio_chain *chain, uint32_t len)
{
	struct trace_extra extra = { .iov = chain->writable, .n_iov = chain->n_writable, .n_bytes = len };

	TRACE_WITH(vq->owner.trace, used, vq->owner.dev, &extra, vq->owner.index, chain->head, len, vq->used_idx);
}

void virtq_fill(struct virtq *vq, const struct virtio_chain *chain, uint32_t len)
{
	struct used *used = vq->used;

	if (!vq->ready || chain->session != vq->session || chain->head >= vq->num || !vq->out[chain->head].popped_at)
		return;
	if (len > chain->writable_len) /* so it fits: len had 32 bits */
		len = (uint32_t)chain->writable_len;
	vq->rows[--vq->n_out] = vq->out[chain->head].row;
	vq->out[chain->head].popped_at = 0;
	used->ring[vq->used_idx & (vq->num - 1)] = (struct used_elem){ .id = le32_from(chain->head),
								       .len = le32_from(len) };
	vq->used_idx++;
	if (trace_is_on(vq->owner.trace))
		tell_used(vq, chain, len);
}

void virtq_publish(struct virtq *vq)
{
	struct used *used = vq->used;

	/* release: pairs with the driver's read barrier between reading used.idx and the entry (2.7.14) */
	if (vq->ready)
		shared_store(&used->idx, vq->used_idx, __ATOMIC_RELEASE);
}

bool virtq_notify(struct virtq *vq)
{
	const struct avail *avail = vq->avail;
	uint16_t new = vq->used_idx, old = vq->notified;

	if (!vq->ready || new == old)
		return false;
	vq->notified = new;
	/* full: pairs with the driver's barrier between asking for notifications and its last look at used.idx (2.7.14)
	 */
	atomic_thread_fence(memory_order_seq_cst);
	if (!vq->event_idx) {
		if (!(shared_load(&avail->flags, __ATOMIC_RELAXED) & VRING_AVAIL_F_NO_INTERRUPT))
			return true;
		TRACE(vq->owner.trace, suppressed, vq->owner.dev, vq->owner.index, "flags", 0, new);
		return false;
	}
	uint16_t event = shared_load(&avail->ring[vq->num], __ATOMIC_RELAXED);

	/* did used.idx move past used_event, counted around the 16-bit ring (2.7.7.2)? */
	if ((uint16_t)(new - event - 1) < (uint16_t)(new - old))
		return true;
	TRACE(vq->owner.trace, suppressed, vq->owner.dev, vq->owner.index, "used_event", event, new);
	return false;
}

void virtq_look(const struct virtq *vq, struct virtq_fields *fields)
{
	const struct avail *avail = vq->avail;
	const struct used *used = vq->used;

	*fields = (struct virtq_fields){ 0 };
	if (!vq->ready)
		return;
	fields->avail_flags = shared_load(&avail->flags, __ATOMIC_RELAXED);
	fields->avail_idx = shared_load(&avail->idx, __ATOMIC_RELAXED);
	fields->used_event = shared_load(&avail->ring[vq->num], __ATOMIC_RELAXED);
	fields->avail_event = shared_load((const struct le16 *)&used->ring[vq->num], __ATOMIC_RELAXED);
}
