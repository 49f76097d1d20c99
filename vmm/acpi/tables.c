// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/acpi/tables.h"

#include <errno.h>
#include <string.h>

#include "vmm/checksum.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ACPI's byte order is taken to be the host's");

/* 5.2.5.3 */
struct acpi_rsdp {
	char signature[8];
	uint8_t checksum; /* of the first 20 bytes, all that revision 0 had */
	char oem_id[6];
	uint8_t revision;
	uint32_t rsdt;
	uint32_t length;
	uint64_t xsdt;
	uint8_t extended_checksum;
	uint8_t reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 6.4, table 5-3");
#define RSDP_V0_LEN 20u
#define RSDP_ALIGN  16u

#define OEM_ID    "MINVMM"
#define OEM_TABLE "MINIVMM "
#define CREATOR   "MVMM"

void *acpi_reserve(struct acpi_area *area, const char *name, size_t len, size_t align)
{
	size_t start = (area->used + align - 1) / align * align;

	if (start > area->size || len > area->size - start || area->n_tables == ACPI_TABLES_MAX)
		area->err = -ENOSPC;
	if (area->err)
		return NULL;
	area->used = start + len;
	area->tables[area->n_tables++] = (struct acpi_placed){ name, start, len };
	return area->host + start;
}

uint64_t acpi_gpa(const struct acpi_area *area, const char *name)
{
	for (unsigned i = 0; i < area->n_tables; i++)
		if (strcmp(area->tables[i].name, name) == 0)
			return area->gpa + area->tables[i].at;
	return 0;
}

void acpi_seal(struct acpi_header *table, const char signature[4], uint8_t revision, size_t len)
{
	memcpy(table->signature, signature, sizeof(table->signature));
	table->length = (uint32_t)len;
	table->revision = revision;
	memcpy(table->oem_id, OEM_ID, sizeof(table->oem_id));
	memcpy(table->oem_table_id, OEM_TABLE, sizeof(table->oem_table_id));
	table->oem_revision = 1;
	memcpy(table->creator_id, CREATOR, sizeof(table->creator_id));
	table->creator_revision = 1;
	table->checksum = 0;
	table->checksum = checksum(table, len);
}

int acpi_root(struct acpi_area *area, const char *const *names, size_t n)
{
	size_t len = sizeof(struct acpi_header) + n * sizeof(uint64_t);
	uint8_t *xsdt = acpi_reserve(area, "xsdt", len, ACPI_TABLE_ALIGN);
	struct acpi_rsdp *rsdp = acpi_reserve(area, ACPI_RSDP, sizeof(*rsdp), RSDP_ALIGN);

	if (!xsdt || !rsdp)
		return area->err;
	for (size_t i = 0; i < n; i++) {
		uint64_t gpa = acpi_gpa(area, names[i]);

		memcpy(xsdt + sizeof(struct acpi_header) + i * sizeof(gpa), &gpa, sizeof(gpa));
	}
	acpi_seal((struct acpi_header *)(void *)xsdt, "XSDT", 1, len);

	*rsdp = (struct acpi_rsdp){ .revision = 2, .length = sizeof(*rsdp), .xsdt = acpi_gpa(area, "xsdt") };
	memcpy(rsdp->signature, "RSD PTR ", sizeof(rsdp->signature));
	memcpy(rsdp->oem_id, OEM_ID, sizeof(rsdp->oem_id));
	rsdp->checksum = checksum(rsdp, RSDP_V0_LEN);
	rsdp->extended_checksum = checksum(rsdp, sizeof(*rsdp));
	return 0;
}
