// SPDX-License-Identifier: GPL-2.0-only
#include "devices/virtio/mmio.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "dtb/tree.h"
#include "vmm/acpi/aml.h"
#include "vmm/arch/arch.h"
#include "vmm/loop.h"
#include "vmm/trace/text.h"
#include "vmm/vm.h"

#ifndef VIRTIO_MMIO_QUEUE_RESET
#define VIRTIO_MMIO_QUEUE_RESET 0x0c0 /* virtio 1.2, 4.2.2; younger than some kernel headers */
#endif

#define MAGIC   0x74726976u /* "virt" */
#define VERSION 2u
#define VENDOR  0x4d4d564du /* "MVMM" */

/* A queue that the driver kicks through an eventfd, without an exit. */
struct kick_fd {
	struct virtio_mmio *mmio;
	unsigned queue;
	int fd;
	struct loop_source *source;
};

struct virtio_mmio {
	struct virtio_dev *dev;
	uint64_t gpa;
	/* the device's lock guards these too */
	uint32_t device_features_sel, driver_features_sel, queue_sel;
	struct kick_fd kicks[VIRTIO_QUEUES_MAX];
	unsigned n_kicks;
};

static const char *reg_name(uint64_t off)
{
	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE: return "MagicValue";
	case VIRTIO_MMIO_VERSION: return "Version";
	case VIRTIO_MMIO_DEVICE_ID: return "DeviceID";
	case VIRTIO_MMIO_VENDOR_ID: return "VendorID";
	case VIRTIO_MMIO_DEVICE_FEATURES: return "DeviceFeatures";
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL: return "DeviceFeaturesSel";
	case VIRTIO_MMIO_DRIVER_FEATURES: return "DriverFeatures";
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL: return "DriverFeaturesSel";
	case VIRTIO_MMIO_QUEUE_SEL: return "QueueSel";
	case VIRTIO_MMIO_QUEUE_NUM_MAX: return "QueueNumMax";
	case VIRTIO_MMIO_QUEUE_NUM: return "QueueNum";
	case VIRTIO_MMIO_QUEUE_READY: return "QueueReady";
	case VIRTIO_MMIO_QUEUE_NOTIFY: return "QueueNotify";
	case VIRTIO_MMIO_INTERRUPT_STATUS: return "InterruptStatus";
	case VIRTIO_MMIO_INTERRUPT_ACK: return "InterruptACK";
	case VIRTIO_MMIO_STATUS: return "Status";
	case VIRTIO_MMIO_QUEUE_DESC_LOW: return "QueueDescLow";
	case VIRTIO_MMIO_QUEUE_DESC_HIGH: return "QueueDescHigh";
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW: return "QueueDriverLow";
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: return "QueueDriverHigh";
	case VIRTIO_MMIO_QUEUE_USED_LOW: return "QueueDeviceLow";
	case VIRTIO_MMIO_QUEUE_USED_HIGH: return "QueueDeviceHigh";
	case VIRTIO_MMIO_SHM_SEL: return "SHMSel";
	case VIRTIO_MMIO_SHM_LEN_LOW: return "SHMLenLow";
	case VIRTIO_MMIO_SHM_LEN_HIGH: return "SHMLenHigh";
	case VIRTIO_MMIO_SHM_BASE_LOW: return "SHMBaseLow";
	case VIRTIO_MMIO_SHM_BASE_HIGH: return "SHMBaseHigh";
	case VIRTIO_MMIO_QUEUE_RESET: return "QueueReset";
	case VIRTIO_MMIO_CONFIG_GENERATION: return "ConfigGeneration";
	default: return off >= VIRTIO_MMIO_CONFIG ? "Config" : NULL;
	}
}

static enum trace_type reg_type(uint64_t off)
{
	switch (off) {
	case VIRTIO_MMIO_STATUS: return TRACE_STATUS;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
	case VIRTIO_MMIO_INTERRUPT_ACK: return TRACE_ISR;
	default: return TRACE_HEX;
	}
}

