// SPDX-License-Identifier: GPL-2.0-only
/* What a vCPU that cannot go on leaves behind: its registers and the instruction that it was at. */
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "vmm/arch/arch.h"
#include "vmm/log.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define INSN_MAX 15u /* bytes of the longest instruction */

/* Instructions that Linux executes and that some hosts' KVM does not emulate; opcode maps as in the processor manuals.
 */
static const struct {
	uint8_t prefix; /* mandatory prefix, or 0 */
	uint8_t map_0f; /* 1: two-byte opcode */
	uint8_t opcode; /* the last opcode byte */
	int16_t modrm;  /* the whole ModRM byte, or -1 */
	int8_t reg;     /* the reg field of ModRM, or -1 */
	const char *name;
	bool rex_w; /* needs that prefix; without it is another instruction */
} insns[] = {
	{ 0, 0, 0xcc, -1, -1, "int3", false },     { 0xf3, 1, 0xb8, -1, -1, "popcnt", false },
	{ 0, 1, 0x01, 0xca, -1, "clac", false },   { 0, 1, 0x01, 0xcb, -1, "stac", false },
	{ 0, 0, 0x9b, -1, -1, "fwait", false },    { 0, 0, 0xdb, 0xe2, -1, "fnclex", false },
	{ 0, 0, 0xdb, 0xe3, -1, "fninit", false }, { 0, 1, 0x01, 0xd1, -1, "xsetbv", false },
	{ 0, 1, 0x01, 0xd0, -1, "xgetbv", false }, { 0, 1, 0xae, -1, 0, "fxsave", false },
	{ 0, 1, 0xae, -1, 1, "fxrstor", false },   { 0, 1, 0xae, -1, 4, "xsave", false },
	{ 0, 1, 0xae, -1, 5, "xrstor", false },    { 0, 1, 0xae, -1, 6, "xsaveopt", false },
	{ 0, 1, 0xc7, -1, 1, "cmpxchg16b", true }, { 0, 1, 0xc7, -1, 3, "xrstors", false },
	{ 0, 1, 0xc7, -1, 4, "xsavec", false },    { 0, 1, 0xc7, -1, 5, "xsaves", false },
	{ 0, 1, 0x05, -1, -1, "syscall", false },  { 0, 1, 0x07, -1, -1, "sysret", false },
};

static int is_prefix(uint8_t byte)
{
	return byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 || byte == 0xf3 || byte == 0x2e ||
	       byte == 0x36 || byte == 0x3e || byte == 0x26 || byte == 0x64 || byte == 0x65 || (byte & 0xf0) == 0x40;
}

const char *arch_insn_name(const uint8_t *bytes, size_t len)
{
	uint8_t prefix = 0;
	bool rex_w = false;
	size_t at = 0;

	for (; at < len && is_prefix(bytes[at]); at++) {
		if (bytes[at] == 0xf2 || bytes[at] == 0xf3)
			prefix = bytes[at];
		rex_w |= (bytes[at] & 0xf8) == 0x48;
	}
	uint8_t map_0f = at < len && bytes[at] == 0x0f;

	at += map_0f;
	if (at >= len)
		return NULL;
	int modrm = at + 1 < len ? bytes[at + 1] : -1;

	for (size_t i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
		if (insns[i].map_0f != map_0f || insns[i].opcode != bytes[at] ||
		    (insns[i].prefix && insns[i].prefix != prefix))
			continue;
		if (insns[i].modrm >= 0 && insns[i].modrm != modrm)
			continue;
		if (insns[i].reg >= 0 && (modrm < 0 || insns[i].reg != ((modrm >> 3) & 7)))
			continue;
		if (insns[i].rex_w && !rex_w)
			continue;
		return insns[i].name;
	}
	return NULL;
}

/* As many bytes at the guest's linear address as its page tables and RAM give. */
static size_t fetch(struct vcpu *vcpu, uint64_t linear, uint8_t *bytes)
{
	size_t n = 0;

	for (; n < INSN_MAX; n++) {
		struct kvm_translation at = { .linear_address = linear + n };

		if (ioctl(vcpu->fd, KVM_TRANSLATE, &at) < 0 || !at.valid)
			break;
		const uint8_t *host = mem_ptr(&vcpu->vm->memory, at.physical_address, 1);

		if (!host)
			break;
		bytes[n] = *host;
	}
	return n;
}

void arch_report(struct vcpu *vcpu)
{
	char hex[3 * INSN_MAX + 1] = " none can be read";
	uint8_t bytes[INSN_MAX];
	struct kvm_sregs s;
	struct kvm_regs r;

	if (ioctl(vcpu->fd, KVM_GET_REGS, &r) < 0 || ioctl(vcpu->fd, KVM_GET_SREGS, &s) < 0) {
		log_error("vCPU %u: its registers cannot be read", vcpu->index);
		return;
	}
	size_t n = fetch(vcpu, s.cs.base + r.rip, bytes);

	for (size_t i = 0; i < n; i++)
		snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
#define U(x) ((unsigned long long)(x))
	log_error("  rip %016llx  rflags %08llx  cs %04x  bytes at rip:%s", U(r.rip), U(r.rflags), s.cs.selector, hex);
	log_error("  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx", U(r.rax), U(r.rbx), U(r.rcx), U(r.rdx));
	log_error("  rsi %016llx  rdi %016llx  rbp %016llx  rsp %016llx", U(r.rsi), U(r.rdi), U(r.rbp), U(r.rsp));
	log_error("  r8  %016llx  r9  %016llx  r10 %016llx  r11 %016llx", U(r.r8), U(r.r9), U(r.r10), U(r.r11));
	log_error("  r12 %016llx  r13 %016llx  r14 %016llx  r15 %016llx", U(r.r12), U(r.r13), U(r.r14), U(r.r15));
	log_error("  cr0 %08llx  cr2 %016llx  cr3 %016llx  cr4 %08llx  efer %llx", U(s.cr0), U(s.cr2), U(s.cr3),
		  U(s.cr4), U(s.efer));
#undef U
}
