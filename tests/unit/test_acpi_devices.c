// SPDX-License-Identifier: GPL-2.0-only
/* The devices in ACPI's namespace, held against the bus and against the device tree of the same command line. */
#include <errno.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "devices/devices.h"
#include "dtb/machine.h"
#include "dtb/tree.h"
#include "tests/unit/pc.h"
#include "tests/unit/support.h"
#include "vmm/acpi/aml.h"
#include "vmm/acpi/tables.h"
#include "vmm/arch/arch.h"

#define DEVICES_MOST 17 /* lines that nobody claims by custom */

/* The window and the line of each virtio device are those of the same command line's device tree, in its order. */
static void check_like_tree(const struct pc *m, const struct vm_config *acpi)
{
	struct vm_config config = *acpi;
	struct dtb tree;
	struct vm *vm;
	unsigned n = 0;
	int node = -1;

	config.discovery = DISCOVERY_DT;
	assert_int_equal(vm_create(&vm, &config), 0);
	assert_int_equal(devices_create(vm), 0);
	assert_int_equal(vm_describe_cmdline(vm), 0);
	assert_int_equal(machine_describe(vm, &tree), 0);
	for (unsigned i = 0; i < m->dsdt.n_devices; i++) {
		const struct dsdt_device *device = &m->dsdt.devices[i];
		int len;

		if (strcmp(device->hid, "LNRO0005") != 0)
			continue;
		/* libfdt gives nodes in their order in the tree, which dtb/ writes in the order of the devices */
		node = fdt_node_offset_by_compatible(tree.blob, node, "virtio,mmio");
		assert_true(node >= 0);
		const fdt32_t *reg = fdt_getprop(tree.blob, node, "reg", &len);

		assert_int_equal(len, 16);
		assert_true(fdt32_ld(reg + 1) == device->base && fdt32_ld(reg + 3) == device->len);
		assert_true(device->n_memory == 1 && device->n_interrupts == 1 && device->n_ports == 0);
		assert_int_equal(fdt32_ld((const fdt32_t *)fdt_getprop(tree.blob, node, "interrupts", &len)),
				 device->gsi);
		assert_int_equal(device->interrupt_flags, 3); /* consumer, edge, active high, not shared */
		assert_string_equal(device->scope, "_SB_");
		const struct bus_range *range = bus_find(&m->vm->mmio, device->base, 4);

		assert_true(range && range->base == device->base && range->len == device->len);
		for (unsigned j = 0; j < i; j++)
			assert_false(strcmp(m->dsdt.devices[j].hid, "LNRO0005") == 0 &&
				     m->dsdt.devices[j].uid == device->uid); /* 6.1.12 */
		assert_true(device->has_uid);
		n++;
	}
	assert_true(fdt_node_offset_by_compatible(tree.blob, node, "virtio,mmio") < 0);
	assert_int_equal(n + 2, m->vm->mmio.n_ranges); /* and power control and the panic register */
	dtb_free(&tree);
	vm_destroy(vm);
}

static void check_devices(char **specs, unsigned n, unsigned expected)
{
	struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	config.devices = specs;
	config.n_devices = n;
	pc_make(&m, &config);
	assert_int_equal(dsdt_count(&m.dsdt, "LNRO0005"), expected);
	assert_int_equal(m.dsdt.n_devices, expected + 3); /* processor, serial port, panic */
	check_like_tree(&m, &config);
	pc_free(&m);
}

static void test_devices(void **state)
{
	char test[] = "test", rng[] = "rng", balloon[] = "balloon", quick[] = "test,notify=ioeventfd", none[] = "none";

	(void)state;
	check_devices(NULL, 0, 1);
	check_devices((char *[]){ none }, 1, 0);
	check_devices((char *[]){ rng, test }, 2, 2);
	check_devices((char *[]){ test, none, balloon, quick, rng, test }, 6, 5);
}

/* As many as there are lines, and as many processors: no table runs into the next, which the reader would see. */
static void test_most_devices(void **state)
{
	static char test[] = "test";
	char *specs[DEVICES_MOST + 1] = { [0 ... DEVICES_MOST] = test };
	struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;
	struct vm *vm;

	(void)state;
	check_devices(specs, DEVICES_MOST, DEVICES_MOST);
	config.devices = specs;
	config.n_devices = DEVICES_MOST;
	config.cpus = VM_CPUS_MAX;
	pc_make(&m, &config);
	assert_int_equal(m.dsdt.n_devices, DEVICES_MOST + 2 + VM_CPUS_MAX);
	pc_free(&m);
	config.n_devices++;
	assert_int_equal(vm_create(&vm, &config), 0);
	catch_stderr();
	int err = devices_create(vm);

	assert_one_message(caught_stderr(), "--device test");
	assert_true(err < 0);
	vm_destroy(vm);
}

