// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/irq.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/log.h"

/* 0 the PIT, 1 keyboard, 2 the PICs' cascade, 3 and 4 serial ports, 8 the clock, 9 ACPI: guests know these by custom.
 */
#define GSI_CUSTOMARY ((1u << 0) | (1u << 1) | (1u << 2) | (1u << 3) | (1u << 4) | (1u << 8) | (1u << 9))

/* Pins above the PICs' sixteen first: nothing but the IOAPIC hears them. */
#define GSI_FIRST 16

void irqs_init(struct irqs *irqs)
{
	memset(irqs, 0, sizeof(*irqs));
}

void irqs_release(struct irqs *irqs)
{
	for (unsigned gsi = 0; gsi < IRQ_LINES; gsi++)
		if (irqs->taken & (1u << gsi))
			close(irqs->lines[gsi].fd);
	irqs->taken = 0;
}

static int next_free(const struct irqs *irqs)
{
	for (unsigned i = 0; i < IRQ_LINES; i++) {
		unsigned gsi = (GSI_FIRST + i) % IRQ_LINES;

		if (!((irqs->taken | GSI_CUSTOMARY) & (1u << gsi)))
			return (int)gsi;
	}
	return -ENOSPC;
}

int irq_alloc(struct irqs *irqs, int gsi, struct irq_line **line)
{
	if (gsi < 0)
		gsi = next_free(irqs);
	if (gsi < 0)
		return gsi;
	if (gsi >= IRQ_LINES)
		return -ENOSPC;
	if (irqs->taken & (1u << gsi))
		return -EBUSY;

	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	irqs->taken |= 1u << gsi;
	irqs->lines[gsi] = (struct irq_line){ .gsi = (unsigned)gsi, .fd = fd };
	*line = &irqs->lines[gsi];
	return 0;
}

int irqs_attach(struct irqs *irqs, int vm_fd)
{
	for (unsigned gsi = 0; gsi < IRQ_LINES; gsi++) {
		if (!(irqs->taken & (1u << gsi)))
			continue;
		struct kvm_irqfd irqfd = { .fd = (uint32_t)irqs->lines[gsi].fd, .gsi = gsi };

		if (ioctl(vm_fd, KVM_IRQFD, &irqfd) < 0) {
			int err = errno;

			log_error("/dev/kvm: KVM_IRQFD of GSI %u: %s", gsi, strerror(err));
			return -err;
		}
	}
	return 0;
}

void irq_raise(const struct irq_line *line)
{
	uint64_t one = 1;
	ssize_t ignored = write(line->fd, &one, sizeof(one));

	(void)ignored; /* EAGAIN: 2^64 - 2 edges wait already, one more says nothing new */
}
