// SPDX-License-Identifier: GPL-2.0-only
/* Drivers that lay things over each other, and two processors that are not at one, with every class of device: h4, h12,
 * h13 of checklist E and what it does not name, h26 on. */
#include <string.h>

#include "devices/virtio/core.h"
#include "tests/unit/anydrive.h"
#include "tests/unit/support.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ROUNDS       300u  /* of work while another thread does its worst */
#define STEPS        3000u /* of that at least, however late its thread comes to run */
#define HOLE         0xd0000000u

static uint64_t next_random(void)
{
	static _Thread_local uint64_t state = 0x9e3779b97f4a7c15u;

	return random_next(&state);
}

/* --- areas over each other ---------------------------------------------------------------------------------------- */

/* The work queue's areas at these offsets of the scratch; buffers are made available in them all the same. */
static void overlapped(struct anydrive *any, uint64_t desc, uint64_t avail, uint64_t used)
{
	struct driver *d = &any->d;
	struct ring *ring = &d->rings[any->work];

	assert_true(driver_negotiate(d, any->features));
	memset(gpa_ptr(any->rig, any->scratch, ANY_SCRATCH), 0, ANY_SCRATCH);
	*ring = (struct ring){ .driver = d,
			       .q = any->work,
			       .num = ANY_NUM,
			       .desc = any->scratch + desc,
			       .avail = any->scratch + avail,
			       .used = any->scratch + used };
	ring_program(ring);
	ring_ready(ring, 1);
	reg_put(d, R_STATUS, S_UP);
	for (uint16_t i = 0; i < 3 * ANY_NUM; i++) {
		ring_desc(ring, i % ANY_NUM, any->scratch + 4096 + 16u * i, 16, i & 1 ? D_WRITE : 0, 0);
		ring_add(ring, i % ANY_NUM);
		any_kick(any, any->work);
	}
	any_oracle(any);
}

static void h26(struct anydrive *any)
{
	overlapped(any, 0, 1024, 0);
	overlapped(any, 0, 1024, 16);
}

static void h27(struct anydrive *any)
{
	overlapped(any, 1024, 0, 0);
	overlapped(any, 1024, 2, 0);
	overlapped(any, 1024, 4, 0);
}

static void h28(struct anydrive *any)
{
	overlapped(any, 0, 0, 1024);
	overlapped(any, 0, 0, 0);
}

/* One chain of a readable and a writable buffer on each queue, then an ordinary request. */
static void chain_of(struct anydrive *any, uint64_t in, uint64_t out, uint32_t len)
{
	for (unsigned q = 0; q < any->n_queues; q++) {
		struct ring *ring = &any->d.rings[q];

		any_up(any);
		ring_desc(ring, 4, in ? in : ring->desc, len, D_NEXT, 5);
		ring_desc(ring, 5, out ? out : ring->used, len, D_WRITE, 0);
		ring_desc(ring, 6, out ? out : ring->desc, len, D_WRITE, 0);
		any_judged(any, q, 6);
		if (!(reg_get(&any->d, R_STATUS) & S_NEEDS_RESET))
			any_judged(any, q, 4);
		any_oracle(any);
	}
}

static void h29(struct anydrive *any)
{
	chain_of(any, 0, 0, 128);
}

static void h31(struct anydrive *any)
{
	chain_of(any, any->scratch, any->scratch, 64);
	chain_of(any, any->scratch, any->scratch + 32, 64);
}

static void h30(struct anydrive *any)
{
	struct ring *ring = &any->d.rings[any->work];

	any->features |= F_INDIRECT;
	for (uint16_t i = 0; i < 4; i++) {
		any_up(any);
		uint64_t table = (ring->used + 15) & ~15ull;

		put_desc(any->rig, table, 0, table, 32, i & 1 ? D_WRITE : 0, 0);
		ring_desc(ring, 4, table, 16, D_INDIRECT, 0);
		for (unsigned again = 0; again < 3; again++) {
			ring_add(ring, 4);
			any_kick(any, any->work);
		}
		any_oracle(any);
	}
}

static void h32(struct anydrive *any)
{
	static const uint16_t events[] = { 0, 1, 0x7fff, 0x8000, 0xfffe, 0xffff };
	struct ring *ring = &any->d.rings[any->work];

	any->features |= F_EVENT_IDX;
	for (unsigned i = 0; i < COUNT(events); i++) {
		any_up(any);
		ring_set_used_event(ring, events[i]);
		ring_set_avail_flags(ring, 0xffff);
		for (unsigned again = 0; again < 3; again++) {
			any_request(any);
			ring_add(ring, 0);
			any_kick(any, any->work);
			assert_int_equal(any_answer(any, any->work), ANY_USED);
		}
	}
	any_oracle(any);
}

