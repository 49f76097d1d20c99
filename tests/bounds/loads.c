// SPDX-License-Identifier: GPL-2.0-only
#include "tests/bounds/loads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"

const char *const shape_names[SHAPES] = { "direct", "indirect", "mixed" };

#define SPANS_MAX 65536u

struct span {
	uint64_t gpa, len;
	unsigned loads;
	const char *what;
};

/* Of the queues of the device that is watched. */
struct looks {
	unsigned found, empty, decisions;
};

static struct {
	const uint8_t *ram;
	uint64_t size;
	const uint64_t *next_gpa; /* of the test's memory that is handed out */
	unsigned beyond;          /* loads behind it */
	uint16_t *counts;         /* of each byte */
	struct virtio_dev *dev;
	struct looks looks[VIRTIO_QUEUES_MAX];
	uint16_t next_desc[VIRTIO_QUEUES_MAX];
	struct span spans[SPANS_MAX];
	unsigned n_spans;
} watch;

/* --- what the instrumented objects call --------------------------------------------------------------------------- */

static void load(const volatile void *at, size_t len)
{
	uint64_t off = (uint64_t)((const volatile uint8_t *)at - watch.ram);

	if (!watch.ram || off >= watch.size)
		return;
	if (off + len > *watch.next_gpa)
		__atomic_fetch_add(&watch.beyond, 1, __ATOMIC_RELAXED);
	for (size_t i = 0; i < len && off + i < watch.size; i++)
		__atomic_fetch_add(&watch.counts[off + i], 1, __ATOMIC_RELAXED); /* the loop's thread counts as well */
}

/* Names and signatures are the compiler's, so no header declares them. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define ON_ACCESS(size)                                  \
	void __tsan_read##size(void *at)                 \
	{                                                \
		load(at, size);                          \
	}                                                \
	void __tsan_unaligned_read##size(void *at)       \
	{                                                \
		load(at, size);                          \
	}                                                \
	void __tsan_write##size(void *at)                \
	{                                                \
		(void)at;                                \
	}                                                \
	void __tsan_unaligned_write##size(void *at)      \
	{                                                \
		(void)at;                                \
	}                                                \
	void __tsan_read_write##size(void *at)           \
	{                                                \
		load(at, size);                          \
	}                                                \
	void __tsan_unaligned_read_write##size(void *at) \
	{                                                \
		load(at, size);                          \
	}
ON_ACCESS(1)
ON_ACCESS(2)
ON_ACCESS(4)
ON_ACCESS(8)
ON_ACCESS(16)
void __tsan_read_range(void *at, size_t len)
{
	load(at, len);
}
void __tsan_write_range(void *at, size_t len)
{
	(void)at, (void)len;
}
void __tsan_init(void)
{
}
void __tsan_func_entry(void *from)
{
	(void)from;
}
void __tsan_func_exit(void)
{
}
void __tsan_atomic_thread_fence(int order)
{
	(void)order;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Orders are not passed on: the strongest is right for all. */
#define ON_ATOMIC(bits)                                                                                \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order)        \
	{                                                                                              \
		(void)order;                                                                           \
		load(at, bits / 8);                                                                    \
		return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                          \
	}                                                                                              \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value, int order) \
	{                                                                                              \
		(void)order;                                                                           \
		__atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                         \
	}                                                                                              \
	ON_CHANGE(bits, exchange, __atomic_exchange_n)                                                 \
	ON_CHANGE(bits, fetch_add, __atomic_fetch_add)                                                 \
	ON_CHANGE(bits, fetch_or, __atomic_fetch_or)                                                   \
	ON_CHANGE(bits, fetch_and, __atomic_fetch_and)
#define ON_CHANGE(bits, name, change)                                                                             \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at, uint##bits##_t value, int order) \
	{                                                                                                         \
		(void)order;                                                                                      \
		load(at, bits / 8);                                                                               \
		return change(at, value, __ATOMIC_SEQ_CST);                                                       \
	}
ON_ATOMIC(8)
ON_ATOMIC(16)
ON_ATOMIC(32)
ON_ATOMIC(64)

void *loads_memcpy(void *to, const void *from, size_t len)
{
	load(from, len);
	return memcpy(to, from, len);
}

void *loads_memmove(void *to, const void *from, size_t len)
{
	load(from, len);
	return memmove(to, from, len);
}

int loads_memcmp(const void *a, const void *b, size_t len)
{
	load(a, len);
	load(b, len);
	return memcmp(a, b, len);
}

/* --- what the linker leads here (Makefile: --wrap) ---------------------------------------------------------------- */

int __real_vq_pop(struct virtio_dev *dev, unsigned q, struct virtio_chain *chain);
int __wrap_vq_pop(struct virtio_dev *dev, unsigned q, struct virtio_chain *chain)
{
	int popped = __real_vq_pop(dev, q, chain);

	if (dev == watch.dev)
		*(popped > 0 ? &watch.looks[q].found : &watch.looks[q].empty) += 1;
	return popped;
}

bool __real_virtq_notify(struct virtq *vq);
bool __wrap_virtq_notify(struct virtq *vq)
{
	if (watch.dev && vq == &watch.dev->queues[vq->owner.index])
		watch.looks[vq->owner.index].decisions++;
	return __real_virtq_notify(vq);
}

/* --- what is wanted ----------------------------------------------------------------------------------------------- */

