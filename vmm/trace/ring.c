// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/trace/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* An event in the ring; its descriptors and data follow, then padding to 8 bytes. */
struct entry {
	uint32_t size; /* bytes, all of it; 0: nothing more before the ring's end */
	struct trace_event event;
};

int ring_init(struct trace_ring *ring)
{
	void *bytes = mmap(NULL, RING_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (bytes == MAP_FAILED)
		return -ENOMEM;
	*ring = (struct trace_ring){ .bytes = bytes };
	return 0;
}

void ring_release(struct trace_ring *ring)
{
	if (ring->bytes)
		munmap(ring->bytes, RING_SIZE);
	ring->bytes = NULL;
}

/* Room for `size` bytes in one piece, or NULL. */
static struct entry *room(struct trace_ring *ring, size_t size)
{
	size_t tail = (ring->head + ring->used) % RING_SIZE;
	size_t behind = RING_SIZE - tail; /* to the end of the ring: never less than a size field, as all is padded */
	size_t skip = behind < size ? behind : 0;

	if (RING_SIZE - ring->used < skip + size)
		return NULL;
	if (skip) {
		((struct entry *)(ring->bytes + tail))->size = 0;
		ring->used += skip;
		tail = 0;
	}
	ring->used += size;
	return (struct entry *)(ring->bytes + tail);
}

static bool put(struct trace_ring *ring, const struct trace_event *event)
{
	size_t descs = event->n_descs * sizeof(*event->descs);
	size_t size = (sizeof(struct entry) + descs + event->n_data + 7) & ~(size_t)7;
	struct entry *entry = room(ring, size);

	if (!entry)
		return false;
	uint8_t *behind = (uint8_t *)(entry + 1);

	entry->size = (uint32_t)size;
	entry->event = *event;
	entry->event.ns = ring->last_ns;
	if (descs)
		memcpy(behind, event->descs, descs);
	if (event->n_data)
		memcpy(behind + descs, event->data, event->n_data);
	return true;
}

void ring_put(struct trace_ring *ring, const struct trace_event *event)
{
	if (event->ns > ring->last_ns)
		ring->last_ns = event->ns;
	if (ring->crowded_out) {
		struct trace_event dropped = { .kind = TRACE_dropped,
					       .cpu = event->cpu,
					       .args = { ring->crowded_out } };

		if (put(ring, &dropped))
			ring->crowded_out = 0;
	}
	if (ring->crowded_out || !put(ring, event))
		ring->crowded_out++;
}

struct trace_event ring_next(const struct trace_ring *ring, size_t *at, size_t *taken)
{
	const struct entry *entry = (const struct entry *)(ring->bytes + *at);

	if (entry->size == 0) {
		*taken += RING_SIZE - *at;
		*at = 0;
		entry = (const struct entry *)ring->bytes;
	}
	struct trace_event event = entry->event;

	event.descs = (const struct trace_desc *)(entry + 1);
	event.data = (const uint8_t *)(event.descs + event.n_descs);
	*at = (*at + entry->size) % RING_SIZE;
	*taken += entry->size;
	return event;
}

void ring_drop(struct trace_ring *ring, size_t taken)
{
	ring->head = (ring->head + taken) % RING_SIZE;
	ring->used -= taken;
}
