// SPDX-License-Identifier: GPL-2.0-only
/* ACPI's power management registers through the bus, as a vCPU reaches them (ACPI 6.4, 4.8.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pc.h"

enum { STATUS = 0x600, ENABLE = 0x602, CONTROL = 0x604, END = 0x606 };

#define SCI_EN  (1u << 0)
#define SLP_TYP (7u << 10)
#define SLP_EN  (1u << 13)

static struct pc pc;

static int setup(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);

	(void)state;
	pc_make(&pc, &config);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	pc_free(&pc);
	return 0;
}

static unsigned get(unsigned port)
{
	uint16_t value = 0xdead;

	assert_non_null(bus_access(&pc.vm->pio, port, 2, 0, &value));
	return value;
}

static void put(unsigned port, unsigned len, uint64_t value)
{
	assert_non_null(bus_access(&pc.vm->pio, port, len, 1, &value));
}

/* The blocks are where the FADT says, next to one another, and nothing else is. */
static void test_ports(void **state)
{
	(void)state;
	assert_int_equal(pc_field(&pc.found.fadt, 56, 4), STATUS);
	assert_int_equal(pc_field(&pc.found.fadt, 64, 4), CONTROL);
	assert_non_null(bus_find(&pc.vm->pio, STATUS, 1));
	assert_non_null(bus_find(&pc.vm->pio, END - 1, 1));
	assert_null(bus_find(&pc.vm->pio, STATUS - 1, 1));
	assert_null(bus_find(&pc.vm->pio, END, 1));
}

/* 4.8.3.1.1: no fixed event ever happens, so that there is nothing to write a one to. */
static void test_status(void **state)
{
	(void)state;
	assert_int_equal(get(STATUS), 0);
	put(STATUS, 2, 0xffff);
	assert_int_equal(get(STATUS), 0);
	put(ENABLE, 2, 0xffff);
	assert_int_equal(get(STATUS), 0);
	assert_int_equal(pc.vm->stopping, 0);
}

/* 4.8.3.1.2: who enables an event looks whether it is enabled. */
static void test_enable(void **state)
{
	(void)state;
	assert_int_equal(get(ENABLE), 0);
	for (unsigned bit = 0; bit < 16; bit++) {
		put(ENABLE, 2, 1u << bit);
		assert_int_equal(get(ENABLE), 1u << bit);
	}
	put(ENABLE, 2, 0);
	assert_int_equal(get(ENABLE), 0);
	put(CONTROL, 2, 0);
	put(ENABLE, 2, 0x0520);
	assert_int_equal(get(CONTROL), SCI_EN);
	assert_int_equal(get(ENABLE), 0x0520);
	put(ENABLE, 1, 0x01); /* whatever becomes of it, the other byte is another's */
	assert_int_equal(get(ENABLE) & 0xff00, 0x0500);
}

/* 4.8.3.2.1: SCI_EN is set whatever is written; SLP_TYP stays; SLP_EN is for writing only. */
static void test_control(void **state)
{
	(void)state;
	assert_int_equal(get(CONTROL), SCI_EN);
	put(CONTROL, 2, 0);
	assert_int_equal(get(CONTROL), SCI_EN);
	for (unsigned type = 0; type < 8; type++) {
		put(CONTROL, 2, type << 10);
		assert_int_equal(get(CONTROL) & (SLP_TYP | SCI_EN), type << 10 | SCI_EN);
	}
	put(CONTROL, 2, SLP_EN | 2u << 10);
	assert_int_equal(get(CONTROL) & SLP_EN, 0);
	assert_int_equal(get(ENABLE), 0);
	assert_int_equal(pc.vm->stopping, 0);
}

/* SLP_TYP alone turns nothing off, nor do the types of states that there are not. */
static void test_other_types(void **state)
{
	(void)state;
	for (unsigned value = 0; value <= 0xffff; value++) {
		if ((value & SLP_EN) && (value & SLP_TYP) == 5u << 10)
			continue;
		put(CONTROL, 2, value);
		if (pc.vm->stopping)
			fail_msg("0x%x turns it off", value);
	}
}

/* Nor an access of another width than the FADT's, or to another register. */
static void test_other_accesses(void **state)
{
	const uint64_t off = SLP_EN | 5u << 10;

	(void)state;
	put(CONTROL, 1, off & 0xff);
	put(CONTROL + 1, 1, off >> 8);
	put(STATUS, 2, off);
	put(ENABLE, 2, off);
	put(STATUS, 4, off << 16 | off);
	put(ENABLE, 4, off << 16 | off);
	put(STATUS + 1, 2, off);
	put(ENABLE + 1, 2, off);
	assert_null(bus_access(&pc.vm->pio, CONTROL, 4, 1, &(uint64_t){ off })); /* beyond the block's end */
	assert_null(bus_access(&pc.vm->pio, CONTROL - 0x600, 2, 1, &(uint64_t){ off }));
	assert_int_equal(pc.vm->stopping, 0);
	for (unsigned port = STATUS; port < END; port++) { /* whatever they read, they do read */
		uint32_t value;

		bus_access(&pc.vm->pio, port, 1, 0, &value);
		bus_access(&pc.vm->pio, port, 4, 0, &value);
	}
	assert_int_equal(pc.vm->stopping, 0);
}

static void test_soft_off(void **state)
{
	(void)state;
	assert_int_equal(pc.vm->stopping, 0);
	put(CONTROL, 2, SLP_EN | 5u << 10);
	assert_int_equal(pc.vm->stopping, 1);
	assert_int_equal(pc.vm->status, VM_END_OK);
	put(CONTROL, 2, SLP_EN | 5u << 10); /* once more, as a vCPU may before it is stopped */
	assert_int_equal(pc.vm->status, VM_END_OK);
}

/* As Linux does it: the type first, then with SLP_EN, and what else was set stays. */
static void test_soft_off_in_two(void **state)
{
	unsigned control = get(CONTROL);

	(void)state;
	put(CONTROL, 2, (control & ~SLP_TYP) | 5u << 10);
	assert_int_equal(pc.vm->stopping, 0);
	put(CONTROL, 2, get(CONTROL) | SLP_EN);
	assert_int_equal(pc.vm->stopping, 1);
	assert_int_equal(pc.vm->status, VM_END_OK);
}

/* The names of the standard, for --dump-map and traces. */
static void test_names(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	bus_print(&pc.vm->pio, out);
	fclose(out);
	assert_non_null(strstr(text, "pio 0x600+0x6 pm\n"));
	assert_non_null(strstr(text, "pio 0x600 pm PM1_STS\n"));
	assert_non_null(strstr(text, "pio 0x602 pm PM1_EN\n"));
	assert_non_null(strstr(text, "pio 0x604 pm PM1_CNT\n"));
	free(text);
}

int main(void)
{
#define PM_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		PM_TEST(test_ports),    PM_TEST(test_status),          PM_TEST(test_enable),
		PM_TEST(test_control),  PM_TEST(test_other_types),     PM_TEST(test_other_accesses),
		PM_TEST(test_soft_off), PM_TEST(test_soft_off_in_two), PM_TEST(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