void loads_begin(struct driver *driver)
{
	struct memory *memory = &driver->rig->vm->memory;

	pthread_mutex_lock(&driver->dev->lock);
	free(watch.counts);
	memset(watch.looks, 0, sizeof(watch.looks));
	memset(watch.next_desc, 0, sizeof(watch.next_desc));
	watch.n_spans = 0;
	watch.beyond = 0;
	watch.next_gpa = &driver->rig->next_gpa;
	watch.dev = driver->dev;
	watch.size = memory->size;
	watch.counts = calloc(memory->size, sizeof(*watch.counts)); /* what is not touched costs nothing */
	watch.ram = memory->mapping;
	pthread_mutex_unlock(&driver->dev->lock);
	assert_non_null(watch.counts);
}

static void want(uint64_t gpa, uint64_t len, unsigned loads, const char *what)
{
	assert_true(watch.n_spans < SPANS_MAX);
	watch.spans[watch.n_spans++] = (struct span){ gpa, len, loads, what };
}

/* A part in guest memory, a piece each `cut` bytes. */
static unsigned place(struct rig *rig, const struct part *part, uint32_t cut, struct piece *pieces, unsigned n)
{
	for (uint32_t at = 0; at < part->len; at += cut) {
		uint32_t len = part->len - at < cut ? part->len - at : cut;
		uint64_t gpa = gpa_alloc(rig, len + 1ull, 1); /* one byte behind it is nobody's */

		if (part->bytes)
			memcpy(gpa_ptr(rig, gpa, len), (const uint8_t *)part->bytes + at, len);
		want(gpa, len, part->loads, part->writable ? "a writable buffer" : "a readable buffer");
		pieces[n++] = (struct piece){ gpa, len, part->writable };
	}
	return n;
}

static void put(struct rig *rig, uint64_t table, uint16_t at, const struct piece *piece, bool last)
{
	put_desc(rig, table, at, piece->gpa, piece->len,
		 (uint16_t)((piece->writable ? D_WRITE : 0) | (last ? 0 : D_NEXT)), (uint16_t)(at + 1));
	want(table + 16ull * at, 16, 1, "a descriptor");
}

void loads_chain(struct ring *ring, enum shape shape, uint32_t cut, const struct part *parts, unsigned n_parts)
{
	struct rig *rig = ring->driver->rig;
	struct piece pieces[1024];
	unsigned n = 0, n_direct;
	uint16_t at = watch.next_desc[ring->q], head = at;

	for (unsigned i = 0; i < n_parts; i++)
		n = place(rig, &parts[i], cut, pieces, n);
	n_direct = shape == DIRECT ? n : shape == INDIRECT ? 0 : n / 2;
	for (unsigned i = 0; i < n_direct; i++)
		put(rig, ring->desc, at++, &pieces[i], i + 1 == n);
	if (n_direct < n) {
		uint64_t table = gpa_alloc(rig, 16ull * (n - n_direct), 16);

		ring_desc(ring, at, table, 16 * (n - n_direct), D_INDIRECT, 0);
		want(ring->desc + 16ull * at++, 16, 1, "the descriptor of a table");
		for (unsigned i = n_direct; i < n; i++)
			put(rig, table, (uint16_t)(i - n_direct), &pieces[i], i + 1 == n);
	}
	assert_true(at <= ring->num);
	watch.next_desc[ring->q] = at;
	want(ring->avail + 4 + 2ull * (ring->avail_idx % ring->num), 2, 1, "a slot of the available ring");
	ring_add(ring, head);
}

/* --- what was ----------------------------------------------------------------------------------------------------- */

static char said[256];

static bool is(uint64_t gpa, unsigned least, unsigned most, const char *what)
{
	unsigned got = watch.counts[gpa];

	watch.counts[gpa] = 0;
	if (got >= least && got <= most)
		return true;
	snprintf(said, sizeof(said), "%s, gpa 0x%llx: loaded %u times, not %u to %u times", what,
		 (unsigned long long)gpa, got, least, most);
	return false;
}

static bool fields_are(const struct ring *ring, bool event_idx)
{
	const struct looks *looks = &watch.looks[ring->q];
	uint64_t event = ring->avail + 4 + 2ull * ring->num;
	bool good = true;

	for (unsigned byte = 0; byte < 2 && good; byte++)
		good = is(ring->avail + byte, 0, event_idx ? 0 : looks->decisions, "avail.flags") &&
		       is(ring->avail + 2 + byte, looks->found, looks->found + (event_idx ? 2 : 1) * looks->empty,
			  "avail.idx") &&
		       is(event + byte, 0, event_idx ? looks->decisions : 0, "used_event");
	return good;
}

const char *loads_wrong(struct driver *driver, bool event_idx)
{
	const char *wrong = NULL;

	/* whoever showed the driver what it waited for may still be in virtio_leave() */
	pthread_mutex_lock(&driver->dev->lock);
	watch.ram = NULL;
	for (unsigned q = 0; q < driver->dev->n_queues && !wrong; q++)
		wrong = fields_are(&driver->rings[q], event_idx) ? NULL : said;
	for (unsigned i = 0; i < watch.n_spans && !wrong; i++) {
		const struct span *span = &watch.spans[i];

		for (uint64_t at = 0; at < span->len && !wrong; at++)
			wrong = is(span->gpa + at, span->loads, span->loads, span->what) ? NULL : said;
	}
	for (uint64_t gpa = 0; gpa < *watch.next_gpa && !wrong; gpa++)
		wrong = is(gpa, 0, 0, "what the driver gave nobody") ? NULL : said;
	if (watch.beyond && !wrong)
		wrong = "memory that the driver gave nobody was loaded";
	watch.dev = NULL;
	pthread_mutex_unlock(&driver->dev->lock);
	return wrong;
}
