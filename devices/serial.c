// SPDX-License-Identifier: GPL-2.0-only
/*
 * The first serial port of a PC: a 16550A at 0x3f8, interrupt 4, by the chip's data sheet. What the guest sends goes to
 * the terminal at once, so the transmitter is always empty again when the next byte comes; what the user types waits in
 * the terminal until the receiver's FIFO has room, so nothing overruns.
 */
#include <errno.h>
#include <linux/serial_reg.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "devices/devices.h"
#include "dtb/tree.h"
#include "vmm/acpi/aml.h"
#include "vmm/log.h"
#include "vmm/terminal.h"
#include "vmm/vm.h"

#define SERIAL_PORT  0x3f8u
#define SERIAL_PORTS 8u
#define SERIAL_GSI   4
#define SERIAL_CLOCK 1843200u /* Hz */
#define SERIAL_BAUD  115200u
#define FIFO_SIZE    16u

struct serial {
	struct terminal *terminal;
	struct irq_line *irq;
	pthread_mutex_t lock; /* guards what follows; never held while the terminal makes us wait */
	uint8_t ier, lcr, mcr, fcr, scratch;
	uint8_t divisor[2];
	uint8_t fifo[FIFO_SIZE]; /* received, not yet read */
	unsigned fifo_head, fifo_len;
	bool thr_empty; /* the transmitter-empty interrupt is pending; reading it from IIR clears it */
	bool asserted;  /* level of the interrupt line */
};

/* The pending interrupt of the highest priority that is enabled, as IIR shows it. */
static uint8_t cause(const struct serial *serial)
{
	if ((serial->ier & UART_IER_RDI) && serial->fifo_len)
		return UART_IIR_RDI;
	if ((serial->ier & UART_IER_THRI) && serial->thr_empty)
		return UART_IIR_THRI;
	return UART_IIR_NO_INT;
}

/* The line is edge-triggered, as on the ISA bus: KVM is told when it rises. */
static void update_irq(struct serial *serial)
{
	bool to_bus = (serial->mcr & UART_MCR_OUT2) && !(serial->mcr & UART_MCR_LOOP); /* as a PC is wired */
	bool level = to_bus && cause(serial) != UART_IIR_NO_INT;

	if (level && !serial->asserted)
		irq_raise(serial->irq);
	serial->asserted = level;
}

/* Bytes that the receiver has room for: without its FIFO it holds one. */
static size_t fifo_room(const struct serial *serial)
{
	size_t size = serial->fcr & UART_FCR_ENABLE_FIFO ? FIFO_SIZE : 1;

	return serial->fifo_len < size ? size - serial->fifo_len : 0;
}

static void fifo_put(struct serial *serial, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len && fifo_room(serial); i++)
		serial->fifo[(serial->fifo_head + serial->fifo_len++) % FIFO_SIZE] = bytes[i];
}

/*
 * Takes from the terminal what the FIFO has room for. Not in loopback, where the receiver hears the transmitter only;
 * and not before the guest listens: receive interrupts on, and let out to the bus by OUT2 as on a PC. Linux throws away
 * what came until then, but nobody who pipes commands into a guest means them for that time. Lock held.
 */
static void receive(struct serial *serial)
{
	uint8_t bytes[FIFO_SIZE] = { 0 };

	if ((serial->ier & UART_IER_RDI) && (serial->mcr & UART_MCR_OUT2) && !(serial->mcr & UART_MCR_LOOP))
		fifo_put(serial, bytes, terminal_read(serial->terminal, bytes, fifo_room(serial)));
	update_irq(serial);
}

static void on_input(void *ctx)
{
	struct serial *serial = ctx;

	pthread_mutex_lock(&serial->lock);
	receive(serial);
	pthread_mutex_unlock(&serial->lock);
}

static uint8_t read_rbr(struct serial *serial)
{
	uint8_t byte = 0;

	if (serial->fifo_len) {
		byte = serial->fifo[serial->fifo_head];
		serial->fifo_head = (serial->fifo_head + 1) % FIFO_SIZE;
		serial->fifo_len--;
	}
	if (serial->fifo_len == 0) {
		update_irq(serial); /* the line falls before the next byte is there */
		receive(serial);
	}
	return byte;
}

static uint8_t read_iir(struct serial *serial)
{
	uint8_t iir = cause(serial);

	if (iir == UART_IIR_THRI)
		serial->thr_empty = false;
	return iir | (serial->fcr & UART_FCR_ENABLE_FIFO ? 0xc0 : 0);
}

/* A modem that is always ready; in loopback the outputs come back as inputs, by which drivers know the chip. */
static uint8_t read_msr(const struct serial *serial)
{
	uint8_t msr = 0;

	if (!(serial->mcr & UART_MCR_LOOP))
		return UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS;
	if (serial->mcr & UART_MCR_RTS)
		msr |= UART_MSR_CTS;
	if (serial->mcr & UART_MCR_DTR)
		msr |= UART_MSR_DSR;
	if (serial->mcr & UART_MCR_OUT1)
		msr |= UART_MSR_RI;
	if (serial->mcr & UART_MCR_OUT2)
		msr |= UART_MSR_DCD;
	return msr;
}

static uint8_t register_read(struct serial *serial, uint64_t off)
{
	bool dlab = serial->lcr & UART_LCR_DLAB;

	switch (off) {
	case UART_RX: return dlab ? serial->divisor[0] : read_rbr(serial);
	case UART_IER: return dlab ? serial->divisor[1] : serial->ier;
	case UART_IIR: return read_iir(serial);
	case UART_LCR: return serial->lcr;
	case UART_MCR: return serial->mcr;
	case UART_LSR: return UART_LSR_TEMT | UART_LSR_THRE | (serial->fifo_len ? UART_LSR_DR : 0);
	case UART_MSR: return read_msr(serial);
	default: return serial->scratch;
	}
}

