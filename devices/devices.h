/* SPDX-License-Identifier: GPL-2.0-only */
/* The machine's devices: those that every machine has, and those of the command line. */
#ifndef MINIVMM_DEVICES_H
#define MINIVMM_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

struct vm;

/*
 * Adds power control, the panic register, the serial console, then the command line's devices in its order; a `test`
 * device where it names none, and none for "none". 0 or -errno, with a message; what was added before stays with the
 * machine.
 */
int devices_create(struct vm *vm);

/* Answers --device help and --device NAME,help on standard output. True where `spec` was such a question. */
bool devices_help(const char *spec);

/* A class of --device, and what a Linux guest needs for it: as in struct virtio_class. */
struct device_driver {
	const char *device, *option, *module;
};
/* That of class number n. False where there are not so many. */
bool devices_driver(unsigned n, struct device_driver *driver);

/* Each adds one device of the machine itself, as devices_create() does, some at a place in the machine's own window. 0
 * or -errno, with a message. */
int pm_create(struct vm *vm); /* where the guest is shown ACPI */
int power_create(struct vm *vm, uint64_t gpa);
int pvpanic_create(struct vm *vm, uint64_t gpa);
int serial_create(struct vm *vm);

#endif
