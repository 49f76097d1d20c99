// SPDX-License-Identifier: GPL-2.0-only
/* Every kind of exit that is served: ports and memory, somebody's and nobody's, of every width, and string output. */
#include "tests/payload/guest.h"

#define NOBODY_PORT      0x1230
#define NOBODY_GPA       0xdfff0000u /* in the hole, where no device is */
#define UART             0x3f8
#define UART_SCR         7
#define I8042            0x64
#define I8042_INPUT_FULL 2 /* a guest that reboots waits until it is clear */

void payload(void)
{
	static const char text[] = "# string output\n";
	const char *at = text;
	uint64_t count = sizeof(text) - 1;
	struct node power, panic;

	out8(UART + UART_SCR, 0x5a);
	check_is(in8(UART + UART_SCR), 0x5a, "a port that answers");
	check_is(in8(I8042) & I8042_INPUT_FULL, 0, "the keyboard controller's port takes a command at once");
	out8(NOBODY_PORT, 1);
	check_is(in8(NOBODY_PORT), 0xff, "8 bits of a port that nobody has");
	out32(NOBODY_PORT, 1);
	check_is(in32(NOBODY_PORT), 0xffffffff, "32 bits of it");
	check_is(in32(UART - 2), 0xffffffff, "an access that straddles the serial port's edge is nobody's");
	__asm__ volatile("rep outsb" : "+S"(at), "+c"(count) : "d"((uint16_t)UART) : "memory");
	check_is(count, 0, "rep outsb goes to its end");

	check_is(read8(NOBODY_GPA), 0xff, "8 bits of memory that nobody has");
	check_is(read16(NOBODY_GPA), 0xffff, "16 bits");
	check_is(read32(NOBODY_GPA), 0xffffffff, "32 bits");
	check_is(read64(NOBODY_GPA), UINT64_MAX, "64 bits");
	write64(NOBODY_GPA, 0x1234);
	check_is(read64(NOBODY_GPA), UINT64_MAX, "a store there is lost");

	check(tree_find("syscon", 0, &power) && tree_find("qemu,pvpanic-mmio", 0, &panic),
	      "power control is in the tree");
	write32(power.address, 0); /* no command of it */
	write32(power.address, 0x12345);
	check(true, "the machine goes on");
	check_is(read8(panic.address), 7, "the panic register knows a panic, a crash kernel's, and a shutdown");
	write8(panic.address, 0xf8); /* no event of it */
	write8(panic.address + 1, 0xff);
}
