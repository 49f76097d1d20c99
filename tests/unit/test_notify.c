// SPDX-License-Identifier: GPL-2.0-only
/* The split ring: who tells whom, and when (virtio 1.2, 2.7.7, 2.7.10, 2.7.13, 2.7.14). */
#include "tests/unit/driver.h"

#include <endian.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "vmm/clock.h"

#define RACES    60000
#define SPINS    2000          /* turns of an empty loop */
#define COPIED   256           /* bytes */
#define PATIENCE 5000000000ull /* ns */

/* Serves one buffer and acknowledges it; how many edges it made. */
static uint64_t edges_of_one(struct driver *d)
{
	edges(d);
	assert_true(echo_serves(d));
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	return edges(d);
}

static void without_event_idx_flags_0_notifies(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned i = 0; i < 20; i++) {
		ring_set_used_event(&d->rings[0], (uint16_t)(i * 0x1357)); /* means nothing here */
		assert_int_equal(edges_of_one(d), 1);
	}
}

static void without_event_idx_flags_1_does_not(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	ring_set_avail_flags(&d->rings[0], 1);
	for (unsigned i = 0; i < 20; i++) {
		ring_set_used_event(&d->rings[0], (uint16_t)i); /* this slot; but it means nothing here */
		assert_int_equal(edges_of_one(d), 0);
	}
	assert_int_equal(reg_get(d, R_INTERRUPT_STATUS), 0);
	echo_command(d, ECHO_CHANGE); /* the flag is for used buffers alone */
	assert_int_equal(edges(d), 1);
	ring_set_avail_flags(&d->rings[0], 0);
	assert_int_equal(edges_of_one(d), 1);
}

/* 2.7.7.2: the slot whose index equals used_event notifies; ours is read as used.idx - 1 before the increment. */
static void event_idx_slot_notifies(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	for (unsigned flags = 0; flags < 2; flags++) { /* bit 0 is ignored */
		ring_set_avail_flags(&d->rings[0], (uint16_t)flags);
		for (unsigned i = 0; i < 20; i++) {
			uint16_t slot = ring_used_idx(&d->rings[0]);

			ring_set_used_event(&d->rings[0], slot);
			assert_int_equal(edges_of_one(d), 1);
		}
	}
}

static void event_idx_other_slots_need_not(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	for (unsigned i = 0; i < 10; i++) {
		ring_set_used_event(&d->rings[0], 10);
		assert_int_equal(edges_of_one(d), 0);
	}
	assert_int_equal(edges_of_one(d), 1);
	assert_int_equal(edges_of_one(d), 0); /* it was the one, not all from it on */
}

/* The event lies inside a batch that is given back in one go. */
static void event_idx_inside_a_batch(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[0];

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	for (unsigned round = 0; round < 30; round++) {
		uint16_t first = ring_used_idx(ring);
		int event = (int)(round % 10) - 2; /* -2, -1 and 6, 7 are outside of 6 */

		for (uint16_t i = 0; i < 6; i++)
			echo_add(d, 0, i, 1, 0);
		ring_set_used_event(ring, (uint16_t)(first + event));
		kick(d, 0);
		assert_int_equal(ring_used_idx(ring), (uint16_t)(first + 6));
		assert_int_equal(edges(d), event >= 0 && event < 6);
		reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	}
}

static void event_idx_across_the_wrap(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[0];
	unsigned notified = 0;

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	ring_desc(ring, 0, gpa_alloc(d->rig, 1, 1), 1, 0, 0);
	for (uint32_t i = 0; i < 65536 + 20; i++) {
		ring_set_used_event(ring, (uint16_t)(i & ~1u)); /* every even slot */
		ring_add(ring, 0);
		kick(d, 0);
		notified += (unsigned)edges(d);
		reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	}
	assert_int_equal(notified, 32768 + 10);
}

static void used_flags(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		assert_true(driver_up(d, F_VERSION_1 | (event_idx ? F_EVENT_IDX : 0)));
		for (unsigned i = 0; i < 20; i++) {
			assert_true(ring_used_flags(&d->rings[0]) <= !event_idx);
			assert_true(echo_serves(d));
		}
	}
}

/* avail_event is there only with EVENT_IDX (2.7.8). */
static void no_avail_event_without_event_idx(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[0];

	assert_true(driver_up(d, F_VERSION_1));
	put16(d->rig, ring->used + 4 + 8ull * ring->num, 0x5a5a);
	for (unsigned i = 0; i < 20; i++)
		assert_true(echo_serves(d));
	assert_int_equal(ring_avail_event(ring), 0x5a5a);
}

