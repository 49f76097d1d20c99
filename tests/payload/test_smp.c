// SPDX-License-Identifier: GPL-2.0-only
/* A second processor, started by INIT and SIPI, runs in the same memory and reaches the same devices. */
#include "tests/payload/virtio.h"

static struct device device;
static volatile uint32_t second_says, device_magic;

void second_cpu(void)
{
	device_magic = reg_read(&device, VIRTIO_MMIO_MAGIC_VALUE);
	second_says = 0x2222;
}

void payload(void)
{
	check(device_find(&device, 0), "the device is in the tree");
	check_is(tree_count("cpu"), 2, "two processors in the tree");
	interrupts_init();
	start_second_cpu();
	for (uint64_t start = rdtsc(); !second_says && rdtsc() - start < 4000000000u;)
		;
	check_is(second_says, 0x2222, "the second processor runs");
	check_is(device_magic, 0x74726976, "and its exits are served");
	check(device_up(&device) && device_send(&device, 5), "while the first one drives the device");
}
