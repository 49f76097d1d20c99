// SPDX-License-Identifier: GPL-2.0-only
/* IDT, local APIC and IOAPIC, at the addresses that the device tree gives; and the start of a second processor. */
#include "tests/payload/guest.h"

#define VECTORS        128
#define PINS           24
#define BOOT_CS        0x10
#define GATE_INTERRUPT 0x8e

/* Local APIC registers (Intel SDM 3A, 11.4.1) */
#define APIC_ID       0x20
#define APIC_EOI      0xb0
#define APIC_SVR      0xf0
#define APIC_ICR_LOW  0x300
#define APIC_ICR_HIGH 0x310
#define SVR_ENABLE    0x100
#define SVR_VECTOR    0x7f   /* spurious */
#define ICR_INIT      0x4500 /* delivery INIT, assert */
#define ICR_SIPI      0x4600 /* delivery start-up, assert; the low byte is the page */

/* IOAPIC (82093AA) */
#define IOREGSEL   0x00
#define IOWIN      0x10
#define IOREDTBL   0x10
#define RED_MASKED 0x10000

/* where a PC has them, for a machine that has no device tree */
#define PC_LAPIC  0xfee00000u
#define PC_IOAPIC 0xfec00000u

#define COME_TSC 10000000000u /* some seconds: what has not come by then does not */

#define TRAMPOLINE_PAGE 0x9 /* 0x9000: free, below what E820 calls the end of low RAM */

struct gate {
	uint16_t offset_low, selector;
	uint8_t ist, type;
	uint16_t offset_middle;
	uint32_t offset_high, zero;
};

struct __attribute__((packed)) table_register {
	uint16_t limit;
	uint64_t base;
};

extern const uint8_t stubs[], trampoline[], trampoline_end[], trampoline_cr3[], trampoline_gdt[];

static struct gate idt[VECTORS];
static volatile uint32_t counts[VECTORS];
static uint64_t lapic, ioapic;

void interrupt(uint64_t vector);
void interrupt(uint64_t vector)
{
	if (vector < 32) {
		print("Bail out! exception ");
		print_hex(vector);
		print("\n");
		poweroff();
	}
	counts[vector]++;
	if (vector != SVR_VECTOR)
		write32(lapic + APIC_EOI, 0);
}

static void ioapic_write(uint32_t reg, uint32_t value)
{
	write32(ioapic + IOREGSEL, reg);
	write32(ioapic + IOWIN, value);
}

void interrupts_init(void)
{
	struct table_register idtr = { .limit = sizeof(idt) - 1, .base = (uintptr_t)idt };
	struct node node;

	lapic = tree_find("intel,ce4100-lapic", 0, &node) ? node.address : PC_LAPIC;
	ioapic = tree_find("intel,ce4100-ioapic", 0, &node) ? node.address : PC_IOAPIC;
	for (unsigned vector = 0; vector < VECTORS; vector++) {
		uint64_t stub = (uintptr_t)stubs + vector * 16;

		idt[vector] = (struct gate){ .offset_low = (uint16_t)stub,
					     .selector = BOOT_CS,
					     .type = GATE_INTERRUPT,
					     .offset_middle = (uint16_t)(stub >> 16),
					     .offset_high = (uint32_t)(stub >> 32) };
	}
	__asm__ volatile("lidt %0" : : "m"(idtr));
	for (unsigned pin = 0; pin < PINS; pin++)
		ioapic_write(IOREDTBL + 2 * pin, RED_MASKED);
	/* the two old controllers, which would come through LINT0, stay quiet */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
	write32(lapic + APIC_SVR, SVR_ENABLE | SVR_VECTOR);
}

void interrupts_enable(unsigned pin)
{
	ioapic_write(IOREDTBL + 2 * pin + 1, read32(lapic + APIC_ID) & 0xff000000);
	ioapic_write(IOREDTBL + 2 * pin, VECTOR_DEVICE + pin);
}

void interrupts_disable(unsigned pin)
{
	ioapic_write(IOREDTBL + 2 * pin, RED_MASKED);
}

uint32_t interrupts_count(unsigned pin)
{
	return counts[VECTOR_DEVICE + pin];
}

void interrupts_wait(unsigned pin, uint32_t before)
{
	/* sti holds interrupts back for one instruction: none is lost between the look and the halt */
	while (interrupts_count(pin) == before)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
}

bool interrupts_come(unsigned pin, uint32_t before)
{
	for (uint64_t start = rdtsc(); interrupts_count(pin) == before && rdtsc() - start < COME_TSC;)
		__asm__ volatile("sti; nop; nop; cli" : : : "memory"); /* the first nop is in sti's shadow */
	return interrupts_count(pin) != before;
}

void start_second_cpu(void)
{
	uint8_t *page = (uint8_t *)(TRAMPOLINE_PAGE << 12);
	struct table_register gdtr;
	uint64_t cr3;

	__asm__ volatile("sgdt %0; mov %%cr3, %1" : "=m"(gdtr), "=r"(cr3));
	memcpy(page, trampoline, (size_t)(trampoline_end - trampoline));
	uint32_t low_cr3 = (uint32_t)cr3, base = (uint32_t)gdtr.base;

	memcpy(page + (trampoline_cr3 - trampoline), &low_cr3, 4);
	memcpy(page + (trampoline_gdt - trampoline), &gdtr.limit, 2);
	memcpy(page + (trampoline_gdt - trampoline) + 2, &base, 4);
	write32(lapic + APIC_ICR_HIGH, 1u << 24);
	write32(lapic + APIC_ICR_LOW, ICR_INIT);
	for (uint64_t start = rdtsc(); rdtsc() - start < 1000000;)
		;
	write32(lapic + APIC_ICR_LOW, ICR_SIPI | TRAMPOLINE_PAGE);
}
