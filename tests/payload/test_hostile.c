// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that breaks the rules, from inside a guest (CHECKLIST.md, E). After each case the machine is alive, the
 * other device serves, and this one works again after a reset.
 */
#include "tests/payload/virtio.h"

#define CONFIG_SIZE 12u
#define NEEDS_RESET VIRTIO_CONFIG_S_NEEDS_RESET

static struct device device, sibling;
static uint64_t ram_end;
static uint32_t numbers = 1;

static bool failed_or_idle(void)
{
	uint32_t status = reg_read(&device, VIRTIO_MMIO_STATUS);

	return (status & NEEDS_RESET) || device.ring->used.idx == 0;
}

/* The oracle, once a case. */
static void survives(const char *name)
{
	bool again = device_up(&device) && device_send(&device, numbers++);

	check(again && device_send(&sibling, numbers++), name);
}

static void h1_queue_sel(void)
{
	static const uint32_t sels[] = { 0xffffffff, 0x10000, 1, 8, 0x80000000 };
	bool absent = true;

	for (unsigned i = 0; i < sizeof(sels) / sizeof(sels[0]); i++) {
		device_negotiate(&device);
		reg_write(&device, VIRTIO_MMIO_QUEUE_SEL, sels[i]);
		for (uint32_t reg = VIRTIO_MMIO_QUEUE_NUM; reg < 0x0fc; reg += 4)
			if (reg != VIRTIO_MMIO_STATUS)
				reg_write(&device, reg, 0xffffffff);
		absent = absent && reg_read(&device, VIRTIO_MMIO_QUEUE_NUM_MAX) == 0 &&
			 reg_read(&device, VIRTIO_MMIO_QUEUE_READY) == 0;
	}
	check(absent, "h1: a queue that is not there");
	survives("h1");
}

static void h2_notify(void)
{
	device_up(&device);
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0xffff);
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0x80000000);
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0xffffffff);
	survives("h2: kicks of queues that are not there");
}

static void h3_queue_num(void)
{
	static const uint32_t sizes[] = { 0, 3, 129, 256, 0x10000, 0x80000000, 0xffffffff };
	bool refused = true;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		device_negotiate(&device);
		device_queue(&device);
		reg_write(&device, VIRTIO_MMIO_QUEUE_READY, 0);
		reg_write(&device, VIRTIO_MMIO_QUEUE_NUM, sizes[i]);
		reg_write(&device, VIRTIO_MMIO_QUEUE_READY, 1);
		refused = refused && reg_read(&device, VIRTIO_MMIO_QUEUE_READY) == 0;
		reg_write(&device, VIRTIO_MMIO_STATUS, STATUS_LIVE);
		reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	}
	check(refused, "h3: no such queue size");
	survives("h3");
}

static void h5_ring_place(void)
{
	const uint64_t places[] = {
		ram_end - 1,
		ram_end - 2,
		ram_end - 16,
		ram_end,
		0xd0000000,
		device.base,
		0xfee00000,
		0 - 16ull,
		1ull << 63,
		0x100000001,
		(uintptr_t)device.ring + 1,
	};
	static const uint32_t regs[] = { VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
					 VIRTIO_MMIO_QUEUE_USED_LOW };

	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		for (unsigned part = 0; part < 3; part++) {
			device_negotiate(&device);
			device_queue(&device);
			reg_write(&device, VIRTIO_MMIO_QUEUE_READY, 0);
			reg_write(&device, regs[part], (uint32_t)places[i]);
			reg_write(&device, regs[part] + 4, (uint32_t)(places[i] >> 32));
			reg_write(&device, VIRTIO_MMIO_QUEUE_READY, 1);
			reg_write(&device, VIRTIO_MMIO_STATUS, STATUS_LIVE);
			reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		}
	}
	survives("h5: rings where there is no RAM for them");
}

/* One chain from descriptor 0: served, or the device asks for a reset; never anything else. */
static bool chain_is_judged(void)
{
	device_add(&device, 0);
	return device.ring->used.idx == 1 || (reg_read(&device, VIRTIO_MMIO_STATUS) & NEEDS_RESET);
}

static bool chain_is_refused(void)
{
	return chain_is_judged() && (reg_read(&device, VIRTIO_MMIO_STATUS) & NEEDS_RESET);
}

static void set(unsigned at, uint64_t addr, uint32_t len, uint16_t flags, uint16_t next)
{
	device.ring->desc[at] = (struct vring_desc){ .addr = addr, .len = len, .flags = flags, .next = next };
}

