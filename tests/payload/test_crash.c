// SPDX-License-Identifier: GPL-2.0-only
/* Guests that cannot go on, or do not want to; the command line's last word says how. */
#include "tests/payload/guest.h"

#define GARBAGE 100000u /* bytes; more than minivmm keeps of a console */

/* The events of the panic register. */
#define PANICKED      1
#define CRASH_HANDLED 2
#define SHUTDOWN      4

/* Every byte, those that control a terminal too. */
static void print_garbage(void)
{
	uint32_t noise = 1;

	for (unsigned i = 0; i < GARBAGE; i++) {
		noise = noise * 1664525u + 1013904223u;
		out8(0x3f8, (uint8_t)(noise >> 24));
	}
	print("\n\033[2J\033]0;title\007\n");
}

static void panic(uint64_t event)
{
	if (asked("panic-linux") || asked("panic-garbage"))
		print("[    1.0] Kernel panic - not syncing: a payload's \033[31mred\r\n[    1.0] Call Trace:\r\n");
	do
		write8(event, PANICKED);
	while (asked("panic-garbage"));
}

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
	} else if ((asked("panic") || asked("panic-linux")) && tree_find("qemu,pvpanic-mmio", 0, &node)) {
		panic(node.address);
	} else if (asked("panic-garbage") && tree_find("qemu,pvpanic-mmio", 0, &node)) {
		print_garbage();
		panic(node.address);
	} else if (asked("crash-kernel") && tree_find("qemu,pvpanic-mmio", 0, &node)) {
		for (unsigned i = 0; i < 100; i++)
			write8(node.address, CRASH_HANDLED);
		print("# went on\n");
	} else if (asked("shutdown") && tree_find("qemu,pvpanic-mmio", 0, &node)) {
		write8(node.address, SHUTDOWN);
		print("# went on\n");
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
