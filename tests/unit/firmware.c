// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/firmware.h"

#include <string.h>

#define PARAGRAPH   16u
#define BIOS_START  0xe0000u /* ACPI 6.4, 5.2.5.1 */
#define MP_START    0xf0000u /* MP 1.4, chapter 4 */
#define BIOS_END    0x100000u
#define HEADER_LEN  36u
#define RSDP_LEN    36u
#define RSDP_V1_LEN 20u
#define FACS_LEN    64u
#define FADT_LEN    276u
#define MADT_LEN    44u
#define MP_HEADER   44u

uint64_t firmware_number(const void *bytes, unsigned len)
{
	const uint8_t *at = bytes;
	uint64_t value = 0;

	for (unsigned i = 0; i < len; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

uint8_t firmware_sum(const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint8_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum = (uint8_t)(sum + at[i]);
	return sum;
}

static uint64_t find(const struct memory *memory, uint64_t start, const char *signature)
{
	for (uint64_t gpa = start; gpa < BIOS_END; gpa += PARAGRAPH) {
		const void *at = mem_ptr(memory, gpa, strlen(signature));

		if (at && memcmp(at, signature, strlen(signature)) == 0)
			return gpa;
	}
	return 0;
}

uint64_t firmware_find_rsdp(const struct memory *memory)
{
	return find(memory, BIOS_START, "RSD PTR ");
}

uint64_t firmware_find_mp(const struct memory *memory)
{
	return find(memory, MP_START, "_MP_");
}

/* A table at a gpa, with a length of four bytes behind its signature; checksummed unless it is the FACS. */
static const char *read_table(const struct memory *memory, uint64_t gpa, const char *signature, uint32_t least,
			      struct found_table *table)
{
	const uint8_t *bytes = mem_ptr(memory, gpa, 8);

	if (!bytes)
		return "a table outside of RAM";
	*table = (struct found_table){ bytes, (uint32_t)firmware_number(bytes + 4, 4), gpa };
	if (signature && memcmp(bytes, signature, 4) != 0)
		return "another table than was wanted";
	if (table->len < least || !mem_ptr(memory, gpa, table->len))
		return "a table's length is wrong";
	if (memcmp(bytes, "FACS", 4) != 0 && firmware_sum(bytes, table->len) != 0)
		return "a table's checksum is wrong";
	return NULL;
}

static const char *read_listed(const struct memory *memory, struct found_acpi *found)
{
	const char *wrong = NULL;

	if ((found->xsdt.len - HEADER_LEN) % 8 != 0)
		return "the XSDT ends within an address";
	found->n_listed = (found->xsdt.len - HEADER_LEN) / 8;
	for (unsigned i = 0; i < found->n_listed && !wrong; i++) {
		uint64_t gpa = firmware_number(found->xsdt.bytes + HEADER_LEN + 8 * i, 8);
		struct found_table table;

		wrong = read_table(memory, gpa, NULL, HEADER_LEN, &table);
		if (!wrong && memcmp(table.bytes, "FACP", 4) == 0)
			found->fadt = table;
		else if (!wrong && memcmp(table.bytes, "APIC", 4) == 0)
			found->madt = table;
	}
	return wrong;
}

const char *firmware_read_acpi(const struct memory *memory, struct found_acpi *found)
{
	memset(found, 0, sizeof(*found));
	found->rsdp.gpa = firmware_find_rsdp(memory);
	found->rsdp.bytes = mem_ptr(memory, found->rsdp.gpa, RSDP_LEN);
	if (!found->rsdp.gpa || !found->rsdp.bytes)
		return "no RSDP";
	found->rsdp.len = (uint32_t)firmware_number(found->rsdp.bytes + 20, 4);
	if (found->rsdp.bytes[15] != 2 || found->rsdp.len != RSDP_LEN)
		return "the RSDP is none of ACPI 2.0 or later";
	if (firmware_sum(found->rsdp.bytes, RSDP_V1_LEN) || firmware_sum(found->rsdp.bytes, RSDP_LEN))
		return "the RSDP's checksums are wrong";

	const char *wrong = read_table(memory, firmware_number(found->rsdp.bytes + 24, 8), "XSDT", HEADER_LEN,
				       &found->xsdt);

	if (!wrong)
		wrong = read_listed(memory, found);
	if (wrong)
		return wrong;
	if (found->fadt.len < FADT_LEN || found->madt.len < MADT_LEN)
		return "FADT or MADT are missing or too short";
	/* the older address where the newer is zero (5.2.9) */
	uint64_t dsdt = firmware_number(found->fadt.bytes + 140, 8), facs = firmware_number(found->fadt.bytes + 132, 8);

	wrong = read_table(memory, dsdt ? dsdt : firmware_number(found->fadt.bytes + 40, 4), "DSDT", HEADER_LEN,
			   &found->dsdt);
	return wrong ? wrong :
		       read_table(memory, facs ? facs : firmware_number(found->fadt.bytes + 36, 4), "FACS", FACS_LEN,
				  &found->facs);
}

/* The table's header lies in RAM and so does the rest; its entries fill it. */
static const char *read_entries(struct found_mp *found)
{
	static const uint8_t lengths[MP_KINDS] = { 20, 8, 8, 8, 8 };
	const uint8_t *at = found->table.bytes + MP_HEADER, *end = found->table.bytes + found->table.len;
	unsigned last = 0;

	while (at < end) {
		unsigned kind = at[0];

		if (kind >= MP_KINDS || (size_t)(end - at) < lengths[kind])
			return "an MP entry of no kind, or cut off";
		if (kind < last)
			return "MP entries out of order";
		if (found->n_entries == MP_ENTRIES_MAX)
			return "too many MP entries";
		last = kind;
		found->entries[found->n_entries++] = at;
		found->n_kind[kind]++;
		at += lengths[kind];
	}
	return found->n_entries == firmware_number(found->table.bytes + 34, 2) ? NULL :
										 "the MP table's number of entries";
}

const char *firmware_read_mp(const struct memory *memory, struct found_mp *found)
{
	memset(found, 0, sizeof(*found));
	found->pointer.gpa = firmware_find_mp(memory);
	found->pointer.bytes = mem_ptr(memory, found->pointer.gpa, PARAGRAPH);
	if (!found->pointer.gpa || !found->pointer.bytes)
		return "no MP pointer";
	found->pointer.len = PARAGRAPH;
	if (found->pointer.bytes[8] != 1 || firmware_sum(found->pointer.bytes, PARAGRAPH) != 0)
		return "the MP pointer's length or checksum is wrong";
	found->table.gpa = firmware_number(found->pointer.bytes + 4, 4);
	found->table.bytes = mem_ptr(memory, found->table.gpa, MP_HEADER);
	if (!found->table.bytes || memcmp(found->table.bytes, "PCMP", 4) != 0)
		return "no MP table where the pointer points";
	found->table.len = (uint32_t)firmware_number(found->table.bytes + 4, 2);
	if (found->table.len < MP_HEADER || !mem_ptr(memory, found->table.gpa, found->table.len))
		return "the MP table's length is wrong";
	if (firmware_sum(found->table.bytes, found->table.len) != 0)
		return "the MP table's checksum is wrong";
	return read_entries(found);
}
