// SPDX-License-Identifier: GPL-2.0-only
/* The device tree, read back with libfdt and held against the machine that it describes. */
#include <fcntl.h>
#include <inttypes.h>
#include <libfdt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/devices.h"
#include "dtb/machine.h"
#include "dtb/tree.h"
#include "tests/unit/image.h"
#include "vmm/arch/arch.h"

#define GIB       (1ull << 30)
#define CELLS_MAX 8

/* A machine as `build()` in main.c makes it, and its tree. */
struct described {
	struct vm *vm;
	struct dtb tree;
	const void *fdt;
};

static void describe(struct described *d, const struct vm_config *config)
{
	assert_int_equal(vm_create(&d->vm, config), 0);
	assert_int_equal(devices_create(d->vm), 0);
	assert_int_equal(vm_describe_cmdline(d->vm), 0);
	if (config->kernel)
		assert_int_equal(arch_load(d->vm), 0);
	assert_int_equal(machine_describe(d->vm, &d->tree), 0);
	d->fdt = d->tree.blob;
	assert_int_equal(fdt_check_full(d->fdt, (size_t)d->tree.size), 0);
	assert_int_equal(fdt_totalsize(d->fdt), d->tree.size);
}

static void undescribe(struct described *d)
{
	dtb_free(&d->tree);
	vm_destroy(d->vm);
}

static int node_at(const void *fdt, const char *path)
{
	int node = fdt_path_offset(fdt, path);

	if (node < 0)
		fail_msg("no node %s", path);
	return node;
}

/* The property's cells; exactly `n` of them. */
static const uint32_t *cells(const void *fdt, int node, const char *name, int n)
{
	static uint32_t out[CELLS_MAX];
	int len;
	const fdt32_t *raw = fdt_getprop(fdt, node, name, &len);

	if (!raw || len != 4 * n)
		fail_msg("%s of %s: %d bytes, not %d cells", name, fdt_get_name(fdt, node, NULL), len, n);
	for (int i = 0; i < n; i++)
		out[i] = fdt32_ld(raw + i);
	return out;
}

static uint64_t u64(const uint32_t *two)
{
	return (uint64_t)two[0] << 32 | two[1];
}

static const char *text(const void *fdt, int node, const char *name)
{
	int len;
	const char *value = fdt_getprop(fdt, node, name, &len);

	if (!value || len < 1 || value[len - 1] != '\0')
		fail_msg("%s of %s is no string", name, fdt_get_name(fdt, node, NULL));
	return value;
}

/* A node's reg is what its unit address says. */
static void check_reg(const void *fdt, int node, uint64_t address, uint64_t size)
{
	const uint32_t *reg = cells(fdt, node, "reg", 4);
	char unit[32];

	assert_true(u64(reg) == address && u64(reg + 2) == size);
	snprintf(unit, sizeof(unit), "@%" PRIx64, address);
	assert_string_equal(strchr(fdt_get_name(fdt, node, NULL), '@'), unit);
}

static void check_root(const struct described *d)
{
	const void *fdt = d->fdt;
	int ioapic = fdt_node_offset_by_compatible(fdt, -1, "intel,ce4100-ioapic");
	int lapic = fdt_node_offset_by_compatible(fdt, -1, "intel,ce4100-lapic");

	assert_int_equal(cells(fdt, 0, "#address-cells", 1)[0], 2);
	assert_int_equal(cells(fdt, 0, "#size-cells", 1)[0], 2);
	assert_true(ioapic >= 0 && lapic >= 0);
	assert_int_equal(cells(fdt, 0, "interrupt-parent", 1)[0], fdt_get_phandle(fdt, ioapic));
	assert_int_equal(cells(fdt, ioapic, "#interrupt-cells", 1)[0], 2);
	assert_non_null(fdt_getprop(fdt, ioapic, "interrupt-controller", NULL));
	assert_true(u64(cells(fdt, ioapic, "reg", 4)) == 0xfec00000);
	assert_true(u64(cells(fdt, lapic, "reg", 4)) == 0xfee00000);
	assert_string_equal(text(fdt, node_at(fdt, "/chosen"), "bootargs"), d->vm->config->cmdline);
}

static void check_cpus(const struct described *d)
{
	int cpus = node_at(d->fdt, "/cpus"), node;
	unsigned n = 0;

	assert_int_equal(cells(d->fdt, cpus, "#address-cells", 1)[0], 1);
	assert_int_equal(cells(d->fdt, cpus, "#size-cells", 1)[0], 0);
	fdt_for_each_subnode(node, d->fdt, cpus)
	{
		assert_string_equal(text(d->fdt, node, "device_type"), "cpu");
		assert_int_equal(cells(d->fdt, node, "reg", 1)[0], n); /* APIC ids, in order */
		n++;
	}
	assert_int_equal(n, d->vm->config->cpus);
}