static void h6_buffer_place(void)
{
	static const struct {
		uint64_t addr;
		uint32_t len;
	} outside[] = { { 0 - 8ull, 16 }, { 1ull << 63, 1 }, { 0xd0000000, 4 }, { 0, 0xffffffff } };
	bool refused = true;

	for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		device_up(&device);
		set(0, outside[i].addr, outside[i].len, 0, 0);
		refused = chain_is_refused() && refused;
	}
	device_up(&device);
	set(0, ram_end - 1, 2, 0, 0);
	refused = chain_is_refused() && refused;
	check(refused, "h6: buffers outside the RAM");
	survives("h6");
}

static void h7_zero_length(void)
{
	device_up(&device);
	for (unsigned i = 0; i < QUEUE_SIZE; i++)
		set(i, i % 2 ? 0 : 0 - 1ull, 0, i + 1 < QUEUE_SIZE ? VRING_DESC_F_NEXT : 0, (uint16_t)(i + 1));
	check(chain_is_judged(), "h7: nothing but empty descriptors");
	survives("h7");
}

static void h8_loops(void)
{
	bool refused;

	device_up(&device);
	set(0, ram_end - 64, 4, VRING_DESC_F_NEXT, 0);
	refused = chain_is_refused();
	device_up(&device);
	set(0, ram_end - 64, 4, VRING_DESC_F_NEXT, 1);
	set(1, ram_end - 64, 4, VRING_DESC_F_NEXT, 0);
	refused = chain_is_refused() && refused;
	device_up(&device);
	set(0, ram_end - 64, 4, VRING_DESC_F_NEXT, QUEUE_SIZE);
	refused = chain_is_refused() && refused;
	device_up(&device);
	set(0, ram_end - 64, 4, VRING_DESC_F_NEXT, 0xffff);
	refused = chain_is_refused() && refused;
	device_up(&device);
	for (uint16_t i = 0; i < QUEUE_SIZE; i++) /* as long as the ring, and then on */
		set(i, ram_end - 64, 4, VRING_DESC_F_NEXT, (uint16_t)((i + 1) % QUEUE_SIZE));
	refused = chain_is_refused() && refused;
	check(refused, "h8: chains without an end");
	survives("h8");
}

static void h9_indirect(void)
{
	static struct vring_desc table[4];
	static const uint32_t sizes[] = { 0, 8, 15, 17, 0xffffffff };
	bool refused = true;

	device.features |= 1u << VIRTIO_RING_F_INDIRECT_DESC;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		device_up(&device);
		set(0, (uintptr_t)table, sizes[i], VRING_DESC_F_INDIRECT, 0);
		refused = chain_is_refused() && refused;
	}
	device_up(&device);
	set(0, ram_end - 16, 32, VRING_DESC_F_INDIRECT, 0);
	refused = chain_is_refused() && refused;
	device_up(&device);
	set(0, (uintptr_t)table, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1);
	refused = chain_is_refused() && refused;
	device_up(&device);
	table[0] = (struct vring_desc){ .addr = (uintptr_t)table, .len = 16, .flags = VRING_DESC_F_INDIRECT };
	set(0, (uintptr_t)table, 16, VRING_DESC_F_INDIRECT, 0);
	refused = chain_is_refused() && refused;
	device_up(&device);
	table[0] = (struct vring_desc){ .addr = (uintptr_t)table, .len = 4, .flags = VRING_DESC_F_NEXT, .next = 0 };
	set(0, (uintptr_t)table, 16, VRING_DESC_F_INDIRECT, 0);
	refused = chain_is_refused() && refused;
	device.features &= ~(1u << VIRTIO_RING_F_INDIRECT_DESC);
	device_up(&device);
	table[0] = (struct vring_desc){ .addr = (uintptr_t)table, .len = 4 };
	set(0, (uintptr_t)table, 16, VRING_DESC_F_INDIRECT, 0);
	refused = chain_is_refused() && refused;
	check(refused, "h9: indirect tables of every wrong kind");
	survives("h9");
}

static void h10_avail_jumps(void)
{
	static const uint16_t jumps[] = { QUEUE_SIZE + 1, 32768, 0xffff };

	for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		device_up(&device);
		device.ring->avail.idx = jumps[i];
		reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
		check(failed_or_idle(), "h10: avail.idx jumps");
	}
	device_up(&device);
	device_send(&device, numbers++);
	device_send(&device, numbers++);
	device.ring->avail.idx = 1;
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	check(reg_read(&device, VIRTIO_MMIO_STATUS) & NEEDS_RESET, "h10: avail.idx goes back");
	device_up(&device);
	device_add(&device, 0xffff);
	check(reg_read(&device, VIRTIO_MMIO_STATUS) & NEEDS_RESET, "h10: a head beyond the ring");
	survives("h10");
}

