// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processors and interrupt lines by Intel's MultiProcessor Specification 1.4, chapter 4: what a kernel reads that is
 * told its devices on the command line, and so has neither a device tree nor ACPI.
 */
#include <stdint.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/checksum.h"
#include "vmm/irq.h"
#include "vmm/vm.h"

struct mp_pointer {
	char signature[4];
	uint32_t table;
	uint8_t length; /* in units of 16 bytes */
	uint8_t revision, checksum, features[5];
} __attribute__((packed));
_Static_assert(sizeof(struct mp_pointer) == 16, "MP 1.4, 4.1");

struct mp_header {
	char signature[4];
	uint16_t length;
	uint8_t revision, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, entries;
	uint32_t lapic;
	uint16_t extended_length;
	uint8_t extended_checksum, reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_header) == 44, "MP 1.4, 4.2");

struct mp_cpu {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features;
	uint64_t reserved;
} __attribute__((packed));
_Static_assert(sizeof(struct mp_cpu) == 20, "MP 1.4, 4.3.1");

struct mp_bus {
	uint8_t type, id;
	char name[6];
} __attribute__((packed));

struct mp_ioapic {
	uint8_t type, id, version, flags;
	uint32_t address;
} __attribute__((packed));

struct mp_interrupt {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, irq, apic, pin;
} __attribute__((packed));

#define REVISION      4 /* 1.4 */
#define APIC_VERSION  0x14u
#define APIC_ALL      0xffu
#define FLAG_ENABLED  0x1u
#define FLAG_BOOT_CPU 0x2u

enum { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_INTERRUPT, ENTRY_LOCAL };
enum { KIND_INT, KIND_NMI, KIND_SMI, KIND_EXTINT };

static uint8_t *add(struct mp_header *header, uint8_t *at, const void *entry, size_t len)
{
	memcpy(at, entry, len);
	header->entries++;
	return at + len;
}

void arch_place_cpus(struct vm *vm)
{
	struct mp_pointer *pointer = mem_ptr(&vm->memory, X86_MPTABLE, X86_MPTABLE_END - X86_MPTABLE);
	struct mp_header *header = (void *)(pointer + 1);
	uint8_t *at = (uint8_t *)(header + 1);

	*header = (struct mp_header){ .revision = REVISION, .lapic = X86_LAPIC };
	memcpy(header->signature, "PCMP", sizeof(header->signature));
	memcpy(header->oem, "MINIVMM ", sizeof(header->oem));
	memcpy(header->product, "MINIVMM     ", sizeof(header->product));
	for (unsigned i = 0; i < vm->config->cpus; i++) {
		const struct mp_cpu cpu = { .type = ENTRY_CPU,
					    .apic_id = (uint8_t)i,
					    .apic_version = APIC_VERSION,
					    .flags = FLAG_ENABLED | (i == 0 ? FLAG_BOOT_CPU : 0) };

		at = add(header, at, &cpu, sizeof(cpu));
	}
	const struct mp_bus isa = { ENTRY_BUS, 0, "ISA   " };
	const struct mp_ioapic ioapic = { ENTRY_IOAPIC, X86_IOAPIC_ID, APIC_VERSION, FLAG_ENABLED, X86_IOAPIC };

	at = add(header, at, &isa, sizeof(isa));
	at = add(header, at, &ioapic, sizeof(ioapic));
	/* Also those above 15, which no ISA bus had: Linux takes such a line's number for its own, which is what
	 * virtio_mmio.device= gives. Edges that rise, as on that bus. */
	for (uint8_t gsi = 0; gsi < IRQ_LINES; gsi++) {
		const struct mp_interrupt line = { ENTRY_INTERRUPT, KIND_INT, 0, 0, gsi, X86_IOAPIC_ID, gsi };

		at = add(header, at, &line, sizeof(line));
	}
	const struct mp_interrupt extint = { ENTRY_LOCAL, KIND_EXTINT, 0, 0, 0, APIC_ALL, 0 };
	const struct mp_interrupt nmi = { ENTRY_LOCAL, KIND_NMI, 0, 0, 0, APIC_ALL, 1 };

	at = add(header, at, &extint, sizeof(extint));
	at = add(header, at, &nmi, sizeof(nmi));
	header->length = (uint16_t)(at - (uint8_t *)header);
	header->checksum = checksum(header, header->length);

	*pointer = (struct mp_pointer){ .table = X86_MPTABLE + sizeof(*pointer),
					.length = sizeof(*pointer) / 16,
					.revision = REVISION };
	memcpy(pointer->signature, "_MP_", sizeof(pointer->signature));
	pointer->checksum = checksum(pointer, sizeof(*pointer));
}