static uint32_t register_read(struct virtio_mmio *mmio, uint64_t off)
{
	struct virtio_dev *dev = mmio->dev;
	const struct virtq *vq = virtio_queue(dev, mmio->queue_sel);

	switch (off) {
	case VIRTIO_MMIO_MAGIC_VALUE: return MAGIC;
	case VIRTIO_MMIO_VERSION: return VERSION;
	case VIRTIO_MMIO_DEVICE_ID: return (uint32_t)dev->settings.id;
	case VIRTIO_MMIO_VENDOR_ID: return VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES: return virtio_offered(dev, mmio->device_features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX: return vq ? vq->num_max : 0;
	case VIRTIO_MMIO_QUEUE_READY: return vq ? vq->ready : 0;
	case VIRTIO_MMIO_INTERRUPT_STATUS: return dev->isr;
	case VIRTIO_MMIO_STATUS: return dev->status;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH: return UINT32_MAX; /* no shared memory region: length -1 (virtio 1.2, 4.2.2) */
	case VIRTIO_MMIO_CONFIG_GENERATION: return dev->generation;
	default: return 0; /* QueueReset: a reset is done when the write is; else undefined or write-only */
	}
}

static void set_low(uint64_t *address, uint32_t value)
{
	*address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *address, uint32_t value)
{
	*address = (*address & UINT32_MAX) | (uint64_t)value << 32;
}

/* The registers of the selected queue, which are frozen while it is ready (virtio 1.2, 4.2.2.2). */
static void queue_write(struct virtio_dev *dev, struct virtq *vq, uint64_t off, uint32_t value)
{
	if (!vq || vq->ready) {
		virtio_ignore_quietly(dev, vq ? "the queue's registers are fixed while QueueReady is 1 "
						"(virtio 1.2, 4.2.2.2)" :
						VIRTIO_NO_QUEUE);
		return;
	}
	switch (off) {
	case VIRTIO_MMIO_QUEUE_NUM: vq->num = value; break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW: set_low(&vq->desc_gpa, value); break;
	case VIRTIO_MMIO_QUEUE_DESC_HIGH: set_high(&vq->desc_gpa, value); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW: set_low(&vq->avail_gpa, value); break;
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH: set_high(&vq->avail_gpa, value); break;
	case VIRTIO_MMIO_QUEUE_USED_LOW: set_low(&vq->used_gpa, value); break;
	default: set_high(&vq->used_gpa, value);
	}
}

static void register_write(struct virtio_mmio *mmio, uint64_t off, uint32_t value)
{
	struct virtio_dev *dev = mmio->dev;
	struct virtq *vq = virtio_queue(dev, mmio->queue_sel);

	switch (off) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL: mmio->device_features_sel = value; break;
	case VIRTIO_MMIO_DRIVER_FEATURES: virtio_accept(dev, mmio->driver_features_sel, value); break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL: mmio->driver_features_sel = value; break;
	case VIRTIO_MMIO_QUEUE_SEL: mmio->queue_sel = value; break;
	case VIRTIO_MMIO_QUEUE_READY:
		if (value & 1)
			virtio_queue_enable(dev, mmio->queue_sel);
		else
			virtio_queue_disable(dev, mmio->queue_sel);
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY: virtio_kick_by_exit(dev, value); break;
	case VIRTIO_MMIO_INTERRUPT_ACK: virtio_acknowledge(dev, value); break;
	case VIRTIO_MMIO_STATUS:
		virtio_set_status(dev, value);
		if (value == 0)
			mmio->device_features_sel = mmio->driver_features_sel = mmio->queue_sel = 0;
		break;
	case VIRTIO_MMIO_QUEUE_RESET:
		if (value & 1)
			virtio_queue_reset(dev, mmio->queue_sel);
		break;
	case VIRTIO_MMIO_SHM_SEL: break; /* there are no regions, whichever is selected */
	case VIRTIO_MMIO_QUEUE_NUM:
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH: queue_write(dev, vq, off, value); break;
	default: virtio_ignore_quietly(dev, "a write to a register that is read-only or undefined (virtio 1.2, 4.2.2)");
	}
}

