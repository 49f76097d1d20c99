// SPDX-License-Identifier: GPL-2.0-only
/* TAP on the serial port, power-off through the device tree, the C functions that the compiler presumes. */
#include "tests/payload/guest.h"

#define UART     0x3f8
#define UART_LSR (UART + 5)
#define UART_IER (UART + 1)
#define UART_MCR (UART + 4)
#define LSR_DR   0x01
#define LSR_THRE 0x20
#define MCR_OUT2 0x08

#define I8042_COMMAND 0x64
#define I8042_RESET   0xfe

const struct boot_params *boot_params;
static unsigned tests;

void *memset(void *to, int byte, size_t n)
{
	void *at = to;

	/* one instruction: a software KVM takes some microseconds for each that it emulates */
	__asm__ volatile("rep stosb" : "+D"(at), "+c"(n) : "a"(byte) : "memory");
	return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
	void *at = to;

	__asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(n) : : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *left = a, *right = b;

	for (size_t i = 0; i < n; i++)
		if (left[i] != right[i])
			return left[i] - right[i];
	return 0;
}

size_t strlen(const char *text)
{
	size_t n = 0;

	while (((const volatile char *)text)[n])
		n++;
	return n;
}

void print(const char *text)
{
	for (; *text; text++) {
		while (!(in8(UART_LSR) & LSR_THRE))
			;
		out8(UART, (uint8_t)*text);
	}
}

void wait_byte(void)
{
	out8(UART_MCR, MCR_OUT2); /* minivmm keeps what is typed until somebody listens */
	out8(UART_IER, 1);
	while (!(in8(UART_LSR) & LSR_DR))
		;
	in8(UART);
	out8(UART_IER, 0);
}

static void print_digits(uint64_t number, unsigned base)
{
	char digits[24];
	unsigned at = sizeof(digits) - 1;

	digits[at] = '\0';
	do {
		digits[--at] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number);
	print(digits + at);
}

void print_hex(uint64_t number)
{
	print("0x");
	print_digits(number, 16);
}

void print_number(uint64_t number)
{
	print_digits(number, 10);
}

bool asked(const char *word)
{
	const char *cmdline = (const char *)(uintptr_t)boot_params->hdr.cmd_line_ptr;
	size_t all = strlen(cmdline), n = strlen(word);

	return all >= n && memcmp(cmdline + all - n, word, n) == 0;
}

void check(bool ok, const char *name)
{
	print(ok ? "ok " : "not ok ");
	print_number(++tests);
	print(" - ");
	print(name);
	print("\n");
}

void check_skipped(const char *name, const char *why)
{
	print("ok ");
	print_number(++tests);
	print(" - ");
	print(name);
	print(" # SKIP ");
	print(why);
	print("\n");
}

void check_is(uint64_t got, uint64_t wanted, const char *name)
{
	check(got == wanted, name);
	if (got != wanted) {
		print("# got ");
		print_hex(got);
		print(", wanted ");
		print_hex(wanted);
		print("\n");
	}
}

void poweroff(void)
{
	struct node syscon, command;

	if (tree_find("syscon", 0, &syscon) && tree_find("syscon-poweroff", 0, &command))
		write32(syscon.address + command.offset, command.value);
	/* no power control to be found: a reset by the keyboard controller, or where none answers a triple fault, by
	 * which QEMU with -no-reboot ends */
	static const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} no_idt;

	if (!boot_params->hdr.setup_data) {
		out8(I8042_COMMAND, I8042_RESET);
		__asm__ volatile("lidt %0; int3" : : "m"(no_idt));
	}
	for (;;)
		__asm__ volatile("cli; hlt");
}

__attribute__((weak)) void second_cpu(void)
{
}

void guest_start(const struct boot_params *params);
void guest_start(const struct boot_params *params)
{
	boot_params = params;
	payload();
	print("1..");
	print_number(tests);
	print("\n");
	poweroff();
}
