/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * probe: does this KVM run the instructions that Linux needs?
 *
 * A bare-metal payload for minivmm's ELF loader. A software KVM may emulate
 * guest code instruction by instruction and lack some; minivmm then ends with
 * an error that names the instruction. Otherwise "probe: ok" is printed and
 * the machine is reset, which ends minivmm with status 0.
 *
 * Build:
 *   gcc -nostdlib -static -no-pie -Wl,-n -Wl,-Ttext=0x100000 \
 *       -Wl,--build-id=none guest/probe/probe.S -o build/probe.elf
 *
 * Entry: 64-bit mode, paging on (the first 4 GiB mapped to themselves),
 * interrupts off, no stack.
 */

#define COM1		0x3f8	/* 8250: data */
#define COM1_LSR	0x3fd
#define LSR_THRE	0x20	/* it takes a byte */
#define KBD_COMMAND	0x64	/* 8042: 0xfe pulses the reset line */
#define KBD_RESET	0xfe

#define CR0_MP		(1 << 1)
#define CR0_EM		(1 << 2)
#define CR0_TS		(1 << 3)
#define CR0_NE		(1 << 5)
#define CR4_OSFXSR	(1 << 9)
#define CR4_OSXMMEXCPT	(1 << 10)
#define CR4_OSXSAVE	(1 << 18)
#define CR4_SMAP	(1 << 21)

#define CPUID1_ECX_CX16		13
#define CPUID1_ECX_POPCNT	23
#define CPUID1_ECX_XSAVE	26
#define CPUID7_EBX_SMAP		20
#define CPUIDD1_EAX_XSAVEOPT	0
#define CPUIDD1_EAX_XSAVEC	1

#define MSR_EFER	0xc0000080
#define EFER_SCE	(1 << 0)
#define MSR_STAR	0xc0000081
#define MSR_LSTAR	0xc0000082
#define MSR_SFMASK	0xc0000084

#define KERNEL_CS	0x08	/* syscall: CS, SS = 0x08, 0x10 */
#define KERNEL_DS	0x10
#define USER_BASE	0x18	/* sysretq: SS, CS = base + 8, base + 16 */

#define PAGE_USER	(1 << 2)
#define PAGE_2M		(1 << 7)

	.section .text
	.globl	_start
_start:
	cld
	leaq	stack_top(%rip), %rsp

	/* Segments of our own: syscall and sysret presume their order. */
	lgdt	gdt_pointer(%rip)
	movl	$KERNEL_DS, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	pushq	$KERNEL_CS
	leaq	1f(%rip), %rax
	pushq	%rax
	lretq
1:
	/* int3: vector 3 has a gate, the others have none. */
	leaq	breakpoint(%rip), %rax
	leaq	idt + 3 * 16(%rip), %rdi
	movw	%ax, (%rdi)
	movw	$KERNEL_CS, 2(%rdi)
	movw	$0x8e00, 4(%rdi)	/* present, 64-bit interrupt gate */
	shrq	$16, %rax
	movw	%ax, 6(%rdi)
	shrq	$16, %rax
	movl	%eax, 8(%rdi)
	lidt	idt_pointer(%rip)
	int3

	/* x87 */
	movq	%cr0, %rax
	andq	$~(CR0_EM | CR0_TS), %rax
	orq	$(CR0_MP | CR0_NE), %rax
	movq	%rax, %cr0
	fninit
	fwait
	fnclex

	/* SSE state */
	movq	%cr4, %rax
	orq	$(CR4_OSFXSR | CR4_OSXMMEXCPT), %rax
	movq	%rax, %cr4
	fxsave	xsave_area(%rip)
	fxrstor	xsave_area(%rip)

	/* What comes next is there only when CPUID says so. */
	movl	$1, %eax
	xorl	%ecx, %ecx
	cpuid
	movl	%ecx, %r12d

	btl	$CPUID1_ECX_POPCNT, %r12d
	jnc	2f
	movl	$0xf0f0, %eax
	popcntl	%eax, %eax
	cmpl	$8, %eax
	jne	wrong
2:
	btl	$CPUID1_ECX_CX16, %r12d
	jnc	3f
	xorl	%eax, %eax
	xorl	%edx, %edx
	movl	$1, %ebx
	movl	$2, %ecx
	lock cmpxchg16b pair(%rip)
	jnz	wrong
	cmpq	$2, pair + 8(%rip)
	jne	wrong
3:
	btl	$CPUID1_ECX_XSAVE, %r12d
	jnc	5f
	movq	%cr4, %rax
	orq	$CR4_OSXSAVE, %rax
	movq	%rax, %cr4
	xorl	%ecx, %ecx
	xgetbv
	orl	$3, %eax		/* x87 and SSE */
	xsetbv
	movl	$3, %eax
	xorl	%edx, %edx
	xsave64	xsave_area(%rip)
	movl	$3, %eax
	xorl	%edx, %edx
	xrstor64 xsave_area(%rip)
	movl	$0xd, %eax
	movl	$1, %ecx
	cpuid
	movl	%eax, %r13d
	btl	$CPUIDD1_EAX_XSAVEOPT, %r13d
	jnc	4f
	movl	$3, %eax
	xorl	%edx, %edx
	xsaveopt64 xsave_area(%rip)
