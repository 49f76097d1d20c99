/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a payload begins. minivmm enters with paging on, the first 4 GiB mapped to themselves, interrupts off, and the
 * boot parameters' address in rsi; the ELF file's entry says where.
 */
	.text
	.globl	_start, stack_end
_start:
	cld
	leaq	stack_end(%rip), %rsp
	xorl	%ebp, %ebp
	movq	%rsi, %rdi
	call	guest_start
1:
	hlt
	jmp	1b

/*
 * One stub a vector: they differ in what they push, so that one handler in C serves all. Exceptions that push an error
 * code lose their balance here, which does not matter: no payload returns from an exception.
 */
	.text
	.macro	stub vector
	.balign	16
	pushq	$\vector
	jmp	common
	.endm

	.balign	16
	.globl	stubs
stubs:
	.set	vector, 0
	.rept	128
	stub	vector
	.set	vector, vector + 1
	.endr

common:
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	movq	72(%rsp), %rdi
	cld
	call	interrupt
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	addq	$8, %rsp
	iretq

/*
 * A second processor begins here in real mode, at a page below 1 MiB: trampoline_copy() puts it there. It takes over the
 * first one's page tables and GDT, whose selectors the boot protocol fixes, and calls second_cpu() on a stack of its own.
 */
	.globl	trampoline, trampoline_end, trampoline_cr3, trampoline_gdt
	.code16
trampoline:
	cli
	xorw	%ax, %ax
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	trampoline_gdt - trampoline
	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	trampoline_cr3 - trampoline, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax		/* paging and protection in one step */
	movl	%eax, %cr0
	ljmpl	$0x10, $second_start
	.balign	8
trampoline_cr3:
	.long	0
trampoline_gdt:
	.word	0
	.long	0
trampoline_end:

	.code64
second_start:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	leaq	second_stack_end(%rip), %rsp
	call	second_cpu
2:
	cli
	hlt
	jmp	2b

	.bss
	.balign	16
	.skip	8192
stack_end:
	.skip	8192
second_stack_end:
	.section .note.GNU-stack, "", @progbits
