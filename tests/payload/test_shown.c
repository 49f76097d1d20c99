// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest is shown of its machine: one way to find the devices, as "shown=dt|acpi|cmdline" on its command line
 * says that it should be, and none of the others. By ACPI it ends by what ACPI says of power-off, or with "end=reset"
 * of the reset register; by the command line as PCs always did.
 */
#include "tests/payload/guest.h"

#define BIOS_START 0xe0000u
#define BIOS_END   0x100000u
#define PARAMETER  "virtio_mmio.device="
#define SLP_EN     (1u << 13)

static unsigned tests_done;

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static uint16_t in16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static void shown(uint64_t got, uint64_t wanted, const char *name)
{
	check_is(got, wanted, name);
	tests_done++;
}

static const uint8_t *at_gpa(uint64_t gpa)
{
	return (const uint8_t *)(uintptr_t)gpa;
}

static uint64_t find(const char *signature)
{
	for (uint64_t gpa = BIOS_START; gpa < BIOS_END; gpa += 16)
		if (memcmp(at_gpa(gpa), signature, strlen(signature)) == 0)
			return gpa;
	return 0;
}

static const char *find_word(const char *word)
{
	const char *at = (const char *)(uintptr_t)boot_params->hdr.cmd_line_ptr;
	size_t n = strlen(word);

	for (; strlen(at) >= n; at++)
		if (memcmp(at, word, n) == 0)
			return at;
	return NULL;
}

static void end_plan(void)
{
	print("1..");
	print_number(tests_done);
	print("\n");
}

/* The table that the XSDT lists by this signature, or 0. */
static uint64_t find_table(uint64_t rsdp, const char *signature)
{
	uint64_t xsdt = read64(rsdp + 24);

	for (uint64_t at = xsdt + 36; at < xsdt + read32(xsdt + 4); at += 8)
		if (memcmp(at_gpa(read64(at)), signature, 4) == 0)
			return read64(at);
	return 0;
}

/* Name (_S5, Package () {value, ...}) in the DSDT's bytes, the value being of one byte; 0xff: it is not there. */
static uint8_t find_s5(uint64_t dsdt)
{
	for (uint64_t at = dsdt + 36; at + 9 <= dsdt + read32(dsdt + 4); at++)
		if (memcmp(at_gpa(at), "_S5_\x12", 5) == 0 && read8(at + 7) == 0x0a)
			return read8(at + 8);
	return 0xff;
}

static void by_acpi(void)
{
	uint64_t rsdp = boot_params->acpi_rsdp_addr, fadt = find_table(rsdp, "FACP");
	uint8_t s5 = fadt ? find_s5(read64(fadt + 140)) : 0xff;

	shown(fadt != 0 && find_table(rsdp, "APIC") != 0, 1, "FADT and MADT are listed");
	shown(s5 <= 7, 1, "there is a value for power-off");
	if (!fadt)
		return;
	uint16_t control = (uint16_t)read32(fadt + 64);

	shown(in16(control) & 1, 1, "the machine is in ACPI mode");
	end_plan();
	if (find_word("end=reset"))
		out8((uint16_t)read64(fadt + 120), read8(fadt + 128));
	else
		out16(control, (uint16_t)(s5 << 10 | SLP_EN));
	print("# still here\n");
}

void payload(void)
{
	bool dt = find_word("shown=dt"), acpi = find_word("shown=acpi"), cmdline = find_word("shown=cmdline");
	struct node node;

	shown(tree_find("virtio,mmio", 0, &node), dt, "a device tree with a virtio device");
	shown(boot_params->hdr.setup_data != 0, dt, "setup_data");
	shown(find("RSD PTR ") != 0, acpi, "an RSDP");
	shown(boot_params->acpi_rsdp_addr == find("RSD PTR "), 1, "the boot parameters tell of what is there");
	shown(find("_MP_") != 0, cmdline, "an MP table");
	shown(find_word(PARAMETER) != NULL, cmdline, "a parameter for a virtio device");
	if (acpi) {
		by_acpi();
	} else {
		end_plan();
		if (cmdline)
			out8(0x64, 0xfe);
	}
	poweroff();
}
