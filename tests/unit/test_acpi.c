// SPDX-License-Identifier: GPL-2.0-only
/* ACPI tables as a kernel finds them in guest RAM, held against ACPI 6.4 and against the machine that they describe. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pc.h"

/* 5.2.5: where both ways of looking for it lead; 5.2.6: headers. */
static void test_root(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	assert_true(pc_params(&m)->acpi_rsdp_addr == m.found.rsdp.gpa);
	assert_true(m.found.rsdp.gpa % 16 == 0 && m.found.rsdp.gpa >= 0xe0000 && m.found.rsdp.gpa + 36 <= 0x100000);
	assert_int_equal(pc_field(&m.found.rsdp, 16, 4), 0); /* no RSDT, whose addresses have four bytes */
	assert_memory_equal(m.found.rsdp.bytes + 33, "\0\0\0", 3);
	assert_int_equal(m.found.n_listed, 2); /* the DSDT and the FACS are the FADT's */
	const struct found_table *const tables[] = { &m.found.xsdt, &m.found.fadt, &m.found.madt, &m.found.dsdt };
	static const uint8_t revisions[] = { 1, 6, 5, 2 }; /* of ACPI 6.4; a DSDT's of 64-bit integers */

	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(tables[i]->bytes[8], revisions[i]);
		/* the same makers' names everywhere */
		assert_memory_equal(tables[i]->bytes + 10, m.found.rsdp.bytes + 9, 6);
		assert_memory_equal(tables[i]->bytes + 16, m.found.xsdt.bytes + 16, 8);
	}
	pc_free(&m);
}

/* No table shares a byte with another, and none is in what E820 calls RAM. */
static void test_places(void **state)
{
	struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	config.cpus = VM_CPUS_MAX;
	pc_make(&m, &config);
	const struct found_table *const tables[] = { &m.found.rsdp, &m.found.xsdt, &m.found.fadt,
						     &m.found.madt, &m.found.facs, &m.found.dsdt };
	const struct boot_params *params = pc_params(&m);

	for (unsigned i = 0; i < 6; i++) {
		uint64_t start = tables[i]->gpa, end = start + tables[i]->len;
		unsigned reserved = 0;

		assert_true(start >= 0xe0000 && end <= 0x100000);
		for (unsigned j = 0; j < i; j++)
			assert_true(end <= tables[j]->gpa || tables[j]->gpa + tables[j]->len <= start);
		for (unsigned j = 0; j < params->e820_entries; j++) {
			const struct boot_e820_entry entry = params->e820_table[j];

			if (start < entry.addr + entry.size && entry.addr < end)
				assert_int_equal(entry.type, 2);
			reserved += entry.type == 2 && entry.addr <= start && end <= entry.addr + entry.size;
		}
		assert_int_equal(reserved, 1);
	}
	assert_true(m.found.facs.gpa % 64 == 0); /* 5.2.10 */
	pc_free(&m);
}

/* A generic address structure: I/O ports, of so many bits, by accesses of so many bytes (1: byte, 2: word). */
static void check_port(const struct found_table *fadt, unsigned offset, uint64_t port, unsigned bits, unsigned access)
{
	assert_int_equal(pc_field(fadt, offset, 1), 1);
	assert_int_equal(pc_field(fadt, offset + 1, 1), bits);
	assert_int_equal(pc_field(fadt, offset + 2, 1), 0);
	assert_int_equal(pc_field(fadt, offset + 3, 1), access);
	assert_int_equal(pc_field(fadt, offset + 4, 8), port);
}

