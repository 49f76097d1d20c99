// SPDX-License-Identifier: GPL-2.0-only
#include "dtb/machine.h"

#include "dtb/tree.h"
#include "vmm/arch/arch.h"
#include "vmm/file.h"
#include "vmm/vm.h"

static void describe_chosen(const struct vm *vm, struct dtb *tree)
{
	dtb_begin_plain(tree, "chosen");
	dtb_string(tree, "bootargs", vm->cmdline);
	if (vm->boot.initrd_size) {
		dtb_u64(tree, "linux,initrd-start", vm->boot.initrd_gpa);
		dtb_u64(tree, "linux,initrd-end", vm->boot.initrd_gpa + vm->boot.initrd_size);
	}
	dtb_end(tree);
}

static void describe_memory(const struct vm *vm, struct dtb *tree)
{
	for (unsigned i = 0; i < vm->memory.n_regions; i++) {
		const struct memory_region *region = &vm->memory.regions[i];

		dtb_begin(tree, "memory", region->gpa);
		dtb_string(tree, "device_type", "memory");
		dtb_reg(tree, region->gpa, region->size);
		dtb_end(tree);
	}
}

int machine_describe(const struct vm *vm, struct dtb *tree)
{
	dtb_start(tree);
	dtb_string(tree, "compatible", "minivmm");
	dtb_string(tree, "model", "minivmm");
	dtb_u32(tree, "#address-cells", 2);
	dtb_u32(tree, "#size-cells", 2);
	dtb_u32(tree, "interrupt-parent", DTB_PHANDLE_IOAPIC);
	describe_chosen(vm, tree);
	describe_memory(vm, tree);
	arch_describe_dt(vm, tree);

	dtb_begin_plain(tree, "soc");
	dtb_string(tree, "compatible", "simple-bus");
	dtb_u32(tree, "#address-cells", 2);
	dtb_u32(tree, "#size-cells", 2);
	dtb_empty(tree, "ranges");
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].ops->describe_dt)
			vm->devices[i].ops->describe_dt(vm->devices[i].ctx, tree);
	dtb_end(tree);
	return dtb_finish(tree);
}

int machine_dump(const struct dtb *tree, const char *path)
{
	return file_dump("--dump-dtb", path, tree->blob, (size_t)tree->size);
}