/* Control registers are accessed as aligned 32-bit words (virtio 1.2, 4.2.2.2); another access is nobody's. */
static bool is_control(uint64_t off, unsigned len)
{
	return off < VIRTIO_MMIO_CONFIG && len == 4 && off % 4 == 0;
}

static const char wrong_width[] = "a control register is 32 bits wide and accessed as a whole (virtio 1.2, 4.2.2.2)";

static uint64_t window_read(void *ctx, uint64_t off, unsigned len)
{
	struct virtio_mmio *mmio = ctx;
	uint64_t value = 0;

	pthread_mutex_lock(&mmio->dev->lock);
	if (off >= VIRTIO_MMIO_CONFIG)
		value = virtio_config_read(mmio->dev, off - VIRTIO_MMIO_CONFIG, len);
	else if (is_control(off, len))
		value = register_read(mmio, off);
	else
		virtio_ignore_quietly(mmio->dev, wrong_width);
	pthread_mutex_unlock(&mmio->dev->lock);
	return value;
}

static void window_write(void *ctx, uint64_t off, unsigned len, uint64_t value)
{
	struct virtio_mmio *mmio = ctx;

	pthread_mutex_lock(&mmio->dev->lock);
	if (off >= VIRTIO_MMIO_CONFIG)
		virtio_config_write(mmio->dev, off - VIRTIO_MMIO_CONFIG, len, value);
	else if (is_control(off, len))
		register_write(mmio, off, (uint32_t)value);
	else
		virtio_ignore_quietly(mmio->dev, wrong_width);
	pthread_mutex_unlock(&mmio->dev->lock);
}

static const struct bus_ops window_ops = {
	.read = window_read,
	.write = window_write,
	.reg_name = reg_name,
	.reg_type = reg_type,
	.doorbell = VIRTIO_MMIO_QUEUE_NOTIFY,
};

static void on_kick(void *ctx, uint32_t events)
{
	struct kick_fd *kick = ctx;
	uint64_t count;

	(void)events;
	if (read(kick->fd, &count, sizeof(count)) < 0)
		return;
	pthread_mutex_lock(&kick->mmio->dev->lock);
	/* No message where the queue is not live: the driver may have kicked before its own reset, which got here
	 * first. */
	if (virtio_queue_live(kick->mmio->dev, kick->queue))
		virtio_kick(kick->mmio->dev, kick->queue, "ioeventfd");
	else
		virtio_ignore_quietly(kick->mmio->dev,
				      "a kick by ioeventfd of a queue that is not ready, or of a driver "
				      "that is not up (virtio 1.2, 3.1.1)");
	pthread_mutex_unlock(&kick->mmio->dev->lock);
}

