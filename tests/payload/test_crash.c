// SPDX-License-Identifier: GPL-2.0-only
/* Guests that cannot go on, or do not want to; the command line's last word says how. */
#include "tests/payload/guest.h"

void payload(void)
{
	struct node node;
	uint32_t count;

	print("# ready\n");
	if (asked("triple")) { /* no IDT: the first exception has no handler, nor has that one's */
		__asm__ volatile("movl $0xabcd1234, %%eax; ud2" : : : "rax");
	} else if (asked("popcnt")) {
		__asm__ volatile("popcnt %1, %0" : "=r"(count) : "r"(0xf0f0u));
		check_is(count, 8, "popcnt");
	} else if (asked("halt")) {
		for (;;)
			__asm__ volatile("cli; hlt");
	} else if (asked("spin")) {
		for (;;)
			__asm__ volatile("");
	} else if (asked("shout")) { /* without end, and wants nobody's ear */
		for (;;)
			print("all work and no play makes jack a dull boy\n");
	} else if (asked("panic") && tree_find("qemu,pvpanic-mmio", 0, &node)) {
		write8(node.address, 1);
	} else if (asked("reboot") && tree_find("syscon", 0, &node)) {
		uint64_t syscon = node.address;

		if (tree_find("syscon-reboot", 0, &node))
			write32(syscon + node.offset, node.value);
	} else if (asked("reset")) {
		out8(0x64, 0xfe);
	} else if (asked("echo")) { /* until a '.' comes */
		uint8_t byte = 0;

		out8(0x3fc, 0x0b); /* DTR, RTS, OUT2 */
		out8(0x3f9, 0x01); /* receive interrupt: the port takes input from here on; here it is polled */
		while (byte != '.')
			if (in8(0x3fd) & 1)
				out8(0x3f8, byte = in8(0x3f8));
	}
}
