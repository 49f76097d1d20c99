// SPDX-License-Identifier: GPL-2.0-only
/*
 * ACPI's power management registers, as far as fixed hardware has to have them (ACPI 6.4, 4.8.3): a guest turns itself
 * off by them. There are no fixed events, so that status bits never rise; enable bits are kept, since whoever sets one
 * looks whether it stayed. The machine is always in ACPI mode.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "devices/devices.h"
#include "vmm/acpi/fixed.h"
#include "vmm/log.h"
#include "vmm/vm.h"

struct pm {
	struct vm *vm;
	_Atomic uint16_t enable, control;
};

static uint64_t pm_read(void *ctx, uint64_t off, unsigned len)
{
	struct pm *pm = ctx;

	(void)len;
	return off == ACPI_PM1_ENABLE  ? atomic_load(&pm->enable) :
	       off == ACPI_PM1_CONTROL ? atomic_load(&pm->control) | ACPI_SCI_EN :
					 0;
}

static void pm_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct pm *pm = ctx;

	if (len != 2)
		return;
	if (off == ACPI_PM1_ENABLE) {
		atomic_store(&pm->enable, (uint16_t)value);
	} else if (off == ACPI_PM1_CONTROL) {
		atomic_store(&pm->control, (uint16_t)(value & ~ACPI_SLP_EN)); /* which reads as 0 */
		if ((value & ACPI_SLP_EN) && ACPI_SLP_TYP(value) == ACPI_S5)
			vm_stop(pm->vm, VM_END_OK);
	}
}

static const char *pm_reg_name(uint64_t off)
{
	switch (off) {
	case ACPI_PM1_STATUS: return "PM1_STS";
	case ACPI_PM1_ENABLE: return "PM1_EN";
	case ACPI_PM1_CONTROL: return "PM1_CNT";
	default: return NULL;
	}
}

static const struct bus_ops pm_ops = { .read = pm_read, .write = pm_write, .reg_name = pm_reg_name };
static const struct vm_device_ops pm_device = { .destroy = free };

int pm_create(struct vm *vm)
{
	struct pm *pm = calloc(1, sizeof(*pm));
	int err = -ENOMEM;

	if (!pm)
		goto fail;
	pm->vm = vm;
	struct bus_range ports = {
		.base = ACPI_PM1_PORT, .len = ACPI_PM1_PORTS, .name = "pm", .ops = &pm_ops, .ctx = pm
	};

	err = bus_add(&vm->pio, &ports);
	if (!err)
		err = vm_add_device(vm, &pm_device, pm);
	if (!err)
		return 0;
fail:
	log_error("ACPI power management: %s", strerror(-err));
	free(pm);
	return err;
}