/* An eventfd a queue: KVM writes it where the guest stores the queue's number to QueueNotify. */
static int add_kick(struct virtio_mmio *mmio, unsigned queue)
{
	struct vm *vm = mmio->dev->vm;
	struct kick_fd *kick = &mmio->kicks[queue];

	*kick = (struct kick_fd){ .mmio = mmio, .queue = queue, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	if (kick->fd < 0)
		return -errno;
	mmio->n_kicks++;
	struct vm_ioeventfd ioeventfd = {
		.gpa = mmio->gpa + VIRTIO_MMIO_QUEUE_NOTIFY, .len = 4, .datamatch = queue, .fd = kick->fd
	};
	int err = vm_add_ioeventfd(vm, &ioeventfd);

	return err ? err : loop_add_fd(vm->loop, kick->fd, EPOLLIN, on_kick, kick, &kick->source);
}

static void describe_dt(void *ctx, struct dtb *tree)
{
	const struct virtio_mmio *mmio = ctx;

	dtb_begin(tree, "virtio_mmio", mmio->gpa);
	dtb_string(tree, "compatible", "virtio,mmio");
	dtb_reg(tree, mmio->gpa, VIRTIO_MMIO_WINDOW);
	dtb_interrupt(tree, mmio->dev->irq->gsi);
	dtb_empty(tree, "dma-coherent");
	dtb_end(tree);
}

static void describe_acpi(void *ctx, struct aml *aml)
{
	const struct virtio_mmio *mmio = ctx;
	const unsigned place = (unsigned)((mmio->gpa - arch_layout.mmio_start) / VIRTIO_MMIO_WINDOW);
	char name[16];

	snprintf(name, sizeof(name), "V%03u", place);
	aml_device(aml, name);
	aml_name_string(aml, "_HID", "LNRO0005");
	aml_name_integer(aml, "_UID", place);
	aml_name_integer(aml, "_CCA", 1); /* its DMA is coherent */
	aml_resources(aml);
	aml_memory(aml, (uint32_t)mmio->gpa, VIRTIO_MMIO_WINDOW);
	aml_interrupt(aml, mmio->dev->irq->gsi);
	aml_end_resources(aml);
	aml_end(aml);
}

static void describe_cmdline(void *ctx, struct text *words)
{
	const struct virtio_mmio *mmio = ctx;

	text_printf(words, " virtio_mmio.device=0x%x@0x%llx:%u", VIRTIO_MMIO_WINDOW, (unsigned long long)mmio->gpa,
		    mmio->dev->irq->gsi);
}

static void mmio_destroy(void *ctx)
{
	struct virtio_mmio *mmio = ctx;

	for (unsigned q = 0; q < mmio->n_kicks; q++) {
		loop_del(mmio->kicks[q].source);
		close(mmio->kicks[q].fd);
	}
	virtio_destroy(mmio->dev);
	free(mmio);
}

static void mmio_report(void *ctx, const char *name, struct text *out)
{
	const struct virtio_mmio *mmio = ctx;

	if (!name || name == mmio->dev->name)
		virtio_report(mmio->dev, out);
}

static void mmio_count(void *ctx, struct counts *counts)
{
	const struct virtio_mmio *mmio = ctx;

	virtio_count(mmio->dev, counts);
}

static void mmio_key(void *ctx, char key)
{
	const struct virtio_mmio *mmio = ctx;

	virtio_key(mmio->dev, key);
}

static const struct vm_device_ops mmio_ops = { .describe_dt = describe_dt,
					       .describe_acpi = describe_acpi,
					       .describe_cmdline = describe_cmdline,
					       .report = mmio_report,
					       .count = mmio_count,
					       .key = mmio_key,
					       .destroy = mmio_destroy };

static int out_of(struct virtio_dev *dev, int err, const char *what)
{
	if (err)
		virtio_error(dev, "%s: %s", what, err == -ENOSPC ? "none is left; use fewer devices" : strerror(-err));
	return err;
}

int virtio_mmio_attach(struct vm *vm, struct virtio_dev *dev)
{
	struct virtio_mmio *mmio = calloc(1, sizeof(*mmio));
	int err;

	if (!mmio) {
		out_of(dev, -ENOMEM, "registers");
		virtio_destroy(dev);
		return -ENOMEM;
	}
	mmio->dev = dev;
	err = out_of(dev, irq_alloc(&vm->irqs, -1, &dev->irq), "interrupt line");
	if (!err)
		err = out_of(dev, vm_alloc_mmio(vm, VIRTIO_MMIO_WINDOW, &mmio->gpa), "register window");
	if (!err) {
		struct bus_range range = {
			.base = mmio->gpa, .len = VIRTIO_MMIO_WINDOW, .name = dev->name, .ops = &window_ops, .ctx = mmio
		};

		err = out_of(dev, bus_add(&vm->mmio, &range), "place on the bus");
	}
	for (unsigned q = 0; q < dev->n_queues && !err && dev->settings.notify == VIRTIO_NOTIFY_IOEVENTFD; q++)
		err = out_of(dev, add_kick(mmio, q), "ioeventfd");
	if (!err)
		err = out_of(dev, vm_add_device(vm, &mmio_ops, mmio), "place in the machine");
	if (err)
		mmio_destroy(mmio);
	return err;
}
