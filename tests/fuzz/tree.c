// SPDX-License-Identifier: GPL-2.0-only
/* Machines as an input says, and what tells a guest of them: well-formed, whole, and where the guest looks for it. */
#include <libfdt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/devices.h"
#include "dtb/machine.h"
#include "dtb/tree.h"
#include "tests/fuzz/faults.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"
#include "tests/unit/dsdt.h"
#include "tests/unit/firmware.h"
#include "tests/unit/image.h"
#include "vmm/acpi/tables.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"

#define DEVICES_MAX 40 /* more than a machine has places for */
#define DEVICE_TEXT 48
#define CMDLINE_MAX (0x7fffu * 16) /* more than there is room for a tree */

struct plan {
	struct vm_config config;
	bool dump;
	char *devices[DEVICES_MAX];
	char texts[DEVICES_MAX][DEVICE_TEXT];
};

static struct temp_file kernel, initrd;
static char cmdline[CMDLINE_MAX + 1];

void fuzz_start(void)
{
	struct bz bz = bz_plain();

	bz_file(&kernel, &bz);
	file_make(&initrd, "initrd", 6);
}

/* Its bytes as the input has them, over and over. */
static void take_cmdline(struct plan *plan, struct input *in)
{
	uint16_t code = input_u16(in);
	uint8_t bytes[32];
	size_t len = code < 0x8000 ? code : (size_t)(code & 0x7fff) * 16;
	size_t given = input_bytes(in, bytes, len < sizeof(bytes) ? len : sizeof(bytes));

	for (size_t i = 0; i < len; i++)
		cmdline[i] = given && bytes[i % given] ? (char)bytes[i % given] : 'x';
	cmdline[len] = '\0';
	plan->config.cmdline = cmdline;
}

static void take_devices(struct plan *plan, struct input *in)
{
	static const char *const kinds[] = {
		"test", "rng", "balloon", "echo", "none", "nothing", "test,x", "rng,rate=0"
	};

	plan->config.n_devices = input_u8(in) % (DEVICES_MAX + 1);
	plan->config.devices = plan->devices;
	for (unsigned i = 0; i < plan->config.n_devices; i++) {
		uint8_t code = i < 4 ? input_u8(in) : 0; /* the others are like the fourth */
		const char *kind = i < 4 ? kinds[code % 8] : kinds[0];

		snprintf(plan->texts[i], DEVICE_TEXT, "%s%s", kind,
			 code & 0x80 ? ",notify=ioeventfd" :
			 code & 0x40 ? ",queue-size=4" :
				       "");
		plan->devices[i] = plan->texts[i];
	}
}

static void take_plan(struct plan *plan, struct input *in)
{
	static const uint64_t sizes[] = { 32 * MIB,          64 * MIB,   3072 * MIB,
					  3072 * MIB + 4096, 5120 * MIB, 1024 * 1024 * MIB };
	uint8_t code = input_u8(in);

	memset(plan, 0, sizeof(*plan));
	plan->config.mem_size = code & 8 ? 32 * MIB + 4096ull * input_u16(in) : sizes[code % 8 % 6];
	plan->config.cpus = 1 + code / 16;
	code = input_u8(in);
	plan->config.kernel = code & 1 ? kernel.path : NULL;
	plan->config.initrd = code & 2 ? initrd.path : NULL;
	plan->config.no_recorder = code & 4;
	plan->dump = code & 8;
	plan->config.discovery = (enum discovery)(code >> 4 & 3);
	take_devices(plan, in);
	take_cmdline(plan, in);
}

/* How many virtio devices there are, by their windows; power control and the panic register have one too. */
static unsigned count_virtio(const struct vm *vm)
{
	unsigned windows = 0;

	for (unsigned i = 0; i < vm->mmio.n_ranges; i++)
		windows += vm->mmio.ranges[i].base >= X86_MMIO_START && vm->mmio.ranges[i].base < X86_MMIO_END;
	return windows - 2;
}

/* What the tree says in the places that a guest's kernel reads first. */
static void check_tree(const struct vm *vm, const struct dtb *tree)
{
	const void *fdt = tree->blob;
	int node, n = 0, len;

	fuzz_check(fdt_check_full(fdt, (size_t)tree->size) == 0 && fdt_totalsize(fdt) == (uint32_t)tree->size,
		   "a broken tree");
	node = fdt_path_offset(fdt, "/chosen");
	const char *bootargs = fdt_getprop(fdt, node, "bootargs", &len);

	fuzz_check(bootargs && strcmp(bootargs, vm->config->cmdline) == 0, "the tree's command line is another");
	fuzz_check(!fdt_getprop(fdt, node, "linux,initrd-start", &len) == !vm->boot.initrd_size, "the tree's initrd");
	fdt_for_each_subnode(node, fdt, fdt_path_offset(fdt, "/cpus")) n++;
	fuzz_check(n == (int)vm->config->cpus, "%d CPUs", n);
	n = 0;
	for (node = fdt_node_offset_by_compatible(fdt, -1, "virtio,mmio"); node >= 0;
	     node = fdt_node_offset_by_compatible(fdt, node, "virtio,mmio"))
		n++;
	fuzz_check(n == (int)count_virtio(vm), "%d devices in the tree, %u on the bus", n, count_virtio(vm));
}

/* As --dump-dtb does; a file of the same bytes. */
static void dump(const struct dtb *tree)
{
	char path[sizeof(fuzz_dir) + 8];
	struct stat st;

	snprintf(path, sizeof(path), "%s/dtb", fuzz_dir);
	int err = machine_dump(tree, path);

	fuzz_check(err || (stat(path, &st) == 0 && st.st_size == tree->size), "the dumped tree has another length");
	unlink(path);
}

