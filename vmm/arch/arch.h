/* SPDX-License-Identifier: GPL-2.0-only */
/* All that the machine asks of an architecture. */
#ifndef MINIVMM_ARCH_H
#define MINIVMM_ARCH_H

#include <stddef.h>
#include <stdint.h>

struct acpi_area;
struct aml;
struct dtb;
struct vcpu;
struct vm;

/* Where things are in guest-physical memory; gpas, ends are exclusive. */
struct arch_layout {
	uint64_t hole_start, hole_end; /* no RAM here, whatever --mem says */
	uint64_t mmio_start, mmio_end; /* device windows, inside the hole */
};
extern const struct arch_layout arch_layout;

/*
 * Puts kernel, initrd and command line into guest RAM and fills vm->boot. 0 or -errno, with a message that names the
 * file and the way out. Needs no KVM.
 */
int arch_load(struct vm *vm);
/* Adds CPUs and interrupt controllers to the tree. Errors stick to the tree. Needs no KVM. */
void arch_describe_dt(const struct vm *vm, struct dtb *tree);
/* Hands the finished tree to the kernel that arch_load() placed; not to one that is entered by PVH, which takes none.
 * 0 or -errno, with a message. */
int arch_place_dtb(struct vm *vm, const void *blob, size_t size);
/* Adds the processors to ACPI's namespace. Errors stick. Needs no KVM. */
void arch_describe_acpi(const struct vm *vm, struct aml *aml);
/* Puts ACPI tables into guest RAM and tells the kernel where; *area is for acpi_dump(). 0 or -errno, with a message. */
int arch_place_acpi(struct vm *vm, struct acpi_area *area);
/* Processors and interrupt lines for a kernel that has neither. */
void arch_place_cpus(struct vm *vm);

/* Interrupt controllers and timers of the new VM, before any vCPU. 0 or -errno, with a message. */
int arch_vm_init(struct vm *vm);
/* CPUID and the registers that the boot protocol asks for. 0 or -errno, with a message. */
int arch_vcpu_init(struct vcpu *vcpu);

/*
 * After an exit that ends the guest: registers and the bytes at the instruction pointer, on standard error. On the
 * vCPU's own thread.
 */
void arch_report(struct vcpu *vcpu);
/* The name of an instruction that KVM could not emulate, from its first bytes, or NULL where it is not a known one. */
const char *arch_insn_name(const uint8_t *bytes, size_t len);

#endif