/* Table 5-9, in the places that a guest relies on. */
static void test_fadt(void **state)
{
	static const uint8_t zeros[12];
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	const struct found_table *fadt = &m.found.fadt;

	assert_int_equal(fadt->len, 276);
	assert_int_equal(pc_field(fadt, 131, 1), 4); /* 6.4 */
	/* 5.2.9: of each pair of addresses one, or both the same */
	assert_int_equal(pc_field(fadt, 40, 4), m.found.dsdt.gpa);
	assert_int_equal(pc_field(fadt, 140, 8), m.found.dsdt.gpa);
	assert_int_equal(pc_field(fadt, 36, 4), m.found.facs.gpa);
	assert_int_equal(pc_field(fadt, 132, 8), 0);
	assert_int_equal(pc_field(fadt, 46, 2), 9); /* SCI_INT */
	/* no SMI command: the machine is in ACPI mode from the beginning and stays so (4.8.1) */
	assert_int_equal(pc_field(fadt, 48, 4), 0);
	assert_int_equal(pc_field(fadt, 52, 4), 0);

	uint64_t event = pc_field(fadt, 56, 4), control = pc_field(fadt, 64, 4);

	assert_true(event != 0 && control == event + 4);
	assert_int_equal(pc_field(fadt, 88, 1), 4); /* PM1_EVT_LEN, PM1_CNT_LEN */
	assert_int_equal(pc_field(fadt, 89, 1), 2);
	check_port(fadt, 148, event, 32, 2);
	check_port(fadt, 172, control, 16, 2);
	/* no PM1b, PM2, PM timer, GPEs: nowhere, of no length, in both forms */
	assert_int_equal(pc_field(fadt, 60, 4) + pc_field(fadt, 68, 4) + pc_field(fadt, 72, 4) + pc_field(fadt, 76, 4),
			 0);
	assert_int_equal(pc_field(fadt, 80, 8) + pc_field(fadt, 90, 6), 0);
	static const unsigned absent[] = { 160, 184, 196, 208, 220, 232, 244, 256 };

	for (unsigned i = 0; i < sizeof(absent) / sizeof(absent[0]); i++)
		assert_memory_equal(fadt->bytes + absent[i], zeros, sizeof(zeros));
	assert_true(pc_field(fadt, 96, 2) > 100 && pc_field(fadt, 98, 2) > 1000); /* neither C2 nor C3 */
	assert_true(bus_find(&m.vm->pio, event, 4) && bus_find(&m.vm->pio, control, 2));
	pc_free(&m);
}

/* Tables 5-10 and 5-11. */
static void test_fadt_flags(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	uint64_t boot = pc_field(&m.found.fadt, 109, 2), flags = pc_field(&m.found.fadt, 112, 4);

	assert_int_equal(boot & 1 << 1, 0);                   /* no 8042 */
	assert_true(boot & 1 << 2);                           /* no VGA */
	assert_true(boot & 1 << 3);                           /* no MSI */
	assert_true(boot & 1 << 5);                           /* no CMOS clock */
	assert_int_equal(boot & ~0x2full, 0);                 /* bits that are reserved, or of PCI Express */
	assert_int_equal(pc_field(&m.found.fadt, 129, 2), 0); /* ARM's */
	assert_true(flags & 1 << 0);                          /* WBINVD: has to be set */
	assert_true(flags & 1 << 2);                          /* PROC_C1: likewise */
	assert_true((flags & 3u << 4) == 3u << 4);            /* no buttons of fixed hardware */
	assert_true(flags & 1 << 6);                          /* no RTC of fixed hardware */
	assert_true(flags & 1 << 10);                         /* RESET_REG_SUP */
	assert_int_equal(flags & 1 << 20, 0); /* not hardware-reduced: there is a PIT and there are PICs */
	/* no PM timer of any width, no docking, no clock of the platform's, no APIC modes, nothing reserved */
	assert_int_equal(flags & ~0x1475ull, 0);
	pc_free(&m);
}

/* What the FADT calls the reset register resets, in one access as it asks (4.8.3.6). */
static void test_reset_register(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	const struct found_table *fadt = &m.found.fadt;
	uint8_t value = (uint8_t)pc_field(fadt, 128, 1);

	check_port(fadt, 116, pc_field(fadt, 120, 8), 8, 1);
	assert_int_equal(m.vm->stopping, 0);
	bus_access(&m.vm->pio, pc_field(fadt, 120, 8), 1, 1, &value);
	assert_int_equal(m.vm->stopping, 1);
	assert_int_equal(m.vm->status, VM_END_OK);
	pc_free(&m);
}

/* 16.1: \_S5's first value goes into SLP_TYP of PM1a, together with SLP_EN. */
static void test_poweroff(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	assert_in_range(m.dsdt.n_s5, 2, 4);
	assert_in_range(m.dsdt.s5[0], 0, 7);
	uint16_t value = 0;

	bus_access(&m.vm->pio, pc_field(&m.found.fadt, 64, 4), 2, 0, &value);
	assert_int_equal(value & 1, 1); /* SCI_EN */
	value = (uint16_t)(value | m.dsdt.s5[0] << 10 | 1u << 13);
	assert_int_equal(m.vm->stopping, 0);
	bus_access(&m.vm->pio, pc_field(&m.found.fadt, 64, 4), 2, 1, &value);
	assert_int_equal(m.vm->stopping, 1);
	assert_int_equal(m.vm->status, VM_END_OK);
	pc_free(&m);
}