static void place(struct vm *vm, const struct dtb *tree)
{
	int err = arch_place_dtb(vm, tree->blob, (size_t)tree->size);
	const uint8_t *placed = vm->memory.regions[0].host + X86_DTB + sizeof(struct setup_data);

	fuzz_check(err || memcmp(placed, tree->blob, (size_t)tree->size) == 0, "the placed tree is another");
	fuzz_check(err || X86_DTB + sizeof(struct setup_data) + (size_t)tree->size <= X86_DTB_END,
		   "the tree is too long");
}

static void try_dt(struct vm *vm, bool dumped)
{
	struct dtb tree;
	int err = machine_describe(vm, &tree);

	fuzz_check(!err || faults_struck(), "no tree: %d", err);
	if (!err) {
		check_tree(vm, &tree);
		place(vm, &tree);
		if (dumped)
			dump(&tree);
	}
	dtb_free(&tree);
}

/* As --dump-acpi does; files of the same bytes. */
static void dump_acpi(const struct acpi_area *area)
{
	char directory[sizeof(fuzz_dir) + 8], path[sizeof(directory) + 16];
	struct stat st;

	snprintf(directory, sizeof(directory), "%s/acpi", fuzz_dir);
	int err = acpi_dump(area, directory);

	for (unsigned i = 0; i < area->n_tables; i++) {
		const struct acpi_placed *table = &area->tables[i];

		snprintf(path, sizeof(path), "%s/%s.dat", directory, table->name);
		fuzz_check(err || strcmp(table->name, ACPI_RSDP) == 0 ||
				   (stat(path, &st) == 0 && st.st_size == (off_t)table->len),
			   "the dumped %s has another length", table->name);
		unlink(path);
	}
	rmdir(directory);
}

static void try_acpi(struct vm *vm, bool dumped)
{
	struct acpi_area area;
	struct found_acpi found;
	struct dsdt dsdt;
	int err = arch_place_acpi(vm, &area);

	fuzz_check(!err, "no ACPI tables: %d", err);
	const char *wrong = firmware_read_acpi(&vm->memory, &found);

	fuzz_check(!wrong, "%s", wrong);
	wrong = dsdt_read(found.dsdt.bytes + sizeof(struct acpi_header), found.dsdt.len - sizeof(struct acpi_header),
			  &dsdt);
	fuzz_check(!wrong, "DSDT: %s", wrong);
	fuzz_check(dsdt_count(&dsdt, "LNRO0005") == count_virtio(vm), "%u devices in the DSDT, %u on the bus",
		   dsdt_count(&dsdt, "LNRO0005"), count_virtio(vm));
	fuzz_check(dsdt_count(&dsdt, "ACPI0007") == vm->config->cpus, "CPUs in the DSDT");
	fuzz_check(found.madt.len == 44 + 12 + 10 + 6 + 8 * vm->config->cpus, "CPUs in the MADT");
	if (dumped)
		dump_acpi(&area);
}

/* What the user wrote, then a parameter for each device; and the processors in an MP table. */
static void try_cmdline(struct vm *vm)
{
	const char *own = vm->config->cmdline, *word = vm->cmdline + strlen(own);
	struct found_mp mp;
	unsigned n = 0;

	arch_place_cpus(vm);
	const char *wrong = firmware_read_mp(&vm->memory, &mp);

	fuzz_check(!wrong, "%s", wrong);
	fuzz_check(mp.n_kind[MP_CPU] == vm->config->cpus, "%u CPUs in the MP table", mp.n_kind[MP_CPU]);
	fuzz_check(strncmp(vm->cmdline, own, strlen(own)) == 0, "the user's command line is another");
	for (; *word; n++) {
		fuzz_check(strncmp(word, " virtio_mmio.device=", 20) == 0, "no parameter: '%s'", word);
		word += 20 + strcspn(word + 20, " ");
	}
	fuzz_check(n == count_virtio(vm), "%u parameters, %u devices on the bus", n, count_virtio(vm));
}

/* Once it is told of its devices: each other way shows nothing. */
static void check_one_way(const struct vm *vm)
{
	fuzz_check(!firmware_find_rsdp(&vm->memory) == (vm->discovery != DISCOVERY_ACPI), "the RSDP");
	fuzz_check(!firmware_find_mp(&vm->memory) == (vm->discovery != DISCOVERY_CMDLINE), "the MP table");
	fuzz_check(vm->discovery == DISCOVERY_CMDLINE || strcmp(vm->cmdline, vm->config->cmdline) == 0,
		   "the command line");
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct plan plan;
	struct vm *vm;

	faults_arm(input_u8(&in));
	take_plan(&plan, &in);
	if (vm_create(&vm, &plan.config)) {
		fuzz_check(faults_struck() || plan.config.mem_size > 1024 * MIB, "no machine");
		return;
	}
	if (devices_create(vm) == 0 && vm_describe_cmdline(vm) == 0 && (!plan.config.kernel || arch_load(vm) == 0)) {
		if (vm->discovery == DISCOVERY_ACPI)
			try_acpi(vm, plan.dump);
		else if (vm->discovery == DISCOVERY_CMDLINE)
			try_cmdline(vm);
		else
			try_dt(vm, plan.dump);
		check_one_way(vm);
	}
	vm_destroy(vm);
}
