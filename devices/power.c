// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a guest ends the machine: a system controller register for power-off and reboot, and the keyboard controller's
 * reset pulse by which x86 Linux reboots.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/devices.h"
#include "dtb/tree.h"
#include "vmm/acpi/fixed.h"
#include "vmm/log.h"
#include "vmm/vm.h"

#define SYSCON_REG      0x0u
#define SYSCON_POWEROFF 0x5555u
#define SYSCON_REBOOT   0x7777u
#define SYSCON_LEN      4u /* bytes */

#define I8042_COMMAND_PORT ACPI_RESET_PORT
#define I8042_RESET_PULSE  ACPI_RESET_VALUE
/* Status: output always full, by which a driver finds no controller; input empty, or Linux polls long before a pulse.
 */
#define I8042_STATUS 0xfdu

struct power {
	struct vm *vm;
	uint64_t gpa;
};

static uint64_t power_read(void *ctx, uint64_t off, unsigned len)
{
	(void)ctx;
	(void)off;
	(void)len;
	return 0;
}

static void power_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct power *power = ctx;

	(void)len;
	if (off == SYSCON_REG && (value == SYSCON_POWEROFF || value == SYSCON_REBOOT))
		vm_stop(power->vm, VM_END_OK);
}

static const char *power_reg_name(uint64_t off)
{
	return off == SYSCON_REG ? "syscon" : NULL;
}

static const struct bus_ops power_ops = { .read = power_read, .write = power_write, .reg_name = power_reg_name };

static uint64_t i8042_read(void *ctx, uint64_t off, unsigned len)
{
	(void)ctx;
	(void)off;
	(void)len;
	return I8042_STATUS;
}

static void i8042_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct power *power = ctx;

	(void)off;
	(void)len;
	if (value == I8042_RESET_PULSE)
		vm_stop(power->vm, VM_END_OK);
}

static const char *i8042_reg_name(uint64_t off)
{
	(void)off;
	return "command";
}

static const struct bus_ops i8042_ops = { .read = i8042_read, .write = i8042_write, .reg_name = i8042_reg_name };

static void describe_command(struct dtb *tree, const char *name, const char *compatible, uint32_t value)
{
	dtb_begin_plain(tree, name);
	dtb_string(tree, "compatible", compatible);
	dtb_u32(tree, "regmap", DTB_PHANDLE_POWER);
	dtb_u32(tree, "offset", SYSCON_REG);
	dtb_u32(tree, "value", value);
	dtb_end(tree);
}

static void power_describe_dt(void *ctx, struct dtb *tree)
{
	const struct power *power = ctx;
	static const char compatible[] = "syscon\0simple-mfd";

	dtb_begin(tree, "syscon", power->gpa);
	dtb_strings(tree, "compatible", compatible, sizeof(compatible));
	dtb_reg(tree, power->gpa, SYSCON_LEN);
	dtb_u32(tree, "phandle", DTB_PHANDLE_POWER);
	describe_command(tree, "poweroff", "syscon-poweroff", SYSCON_POWEROFF);
	describe_command(tree, "reboot", "syscon-reboot", SYSCON_REBOOT);
	dtb_end(tree);
}

/* Not by ACPI, which has registers of its own for that, devices/pm.c. */
static const struct vm_device_ops power_device = { .describe_dt = power_describe_dt, .destroy = free };

int power_create(struct vm *vm, uint64_t gpa)
{
	struct power *power = calloc(1, sizeof(*power));
	int err = -ENOMEM;

	if (!power)
		goto fail;
	power->vm = vm;
	power->gpa = gpa;
	struct bus_range window = { .base = gpa, .len = SYSCON_LEN, .name = "power", .ops = &power_ops, .ctx = power };
	struct bus_range port = {
		.base = I8042_COMMAND_PORT, .len = 1, .name = "i8042", .ops = &i8042_ops, .ctx = power
	};

	err = bus_add(&vm->mmio, &window);
	if (!err)
		err = bus_add(&vm->pio, &port);
	if (!err)
		err = vm_add_device(vm, &power_device, power);
	if (!err)
		return 0;
fail:
	log_error("power control: %s", strerror(-err));
	free(power);
	return err;
}