/* Table 5-15 */
static void test_facs(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	assert_int_equal(m.found.facs.len, 64);
	assert_int_equal(m.found.facs.bytes[32], 2);
	for (unsigned i = 8; i < 64; i++)
		if (i != 32)
			assert_int_equal(m.found.facs.bytes[i], 0);
	pc_free(&m);
}

/* 5.2.12, and the processors of the namespace (8.4) that its UIDs name. */
static void check_madt(unsigned cpus)
{
	struct vm_config config = pc_config(DISCOVERY_ACPI);
	unsigned n_cpus = 0, n_ioapics = 0, n_overrides = 0, n_nmis = 0;
	uint32_t seen = 0;
	struct pc m;

	config.cpus = cpus;
	pc_make(&m, &config);
	const struct found_table *madt = &m.found.madt;

	assert_int_equal(pc_field(madt, 36, 4), 0xfee00000);
	assert_int_equal(pc_field(madt, 40, 4), 1); /* PCAT_COMPAT: there are two 8259 */
	for (unsigned at = 44, len; at < madt->len; at += len) {
		len = (unsigned)pc_field(madt, at + 1, 1);
		assert_true(len >= 2 && at + len <= madt->len);
		switch (pc_field(madt, at, 1)) {
		case 0: /* local APIC: enabled, the processors in the order of their ids */
			assert_int_equal(len, 8);
			assert_int_equal(pc_field(madt, at + 2, 1), n_cpus);
			assert_int_equal(pc_field(madt, at + 3, 1), n_cpus);
			assert_int_equal(pc_field(madt, at + 4, 4), 1);
			n_cpus++;
			break;
		case 1: /* I/O APIC: KVM's, pin 0 is GSI 0 */
			assert_int_equal(len, 12);
			assert_int_equal(pc_field(madt, at + 3, 1), 0);
			assert_int_equal(pc_field(madt, at + 4, 4), 0xfec00000);
			assert_int_equal(pc_field(madt, at + 8, 4), 0);
			n_ioapics++;
			break;
		case 2: /* the one ISA interrupt that is not what ISA's are: the SCI, level and active high */
			assert_int_equal(len, 10);
			assert_int_equal(pc_field(madt, at + 2, 1), 0);
			assert_int_equal(pc_field(madt, at + 3, 1), pc_field(&m.found.fadt, 46, 2));
			assert_int_equal(pc_field(madt, at + 4, 4), pc_field(&m.found.fadt, 46, 2));
			assert_int_equal(pc_field(madt, at + 8, 2), 0xd);
			n_overrides++;
			break;
		case 4: /* NMI at LINT1 of all processors, as its bus has it */
			assert_int_equal(len, 6);
			assert_int_equal(pc_field(madt, at + 2, 1), 0xff);
			assert_int_equal(pc_field(madt, at + 3, 2) & ~5ull, 0);
			assert_int_equal(pc_field(madt, at + 5, 1), 1);
			n_nmis++;
			break;
		default: fail_msg("an entry of type %u", (unsigned)pc_field(madt, at, 1));
		}
	}
	assert_int_equal(n_cpus, cpus);
	assert_true(n_ioapics == 1 && n_overrides == 1 && n_nmis == 1);
	for (unsigned i = 0; i < m.dsdt.n_devices; i++) {
		if (strcmp(m.dsdt.devices[i].hid, "ACPI0007") != 0)
			continue;
		assert_true(m.dsdt.devices[i].has_uid && m.dsdt.devices[i].uid < cpus);
		assert_false(seen & 1u << m.dsdt.devices[i].uid);
		seen |= 1u << m.dsdt.devices[i].uid;
	}
	assert_int_equal(seen, (1u << cpus) - 1);
	pc_free(&m);
}

static void test_processors(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= VM_CPUS_MAX; cpus++)
		check_madt(cpus);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root),           cmocka_unit_test(test_places),
		cmocka_unit_test(test_fadt),           cmocka_unit_test(test_fadt_flags),
		cmocka_unit_test(test_reset_register), cmocka_unit_test(test_poweroff),
		cmocka_unit_test(test_facs),           cmocka_unit_test(test_processors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