static void register_write(struct serial *serial, uint64_t off, uint8_t value)
{
	switch (off) {
	case UART_IER:
		if (serial->lcr & UART_LCR_DLAB) {
			serial->divisor[1] = value;
			break;
		}
		if (value & ~serial->ier & UART_IER_THRI)
			serial->thr_empty = true; /* enabling it while the transmitter is empty raises it at once */
		serial->ier = value & 0x0f;
		receive(serial);
		break;
	case UART_FCR:
		serial->fcr = value;
		if (value & UART_FCR_CLEAR_RCVR)
			serial->fifo_len = 0;
		receive(serial);
		break;
	case UART_LCR: serial->lcr = value; break;
	case UART_MCR:
		serial->mcr = value & 0x1f;
		receive(serial);
		break;
	case UART_SCR: serial->scratch = value; break;
	default: break; /* LSR and MSR are read-only */
	}
}

/*
 * A byte to send. The transmitter is full until it is gone, so its interrupt falls and rises again. The terminal may
 * make this vCPU wait, so the lock is not held meanwhile.
 */
static void transmit(struct serial *serial, uint8_t byte)
{
	serial->thr_empty = false;
	update_irq(serial);
	if (serial->mcr & UART_MCR_LOOP) {
		fifo_put(serial, &byte, 1);
	} else {
		pthread_mutex_unlock(&serial->lock);
		terminal_write(serial->terminal, &byte, 1);
		pthread_mutex_lock(&serial->lock);
	}
	serial->thr_empty = true;
}

static uint64_t serial_read(void *ctx, uint64_t off, unsigned len)
{
	struct serial *serial = ctx;

	if (len != 1)
		return UINT64_MAX;
	pthread_mutex_lock(&serial->lock);
	uint8_t value = register_read(serial, off);

	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
	return value;
}

static void serial_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct serial *serial = ctx;

	if (len != 1)
		return;
	pthread_mutex_lock(&serial->lock);
	if (off != UART_TX)
		register_write(serial, off, (uint8_t)value);
	else if (serial->lcr & UART_LCR_DLAB)
		serial->divisor[0] = (uint8_t)value;
	else
		transmit(serial, (uint8_t)value);
	update_irq(serial);
	pthread_mutex_unlock(&serial->lock);
}

static const char *serial_reg_name(uint64_t off)
{
	static const char *const names[SERIAL_PORTS] = {
		"RBR/THR", "IER", "IIR/FCR", "LCR", "MCR", "LSR", "MSR", "SCR"
	};

	return off < SERIAL_PORTS ? names[off] : NULL;
}

/* A byte of console is an access or two. */
static const struct bus_ops serial_ops = {
	.read = serial_read, .write = serial_write, .reg_name = serial_reg_name, .chatty = true
};

static void serial_destroy(void *ctx)
{
	struct serial *serial = ctx;

	pthread_mutex_destroy(&serial->lock);
	free(serial);
}

/*
 * A port on an ISA bus: the first of the two address cells, 1, says that it is an I/O port. Linux on x86 reads such a
 * node only where it has PCI; else it finds the port where PCs have it, and the node is for other readers.
 */
static void serial_describe_dt(void *ctx, struct dtb *tree)
{
	const struct serial *serial = ctx;

	dtb_begin(tree, "isa", 0);
	dtb_string(tree, "compatible", "isa");
	dtb_u32(tree, "#address-cells", 2);
	dtb_u32(tree, "#size-cells", 1);
	DTB_CELLS(tree, "ranges", 1, 0, 0, 0, 0x10000);
	dtb_begin(tree, "serial", SERIAL_PORT);
	dtb_string(tree, "compatible", "ns16550a");
	DTB_CELLS(tree, "reg", 1, SERIAL_PORT, SERIAL_PORTS);
	dtb_interrupt(tree, serial->irq->gsi);
	dtb_u32(tree, "clock-frequency", SERIAL_CLOCK);
	dtb_end(tree);
	dtb_end(tree);
}

static void serial_describe_acpi(void *ctx, struct aml *aml)
{
	const struct serial *serial = ctx;

	aml_device(aml, "COM1");
	aml_name_eisaid(aml, "_HID", "PNP0501"); /* a 16550A or what is like it */
	aml_name_integer(aml, "_UID", 1);
	aml_resources(aml);
	aml_ports(aml, SERIAL_PORT, SERIAL_PORTS);
	aml_interrupt(aml, serial->irq->gsi);
	aml_end_resources(aml);
	aml_end(aml);
}

static const struct vm_device_ops serial_device = { .describe_dt = serial_describe_dt,
						    .describe_acpi = serial_describe_acpi,
						    .destroy = serial_destroy };

int serial_create(struct vm *vm)
{
	struct serial *serial = calloc(1, sizeof(*serial));
	int err = -ENOMEM;

	if (!serial)
		goto fail;
	serial->terminal = vm->terminal;
	serial->divisor[0] = SERIAL_CLOCK / 16 / SERIAL_BAUD;
	pthread_mutex_init(&serial->lock, NULL);
	err = irq_alloc(&vm->irqs, SERIAL_GSI, &serial->irq);
	if (!err) {
		struct bus_range ports = {
			.base = SERIAL_PORT, .len = SERIAL_PORTS, .name = "serial", .ops = &serial_ops, .ctx = serial
		};

		err = bus_add(&vm->pio, &ports);
	}
	if (!err)
		err = vm_add_device(vm, &serial_device, serial);
	if (err)
		goto fail;
	terminal_set_input(vm->terminal, on_input, serial);
	return 0;
fail:
	log_error("serial console: %s", strerror(-err));
	if (serial)
		serial_destroy(serial);
	return err;
}
