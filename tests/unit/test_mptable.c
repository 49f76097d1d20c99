// SPDX-License-Identifier: GPL-2.0-only
/* The MP table as a kernel finds it in guest RAM, held against Intel's MultiProcessor Specification 1.4, chapter 4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pc.h"
#include "vmm/irq.h"

static void make(struct pc *pc, struct found_mp *mp, unsigned cpus)
{
	struct vm_config config = pc_config(DISCOVERY_CMDLINE);

	config.cpus = cpus;
	pc_make(pc, &config);
	const char *wrong = firmware_read_mp(&pc->vm->memory, mp);

	if (wrong)
		fail_msg("%s", wrong);
}

/* 4.1 and 4.2 */
static void test_headers(void **state)
{
	struct found_mp mp;
	struct pc pc;

	(void)state;
	make(&pc, &mp, 1);
	assert_true(mp.pointer.gpa % 16 == 0 && mp.pointer.gpa >= 0xf0000 && mp.pointer.gpa < 0x100000);
	assert_int_equal(pc_field(&mp.pointer, 9, 1), 4);  /* 1.4 */
	assert_int_equal(pc_field(&mp.pointer, 11, 1), 0); /* there is a table, no default configuration */
	assert_int_equal(pc_field(&mp.pointer, 12, 4), 0); /* no IMCR: virtual wire mode */
	assert_int_equal(pc_field(&mp.table, 6, 1), 4);
	for (unsigned i = 8; i < 28; i++) /* OEM and product, filled with spaces */
		assert_true(mp.table.bytes[i] >= ' ' && mp.table.bytes[i] <= '~');
	assert_int_equal(pc_field(&mp.table, 28, 4) + pc_field(&mp.table, 32, 2), 0); /* no OEM's table */
	assert_int_equal(pc_field(&mp.table, 36, 4), 0xfee00000);
	assert_int_equal(pc_field(&mp.table, 40, 4), 0); /* nothing behind the base table */
	pc_free(&pc);
}

/* Pointer and table lie in memory that E820 does not call RAM, apart from one another. */
static void test_places(void **state)
{
	struct found_mp mp;
	struct pc pc;

	(void)state;
	make(&pc, &mp, VM_CPUS_MAX);
	const uint64_t start = mp.table.gpa, end = start + mp.table.len;
	const struct boot_params *params = pc_params(&pc);
	unsigned reserved = 0;

	assert_true(start >= 0xf0000 && end <= 0x100000);
	assert_true(end <= mp.pointer.gpa || mp.pointer.gpa + mp.pointer.len <= start);
	for (unsigned i = 0; i < params->e820_entries; i++) {
		const struct boot_e820_entry entry = params->e820_table[i];

		reserved += entry.type == 2 && entry.addr <= start && entry.addr <= mp.pointer.gpa &&
			    end <= entry.addr + entry.size && mp.pointer.gpa + 16 <= entry.addr + entry.size;
	}
	assert_int_equal(reserved, 1);
	pc_free(&pc);
}

/* 4.3.1: one entry a processor, the first is the one that boots. */
static void test_processors(void **state)
{
	struct found_mp mp;
	struct pc pc;

	(void)state;
	for (unsigned cpus = 1; cpus <= VM_CPUS_MAX; cpus++) {
		make(&pc, &mp, cpus);
		assert_int_equal(mp.n_kind[MP_CPU], cpus);
		for (unsigned i = 0; i < cpus; i++) {
			assert_int_equal(mp.entries[i][0], MP_CPU);
			assert_int_equal(mp.entries[i][1], i);              /* its APIC's id */
			assert_in_range(mp.entries[i][2], 0x10, 0x15);      /* an integrated APIC's version */
			assert_int_equal(mp.entries[i][3], i == 0 ? 3 : 1); /* enabled; boots */
			assert_int_equal(firmware_number(mp.entries[i] + 12, 8), 0);
		}
		assert_int_equal(mp.n_entries, cpus + 1 + 1 + IRQ_LINES + 2);
		pc_free(&pc);
	}
}

/* 4.3.2, 4.3.3 */
static void test_bus_and_ioapic(void **state)
{
	struct found_mp mp;
	struct pc pc;

	(void)state;
	make(&pc, &mp, 4);
	assert_true(mp.n_kind[MP_BUS] == 1 && mp.n_kind[MP_IOAPIC] == 1);
	const uint8_t *bus = mp.entries[4], *ioapic = mp.entries[5];

	assert_memory_equal(bus, "\1\0ISA   ", 8);
	assert_int_equal(ioapic[0], MP_IOAPIC);
	assert_in_range(ioapic[2], 0x10, 0x20);
	assert_int_equal(ioapic[3], 1);
	assert_int_equal(firmware_number(ioapic + 4, 4), 0xfec00000);
	pc_free(&pc);
}

/* 4.3.4: every pin of the I/O APIC is the ISA bus's interrupt of its number, as that bus has them. */
static void test_lines(void **state)
{
	struct found_mp mp;
	uint32_t seen = 0;
	struct pc pc;

	(void)state;
	make(&pc, &mp, 2);
	const uint8_t *ioapic = mp.entries[3];

	assert_int_equal(mp.n_kind[MP_INTERRUPT], IRQ_LINES);
	for (unsigned i = 0; i < mp.n_entries; i++) {
		const uint8_t *entry = mp.entries[i];

		if (entry[0] != MP_INTERRUPT)
			continue;
		assert_int_equal(entry[1], 0);                      /* vectored */
		assert_int_equal(firmware_number(entry + 2, 2), 0); /* conforms to the bus: edge, active high */
		assert_int_equal(entry[4], 0);                      /* the bus's id */
		assert_int_equal(entry[6], ioapic[1]);
		assert_int_equal(entry[7], entry[5]);
		assert_true(entry[7] < IRQ_LINES && !(seen & 1u << entry[7]));
		seen |= 1u << entry[7];
	}
	assert_int_equal(seen, (1u << IRQ_LINES) - 1);
	pc_free(&pc);
}

/* 4.3.5: the PICs at LINT0, NMI at LINT1, of all processors. */
static void test_local(void **state)
{
	struct found_mp mp;
	struct pc pc;

	(void)state;
	make(&pc, &mp, 3);
	assert_int_equal(mp.n_kind[MP_LOCAL], 2);
	const uint8_t *extint = mp.entries[mp.n_entries - 2], *nmi = mp.entries[mp.n_entries - 1];

	assert_memory_equal(extint, "\4\3\0\0\0\0\377\0", 8);
	assert_memory_equal(nmi, "\4\1\0\0\0\0\377\1", 8);
	pc_free(&pc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),        cmocka_unit_test(test_places), cmocka_unit_test(test_processors),
		cmocka_unit_test(test_bus_and_ioapic), cmocka_unit_test(test_lines),  cmocka_unit_test(test_local),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