static void check_memory(const struct described *d)
{
	unsigned n = 0;
	int node;

	fdt_for_each_subnode(node, d->fdt, 0)
	{
		const char *type = fdt_getprop(d->fdt, node, "device_type", NULL);

		if (!type || strcmp(type, "memory") != 0)
			continue;
		assert_true(n < d->vm->memory.n_regions);
		check_reg(d->fdt, node, d->vm->memory.regions[n].gpa, d->vm->memory.regions[n].size);
		n++;
	}
	assert_int_equal(n, d->vm->memory.n_regions);
}

/* Every virtio window of the bus is a node, with a line of its own, edge rising; and no node without a window. */
static void check_virtio(const struct described *d, unsigned expected)
{
	int soc = node_at(d->fdt, "/soc"), node;
	uint32_t lines = 0;
	unsigned n = 0;

	assert_string_equal(text(d->fdt, soc, "compatible"), "simple-bus");
	assert_non_null(fdt_getprop(d->fdt, soc, "ranges", NULL));
	fdt_for_each_subnode(node, d->fdt, soc)
	{
		if (fdt_node_check_compatible(d->fdt, node, "virtio,mmio") != 0)
			continue;
		uint64_t address = u64(cells(d->fdt, node, "reg", 4));
		const struct bus_range *range = bus_find(&d->vm->mmio, address, 4);

		assert_non_null(range);
		check_reg(d->fdt, node, range->base, range->len);
		assert_true(address >= arch_layout.mmio_start && address + range->len <= arch_layout.mmio_end);
		const uint32_t *irq = cells(d->fdt, node, "interrupts", 2);

		assert_int_equal(irq[1], 3); /* as Linux's x86 code numbers it */
		assert_true(irq[0] < IRQ_LINES && !(lines & (1u << irq[0])) && (d->vm->irqs.taken & (1u << irq[0])));
		assert_int_not_equal(irq[0], 4); /* the serial port's */
		lines |= 1u << irq[0];
		n++;
	}
	assert_int_equal(n, expected);
	assert_int_equal(n + 2, d->vm->mmio.n_ranges); /* and power control and the panic register */
}

static void check_power(const struct described *d)
{
	int syscon = fdt_node_offset_by_compatible(d->fdt, -1, "syscon");
	int poweroff = fdt_node_offset_by_compatible(d->fdt, -1, "syscon-poweroff");
	int reboot = fdt_node_offset_by_compatible(d->fdt, -1, "syscon-reboot");
	int panic = fdt_node_offset_by_compatible(d->fdt, -1, "qemu,pvpanic-mmio");

	assert_true(syscon >= 0 && poweroff >= 0 && reboot >= 0 && panic >= 0);
	uint64_t address = u64(cells(d->fdt, syscon, "reg", 4));

	assert_non_null(bus_find(&d->vm->mmio, address + cells(d->fdt, poweroff, "offset", 1)[0], 4));
	assert_int_equal(cells(d->fdt, poweroff, "regmap", 1)[0], fdt_get_phandle(d->fdt, syscon));
	assert_int_equal(cells(d->fdt, reboot, "regmap", 1)[0], fdt_get_phandle(d->fdt, syscon));
	uint32_t off = cells(d->fdt, poweroff, "value", 1)[0];

	assert_int_not_equal(cells(d->fdt, reboot, "value", 1)[0], off);
	assert_non_null(bus_find(&d->vm->mmio, u64(cells(d->fdt, panic, "reg", 4)), 1));
}

/* The serial port: on an ISA bus, whose addresses begin with a cell that says port, and it answers there. */
static void check_serial(const struct described *d)
{
	int serial = fdt_node_offset_by_compatible(d->fdt, -1, "ns16550a");

	assert_true(serial >= 0);
	const uint32_t *reg = cells(d->fdt, serial, "reg", 3);

	assert_true(reg[0] == 1 && reg[2] == 8);
	assert_non_null(bus_find(&d->vm->pio, reg[1], 8));
	assert_int_equal(cells(d->fdt, serial, "interrupts", 2)[0], 4);
}

/* What the tree says ends the machine does so. */
static void check_poweroff(const struct described *d)
{
	int syscon = fdt_node_offset_by_compatible(d->fdt, -1, "syscon");
	int poweroff = fdt_node_offset_by_compatible(d->fdt, -1, "syscon-poweroff");
	uint64_t address = u64(cells(d->fdt, syscon, "reg", 4)) + cells(d->fdt, poweroff, "offset", 1)[0];
	uint32_t value = cells(d->fdt, poweroff, "value", 1)[0];

	assert_int_equal(d->vm->stopping, 0);
	bus_access(&d->vm->mmio, address, 4, 1, &value);
	assert_int_equal(d->vm->stopping, 1);
	assert_int_equal(d->vm->status, VM_END_OK);
}

