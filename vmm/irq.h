/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupt lines: a GSI of the in-kernel interrupt controllers and an eventfd that raises it without an exit. */
#ifndef MINIVMM_IRQ_H
#define MINIVMM_IRQ_H

#include <stdint.h>

#define IRQ_LINES 24 /* pins of the IOAPIC that KVM emulates */

struct irq_line {
	unsigned gsi;
	int fd; /* eventfd; owned by struct irqs */
};

struct irqs {
	struct irq_line lines[IRQ_LINES];
	uint32_t taken; /* a bit a GSI */
};

void irqs_init(struct irqs *irqs);
void irqs_release(struct irqs *irqs);

/*
 * Takes a line: the given GSI, or with gsi < 0 the next free one that no PC device claims by custom. 0 and *line, or
 * -EBUSY (taken), -ENOSPC (none left) or -errno of eventfd. *line stays valid until irqs_release().
 */
int irq_alloc(struct irqs *irqs, int gsi, struct irq_line **line);

/* Hands every taken line to KVM as an irqfd (KVM_IRQFD, edge). 0 or -errno, with a message. */
int irqs_attach(struct irqs *irqs, int vm_fd);

/* One rising edge. Any thread, no lock needed, never blocks. */
void irq_raise(const struct irq_line *line);

#endif
