// SPDX-License-Identifier: GPL-2.0-only
/* The serial port as a driver sees it through its eight ports, by the 16550A's data sheet. */
#include <linux/serial_reg.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/devices.h"
#include "tests/unit/console.h"
#include "tests/unit/support.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

#define PORT 0x3f8u
#define GSI  4

struct rig {
	struct console console;
	struct vm_config config;
	struct vm *vm;
};

static struct rig *rig;

static uint8_t in8(unsigned reg)
{
	uint8_t value = 0;

	assert_non_null(bus_access(&rig->vm->pio, PORT + reg, 1, 0, &value));
	return value;
}

static void out8(unsigned reg, uint8_t value)
{
	assert_non_null(bus_access(&rig->vm->pio, PORT + reg, 1, 1, &value));
}

/* Rising edges of the line since the last call. */
static uint64_t edges(void)
{
	uint64_t n = 0;

	assert_true(rig->vm->irqs.taken & (1u << GSI));
	return read(rig->vm->irqs.lines[GSI].fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

/* As Linux's driver opens the port: input is taken from here on, and interrupts reach the bus. */
static void listen(void)
{
	out8(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	out8(UART_IER, in8(UART_IER) | UART_IER_RDI);
}

static void type(const char *text)
{
	console_type(&rig->console, text, strlen(text));
	wait_until(in8(UART_LSR) & UART_LSR_DR);
}

static int setup(void **state)
{
	rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	rig->config = plain_config();
	console_open(&rig->console);
	assert_int_equal(vm_create(&rig->vm, &rig->config), 0);
	assert_int_equal(devices_create(rig->vm), 0);
	assert_int_equal(terminal_start(rig->vm->terminal), 0);
	console_run(&rig->console, rig->vm->loop);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	console_stop(&rig->console);
	vm_destroy(rig->vm);
	console_close(&rig->console);
	free(rig);
	return 0;
}

static void test_reset_values(void **state)
{
	(void)state;
	assert_int_equal(in8(UART_IER), 0);
	assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT); /* FIFOs off: the upper bits are 0 */
	assert_int_equal(in8(UART_LCR), 0);
	assert_int_equal(in8(UART_MCR), 0);
	assert_int_equal(in8(UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
	assert_int_equal(in8(UART_RX), 0);
	assert_int_equal(edges(), 0);
}

static void test_registers_hold(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		out8(UART_SCR, (uint8_t)value);
		out8(UART_LCR, (uint8_t)(value & 0x7f));
		assert_int_equal(in8(UART_SCR), value);
		assert_int_equal(in8(UART_LCR), value & 0x7f);
		out8(UART_IER, (uint8_t)value);
		assert_int_equal(in8(UART_IER), value & 0x0f); /* the upper bits are always 0 */
	}
	out8(UART_IER, 0);
	out8(UART_MCR, 0xef);
	assert_int_equal(in8(UART_MCR), 0x0f); /* likewise the upper three */
	/* read-only ones stay as they are */
	out8(UART_LSR, 0);
	out8(UART_MSR, 0);
	assert_int_equal(in8(UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
	assert_int_equal(in8(UART_MSR) & 0xf0, UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}

static void test_divisor_latch(void **state)
{
	(void)state;
	out8(UART_IER, UART_IER_RDI);
	out8(UART_LCR, UART_LCR_DLAB | 3);
	out8(UART_DLL, 0x34);
	out8(UART_DLM, 0x12);
	assert_int_equal(in8(UART_DLL), 0x34);
	assert_int_equal(in8(UART_DLM), 0x12);
	out8(UART_LCR, 3);
	assert_int_equal(in8(UART_IER), UART_IER_RDI); /* the latch is apart from IER */
	out8(UART_TX, '!');                            /* and from the transmitter: only this is sent */
	console_expect(&rig->console, "!", 1);
	out8(UART_IER, 0);
	out8(UART_LCR, UART_LCR_DLAB);
	assert_int_equal(in8(UART_DLL), 0x34);
	assert_int_equal(in8(UART_DLM), 0x12);
	out8(UART_LCR, 0);
	assert_int_equal(edges(), 0);
	char more[8];

	assert_int_equal(console_read(&rig->console, more, sizeof(more), 50), 0);
}

static void test_transmit(void **state)
{
	uint8_t all[256];

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		all[i] = (uint8_t)i;
		out8(UART_TX, (uint8_t)i);
		assert_int_equal(in8(UART_LSR), UART_LSR_TEMT | UART_LSR_THRE);
	}
	console_expect(&rig->console, all, sizeof(all));
	assert_int_equal(edges(), 0); /* no interrupt is enabled */
}

/* THRE: set off by being enabled and by each byte sent; ended by reading IIR or by disabling it. */
static void test_transmit_interrupt(void **state)
{
	(void)state;
	out8(UART_IER, UART_IER_THRI);
	assert_int_equal(edges(), 0); /* a PC lets the chip's interrupt out with OUT2 only */
	out8(UART_MCR, UART_MCR_OUT2);
	assert_int_equal(edges(), 1);
	assert_int_equal(in8(UART_IIR), UART_IIR_THRI);
	assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT); /* the first read was the acknowledgement */
	out8(UART_IER, UART_IER_THRI);                    /* already enabled */
	assert_int_equal(edges(), 0);
	for (unsigned i = 0; i < 3; i++) {
		out8(UART_TX, 'a');
		assert_int_equal(edges(), 1);
		assert_int_equal(in8(UART_IIR), UART_IIR_THRI);
		assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT);
	}
	out8(UART_IER, 0);
	out8(UART_TX, 'b');
	assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(edges(), 0);
	out8(UART_IER, UART_IER_THRI);
	assert_int_equal(edges(), 1);
	assert_int_equal(in8(UART_IIR), UART_IIR_THRI);
	/* disabled while pending: gone */
	out8(UART_TX, 'c');
	out8(UART_IER, 0);
	assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT);
}

/*
 * Writing THR ends a pending THRE interrupt too; it comes back when the byte is sent. The line falls and rises, so a
 * driver that fills the transmitter from its interrupt handler, and does not read IIR, gets an edge for each byte.
 */
static void test_transmit_interrupt_without_iir(void **state)
{
	(void)state;
	out8(UART_MCR, UART_MCR_OUT2);
	out8(UART_IER, UART_IER_THRI);
	assert_int_equal(edges(), 1);
	for (unsigned i = 0; i < 3; i++) {
		out8(UART_TX, 'a');
		assert_int_equal(edges(), 1);
	}
	assert_int_equal(in8(UART_IIR), UART_IIR_THRI);
}

static void test_receive(void **state)
{
	(void)state;
	out8(UART_FCR, UART_FCR_ENABLE_FIFO);
	console_type(&rig->console, "ab", 2);
	usleep(50000);
	assert_int_equal(edges(), 0);
	assert_int_equal(in8(UART_IIR) & 0x0f, UART_IIR_NO_INT);
	listen(); /* what waits already is told */
	wait_until(in8(UART_LSR) & UART_LSR_DR);
	assert_int_equal(edges(), 1);
	assert_int_equal(in8(UART_IIR) & 0x0f, UART_IIR_RDI);
	assert_int_equal(in8(UART_IIR) & 0x0f, UART_IIR_RDI); /* only reading the byte ends it */
	assert_int_equal(in8(UART_RX), 'a');
	assert_int_equal(in8(UART_IIR) & 0x0f, UART_IIR_RDI);
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in8(UART_RX), 'b');
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(in8(UART_IIR) & 0x0f, UART_IIR_NO_INT);
	assert_int_equal(edges(), 0); /* the line was up all the while */
	console_type(&rig->console, "c", 1);
	wait_until(edges() == 1);
	assert_int_equal(in8(UART_RX), 'c');
}

/* Without its FIFO the chip is a 16450: it holds one byte, and each raises the line anew. */
static void test_receive_interrupt_without_fifo(void **state)
{
	(void)state;
	listen();
	console_type(&rig->console, "abc", 3);
	for (char byte = 'a'; byte <= 'c'; byte++) {
		wait_until(in8(UART_LSR) & UART_LSR_DR);
		assert_int_equal(edges(), 1);
		assert_int_equal(in8(UART_RX), byte);
	}
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(edges(), 0);
}

static void test_priority(void **state)
{
	(void)state;
	out8(UART_MCR, UART_MCR_OUT2);
	out8(UART_IER, UART_IER_RDI | UART_IER_THRI);
	assert_int_equal(edges(), 1);
	type("x");
	assert_int_equal(in8(UART_IIR), UART_IIR_RDI); /* receiver before transmitter */
	assert_int_equal(in8(UART_IIR), UART_IIR_RDI);
	assert_int_equal(in8(UART_RX), 'x');
	assert_int_equal(in8(UART_IIR), UART_IIR_THRI); /* which the reads above did not acknowledge */
	assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(edges(), 0); /* one level all along: KVM saw its one rise */
}

static void test_fifo_control(void **state)
{
	(void)state;
	out8(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in8(UART_IIR), 0xc0 | UART_IIR_NO_INT);
	out8(UART_FCR, 0);
	assert_int_equal(in8(UART_IIR), UART_IIR_NO_INT);
	out8(UART_FCR, UART_FCR_ENABLE_FIFO);
	listen();
	type("lost");
	out8(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(in8(UART_IIR), 0xc0 | UART_IIR_NO_INT);
	edges();
	type("kept");
	assert_int_equal(edges(), 1);
	for (const char *at = "kept"; *at; at++)
		assert_int_equal(in8(UART_RX), *at);
}

/* Far more than the FIFO and the terminal hold: nothing is lost, nothing overruns, order stays. */
static void test_receive_much(void **state)
{
	enum { MUCH = 20000 };
	static uint8_t bytes[MUCH];

	(void)state;
	for (unsigned i = 0; i < MUCH; i++)
		bytes[i] = (uint8_t)(i * 7 + (i >> 8));
	listen();
	console_type(&rig->console, bytes, MUCH);
	for (unsigned i = 0; i < MUCH; i++) {
		wait_until(in8(UART_LSR) & UART_LSR_DR);
		assert_int_equal(in8(UART_LSR) & UART_LSR_OE, 0);
		assert_int_equal(in8(UART_RX), bytes[i]);
	}
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
}

/* The same by interrupts: a driver that reads until LSR says empty, and then waits for an edge, never waits in vain. */
static void test_receive_by_interrupt(void **state)
{
	enum { MANY = 3000 };
	static uint8_t bytes[MANY];
	unsigned got = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++)
		bytes[i] = (uint8_t)(i * 11 + 3);
	out8(UART_FCR, UART_FCR_ENABLE_FIFO);
	listen();
	for (unsigned sent = 0; sent < MANY; sent += 30)
		console_type(&rig->console, bytes + sent, 30);
	while (got < MANY) {
		wait_until(edges() > 0);
		while (in8(UART_LSR) & UART_LSR_DR)
			assert_int_equal(in8(UART_RX), bytes[got++]);
	}
	assert_int_equal(got, MANY);
}

static void test_loopback(void **state)
{
	char out[64];

	(void)state;
	out8(UART_MCR, UART_MCR_LOOP);
	assert_int_equal(in8(UART_MSR) & 0xf0, 0);
	out8(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS);
	assert_int_equal(in8(UART_MSR) & 0xf0, UART_MSR_CTS);
	out8(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
	assert_int_equal(in8(UART_MSR) & 0xf0, UART_MSR_DSR);
	out8(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1);
	assert_int_equal(in8(UART_MSR) & 0xf0, UART_MSR_RI);
	out8(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2);
	assert_int_equal(in8(UART_MSR) & 0xf0, UART_MSR_DCD);

	/* the transmitter talks to the receiver, and neither to the world */
	out8(UART_IER, UART_IER_RDI);
	console_type(&rig->console, "typed", 5);
	usleep(20000);
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
	out8(UART_TX, 'L');
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, UART_LSR_DR);
	assert_int_equal(in8(UART_RX), 'L');
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
	assert_int_equal(console_read(&rig->console, out, sizeof(out), 50), 0);
	/* and what was typed meanwhile is not lost */
	out8(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	for (const char *at = "typed"; *at; at++) {
		wait_until(in8(UART_LSR) & UART_LSR_DR);
		assert_int_equal(in8(UART_RX), *at);
	}
	out8(UART_TX, 'o');
	console_expect(&rig->console, "o", 1);
}

static void test_odd_accesses(void **state)
{
	uint32_t data = 0x41414141;

	(void)state;
	/* what reaches over the end is nobody's; what is wider than a byte changes no register */
	assert_null(bus_access(&rig->vm->pio, PORT + 6, 4, 1, &data));
	assert_null(bus_access(&rig->vm->pio, PORT - 1, 2, 1, &data));
	out8(UART_SCR, 0x77);
	for (unsigned reg = 0; reg < 8; reg++)
		for (unsigned len = 2; len <= 4 && reg + len <= 8; len += 2)
			bus_access(&rig->vm->pio, PORT + reg, len, 0, &data);
	assert_int_equal(in8(UART_SCR), 0x77);
	assert_int_equal(in8(UART_IER), 0);
	const struct bus_range *range = bus_find(&rig->vm->pio, PORT, 1);

	assert_non_null(range);
	for (unsigned reg = 0; reg < 8; reg++)
		assert_non_null(range->ops->reg_name(reg));
}

static void test_end_of_input(void **state)
{
	(void)state;
	listen();
	type("z");
	console_close_in(&rig->console);
	usleep(20000);
	assert_int_equal(in8(UART_RX), 'z');
	assert_int_equal(in8(UART_LSR) & UART_LSR_DR, 0);
	out8(UART_TX, 'y'); /* the guest goes on */
	console_expect(&rig->console, "y", 1);
}

/* What is typed before the guest's driver listens waits for it, as serial.c promises: not even clearing FIFOs loses it.
 */
static void test_typed_ahead(void **state)
{
	(void)state;
	console_type(&rig->console, "early", 5);
	usleep(50000);
	out8(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT);
	in8(UART_RX);
	out8(UART_FCR, 0);
	listen();
	for (const char *at = "early"; *at; at++) {
		wait_until(in8(UART_LSR) & UART_LSR_DR);
		assert_int_equal(in8(UART_RX), *at);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_reset_values),
		TEST(test_registers_hold),
		TEST(test_divisor_latch),
		TEST(test_transmit),
		TEST(test_transmit_interrupt),
		TEST(test_transmit_interrupt_without_iir),
		TEST(test_receive),
		TEST(test_receive_interrupt_without_fifo),
		TEST(test_priority),
		TEST(test_fifo_control),
		TEST(test_receive_much),
		TEST(test_receive_by_interrupt),
		TEST(test_loopback),
		TEST(test_odd_accesses),
		TEST(test_end_of_input),
		TEST(test_typed_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
