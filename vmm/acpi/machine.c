// SPDX-License-Identifier: GPL-2.0-only
/* ACPI's view of a machine, made from the machine itself; and its tables as files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/acpi/aml.h"
#include "vmm/acpi/fixed.h"
#include "vmm/acpi/tables.h"
#include "vmm/arch/arch.h"
#include "vmm/file.h"
#include "vmm/log.h"
#include "vmm/vm.h"

#define DSDT_REVISION 2 /* integers have 64 bits */

int acpi_describe(struct acpi_area *area, const struct vm *vm)
{
	static const uint64_t s5[] = { ACPI_S5, ACPI_S5 }; /* PM1a's sleep type, and PM1b's, which there is not */
	struct acpi_header *dsdt = acpi_reserve(area, "dsdt", sizeof(*dsdt), ACPI_TABLE_ALIGN);
	struct aml aml;

	if (!dsdt)
		return area->err;
	aml_start(&aml, dsdt + 1, area->size - area->used);
	aml_scope(&aml, "_SB");
	arch_describe_acpi(vm, &aml);
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].ops->describe_acpi)
			vm->devices[i].ops->describe_acpi(vm->devices[i].ctx, &aml);
	aml_end(&aml);
	aml_name_package(&aml, "_S5", s5, sizeof(s5) / sizeof(s5[0]));
	area->err = aml_finish(&aml);
	if (area->err)
		return area->err;
	area->tables[area->n_tables - 1].len += aml.len;
	area->used += aml.len;
	acpi_seal(dsdt, "DSDT", DSDT_REVISION, sizeof(*dsdt) + aml.len);
	return 0;
}

int acpi_dump(const struct acpi_area *area, const char *directory)
{
	int err = mkdir(directory, 0777) < 0 && errno != EEXIST ? -errno : 0;

	if (err)
		log_error("--dump-acpi %s: cannot be made: %s", directory, strerror(-err));
	for (unsigned i = 0; i < area->n_tables && !err; i++) {
		const struct acpi_placed *table = &area->tables[i];
		char *path;

		if (strcmp(table->name, ACPI_RSDP) == 0)
			continue; /* no table but the way to them: iasl reads none */
		if (asprintf(&path, "%s/%s.dat", directory, table->name) < 0) {
			log_error("--dump-acpi %s: %s", directory, strerror(ENOMEM));
			return -ENOMEM;
		}
		err = file_dump("--dump-acpi", path, area->host + table->at, table->len);
		free(path);
	}
	return err;
}
