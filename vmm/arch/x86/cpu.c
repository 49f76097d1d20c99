// SPDX-License-Identifier: GPL-2.0-only
/* Interrupt controllers, CPUID and the first vCPU's registers. */
#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define CPUID_MAX 256u

#define CPUID_1_ECX_TSC_DEADLINE (1u << 24)
#define CPUID_1_ECX_HYPERVISOR   (1u << 31)
#define CPUID_1_EDX_HTT          (1u << 28)
#define TOPOLOGY_SMT             (1u << 8)
#define TOPOLOGY_CORE            (2u << 8)

#define CR0_PE          0x1u
#define CR0_ET          0x10u
#define CR0_PG          0x80000000u
#define CR4_PAE         0x20u
#define EFER_LME        0x100u
#define EFER_LMA        0x400u
#define RFLAGS_RESERVED 0x2u
#define TSS_32_BUSY     0xbu

static int kvm_failed(const char *what)
{
	int err = errno;

	log_error("/dev/kvm: %s: %s", what, strerror(err));
	return -err;
}

int arch_vm_init(struct vm *vm)
{
	/* The PC speaker's port, which guests use to calibrate clocks, is answered in the kernel too. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };
	uint64_t identity_map = X86_IDENTITY_MAP;

	/* Both regions are needed by Intel hosts only; a KVM for others may not know them. */
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_IDENTITY_MAP_ADDR) > 0 &&
	    ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity_map) < 0)
		return kvm_failed("KVM_SET_IDENTITY_MAP_ADDR");
	if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SET_TSS_ADDR) > 0 &&
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, X86_TSS) < 0)
		return kvm_failed("KVM_SET_TSS_ADDR");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return kvm_failed("KVM_CREATE_IRQCHIP");
	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit) < 0)
		return kvm_failed("KVM_CREATE_PIT2");
	return 0;
}

/* Bits that it takes to number `n` things. */
static uint32_t bits_for(uint32_t n)
{
	uint32_t bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

/* The vCPUs are the cores of one package, one thread each; a vCPU's APIC id is its index. */
static void topology_entry(struct kvm_cpuid_entry2 *entry, uint32_t index, uint32_t cpus)
{
	uint32_t core_bits = bits_for(cpus);

	switch (entry->function) {
	case 0x1:
		entry->ebx = (entry->ebx & 0xffff) | index << 24 | cpus << 16;
		entry->ecx |= CPUID_1_ECX_HYPERVISOR;
		entry->edx = cpus > 1 ? entry->edx | CPUID_1_EDX_HTT : entry->edx & ~CPUID_1_EDX_HTT;
		break;
	case 0x4: /* caches: the count of cores in the package, the count of threads that share each */
		if ((entry->eax & 0x1f) != 0)
			entry->eax = (entry->eax & 0x3fff) | ((1u << core_bits) - 1) << 26;
		break;
	case 0xb:
	case 0x1f:
		entry->edx = index;
		entry->eax = entry->index == 0 ? 0 : entry->index == 1 ? core_bits : 0;
		entry->ebx = entry->index == 0 ? 1 : entry->index == 1 ? cpus : 0;
		entry->ecx = entry->index | (entry->index == 0 ? TOPOLOGY_SMT : entry->index == 1 ? TOPOLOGY_CORE : 0);
		break;
	case 0x8000001d: /* AMD: caches are not shared between our cores */ entry->eax &= ~(0xfffu << 14); break;
	case 0x80000008: entry->ecx = (entry->ecx & ~0xf0ffu) | core_bits << 12 | (cpus - 1); break;
	case 0x8000001e:
		entry->eax = index;
		entry->ebx = index;
		entry->ecx = 0;
		break;
	default: break;
	}
}

/* KVM lists leaf 0xb, where the host has it, with one sub-leaf or two; the guest shall find both. */
static void add_topology_leaf(struct kvm_cpuid2 *cpuid, uint32_t function)
{
	bool found[2] = { false, false };

	for (unsigned i = 0; i < cpuid->nent; i++)
		if (cpuid->entries[i].function == function && cpuid->entries[i].index < 2)
			found[cpuid->entries[i].index] = true;
	for (uint32_t index = 0; (found[0] || found[1]) && index < 2; index++)
		if (!found[index] && cpuid->nent < CPUID_MAX)
			cpuid->entries[cpuid->nent++] = (struct kvm_cpuid_entry2){
				.function = function, .index = index, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX
			};
}

static int set_cpuid(struct vcpu *vcpu)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + CPUID_MAX * sizeof(cpuid->entries[0]));
	int err = 0;

	if (!cpuid) {
		log_error("vCPU %u: CPUID: %s", vcpu->index, strerror(ENOMEM));
		return -ENOMEM;
	}
	cpuid->nent = CPUID_MAX;
	if (ioctl(vcpu->vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid) < 0) {
		err = kvm_failed("KVM_GET_SUPPORTED_CPUID");
		goto out;
	}
	add_topology_leaf(cpuid, 0xb);
	add_topology_leaf(cpuid, 0x1f);
	for (unsigned i = 0; i < cpuid->nent; i++) {
		topology_entry(&cpuid->entries[i], vcpu->index, vcpu->vm->config->cpus);
		/* KVM emulates this timer, but leaves it to us to say so. */
		if (cpuid->entries[i].function == 1 &&
		    ioctl(vcpu->vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0)
			cpuid->entries[i].ecx |= CPUID_1_ECX_TSC_DEADLINE;
	}
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, cpuid) < 0)
		err = kvm_failed("KVM_SET_CPUID2");
