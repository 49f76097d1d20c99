// SPDX-License-Identifier: GPL-2.0-only
/*
 * The panic register, pvpanic (QEMU's docs/specs/pvpanic): a kernel that gives up says so at once, where it would halt
 * or spin for ever. A read tells which events are understood, a write is one. Linux (drivers/misc/pvpanic) writes when
 * "Kernel panic - not syncing" and the call trace are on the console already.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "devices/devices.h"
#include "dtb/tree.h"
#include "vmm/acpi/aml.h"
#include "vmm/log.h"
#include "vmm/vm.h"

#define PVPANIC_LEN      2u /* bytes; the events are in the first */
#define EVENT_PANICKED   0x1u
#define EVENT_CRASH_KEPT 0x2u /* a panic that the guest's crash kernel deals with: told of, not acted on */
#define EVENT_SHUTDOWN   0x4u /* a power-off, for a guest that knows no other way */
#define EVENTS           (EVENT_PANICKED | EVENT_CRASH_KEPT | EVENT_SHUTDOWN)

struct pvpanic {
	struct vm *vm;
	uint64_t gpa;
	atomic_bool crash_told; /* once a run: a crash kernel has no crash kernel */
};

static uint64_t pvpanic_read(void *ctx, uint64_t off, unsigned len)
{
	(void)ctx;
	(void)len;
	return off == 0 ? EVENTS : 0;
}

/* Where a guest sets more than one bit the worst counts. What its console said is told at the end: panic.h. */
static void pvpanic_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct pvpanic *pvpanic = ctx;

	(void)len;
	if (off != 0)
		return;
	if (value & EVENT_PANICKED)
		vm_stop(pvpanic->vm, VM_END_PANIC);
	else if ((value & EVENT_CRASH_KEPT) && !atomic_exchange(&pvpanic->crash_told, true))
		log_error("the guest's kernel panicked, and goes on: its crash kernel takes over");
	else if (!(value & EVENT_CRASH_KEPT) && (value & EVENT_SHUTDOWN))
		vm_stop(pvpanic->vm, VM_END_OK);
}

static const char *pvpanic_reg_name(uint64_t off)
{
	return off == 0 ? "event" : NULL;
}

static const struct bus_ops pvpanic_ops = { .read = pvpanic_read,
					    .write = pvpanic_write,
					    .reg_name = pvpanic_reg_name };

static void pvpanic_describe_dt(void *ctx, struct dtb *tree)
{
	const struct pvpanic *pvpanic = ctx;

	dtb_begin(tree, "pvpanic", pvpanic->gpa);
	dtb_string(tree, "compatible", "qemu,pvpanic-mmio");
	dtb_reg(tree, pvpanic->gpa, PVPANIC_LEN);
	dtb_end(tree);
}

static void pvpanic_describe_acpi(void *ctx, struct aml *aml)
{
	const struct pvpanic *pvpanic = ctx;

	aml_device(aml, "PEVT");
	aml_name_string(aml, "_HID", "QEMU0001"); /* by which Linux's driver knows it */
	aml_resources(aml);
	aml_memory(aml, (uint32_t)pvpanic->gpa, PVPANIC_LEN);
	aml_end_resources(aml);
	aml_end(aml);
}

static const struct vm_device_ops pvpanic_device = { .describe_dt = pvpanic_describe_dt,
						     .describe_acpi = pvpanic_describe_acpi,
						     .destroy = free };

int pvpanic_create(struct vm *vm, uint64_t gpa)
{
	struct pvpanic *pvpanic = calloc(1, sizeof(*pvpanic));
	int err = -ENOMEM;

	if (!pvpanic)
		goto fail;
	pvpanic->vm = vm;
	pvpanic->gpa = gpa;
	struct bus_range window = {
		.base = gpa, .len = PVPANIC_LEN, .name = "pvpanic", .ops = &pvpanic_ops, .ctx = pvpanic
	};

	err = bus_add(&vm->mmio, &window);
	if (!err)
		err = vm_add_device(vm, &pvpanic_device, pvpanic);
	if (!err)
		return 0;
fail:
	log_error("panic register: %s", strerror(-err));
	free(pvpanic);
	return err;
}
