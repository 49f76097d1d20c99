// SPDX-License-Identifier: GPL-2.0-only
/* The way through the descriptor tables: from a head to the iovecs of its chain. */
#include <linux/virtio_ring.h>
#include <string.h>

#include "devices/virtio/queue.h"
#include "vmm/memory.h"

/* As it lies in guest memory (virtio 1.2, 2.7.5), written with our own number types. */
struct desc {
	struct le64 addr;
	struct le32 len;
	struct le16 flags;
	struct le16 next;
};

_Static_assert(sizeof(struct desc) == sizeof(struct vring_desc) && sizeof(struct desc) == 16, "2.7.5");
_Static_assert(offsetof(struct desc, flags) == offsetof(struct vring_desc, flags), "2.7.5");

/* One chain being walked: where the next descriptor is, and what was found so far. */
struct walk {
	const struct desc *table;
	uint32_t table_size; /* entries */
	uint32_t steps;      /* descriptors seen in this table: more than it has entries means a loop */
	uint32_t index;
	bool in_indirect;
	unsigned n_iov;
	uint64_t total;
	struct iovec *iov; /* row_len of them */
};

static const char *walk_enter_indirect(struct virtq *vq, struct walk *walk, const struct desc *desc)
{
	uint32_t len = le32_get(desc->len);
	uint16_t flags = le16_get(desc->flags);

	if (!vq->indirect)
		return virtq_broken(
			vq, "an indirect descriptor, but INDIRECT_DESC is not negotiated (virtio 1.2, 2.7.5.3.1)");
	if (walk->in_indirect)
		return virtq_broken(vq, "an indirect descriptor inside an indirect table (virtio 1.2, 2.7.5.3.1)");
	if (flags & VRING_DESC_F_NEXT)
		return virtq_broken(vq, "a descriptor with both INDIRECT and NEXT (virtio 1.2, 2.7.5.3.1)");
	if (len == 0 || len % sizeof(struct desc))
		return virtq_broken(vq, "an indirect table of %u bytes, not a multiple of 16 (virtio 1.2, 2.7.5.3.2)",
				    len);
	walk->table = mem_ptr(vq->owner.memory, le64_get(desc->addr), len);
	if (!walk->table)
		return virtq_broken(vq,
				    "an indirect table at 0x%llx, %u bytes, outside guest RAM (virtio 1.2, 2.7.5.3)",
				    (unsigned long long)le64_get(desc->addr), len);
	walk->table_size = len / (uint32_t)sizeof(struct desc);
	walk->in_indirect = true;
	walk->index = 0;
	walk->steps = 0;
	return NULL;
}

static const char *walk_add_buffer(struct virtq *vq, struct walk *walk, struct virtio_chain *chain,
				   const struct desc *desc)
{
	uint64_t addr = le64_get(desc->addr);
	uint32_t len = le32_get(desc->len);
	bool writable = le16_get(desc->flags) & VRING_DESC_F_WRITE;

	if (!writable && chain->n_writable)
		return virtq_broken(vq, "a readable descriptor behind a writable one (virtio 1.2, 2.7.4.2)");
	if (len == 0)
		return NULL; /* it carries nothing */
	walk->total += len;
	if (walk->total > (uint64_t)UINT32_MAX + 1)
		return virtq_broken(vq, "a chain of more than 2^32 bytes (virtio 1.2, 2.7.5.2)");
	if (walk->n_iov == vq->row_len)
		return virtq_broken(vq, "a chain of more than %u descriptors (virtio 1.2, 2.7.5.3.1)", vq->row_len);
	void *host = mem_ptr(vq->owner.memory, addr, len);

	if (!host)
		return virtq_broken(vq, "a buffer at 0x%llx, %u bytes, outside guest RAM (virtio 1.2, 2.7.5)",
				    (unsigned long long)addr, len);
	walk->iov[walk->n_iov++] = (struct iovec){ .iov_base = host, .iov_len = len };
	if (writable) {
		chain->n_writable++;
		chain->writable_len += len;
	} else {
		chain->n_readable++;
		chain->readable_len += len;
	}
	return NULL;
}

/* Follows the chain from its head. Each descriptor is copied once and only the copy is looked at. */
const char *virtq_walk(struct virtq *vq, struct virtio_chain *chain, struct iovec *iov)
{
	struct walk walk = { .table = vq->desc, .table_size = vq->num, .index = chain->head, .iov = iov };
	const char *rule;

	for (;;) {
		struct desc desc;

		if (walk.index >= walk.table_size)
			return virtq_broken(vq, "next descriptor %u in a table of %u (virtio 1.2, 2.7.5)", walk.index,
					    walk.table_size);
		/* also those that carry nothing cost time */
		if (walk.steps++ == walk.table_size || walk.steps > vq->row_len)
			return virtq_broken(
				vq, "a chain that loops or is longer than the queue or %u (virtio 1.2, 2.7.5.2)",
				VIRTQ_CHAIN);
		memcpy(&desc, &walk.table[walk.index], sizeof(desc));
		/* the compiler must not read the guest's memory again where it could use the copy */
		__asm__ volatile("" ::: "memory");
		vq->seen[vq->n_seen++] = (struct trace_desc){ .addr = le64_get(desc.addr),
							      .len = le32_get(desc.len),
							      .flags = le16_get(desc.flags),
							      .next = le16_get(desc.next) };

		if (le16_get(desc.flags) & VRING_DESC_F_INDIRECT) {
			rule = walk_enter_indirect(vq, &walk, &desc);
			if (rule)
				return rule;
			continue;
		}
		rule = walk_add_buffer(vq, &walk, chain, &desc);
		if (rule)
			return rule;
		if (!(le16_get(desc.flags) & VRING_DESC_F_NEXT))
			break;
		walk.index = le16_get(desc.next);
	}
	chain->readable = iov;
	chain->writable = iov + chain->n_readable;
	return NULL;
}