4:
	btl	$CPUIDD1_EAX_XSAVEC, %r13d
	jnc	5f
	movl	$3, %eax
	xorl	%edx, %edx
	xsavec64 xsave_area(%rip)
	movl	$3, %eax
	xorl	%edx, %edx
	xrstor64 xsave_area(%rip)
5:
	/*
	 * SMAP, with the leaf only where it exists. It comes before user pages
	 * do: the pages used so far are the supervisor's.
	 */
	xorl	%eax, %eax
	cpuid
	cmpl	$7, %eax
	jb	6f
	movl	$7, %eax
	xorl	%ecx, %ecx
	cpuid
	btl	$CPUID7_EBX_SMAP, %ebx
	jnc	6f
	movq	%cr4, %rax
	orq	$CR4_SMAP, %rax
	movq	%rax, %cr4
	stac
	clac
	andq	$~CR4_SMAP, %rax
	movq	%rax, %cr4
6:
	/*
	 * To CPL 3 by sysret and back by syscall. The first 2 MiB become the
	 * user's in the page tables that we were started with; the tables are
	 * reached where CR3 says, since memory is mapped to itself.
	 */
	movq	%cr3, %rax
	andq	$~0xfff, %rax
	orq	$PAGE_USER, (%rax)
	movq	(%rax), %rax
	movabsq	$0x000ffffffffff000, %rdx
	andq	%rdx, %rax
	orq	$PAGE_USER, (%rax)
	testb	$PAGE_2M, (%rax)	/* the same bit: a page of 1 GiB */
	jnz	7f
	movq	(%rax), %rax
	andq	%rdx, %rax
	orq	$PAGE_USER, (%rax)
	testb	$PAGE_2M, (%rax)
	jz	8f			/* pages of 4 KiB: not minivmm's; skip */
7:
	movq	%cr3, %rax
	movq	%rax, %cr3

	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_SCE, %eax
	wrmsr
	movl	$MSR_STAR, %ecx
	xorl	%eax, %eax
	movl	$(USER_BASE << 16 | KERNEL_CS), %edx
	wrmsr
	movl	$MSR_LSTAR, %ecx
	leaq	syscall_entry(%rip), %rax
	movq	%rax, %rdx
	shrq	$32, %rdx
	wrmsr
	movl	$MSR_SFMASK, %ecx
	movl	$0x700, %eax		/* TF, IF, DF */
	xorl	%edx, %edx
	wrmsr

	leaq	user_code(%rip), %rcx
	movl	$2, %r11d		/* RFLAGS: only the bit that is always set */
	movq	%rsp, %r14
	sysretq
user_code:
	movl	$0x55aa, %ebx
	syscall
	ud2				/* not reached */
syscall_entry:
	movq	%r14, %rsp
	cmpl	$0x55aa, %ebx
	jne	wrong
	movl	%cs, %eax
	cmpl	$KERNEL_CS, %eax
	jne	wrong
8:
	leaq	text_ok(%rip), %rsi
	jmp	print

wrong:
	leaq	text_wrong(%rip), %rsi
print:
	lodsb
	testb	%al, %al
	jz	reset
	movb	%al, %ah
	movw	$COM1_LSR, %dx
9:
	inb	%dx, %al
	testb	$LSR_THRE, %al
	jz	9b
	movb	%ah, %al
	movw	$COM1, %dx
	outb	%al, %dx
	jmp	print
reset:
	movb	$KBD_RESET, %al
	outb	%al, $KBD_COMMAND
10:
	hlt
	jmp	10b

breakpoint:
	iretq

text_ok:
	.asciz	"probe: ok\n"
text_wrong:
	.asciz	"probe: wrong result\n"

	.balign	8
gdt:
	.quad	0
	.quad	0x00af9b000000ffff	/* 0x08 kernel code, 64-bit */
	.quad	0x00cf93000000ffff	/* 0x10 kernel data */
	.quad	0			/* 0x18 user code, 32-bit: not used */
	.quad	0x00cff3000000ffff	/* 0x20 user data */
	.quad	0x00affb000000ffff	/* 0x28 user code, 64-bit */
gdt_end:

	.section .data
gdt_pointer:
	.word	gdt_end - gdt - 1
	.quad	gdt
idt_pointer:
	.word	16 * 256 - 1
	.quad	idt
	.balign	16
pair:
	.quad	0, 0

	.section .bss
	.balign	64
xsave_area:
	.skip	4096
	.balign	16
idt:
	.skip	16 * 256
	.skip	4096
stack_top:
	.section .note.GNU-stack, "", @progbits