out:
	free(cpuid);
	return err;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool is_64)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .db = !is_64,
				     .s = 1,
				     .l = is_64,
				     .g = 1 };
}

/* 64-bit mode as the boot protocol's entry asks for it: paging on, rsi = boot_params. */
static void enter_long_mode(struct kvm_sregs *sregs, struct kvm_regs *regs)
{
	regs->rsi = X86_BOOT_PARAMS;
	sregs->cs = flat_segment(X86_BOOT_CS, 0xb, true);
	sregs->cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs->cr3 = X86_PAGE_TABLES;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
}

/* 32-bit mode as PVH's entry asks for it (pvh.pandoc): no paging, a task state, ebx = start info. */
static void enter_pvh(struct kvm_sregs *sregs, struct kvm_regs *regs)
{
	regs->rbx = X86_PVH_START_INFO;
	sregs->cs = flat_segment(X86_BOOT_CS, 0xb, false);
	sregs->tr = (struct kvm_segment){
		.limit = PVH_TSS_LIMIT, .selector = X86_BOOT_TR, .type = TSS_32_BUSY, .present = 1
	};
	sregs->cr0 = CR0_PE | CR0_ET; /* ET cannot be written */
	sregs->cr4 = 0;
	sregs->efer = 0;
}

/* Flat segments, interrupts off, and what the kernel's way in asks for. */
static int set_boot_registers(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = vcpu->vm->boot.entry,
		.rsp = X86_STACK,
		.rflags = RFLAGS_RESERVED,
	};

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs) < 0)
		return kvm_failed("KVM_GET_SREGS");
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat_segment(X86_BOOT_DS, 0x3, false);
	sregs.gdt.base = X86_GDT;
	sregs.gdt.limit = X86_GDT_ENTRIES * 8 - 1;
	if (vcpu->vm->boot.path == BOOT_PVH)
		enter_pvh(&sregs, &regs);
	else
		enter_long_mode(&sregs, &regs);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) < 0)
		return kvm_failed("KVM_SET_SREGS");
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs) < 0)
		return kvm_failed("KVM_SET_REGS");
	return 0;
}

int arch_vcpu_init(struct vcpu *vcpu)
{
	int err = set_cpuid(vcpu);

	/* The others wait, as real ones do, for the guest's INIT and SIPI; the in-kernel APIC sees to that. */
	if (!err && vcpu->index == 0)
		err = set_boot_registers(vcpu);
	return err;
}
