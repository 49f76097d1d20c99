/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a bare-metal payload has: TAP on the serial port, the device tree that it was given, port and memory accesses,
 * interrupts, a second processor. Plain integer instructions only: a software KVM emulates each one.
 */
#ifndef MINIVMM_PAYLOAD_GUEST_H
#define MINIVMM_PAYLOAD_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <asm/bootparam.h>

/* --- the payload's own ----------------------------------------------------------------------------------------------
 */

/* Each payload has one; when it returns the plan is printed and the machine powered off. */
void payload(void);
/* Runs on the second processor where a payload starts it; a weak default does nothing. */
void second_cpu(void);

/* What pvh.S found where it was entered by PVH; start_info is 0 where it was not. */
struct pvh_entry {
	uint32_t start_info, cr0, cr4, eflags;
	uint16_t cs, ds, es, tr;
	uint16_t gdt_limit;
	uint32_t gdt;
} __attribute__((packed));
extern const struct pvh_entry pvh_entry;

/* --- TAP ------------------------------------------------------------------------------------------------------------
 */

void print(const char *text);
void print_hex(uint64_t number);
void print_number(uint64_t number);
void check(bool ok, const char *name);
/* Counts as passed. */
void check_skipped(const char *name, const char *why);
/* As check(), and prints both numbers where they differ. */
void check_is(uint64_t got, uint64_t wanted, const char *name);
/* Until a byte comes on the serial port; the interrupt that announces it is nobody's. */
void wait_byte(void);
void poweroff(void) __attribute__((noreturn));

/* --- accesses -------------------------------------------------------------------------------------------------------
 */

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}
static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}
static inline uint32_t in32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

#define ACCESS(type, bits)                                       \
	static inline type read##bits(uint64_t gpa)              \
	{                                                        \
		return *(volatile type *)(uintptr_t)gpa;         \
	}                                                        \
	static inline void write##bits(uint64_t gpa, type value) \
	{                                                        \
		*(volatile type *)(uintptr_t)gpa = value;        \
	}
ACCESS(uint8_t, 8)
ACCESS(uint16_t, 16)
ACCESS(uint32_t, 32)
ACCESS(uint64_t, 64)

static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

void *memset(void *to, int byte, size_t n);
void *memcpy(void *to, const void *from, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *text);

/* --- what minivmm handed over ---------------------------------------------------------------------------------------
 */

extern const struct boot_params *boot_params;

/* Moves page tables, GDT, boot parameters, command line and device tree from low memory into the payload's own. */
void move_in(void);

/* Is it the command line's last word? */
bool asked(const char *word);

/* A node of the device tree: reg and interrupts of the first cell pairs, 0 where it has none. */
struct node {
	char name[32];
	uint64_t address, size;
	uint32_t pin, offset, value;
	bool has_pin;
};
/* The n-th node, from 0, with a compatible string; its parent's address is in *parent where that is wanted. */
bool tree_find(const char *compatible, unsigned n, struct node *node);
/* How many nodes there are with that device_type ("cpu", "memory"). */
unsigned tree_count(const char *device_type);
/* A string property of /chosen, or NULL. */
const char *tree_chosen(const char *property);

/* --- interrupts -----------------------------------------------------------------------------------------------------
 */

#define VECTOR_DEVICE 0x40 /* pin N of the IOAPIC comes as VECTOR_DEVICE + N */

/* IDT, local APIC on, every IOAPIC pin masked; interrupts stay off until wait_interrupt(). */
void interrupts_init(void);
/* Unmasks a pin of the IOAPIC, edge-triggered, to this processor; and masks it again. */
void interrupts_enable(unsigned pin);
void interrupts_disable(unsigned pin);
/* How often the pin's interrupt came. */
uint32_t interrupts_count(unsigned pin);
/* Halts until the pin's count is not `before` any more. */
void interrupts_wait(unsigned pin, uint32_t before);
/* The same for a while, without a halt; true where it came. */
bool interrupts_come(unsigned pin, uint32_t before);

/* Starts processor 1 (INIT, then SIPI): it runs second_cpu(). */
void start_second_cpu(void);

#endif
