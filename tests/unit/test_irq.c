// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support.h"
#include "vmm/irq.h"

/* Timer, keyboard, cascade, both serial ports, real-time clock: guests look for these whether they are there or not. */
static const unsigned customary[] = { 0, 1, 2, 3, 4, 8, 9 };
#define N_CUSTOMARY (sizeof(customary) / sizeof(customary[0]))

static bool is_customary(unsigned gsi)
{
	for (unsigned i = 0; i < N_CUSTOMARY; i++)
		if (customary[i] == gsi)
			return true;
	return false;
}

static void test_any_line(void **state)
{
	struct irqs irqs;
	struct irq_line *line, *first = NULL;
	uint32_t given = 0;
	unsigned n = 0;
	int err;

	(void)state;
	irqs_init(&irqs);
	while ((err = irq_alloc(&irqs, -1, &line)) == 0) {
		assert_true(line->gsi < IRQ_LINES);
		assert_false(is_customary(line->gsi));
		assert_false(given & (1u << line->gsi));
		given |= 1u << line->gsi;
		first = first ? first : line;
		n++;
	}
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(n, IRQ_LINES - N_CUSTOMARY);
	/* what was given first is still the same line, and the customary ones are left for those who name them */
	irq_raise(first);
	for (unsigned i = 0; i < N_CUSTOMARY; i++)
		assert_int_equal(irq_alloc(&irqs, (int)customary[i], &line), 0);
	assert_int_equal(irq_alloc(&irqs, -1, &line), -ENOSPC);
	irqs_release(&irqs);
}

static void test_named_line(void **state)
{
	struct irqs irqs;
	struct irq_line *line;

	(void)state;
	irqs_init(&irqs);
	assert_int_equal(irq_alloc(&irqs, 4, &line), 0);
	assert_int_equal(line->gsi, 4);
	assert_int_equal(irq_alloc(&irqs, 4, &line), -EBUSY);
	assert_int_equal(irq_alloc(&irqs, 23, &line), 0);
	assert_true(irq_alloc(&irqs, 24, &line) < 0);
	assert_true(irq_alloc(&irqs, 1000, &line) < 0);
	/* a line that was named is not given to one that takes any */
	for (unsigned i = 0; irq_alloc(&irqs, -1, &line) == 0; i++)
		assert_true(line->gsi != 23 && line->gsi != 4 && i < IRQ_LINES);
	irqs_release(&irqs);
}

/* "Never blocks": a line that nobody serves takes any number of edges. */
static void test_raise(void **state)
{
	struct irqs irqs;
	struct irq_line *line;
	uint64_t count = UINT64_MAX - 2;

	(void)state;
	irqs_init(&irqs);
	assert_int_equal(irq_alloc(&irqs, -1, &line), 0);
	assert_true(fcntl(line->fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(line->fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(line->fd, &count, sizeof(count)), -1); /* no edge yet */
	irq_raise(line);
	irq_raise(line);
	assert_int_equal(read(line->fd, &count, sizeof(count)), 8);
	assert_int_equal(count, 2);
	count = UINT64_MAX - 1;
	assert_int_equal(write(line->fd, &count, sizeof(count)), 8);
	irq_raise(line); /* full: returns at once */
	irqs_release(&irqs);
}

static void test_release(void **state)
{
	struct irqs irqs;
	struct irq_line *line;
	int fd;

	(void)state;
	irqs_init(&irqs);
	irqs_release(&irqs); /* nothing taken */
	assert_int_equal(irq_alloc(&irqs, 5, &line), 0);
	fd = line->fd;
	irqs_release(&irqs);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(irq_alloc(&irqs, 5, &line), 0);
	irqs_release(&irqs);
}

static void test_attach_to_no_kvm(void **state)
{
	struct irqs irqs;
	struct irq_line *line;

	(void)state;
	irqs_init(&irqs);
	assert_int_equal(irqs_attach(&irqs, -1), 0); /* nothing to hand over */
	assert_int_equal(irq_alloc(&irqs, 9, &line), 0);
	catch_stderr();
	int err = irqs_attach(&irqs, -1);

	assert_one_message(caught_stderr(), "GSI 9");
	assert_true(err < 0);
	irqs_release(&irqs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_line), cmocka_unit_test(test_named_line),       cmocka_unit_test(test_raise),
		cmocka_unit_test(test_release),  cmocka_unit_test(test_attach_to_no_kvm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
