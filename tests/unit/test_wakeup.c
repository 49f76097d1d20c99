// SPDX-License-Identifier: GPL-2.0-only
/* A driver that asks for an interrupt while the device uses its buffer: one of the two has to see the other (virtio
 * 1.2, 2.7.14). For kicks: test_notify.c, c62. */
#include <poll.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/driver.h"
#include "tests/unit/echo.h"
#include "vmm/clock.h"

#define RACES       100000u
#define SPINS       2000u /* turns of an empty loop */
#define COPIED      256u  /* bytes */
#define PATIENCE_MS 5000

/* Before the buffer is used: for when it happens, not for what is in it, so that is no race to be reported. */
static __attribute__((no_sanitize("thread"))) uint8_t peek(const volatile uint8_t *byte)
{
	return *byte;
}

static uint16_t *avail_flags(const struct ring *ring)
{
	return gpa_ptr(ring->driver->rig, ring->avail, 2);
}

/* Asks, looks again, and sleeps where there is nothing. True where an interrupt was needed. */
static bool wait_for_used(struct driver *d)
{
	struct ring *ring = &d->rings[0];
	struct pollfd line = { .fd = d->dev->irq->fd, .events = POLLIN };

	__atomic_store_n(avail_flags(ring), 0, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST); /* pairs with virtq_notify() */
	if (ring_used_idx(ring) == ring->avail_idx)
		return false;
	if (poll(&line, 1, PATIENCE_MS) != 1)
		fail_msg("no interrupt: used.idx is %u of %u", ring_used_idx(ring), ring->avail_idx);
	return true;
}

static void c56_no_interrupt_is_lost(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	struct ring *ring = &d.rings[0];
	uint64_t in = gpa_alloc(rig, COPIED, 64), out = gpa_alloc(rig, COPIED, 64);
	uint8_t *from = gpa_ptr(rig, in, 1), *first = gpa_ptr(rig, out, 1);
	unsigned interrupts = 0;

	assert_int_equal(driver_add(&d, rig, "echo", "notify=ioeventfd"), 0);
	assert_true(driver_up(&d, F_VERSION_1));
	ring_desc(ring, 0, in, COPIED, D_NEXT, 1);
	ring_desc(ring, 1, out, COPIED, D_WRITE, 0);
	rig_loop_start(rig);
	for (uint32_t i = 0; i < RACES; i++) {
		uint64_t end = clock_ns() + PATIENCE_MS * 1000000ull, one = 1;

		__atomic_store_n(avail_flags(ring), 1, __ATOMIC_RELAXED);
		*from = (uint8_t)(i + 1);
		ring_add(ring, 0);
		assert_int_equal(write(rig->vm->ioeventfds[0].fd, &one, sizeof(one)), sizeof(one));
		while (peek(first) != (uint8_t)(i + 1))
			if (clock_ns() > end)
				fail_msg("buffer %u waits", i);
		for (uint32_t spin = i % SPINS; spin; spin--)
			__atomic_signal_fence(__ATOMIC_SEQ_CST);
		interrupts += wait_for_used(&d);
		reg_put(&d, R_INTERRUPT_ACK, ISR_USED); /* behind the device's kick, which has the lock */
		edges(&d);
	}
	rig_loop_stop(rig);
	if (!interrupts) { /* the two had to share a processor: nobody slept, and nothing was seen */
		print_message("# no interrupt was needed\n");
		skip();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(c56_no_interrupt_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