/* A driver that sets its queues up before FEATURES_OK: what was agreed counts for them as well. */
static void queue_that_was_ready_before_features_ok(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;
	struct ring *ring = &d->rings[0];
	uint64_t table = gpa_alloc(d->rig, 16, 16);

	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_DRIVER);
	ring_place(ring, 8);
	ring_program(ring);
	ring_ready(ring, 1);
	write_features(d, F_VERSION_1 | F_EVENT_IDX | F_INDIRECT);
	reg_put(d, R_STATUS, S_FEATURES_DONE);
	reg_put(d, R_STATUS, S_UP);
	ring_set_used_event(ring, 1);
	assert_int_equal(edges_of_one(d), 0);
	assert_int_equal(edges_of_one(d), 1);
	assert_int_equal(ring_avail_event(ring), 2);
	put_desc(d->rig, table, 0, gpa_alloc(d->rig, 4, 1), 4, 0, 0);
	ring_desc(ring, 0, table, 16, D_INDIRECT, 0);
	ring_add(ring, 0);
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), 3);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
}

/* Flag 1 would keep a driver from kicking: nobody polls, so it has to be 0 whenever a kick is needed. */
static void kicks_are_asked_for_when_idle(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	assert_true(driver_up(d, F_VERSION_1));
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(ring_used_flags(&d->rings[0]), 0);
		assert_true(echo_serves(d));
	}
	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(ring_avail_event(&d->rings[0]), i); /* the entry that the driver adds next */
		assert_true(echo_serves(d));
	}
}

static void spurious_kicks_are_harmless(void **state)
{
	struct driver *d = &((struct rig *)*state)->a;

	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		assert_true(driver_up(d, F_VERSION_1 | (event_idx ? F_EVENT_IDX : 0)));
		ring_set_used_event(&d->rings[0], 0);
		for (unsigned i = 0; i < 100; i++)
			kick(d, i % 2);
		assert_int_equal(edges(d), 0);
		assert_int_equal(reg_get(d, R_STATUS), S_UP);
		assert_true(echo_serves(d));
		reg_put(d, R_INTERRUPT_ACK, ISR_USED);
		assert_int_equal(edges(d), 1);
		for (unsigned i = 0; i < 100; i++)
			kick(d, 0);
		assert_int_equal(edges(d), 0); /* the old buffer is not told of again */
		assert_int_equal(ring_used_idx(&d->rings[0]), 1);
	}
}

/* --- two threads: the loop is the device, this one the driver ---------------------------------------------------- */

static int kick_fd(struct driver *d, uint64_t q)
{
	struct vm *vm = d->rig->vm;

	for (unsigned i = 0; i < vm->n_ioeventfds; i++)
		if (vm->ioeventfds[i].gpa == d->base + R_QUEUE_NOTIFY && vm->ioeventfds[i].datamatch == q)
			return vm->ioeventfds[i].fd;
	fail_msg("no ioeventfd for queue %u", (unsigned)q);
	return -1;
}

/* 2.7.13.4: the driver kicks only where avail_event asks for it; true where it did. */
static bool kick_if_asked(struct ring *ring, uint16_t old, int fd)
{
	uint64_t one = 1;

	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with the device's, between arming and its second look */
	if ((uint16_t)(ring->avail_idx - ring_avail_event(ring) - 1) >= (uint16_t)(ring->avail_idx - old))
		return false;
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	return true;
}

/* Before the buffer is used: for when it happens, not for what is in it, so that is no race to be reported. */
static __attribute__((no_sanitize("thread"))) uint8_t peek(const volatile uint8_t *byte)
{
	return *byte;
}

/*
 * Two buffers at a time: the first wakes the device, and once it is at work the second is added, each time a little
 * later, so that it comes just when the device arms its kicks. Without a full barrier and a second look there, sooner
 * or later a buffer waits for ever.
 */