static void test_serial(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	assert_int_equal(dsdt_count(&m.dsdt, "PNP0501"), 1);
	const struct dsdt_device *serial = dsdt_find(&m.dsdt, "PNP0501");

	assert_true(serial->n_ports == 1 && serial->n_interrupts == 1 && serial->n_memory == 0);
	assert_true(serial->port == 0x3f8 && serial->ports == 8 && bus_find(&m.vm->pio, 0x3f8, 8));
	assert_int_equal(serial->gsi, 4);
	assert_int_equal(serial->interrupt_flags, 3);
	assert_true(m.vm->irqs.taken & 1u << 4);
	pc_free(&m);
}

/* pvpanic: a bit set there ends the machine, whose end tells of it. */
static void test_panic(void **state)
{
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct pc m;
	uint8_t events = 0;

	(void)state;
	pc_make(&m, &config);
	assert_int_equal(dsdt_count(&m.dsdt, "QEMU0001"), 1);
	const struct dsdt_device *panic = dsdt_find(&m.dsdt, "QEMU0001");

	assert_true(panic->n_memory == 1 && panic->len >= 1);
	assert_non_null(bus_access(&m.vm->mmio, panic->base, 1, 0, &events));
	assert_int_equal(events & 1, 1); /* it can be told of a panic */
	events = 1;
	bus_access(&m.vm->mmio, panic->base, 1, 1, &events);
	assert_int_equal(m.vm->status, VM_END_PANIC);
	pc_free(&m);
}

/* --- areas that do not suffice ---------------------------------------------------------------------------------- */

/* Every size: the DSDT and the root are there, or -ENOSPC and nothing behind the area is touched. */
static void test_small_areas(void **state)
{
	static const char *const listed[] = { "dsdt" };
	static uint8_t room[2048];
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	unsigned done = 0;
	struct pc m;

	(void)state;
	pc_make(&m, &config);
	for (size_t size = 0; size < sizeof(room); size++) {
		struct acpi_area area = { .host = room, .gpa = 0xe0000, .size = size };

		memset(room, 0xa5, sizeof(room));
		memset(room, 0, size);
		int err = acpi_describe(&area, m.vm);

		assert_int_equal(err, area.err);
		if (!err)
			err = acpi_root(&area, listed, 1);
		assert_true(err == 0 || err == -ENOSPC);
		assert_int_equal(err, area.err);
		assert_true(area.used <= size);
		for (size_t i = size; i < sizeof(room); i++)
			assert_int_equal(room[i], 0xa5);
		assert_true(!done || err == 0); /* what sufficed once suffices */
		done += err == 0;
	}
	assert_true(done > 0);
	pc_free(&m);
}

static void describe_endless(void *ctx, struct aml *aml)
{
	(void)ctx;
	for (unsigned i = 0; i < 10000; i++)
		aml_name_string(aml, "_STR", "more than there is room for");
}

static void describe_wrong(void *ctx, struct aml *aml)
{
	(void)ctx;
	aml_end(aml);
	aml_end(aml);
}

/* A device that says too much, or nonsense, costs one line, and the kernel is told of no tables. */
static void test_device_at_fault(void **state)
{
	static const struct vm_device_ops faults[] = {
		{ .describe_acpi = describe_endless, .destroy = free },
		{ .describe_acpi = describe_wrong, .destroy = free },
	};
	const struct vm_config config = pc_config(DISCOVERY_ACPI);
	struct acpi_area area;
	struct vm *vm;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(vm_create(&vm, &config), 0);
		assert_int_equal(devices_create(vm), 0);
		assert_int_equal(vm_add_device(vm, &faults[i], NULL), 0);
		assert_int_equal(vm_describe_cmdline(vm), 0);
		assert_int_equal(arch_load(vm), 0);
		catch_stderr();
		int err = arch_place_acpi(vm, &area);

		assert_one_message(caught_stderr(), "ACPI");
		assert_int_equal(err, i ? -EINVAL : -ENOSPC);
		const struct pc pc = { .vm = vm };

		assert_true(pc_params(&pc)->acpi_rsdp_addr == 0);
		assert_true(firmware_find_rsdp(&vm->memory) == 0);
		vm_destroy(vm);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_devices),     cmocka_unit_test(test_most_devices),
		cmocka_unit_test(test_serial),      cmocka_unit_test(test_panic),
		cmocka_unit_test(test_small_areas), cmocka_unit_test(test_device_at_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
