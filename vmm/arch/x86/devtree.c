// SPDX-License-Identifier: GPL-2.0-only
/* CPUs and interrupt controllers, in the form that Linux's arch/x86/kernel/devicetree.c reads. */
#include "dtb/tree.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/vm.h"

static void describe_cpus(const struct vm *vm, struct dtb *tree)
{
	dtb_begin_plain(tree, "cpus");
	dtb_u32(tree, "#address-cells", 1);
	dtb_u32(tree, "#size-cells", 0);
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		dtb_begin(tree, "cpu", i);
		dtb_string(tree, "device_type", "cpu");
		dtb_string(tree, "compatible", "x86-64");
		dtb_u32(tree, "reg", i); /* the APIC id */
		dtb_end(tree);
	}
	dtb_end(tree);
}

void arch_describe_dt(const struct vm *vm, struct dtb *tree)
{
	describe_cpus(vm, tree);

	dtb_begin(tree, "interrupt-controller", X86_LAPIC);
	dtb_string(tree, "compatible", "intel,ce4100-lapic");
	dtb_reg(tree, X86_LAPIC, 0x1000);
	/* No intel,virtual-wire-mode: with it Linux masks LINT0, by which the PICs, and so the serial port, are heard.
	 */
	dtb_end(tree);

	dtb_begin(tree, "interrupt-controller", X86_IOAPIC);
	dtb_string(tree, "compatible", "intel,ce4100-ioapic");
	dtb_reg(tree, X86_IOAPIC, 0x1000);
	dtb_empty(tree, "interrupt-controller");
	dtb_u32(tree, "#address-cells", 0);
	dtb_u32(tree, "#interrupt-cells", 2); /* pin, type: see dtb_interrupt() */
	dtb_u32(tree, "phandle", DTB_PHANDLE_IOAPIC);
	dtb_end(tree);
}
