// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver of the test device with five mistakes, of which the command line's last word chooses one, or "none": the
 * worked cases of docs/tracing.md. Each mistake is at a line that says BUG, and beside it is what mends it.
 */
#include "tests/payload/virtio.h"

#define ISR_CONFIG 2u
#define RING_MAX   256u
#define NUMBERS    200u       /* "none" ends after so many: more than the queue has entries */
#define IDLE_TICKS 5u         /* "leak" ends after so many configuration changes that it could not answer */
#define WAIT_TSC   300000000u /* for the first answer; about 0.1 s */

static struct {
	struct vring_desc desc[RING_MAX];
	struct {
		uint16_t flags, idx, ring[RING_MAX];
	} avail;
	struct {
		uint16_t flags, idx;
		struct vring_used_elem ring[RING_MAX];
	} used __attribute__((aligned(4)));
} volatile ring __attribute__((aligned(4096)));

static struct device device;
static uint32_t status, size, number;
static uint32_t numbers[RING_MAX];
static uint16_t free_heads[RING_MAX], n_free;
static uint16_t added, collected; /* avail.idx; how much of used.idx was seen */

static bool is(const char *mistake)
{
	const char *cmdline = (const char *)(uintptr_t)boot_params->hdr.cmd_line_ptr;
	size_t all = strlen(cmdline), n = strlen(mistake);

	return all >= n && memcmp(cmdline + all - n, mistake, n) == 0;
}

static void status_add(uint32_t bit)
{
	status |= bit;
	reg_write(&device, VIRTIO_MMIO_STATUS, status);
}

static void negotiate(void)
{
	reg_write(&device, VIRTIO_MMIO_STATUS, 0);
	status_add(VIRTIO_CONFIG_S_ACKNOWLEDGE);
	status_add(VIRTIO_CONFIG_S_DRIVER);
	reg_write(&device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	reg_write(&device, VIRTIO_MMIO_DRIVER_FEATURES, 1u << FEATURE_CAN_PRINT);
	reg_write(&device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	reg_write(&device, VIRTIO_MMIO_DRIVER_FEATURES, 1u << (VIRTIO_F_VERSION_1 - 32));
	if (!is("status-order")) /* BUG: without this, as in virtio before 1.0 */
		status_add(VIRTIO_CONFIG_S_FEATURES_OK);
}

static void set_address(uint32_t low, volatile const void *area)
{
	reg_write(&device, low, (uint32_t)(uintptr_t)area);
	reg_write(&device, low + 4, (uint32_t)((uintptr_t)area >> 32));
}

static void queue_up(void)
{
	reg_write(&device, VIRTIO_MMIO_QUEUE_SEL, 0);
	size = reg_read(&device, VIRTIO_MMIO_QUEUE_NUM_MAX);
	if (size > RING_MAX || is("queue-size")) /* BUG: what QueueNumMax says is not minded */
		size = RING_MAX;
	for (uint16_t head = 0; head < size; head++)
		free_heads[n_free++] = head;
	reg_write(&device, VIRTIO_MMIO_QUEUE_NUM, size);
	set_address(VIRTIO_MMIO_QUEUE_DESC_LOW, &ring.desc);
	set_address(VIRTIO_MMIO_QUEUE_AVAIL_LOW, &ring.avail);
	set_address(VIRTIO_MMIO_QUEUE_USED_LOW, &ring.used);
	reg_write(&device, VIRTIO_MMIO_QUEUE_READY, 1);
}

/* Sends the next number; false where no descriptor is free. */
static bool send(void)
{
	if (!n_free)
		return false;
	uint16_t head = free_heads[--n_free];

	numbers[head] = ++number;
	ring.desc[head].addr = (uintptr_t)&numbers[head];
	ring.desc[head].len = sizeof(numbers[head]);
	ring.avail.ring[added % size] = head;
	__asm__ volatile("" : : : "memory"); /* x86 keeps stores in order; the compiler must too */
	ring.avail.idx = ++added;
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	return true;
}

static bool wait_used(void)
{
	for (uint64_t start = rdtsc(); ring.used.idx != added;)
		if (rdtsc() - start > WAIT_TSC)
			return false;
	return true;
}

/* Takes back what the device is done with. */
static void collect(void)
{
	while (ring.used.idx != collected)
		free_heads[n_free++] = (uint16_t)ring.used.ring[collected++ % size].id;
}

/* Waits for an interrupt and serves it; true where it was for the configuration. */
static bool serve(void)
{
	interrupts_wait(device.pin, interrupts_count(device.pin));
	uint32_t isr = reg_read(&device, VIRTIO_MMIO_INTERRUPT_STATUS);

	if (!is("no-ack")) /* BUG: without this */
		reg_write(&device, VIRTIO_MMIO_INTERRUPT_ACK, isr);
	if (!is("leak")) /* BUG: without this */
		collect();
	return isr & ISR_CONFIG;
}

void payload(void)
{
	unsigned idle = 0;

	print("driver: hello\n"); /* before anything that the device prints */
	device_find(&device, 0);
	interrupts_init();
	interrupts_enable(device.pin);
	negotiate();
	queue_up();
	if (is("early-kick")) /* BUG: the device is not live, and the kick is not repeated when it is */
		send();
	status_add(VIRTIO_CONFIG_S_DRIVER_OK);
	if (!is("early-kick"))
		send();
	if (!wait_used()) {
		print("driver: no answer to the first number, I give up\n");
		poweroff();
	}
	while (number < NUMBERS && idle < IDLE_TICKS)
		if (serve() && !send() && idle++ == 0)
			print("driver: no free descriptor\n");
	reg_write(&device, VIRTIO_MMIO_STATUS, 0);
	print(idle ? "driver: I give up\n" : "driver: done\n");
	poweroff();
}
