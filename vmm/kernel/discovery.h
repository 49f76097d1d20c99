/* SPDX-License-Identifier: GPL-2.0-only */
/* How a guest's kernel is told which devices there are; exactly one way is shown, or a driver would bind twice. */
#ifndef MINIVMM_KERNEL_DISCOVERY_H
#define MINIVMM_KERNEL_DISCOVERY_H

enum discovery {
	DISCOVERY_AUTO, /* what the kernel can; only in what the command line asks for */
	DISCOVERY_DT,   /* a device tree */
	DISCOVERY_ACPI,
	DISCOVERY_CMDLINE, /* virtio_mmio.device=... on the kernel's command line, CPUs in an MP table */
};

#endif