static void h34(struct anydrive *any)
{
	struct driver *d = &any->d;
	struct ring *ring = &d->rings[any->work];

	reg_put(d, R_STATUS, 0);
	ring_place(ring, ANY_NUM);
	ring_program(ring);
	ring_ready(ring, 1); /* before ACKNOWLEDGE */
	reg_put(d, R_STATUS, S_ACKNOWLEDGE);
	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	write_features(d, any->features);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	reg_put(d, R_STATUS, S_UP);
	any_request(any);
	ring_add(ring, 0);
	any_kick(any, any->work);
	assert_int_equal(any_answer(any, any->work), ANY_USED);
	any_oracle(any);
}

static void h37(struct anydrive *any)
{
	struct driver *d = &any->d;

	for (uint32_t reg = 0; reg < R_CONFIG; reg++) {
		any_up(any);
		for (unsigned len = 1; len <= 8; len *= 2) {
			if (len == 4 && reg % 4 == 0)
				continue;
			window_put(d, reg, len, UINT64_MAX);
			if (reg + len <= R_CONFIG)
				assert_true(window_get(d, reg, len) == 0);
		}
		assert_int_equal(reg_get(d, R_STATUS), S_UP);
	}
	any_oracle(any);
}

/* The sibling's rings as its own, while the sibling works; and one ring for all of its queues. */
static void h41(struct anydrive *any)
{
	struct driver *d = &any->d;
	struct ring *ring = &d->rings[any->work], *theirs = &any->sibling.rings[0];

	assert_true(driver_negotiate(d, any->features));
	ring_place(ring, theirs->num);
	ring->desc = theirs->desc;
	ring->avail = theirs->avail;
	ring_program(ring);
	ring_ready(ring, 1);
	reg_put(d, R_STATUS, S_UP);
	for (unsigned i = 0; i < 4; i++) {
		any_kick(any, any->work);
		any_oracle(any); /* sends it a number */
	}
	assert_true(driver_negotiate(d, any->features));
	ring_place(ring, ANY_NUM);
	for (unsigned q = 0; q < any->n_queues; q++) {
		struct ring same = *ring;

		same.q = q;
		ring_program(&same);
		ring_ready(&same, 1);
	}
	reg_put(d, R_STATUS, S_UP);
	for (unsigned i = 0; i < 8; i++) {
		any_request(any);
		ring_add(ring, 0);
		for (unsigned q = 0; q < any->n_queues; q++)
			any_kick(any, q);
	}
	any_oracle(any);
}

static void h46(struct anydrive *any)
{
	any->features |= F_INDIRECT;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct ring *ring = &any->d.rings[i % any->n_queues];

		any_up(any);
		for (uint16_t at = 0; at < ANY_NUM; at++) {
			uint64_t random = next_random();

			ring_desc(ring, at, any->scratch + (random & 0xfff), (uint32_t)(random >> 16) & 0x3f,
				  (uint16_t)(random >> 32 & 7), (uint16_t)(random >> 48 & (ANY_NUM - 1)));
		}
		for (unsigned head = 0; head < 8; head++)
			ring_add(ring, (uint16_t)(next_random() >> 32 & (ANY_NUM - 1)));
		any_kick(any, ring->q);
		any_occasion(any);
	}
	any_oracle(any);
}

/* --- two processors ----------------------------------------------------------------------------------------------- */

/* Good requests, and from the start where that did not go well, while a second thread calls `step`. */
static void race(struct anydrive *any, any_case *step)
{
	uint64_t lowest = any->rig->next_gpa;

	any_up(any);
	any_race_begin(any, step);
	for (unsigned i = 0; i < ROUNDS || any_race_steps() < STEPS; i++) {
		if (i % 512 == 511) /* each time with new rings: what they were before is needed no more */
			any->rig->next_gpa = lowest;
		if (reg_get(&any->d, R_STATUS) != S_UP)
			driver_up(&any->d, any->features); /* the other one may break it */
		any_request(any);
		ring_add(&any->d.rings[any->work], 0);
		for (unsigned q = 0; q < any->n_queues; q++)
			any_kick(any, q);
	}
	any_race_end();
	any_oracle(any);
}

static void rewrite_queue(struct anydrive *any)
{
	static const uint32_t regs[] = { R_QUEUE_NUM, R_QUEUE_DESC_LOW, R_QUEUE_DRIVER_LOW, R_QUEUE_DEVICE_LOW,
					 R_QUEUE_DEVICE_HIGH };
	const uint32_t values[] = { (uint32_t)any->scratch, (uint32_t)any->scratch + 2048, HOLE, 1, 8, 16, UINT32_MAX,
				    (uint32_t)RAM_SIZE - 16 };
	uint64_t random = next_random();

	reg_put(&any->d, R_QUEUE_SEL, any->work);
	reg_put(&any->d, R_QUEUE_READY, random & 1);
	reg_put(&any->d, regs[(random >> 8) % COUNT(regs)], values[(random >> 16) % COUNT(values)]);
}