static void check_all(const struct described *d, unsigned n_virtio)
{
	check_root(d);
	check_cpus(d);
	check_memory(d);
	check_virtio(d, n_virtio);
	check_power(d);
	check_serial(d);
}

static char test_spec[] = "test";
static char none_spec[] = "none";
static char *many[17] = { [0 ... 16] = test_spec };
static char *none[] = { none_spec };

static void test_default(void **state)
{
	struct vm_config config = plain_config();
	struct described d;

	(void)state;
	config.n_devices = 0; /* then there is one "test" */
	describe(&d, &config);
	check_all(&d, 1);
	assert_null(fdt_getprop(d.fdt, node_at(d.fdt, "/chosen"), "linux,initrd-start", NULL));
	check_poweroff(&d);
	undescribe(&d);
}

static void test_no_device(void **state)
{
	struct vm_config config = plain_config();
	struct described d;

	(void)state;
	config.devices = none;
	config.n_devices = 1;
	describe(&d, &config);
	check_all(&d, 0);
	undescribe(&d);
}

static void test_cpus(void **state)
{
	struct described d;

	(void)state;
	for (unsigned cpus = 1; cpus <= VM_CPUS_MAX; cpus++) {
		struct vm_config config = plain_config();

		config.cpus = cpus;
		describe(&d, &config);
		check_all(&d, 0);
		undescribe(&d);
	}
}

static void test_memory(void **state)
{
	static const uint64_t sizes[] = { 32 * MIB, 3 * GIB, 3 * GIB + 4096, 4 * GIB, 100 * GIB };
	struct described d;

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct vm_config config = plain_config();

		config.mem_size = sizes[i];
		describe(&d, &config);
		check_all(&d, 0);
		undescribe(&d);
	}
}

static void test_initrd(void **state)
{
	struct vm_config config = plain_config();
	struct bz bz = bz_plain();
	struct temp_file kernel, initrd;
	struct described d;

	(void)state;
	bz_file(&kernel, &bz);
	file_make(&initrd, &bz, sizeof(bz));
	config.kernel = kernel.path;
	config.initrd = initrd.path;
	describe(&d, &config);
	check_all(&d, 0);
	int chosen = node_at(d.fdt, "/chosen");

	assert_true(u64(cells(d.fdt, chosen, "linux,initrd-start", 2)) == d.vm->boot.initrd_gpa);
	assert_true(u64(cells(d.fdt, chosen, "linux,initrd-end", 2)) == d.vm->boot.initrd_gpa + sizeof(bz));
	undescribe(&d);
	file_gone(&kernel);
	file_gone(&initrd);
}

/* As many devices as there are lines, and a command line of any length: the buffer grows as often as it takes. */
static void test_grows(void **state)
{
	struct vm_config config = plain_config();
	struct described d;

	(void)state;
	for (size_t len = 1; len < 3000000; len = len * 3 + 1) {
		char *cmdline = malloc(len + 1);

		assert_non_null(cmdline);
		memset(cmdline, 'y', len);
		cmdline[len] = '\0';
		config.cmdline = cmdline;
		config.devices = many;
		config.n_devices = 16;
		config.cpus = VM_CPUS_MAX;
		describe(&d, &config);
		check_all(&d, 16);
		undescribe(&d);
		free(cmdline);
	}
}

static void test_dump(void **state)
{
	struct vm_config config = plain_config();
	char path[] = "/tmp/minivmm-dtb-XXXXXX", back[65536];
	struct described d;
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	describe(&d, &config);
	close(fd);
	assert_int_equal(machine_dump(&d.tree, path), 0);
	fd = open(path, O_RDONLY); /* the file is a new one, in the old one's place */
	assert_true(fd >= 0);
	assert_int_equal(read(fd, back, sizeof(back)), d.tree.size);
	assert_memory_equal(back, d.tree.blob, (size_t)d.tree.size);
	catch_stderr();
	int err = machine_dump(&d.tree, "/dev/full");

	assert_one_message(caught_stderr(), "--dump-dtb /dev/full");
	assert_true(err < 0);
	assert_int_equal(access("/dev/full", F_OK), 0);
	catch_stderr();
	err = machine_dump(&d.tree, "/nonexistent/dtb");
	assert_one_message(caught_stderr(), "/nonexistent/dtb");
	assert_true(err < 0);
	undescribe(&d);
	close(fd);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default), cmocka_unit_test(test_no_device), cmocka_unit_test(test_cpus),
		cmocka_unit_test(test_memory),  cmocka_unit_test(test_initrd),    cmocka_unit_test(test_grows),
		cmocka_unit_test(test_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