static void no_kick_is_lost(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = &d.rings[0];
	uint64_t in = gpa_alloc(rig, COPIED, 64), out = gpa_alloc(rig, COPIED, 64), byte = gpa_alloc(rig, 1, 64);
	unsigned kicks = 0;

	assert_int_equal(driver_add(&d, rig, "echo", "notify=ioeventfd"), 0);
	assert_true(driver_up(&d, F_VERSION_1 | F_EVENT_IDX));
	ring_set_used_event(ring, 0x8000);
	ring_desc(ring, 0, in, COPIED, D_NEXT, 1);
	ring_desc(ring, 1, out, COPIED, D_WRITE, 0);
	ring_desc(ring, 2, byte, 1, 0, 0);
	int fd = kick_fd(&d, 0);
	uint8_t *from = gpa_ptr(rig, in, 1), *first = gpa_ptr(rig, out, 1);

	rig_loop_start(rig);
	for (uint32_t i = 0; i < RACES; i++) {
		uint64_t start = clock_ns();

		*from = (uint8_t)(i + 1);
		ring_add(ring, 0);
		kicks += kick_if_asked(ring, (uint16_t)(ring->avail_idx - 1), fd);
		while (peek(first) != (uint8_t)(i + 1))
			if (clock_ns() > start + PATIENCE)
				fail_msg("pair %u: the first waits, avail_event %u", i, ring_avail_event(ring));
		for (uint32_t spin = i % SPINS; spin; spin--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
		ring_add(ring, 2);
		kicks += kick_if_asked(ring, (uint16_t)(ring->avail_idx - 1), fd);
		while (ring_used_idx(ring) != ring->avail_idx)
			if (clock_ns() > start + PATIENCE)
				fail_msg("pair %u: the second waits, avail_event %u", i, ring_avail_event(ring));
	}
	rig_loop_stop(rig);
	/* a first that is added before the device has armed its kicks behind the pair before it needs none */
	assert_in_range(kicks, RACES / 2, 2 * RACES);
}

/* The driver looks at an entry as soon as used.idx covers it: id and len must be there by then. */
static void entry_before_used_idx(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = &d.rings[0];
	uint64_t one = 1;

	assert_int_equal(driver_add(&d, rig, "echo", "notify=ioeventfd"), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	ring_set_avail_flags(ring, 1);
	int fd = kick_fd(&d, 0);
	uint64_t in = gpa_alloc(rig, 8, 8), out = gpa_alloc(rig, 8, 8);

	for (uint16_t i = 0; i < 8; i += 2) {
		ring_desc(ring, i, in, 8, D_NEXT, (uint16_t)(i + 1));
		ring_desc(ring, (uint16_t)(i + 1), out, 8, D_WRITE, 0);
	}
	rig_loop_start(rig);
	for (uint32_t i = 0; i < RACES; i++) {
		uint16_t head = (uint16_t)(i * 2 % 8), at = ring->avail_idx;
		uint64_t entry = ring->used + 4 + 8ull * (at % 8);
		uint64_t start = clock_ns();

		put32(rig, entry, 0xdead);
		put32(rig, entry + 4, 0xdead);
		put64(rig, in, i);
		put64(rig, out, UINT64_MAX);
		ring_add(ring, head);
		assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
		while (ring_used_idx(ring) == at)
			if (clock_ns() > start + PATIENCE)
				fail_msg("buffer %u waits", i);
		if (ring_used_id(ring, at) != head || ring_used_len(ring, at) != 8 || get32(rig, out) != i)
			fail_msg("buffer %u: used.idx came before its entry or its bytes", i);
	}
	rig_loop_stop(rig);
}

/* One kick takes a queue's worth; what came meanwhile is not forgotten, the loop goes on with it. */
static void more_than_one_kick_may_take(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];
	uint64_t start = clock_ns();

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	for (uint16_t i = 0; i < 8; i++)
		echo_add(d, 0, i, 1, 0);
	kick(d, 0); /* all of its share, so that it has not looked whether there is more */
	assert_int_equal(ring_used_idx(ring), 8);
	echo_add(d, 0, 0, 1, 0); /* and a driver that trusts avail_event, which is 0, does not kick for this */
	assert_int_equal(ring_avail_event(ring), 0);
	rig_loop_start(rig);
	while (ring_used_idx(ring) != 9)
		if (clock_ns() > start + PATIENCE)
			fail_msg("the ninth buffer waits");
	rig_loop_stop(rig);
	assert_int_equal(ring_avail_event(ring), 9);
}

static void notify_by_eventfd_is_the_same_kick(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t one = 1;
	uint64_t start = clock_ns();

	assert_int_equal(driver_add(&d, rig, "echo", "notify=ioeventfd"), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	assert_int_not_equal(kick_fd(&d, 0), kick_fd(&d, 1));
	assert_int_equal(rig->vm->n_ioeventfds, 2); /* none for the devices that want exits */
	assert_int_equal(rig->vm->ioeventfds[0].len, 4);
	echo_add(&d, ECHO_HOLD, 0, 4, 0);
	echo_add(&d, 0, 0, 4, 0);
	assert_int_equal(write(kick_fd(&d, 1), &one, sizeof(one)), sizeof(one));
	rig_loop_start(rig);
	while (echo_held(&d) == 0)
		if (clock_ns() > start + PATIENCE)
			fail_msg("the eventfd is not heard");
	rig_loop_stop(rig);
	assert_int_equal(ring_used_idx(&d.rings[0]), 0);
	assert_true(echo_of(&d)->pops == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(56, without_event_idx_flags_0_notifies),
		RIG_ITEM(57, without_event_idx_flags_1_does_not),
		RIG_ITEM(58, event_idx_slot_notifies),
		RIG_ITEM(58, event_idx_other_slots_need_not),
		RIG_ITEM(58, event_idx_inside_a_batch),
		RIG_ITEM(58, event_idx_across_the_wrap),
		RIG_ITEM(60, used_flags),
		RIG_TEST(no_avail_event_without_event_idx),
		RIG_ITEM(58, queue_that_was_ready_before_features_ok),
		RIG_ITEM(59, kicks_are_asked_for_when_idle),
		RIG_ITEM(61, spurious_kicks_are_harmless),
		RIG_ITEM(62, no_kick_is_lost),
		RIG_ITEM(54, entry_before_used_idx),
		RIG_ITEM(62, more_than_one_kick_may_take),
		RIG_ITEM(22, notify_by_eventfd_is_the_same_kick),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
