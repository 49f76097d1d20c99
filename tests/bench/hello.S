# SPDX-License-Identifier: GPL-2.0-only
# The smallest guest: its first instructions send a byte to the serial port, then it sleeps for ever.
	.globl	_start
_start:
	mov	$0x3f8, %dx
	mov	$'!', %al
	out	%al, %dx
1:	hlt
	jmp	1b