static void flip_descriptors(struct anydrive *any)
{
	static const uint32_t lens[] = { 0, 1, 4, 16, 512, 2048, 0x7fffffff, 0xffffffff };
	const uint64_t addrs[] = { any->scratch, any->scratch + 1, RAM_SIZE - 8, HOLE, UINT64_MAX - 7, any->d.base };
	uint64_t random = next_random(), desc = any->d.rings[any->work].desc + 16 * (random % 3);

	switch (random >> 8 & 3) {
	case 0: put64(any->rig, desc, addrs[(random >> 16) % COUNT(addrs)]); break;
	case 1: put32(any->rig, desc + 8, lens[(random >> 16) % COUNT(lens)]); break;
	case 2: put16(any->rig, desc + 12, random >> 16 & 7); break;
	default: put16(any->rig, desc + 14, (uint16_t)(random >> 16 & (random & 0x1000 ? 0xffff : 3)));
	}
}

static void reset(struct anydrive *any)
{
	reg_put(&any->d, R_STATUS, 0);
}

static void run_away(struct anydrive *any)
{
	uint64_t avail = any->d.rings[any->work].avail;

	put16(any->rig, avail + 4 + 2 * (next_random() >> 32 & (ANY_NUM - 1)), (uint16_t)(next_random() >> 40 & 31));
	put16(any->rig, avail + 2, (uint16_t)(get16(any->rig, avail + 2) + (next_random() >> 32 & 1)));
}

static void reset_queue(struct anydrive *any)
{
	struct ring *ring = &any->d.rings[any->work];

	reg_put(&any->d, R_QUEUE_SEL, any->work);
	reg_put(&any->d, R_QUEUE_RESET, 1);
	ring_program(ring);
	ring_ready(ring, 1);
}

static void write_config(struct anydrive *any)
{
	uint64_t random = next_random();

	window_put(&any->d, R_CONFIG + (random & 63), 1u << (random >> 8 & 3), random >> 16);
	window_get(&any->d, R_CONFIG + (random >> 24 & 63), 1u << (random >> 32 & 3));
}

static void write_status(struct anydrive *any)
{
	static const uint32_t values[] = { 0, 1, 3, S_FEATURES_DONE, S_UP, S_FAILED, 0xff, S_NEEDS_RESET };

	reg_put(&any->d, R_STATUS, values[next_random() >> 32 & 7]);
}

static void h4(struct anydrive *any)
{
	static const uint32_t values[] = { 0, 1, 0x8000, 0xffffffff, (uint32_t)RAM_SIZE };

	any_up(any); /* what is written while the queue is ready changes nothing (4.2.2.2) */
	reg_put(&any->d, R_QUEUE_SEL, any->work);
	for (unsigned i = 0; i < COUNT(values); i++) {
		reg_put(&any->d, R_QUEUE_NUM, values[i]);
		for (uint32_t reg = R_QUEUE_DESC_LOW; reg <= R_QUEUE_DEVICE_HIGH; reg += 4)
			reg_put(&any->d, reg, values[i]);
		any_request(any);
		ring_add(&any->d.rings[any->work], 0);
		any_kick(any, any->work);
		assert_int_equal(any_answer(any, any->work), ANY_USED);
	}
	ring_add(&any->d.rings[any->work], ANY_NUM); /* a head beyond the size that it was enabled with */
	any_kick(any, any->work);
	assert_int_equal(any_answer(any, any->work), ANY_FAILED);
	any_oracle(any);
	race(any, rewrite_queue);
}

static void h12(struct anydrive *any)
{
	race(any, flip_descriptors);
	any->features |= F_INDIRECT;
	race(any, flip_descriptors);
}

static void h13(struct anydrive *any)
{
	race(any, reset);
}

static void h33(struct anydrive *any)
{
	race(any, run_away);
	any->features |= F_EVENT_IDX;
	race(any, run_away);
}

static void h35(struct anydrive *any)
{
	race(any, reset_queue);
}

static void h36(struct anydrive *any)
{
	race(any, write_config);
}

static void h43(struct anydrive *any)
{
	race(any, write_status);
}

int main(void)
{
	static const struct any_test tests[] = {
		{ "h4: a queue's registers are rewritten while it is kicked", h4 },
		{ "h12: descriptors change while they are read", h12 },
		{ "h13: resets race kicks and timers", h13 },
		{ "h26: the used ring lies over the descriptor table", h26 },
		{ "h27: the used ring lies over the available ring", h27 },
		{ "h28: the available ring lies over the descriptor table; all are one", h28 },
		{ "h29: buffers over the rings of their own queue", h29 },
		{ "h30: an indirect table lies over the used ring, and describes itself", h30 },
		{ "h31: the same memory twice in one chain", h31 },
		{ "h32: event indices that never come, or always", h32 },
		{ "h33: avail.idx runs away while buffers are popped", h33 },
		{ "h34: a queue is enabled before FEATURES_OK", h34 },
		{ "h35: a queue is reset while it is kicked", h35 },
		{ "h36: a storm on configuration space", h36 },
		{ "h37: registers by every width and misaligned", h37 },
		{ "h41: rings of the sibling, and one ring for all queues", h41 },
		{ "h43: status is written during the handshake", h43 },
		{ "h46: random descriptors", h46 },
	};

	return any_run_group("hostile drivers of our own", tests, COUNT(tests));
}