static void h11_directions(void)
{
	device_up(&device);
	set(0, ram_end - 64, 4, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
	set(1, ram_end - 64, 4, 0, 0);
	check(chain_is_refused(), "h11: readable behind writable");
	device_up(&device);
	set(0, ram_end - 64, 4, VRING_DESC_F_WRITE, 0);
	write32(ram_end - 64, 0x600dca75);
	check(chain_is_judged(), "h11: nothing to read");
	check_is(read32(ram_end - 64), 0x600dca75, "h11: and nothing is written");
	survives("h11");
}

static void h14_early_and_late_kicks(void)
{
	device_negotiate(&device);
	reg_write(&device, VIRTIO_MMIO_QUEUE_NOTIFY, 0); /* no queue yet */
	device_queue(&device);
	set(0, ram_end - 64, 4, 0, 0);
	device_add(&device, 0); /* not DRIVER_OK yet */
	check_is(device.ring->used.idx, 0, "h14: nothing is used before DRIVER_OK");
	reg_write(&device, VIRTIO_MMIO_STATUS, STATUS_LIVE);
	reg_write(&device, VIRTIO_MMIO_STATUS, STATUS_LIVE | VIRTIO_CONFIG_S_FAILED);
	device_add(&device, 0);
	check_is(device.ring->used.idx, 0, "h14: nor after FAILED");
	reg_write(&device, VIRTIO_MMIO_STATUS, 0);
	device_add(&device, 0);
	check_is(device.ring->used.idx, 0, "h14: nor after a reset");
	survives("h14");
}

static void h15_status(void)
{
	const uint32_t early = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;
	struct device greedy = device;

	greedy.features = 0xffffffff;
	check(!device_negotiate(&greedy), "h15: bits that are not offered");
	reg_write(&device, VIRTIO_MMIO_STATUS, 0);
	reg_write(&device, VIRTIO_MMIO_STATUS, early);
	reg_write(&device, VIRTIO_MMIO_STATUS, early | VIRTIO_CONFIG_S_FEATURES_OK);
	check(!(reg_read(&device, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK), "h15: no VERSION_1");
	reg_write(&device, VIRTIO_MMIO_STATUS, early | VIRTIO_CONFIG_S_DRIVER_OK);
	check(!(reg_read(&device, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_DRIVER_OK),
	      "h15: DRIVER_OK without FEATURES_OK");
	device_up(&device);
	reg_write(&device, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	reg_write(&device, VIRTIO_MMIO_STATUS, 0xffffffff);
	reg_write(&device, VIRTIO_MMIO_STATUS, 0x100);
	survives("h15");
}

static void h16_config(void)
{
	const uint64_t config = device.base + VIRTIO_MMIO_CONFIG;

	device_up(&device);
	check_is(read32(config + CONFIG_SIZE - 1), 0, "h16: a read over the end of configuration space");
	check_is(read32(config + CONFIG_SIZE), 0, "h16: behind it");
	check_is(read32(device.base + 0xffc), 0, "h16: at the window's end");
	read64(device.base + 0xffc); /* and over it: KVM makes two accesses of that, a page each */
	write32(config + CONFIG_SIZE - 1, 0xffffffff);
	write32(config + CONFIG_SIZE, 0xffffffff);
	write64(device.base + 0xff8, UINT64_MAX);
	check_is(read8(config + CONFIG_SIZE - 1), 0, "h16: a write over the end changes nothing");
	survives("h16");
}

void payload(void)
{
	for (unsigned i = 0; i < boot_params->e820_entries; i++)
		if (boot_params->e820_table[i].type == 1)
			ram_end = boot_params->e820_table[i].addr + boot_params->e820_table[i].size;
	check(device_find(&device, 0) && device_find(&sibling, 1) && device_up(&sibling), "two devices");
	h1_queue_sel();
	h2_notify();
	h3_queue_num();
	h5_ring_place();
	h6_buffer_place();
	h7_zero_length();
	h8_loops();
	h9_indirect();
	h10_avail_jumps();
	h11_directions();
	h14_early_and_late_kicks();
	h15_status();
	h16_config();
}
