/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The other way in: a PVH note, by which --boot pvh, and QEMU's microvm, start a payload (Xen's docs/misc/pvh.pandoc).
 * It enters in 32 bits without paging, struct hvm_start_info in ebx. From here on it is as the 64-bit entry: 4 GiB
 * mapped to themselves, the boot protocol's selectors, boot parameters in rsi; those have the command line and no more.
 * What there was at the entry is kept in pvh_entry.
 */
#define NOTE_PHYS32_ENTRY 18
#define START_CMDLINE     24		/* offset in struct hvm_start_info */
#define PARAMS_CMDLINE    0x228		/* offset in struct boot_params, as the next */
#define PARAMS_SIZE       4096

	.section .note.pvh, "a", @note
	.balign	4
	.long	4, 8, NOTE_PHYS32_ENTRY
	.asciz	"Xen"
	.quad	pvh_start

	.text
	.code32
pvh_start:
	movl	%ebx, pvh_entry
	movl	%cr0, %eax
	movl	%eax, pvh_entry + 4
	movl	%cr4, %eax
	movl	%eax, pvh_entry + 8
	movl	$stack_end, %esp
	pushfl
	popl	pvh_entry + 12
	movw	%cs, pvh_entry + 16
	movw	%ds, pvh_entry + 18
	movw	%es, pvh_entry + 20
	strw	pvh_entry + 22
	sgdtl	pvh_entry + 24
	cld
	movl	START_CMDLINE(%ebx), %eax
	movl	%eax, pvh_params + PARAMS_CMDLINE
	/* pages of 2 MiB: four tables of 512, one over them, one over that */
	xorl	%ecx, %ecx
1:
	movl	%ecx, %eax
	shll	$21, %eax
	orl	$0x83, %eax			/* present, writable, large */
	movl	%eax, pvh_tables + 0x2000(,%ecx,8)
	incl	%ecx
	cmpl	$2048, %ecx
	jne	1b
	movl	$pvh_tables + 0x2003, %eax
	xorl	%ecx, %ecx
2:
	movl	%eax, pvh_tables + 0x1000(,%ecx,8)
	addl	$0x1000, %eax
	incl	%ecx
	cmpl	$4, %ecx
	jne	2b
	movl	$pvh_tables + 0x1003, pvh_tables
	movl	%cr4, %eax
	orl	$0x20, %eax			/* PAE */
	movl	%eax, %cr4
	movl	$pvh_tables, %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx		/* EFER.LME */
	rdmsr
	orl	$0x100, %eax
	wrmsr
	movl	%cr0, %eax
	orl	$0x80000001, %eax
	movl	%eax, %cr0
	lgdt	pvh_gdtr
	ljmp	$0x10, $pvh_long

	.code64
pvh_long:
	movl	$0x18, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$pvh_params, %esi
	jmp	_start

	.data
	.balign	8
pvh_gdt:
	.quad	0, 0
	.quad	0x00af9a000000ffff		/* 0x10: code, 64 bits */
	.quad	0x00cf92000000ffff		/* 0x18: data */
pvh_gdtr:
	.word	. - pvh_gdt - 1
	.long	pvh_gdt

	.bss
	.balign	4096
pvh_tables:
	.skip	6 * 4096
pvh_params:
	.skip	PARAMS_SIZE
	.globl	pvh_entry			/* struct pvh_entry of guest.h */
pvh_entry:
	.skip	32
	.section .note.GNU-stack, "", @progbits
