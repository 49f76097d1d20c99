// SPDX-License-Identifier: GPL-2.0-only
/*
 * The least that any VMM must do before a guest's first instruction: make a VM with 128 MiB of RAM, in-kernel interrupt
 * controllers and PIT, one vCPU with the host's CPUID in 64-bit mode, and run it. No option, no file, no check. The
 * guest's code is put in place by hand. It writes the first byte that the guest sends to standard output, then waits.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MEM_SIZE    (128u << 20)
#define CODE        0x100000u
#define PAGE_TABLES 0x1000u
#define CPUID_MAX   100u

static const uint8_t code[] = { 0x66, 0xba, 0xf8, 0x03, 0xb0, '!', 0xee, 0xf4, 0xeb, 0xfd }; /* as in hello.S */

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[CPUID_MAX];
} cpuid = { .head.nent = CPUID_MAX };

static void write_tables(uint8_t *ram)
{
	uint64_t *tables = (uint64_t *)(ram + PAGE_TABLES);

	memcpy(ram + CODE, code, sizeof(code));
	tables[0] = (PAGE_TABLES + 0x1000) | 3;
	for (uint64_t i = 0; i < 4; i++)
		tables[512 + i] = (PAGE_TABLES + 0x2000 + i * 0x1000) | 3;
	for (uint64_t i = 0; i < 2048; i++)
		tables[1024 + i] = i << 21 | 0x83;
}

static int set_registers(int vcpu)
{
	struct kvm_segment cs = { .limit = ~0u, .selector = 0x10, .type = 0xb, .present = 1, .s = 1, .l = 1, .g = 1 };
	struct kvm_segment ds = { .limit = ~0u, .selector = 0x18, .type = 0x3, .present = 1, .db = 1, .s = 1, .g = 1 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ds;
	sregs.cr0 = 0x80000011;
	sregs.cr3 = PAGE_TABLES;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	return ioctl(vcpu, KVM_SET_REGS, &regs);
}

int main(void)
{
	struct kvm_pit_config pit = { .flags = 0 };
	int kvm = open("/dev/kvm", O_RDWR);
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	uint8_t *ram = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct kvm_userspace_memory_region slot = { .memory_size = MEM_SIZE, .userspace_addr = (uintptr_t)ram };

	if (vm < 0 || ram == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0 ||
	    ioctl(vm, KVM_CREATE_IRQCHIP, 0) < 0 || ioctl(vm, KVM_CREATE_PIT2, &pit) < 0)
		return 1;
	write_tables(ram);
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	int run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	struct kvm_run *run = mmap(NULL, (size_t)run_size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (vcpu < 0 || run == MAP_FAILED || ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) < 0 ||
	    ioctl(vcpu, KVM_SET_CPUID2, &cpuid) < 0 || set_registers(vcpu) < 0 || ioctl(vcpu, KVM_RUN, 0) < 0)
		return 1;
	if (run->exit_reason != KVM_EXIT_IO)
		return 1;
	if (write(STDOUT_FILENO, (uint8_t *)run + run->io.data_offset, 1) != 1)
		return 1;
	return ioctl(vcpu, KVM_RUN, 0) < 0;
}
