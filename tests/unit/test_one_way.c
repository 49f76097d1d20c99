// SPDX-License-Identifier: GPL-2.0-only
/* Exactly one way to find the devices is shown to a guest: what it looks for by the others is not there. */
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/pc.h"
#include "tests/unit/support.h"
#include "vmm/arch/x86/layout.h"

#define PM1_PORT 0x600

static char test_spec[] = "test", rng_spec[] = "rng";
static char *specs[] = { test_spec, rng_spec, test_spec };

static struct vm_config config_of(enum discovery discovery)
{
	struct vm_config config = pc_config(discovery);

	config.devices = specs;
	config.n_devices = 3;
	config.cmdline = "console=ttyS0 quiet";
	config.cpus = 2;
	return config;
}

static const char *cmdline_of(const struct pc *pc)
{
	return mem_ptr(&pc->vm->memory, pc_params(pc)->hdr.cmd_line_ptr, 1);
}

/* What a kernel looks for, apart from the tables that are right: whether each is there. */
static void check(const struct pc *pc, bool dt, bool acpi, bool cmdline)
{
	const struct boot_params *params = pc_params(pc);

	assert_int_equal(params->hdr.setup_data != 0, dt);
	assert_int_equal(params->acpi_rsdp_addr != 0, acpi);
	assert_int_equal(firmware_find_rsdp(&pc->vm->memory) != 0, acpi);
	assert_int_equal(bus_find(&pc->vm->pio, PM1_PORT, 1) != NULL, acpi);
	assert_int_equal(firmware_find_mp(&pc->vm->memory) != 0, cmdline);
	assert_int_equal(strstr(cmdline_of(pc), "virtio_mmio") != NULL, cmdline);
	/* as a whole, not only where a kernel looks: nothing lies where another way's things do */
	const uint8_t *low = mem_ptr(&pc->vm->memory, 0, 0x100000);
	bool any = false;

	for (uint32_t gpa = X86_DTB; gpa < X86_DTB_END; gpa++)
		any |= low[gpa] != 0;
	assert_int_equal(any, dt);
	any = false;
	for (uint32_t gpa = 0xe0000; gpa < 0x100000; gpa++)
		any |= low[gpa] != 0;
	assert_int_equal(any, acpi || cmdline);
	assert_int_equal(pc->vm->discovery, dt ? DISCOVERY_DT : acpi ? DISCOVERY_ACPI : DISCOVERY_CMDLINE);
}

static void test_dt(void **state)
{
	const struct vm_config config = config_of(DISCOVERY_DT);
	struct pc pc;

	(void)state;
	pc_make(&pc, &config);
	check(&pc, true, false, false);
	const struct setup_data *data = mem_ptr(&pc.vm->memory, pc_params(&pc)->hdr.setup_data, sizeof(*data));

	assert_int_equal(data->type, SETUP_DTB);
	assert_int_equal(fdt_check_header(data->data), 0);
	assert_string_equal(cmdline_of(&pc), config.cmdline);
	pc_free(&pc);
}

static void test_acpi(void **state)
{
	const struct vm_config config = config_of(DISCOVERY_ACPI);
	struct pc pc;

	(void)state;
	pc_make(&pc, &config);
	check(&pc, false, true, false);
	assert_int_equal(dsdt_count(&pc.dsdt, "LNRO0005"), 3);
	assert_string_equal(cmdline_of(&pc), config.cmdline);
	pc_free(&pc);
}

/* Without a kernel to look at, auto is the device tree. */
static void test_auto(void **state)
{
	struct vm_config config = plain_config();
	struct vm *vm;

	(void)state;
	assert_int_equal(config.discovery, DISCOVERY_AUTO);
	assert_int_equal(vm_create(&vm, &config), 0);
	assert_int_equal(vm->discovery, DISCOVERY_DT);
	vm_destroy(vm);
}

/*
 * Linux, drivers/virtio/virtio_mmio.c: virtio_mmio.device=SIZE@BASE:IRQ. What the user wrote comes first and as it was;
 * the parameters are those of the windows and lines that the other ways tell of.
 */
static void test_cmdline(void **state)
{
	const struct vm_config acpi = config_of(DISCOVERY_ACPI), config = config_of(DISCOVERY_CMDLINE);
	const char *word;
	struct pc pc, other;
	unsigned n = 0;

	(void)state;
	pc_make(&other, &acpi);
	pc_make(&pc, &config);
	check(&pc, false, false, true);
	assert_string_equal(pc.vm->cmdline, cmdline_of(&pc));
	assert_int_equal(strncmp(cmdline_of(&pc), config.cmdline, strlen(config.cmdline)), 0);
	word = cmdline_of(&pc) + strlen(config.cmdline);
	for (unsigned i = 0; i < other.dsdt.n_devices; i++) {
		const struct dsdt_device *device = &other.dsdt.devices[i];
		unsigned long long size, base;
		unsigned irq;
		int used = 0;

		if (strcmp(device->hid, "LNRO0005") != 0)
			continue;
		assert_int_equal(sscanf(word, " virtio_mmio.device=%lli@%lli:%u%n", (long long *)&size,
					(long long *)&base, &irq, &used),
				 3);
		assert_true(size == device->len && base == device->base && irq == device->gsi);
		assert_int_equal(word[0], ' ');
		word += used;
		n++;
	}
	assert_int_equal(n, 3);
	assert_string_equal(word, "");
	pc_free(&pc);
	pc_free(&other);
}

/* Said once more, it is said once. */
static void test_cmdline_again(void **state)
{
	const struct vm_config config = config_of(DISCOVERY_CMDLINE);
	struct pc pc;

	(void)state;
	pc_make(&pc, &config);
	char *first = strdup(pc.vm->cmdline);

	assert_non_null(first);
	assert_int_equal(vm_describe_cmdline(pc.vm), 0);
	assert_string_equal(pc.vm->cmdline, first);
	free(first);
	pc_free(&pc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dt),      cmocka_unit_test(test_acpi),          cmocka_unit_test(test_auto),
		cmocka_unit_test(test_cmdline), cmocka_unit_test(test_cmdline_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
