// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/pc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "devices/devices.h"
#include "dtb/machine.h"
#include "dtb/tree.h"
#include "tests/unit/image.h"
#include "vmm/acpi/tables.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"

#define HEADER_LEN 36u

struct vm_config pc_config(enum discovery discovery)
{
	static struct temp_file kernel; /* until the process ends */
	struct vm_config config = plain_config();

	if (!kernel.path[0]) {
		const struct bz bz = bz_plain();

		bz_file(&kernel, &bz);
	}
	config.kernel = kernel.path;
	config.discovery = discovery;
	return config;
}

static void read_acpi(struct pc *pc)
{
	const char *wrong = firmware_read_acpi(&pc->vm->memory, &pc->found);

	if (wrong)
		fail_msg("%s", wrong);
	wrong = dsdt_read(pc->found.dsdt.bytes + HEADER_LEN, pc->found.dsdt.len - HEADER_LEN, &pc->dsdt);
	if (wrong)
		fail_msg("DSDT: %s", wrong);
}

void pc_make(struct pc *pc, const struct vm_config *config)
{
	struct acpi_area area;
	struct dtb tree;

	assert_int_equal(vm_create(&pc->vm, config), 0);
	assert_int_equal(devices_create(pc->vm), 0);
	assert_int_equal(vm_describe_cmdline(pc->vm), 0);
	assert_int_equal(arch_load(pc->vm), 0);
	if (config->discovery == DISCOVERY_ACPI) {
		assert_int_equal(arch_place_acpi(pc->vm, &area), 0);
		read_acpi(pc);
	} else if (config->discovery == DISCOVERY_CMDLINE) {
		arch_place_cpus(pc->vm);
	} else {
		assert_int_equal(machine_describe(pc->vm, &tree), 0);
		assert_int_equal(arch_place_dtb(pc->vm, tree.blob, (size_t)tree.size), 0);
		dtb_free(&tree);
	}
}

void pc_free(struct pc *pc)
{
	vm_destroy(pc->vm);
}

const struct boot_params *pc_params(const struct pc *pc)
{
	return mem_ptr(&pc->vm->memory, X86_BOOT_PARAMS, sizeof(struct boot_params));
}

uint64_t pc_field(const struct found_table *table, unsigned offset, unsigned len)
{
	assert_true(offset + len <= table->len);
	return firmware_number(table->bytes + offset, len);
}
