// SPDX-License-Identifier: GPL-2.0-only
/* Items 32 to 45: status, features, configuration (virtio 1.2, 2.1 to 2.5, 3.1, 6). */
#include "tests/payload/conform.h"

#define TICK_TSC 10000000000u /* some seconds */

static void status_is_0(void)
{
	same(reg(&rng, VIRTIO_MMIO_STATUS), 0, "Status at the start");
	set(&rng, VIRTIO_MMIO_STATUS, S_DRIVER);
	same(reg(&rng, VIRTIO_MMIO_STATUS), S_DRIVER, "Status, as it was written,");
	set(&rng, VIRTIO_MMIO_STATUS, 0);
	same(reg(&rng, VIRTIO_MMIO_STATUS), 0, "Status after a reset");
	up(&rng, 0, 1);
	set(&rng, VIRTIO_MMIO_STATUS, 0);
	same(reg(&rng, VIRTIO_MMIO_STATUS), 0, "Status of a driver that was up, after a reset,");
}

static void before_driver_ok(void)
{
	negotiate(&rng, F_VERSION_1);
	queue_up(&rng, 0, RING_MAX);
	add_buffer(&rng, 0, 0);
	kick(&rng, 0);
	settle();
	same(used_idx(&rng, 0), 0, "used.idx before DRIVER_OK");
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus before DRIVER_OK");
	set(&rng, VIRTIO_MMIO_STATUS, S_UP);
	kick(&rng, 0);
	used_comes(&rng, 0, 1);
}

/* A head that is in no table; the device then works again after a reset. */
static void break_ring(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	settle();
	set(&rng, VIRTIO_MMIO_INTERRUPT_ACK, ISR_USED);
	add(&rng, 0, 0xffff);
	kick(&rng, 0);
	settle();
}

static void needs_reset(void)
{
	break_ring();
	same(reg(&rng, VIRTIO_MMIO_STATUS), S_UP | VIRTIO_CONFIG_S_NEEDS_RESET, "Status after a ring that broke");
	if (up(&rng, 0, 1))
		serves(&rng);
}

static void needs_reset_is_told(void)
{
	break_ring();
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_CONFIG, ISR_CONFIG,
	     "the configuration change bit of InterruptStatus");
}

static void silence_after_reset(void)
{
	if (!up(&rng, 0, 1) || !serves(&rng))
		return;
	add_buffer(&rng, 0, 1);
	set(&rng, VIRTIO_MMIO_STATUS, 0);
	kick(&rng, 0);
	settle();
	same(used_idx(&rng, 0), 1, "used.idx after a reset");
	never(!untouched(rng.queue[0].buffer[1], BUFFER), "a buffer is written after a reset");
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0, "InterruptStatus after a reset");
}

static void subsets(void)
{
	const uint64_t all = offered(&rng);
	uint64_t refused = 0, accepted = 0; /* wrongly */

	never(!negotiate(&rng, all), "all that is offered is refused");
	for (unsigned bit = 0; bit < 64; bit++) {
		bool ok = negotiate(&rng, F_VERSION_1 | BIT(bit));

		refused |= !ok && (all & BIT(bit)) ? BIT(bit) : 0;
		accepted |= ok && !(all & BIT(bit)) ? BIT(bit) : 0;
	}
	same(refused, 0, "the set of bits that are offered, but refused alone,");
	same(accepted, 0, "the set of bits that are not offered, but leave FEATURES_OK set,");
}

static void no_other_offers(void)
{
	/* 24 to 49, without those that a split ring on virtio-mmio may have: 2.2, 6 */
	const uint64_t others = (BIT(50) - BIT(24)) & ~(F_INDIRECT | F_EVENT_IDX | F_VERSION_1 | BIT(33) | BIT(34) |
							F_IN_ORDER | BIT(36) | BIT(38) | F_RING_RESET);

	same(offered(&rng) & others, 0, "the set of reserved bits that are offered");
	same(offered(&balloon) & others, 0, "the set of reserved bits that the balloon offers");
}

static void accepted_again(void)
{
	const uint64_t all = offered(&rng);

	for (unsigned i = 0; i < 3; i++) {
		never(!negotiate(&rng, all), "the same features are refused");
		same(offered(&rng), all, "what is offered, again,");
		set(&rng, VIRTIO_MMIO_STATUS, S_FEATURES | VIRTIO_CONFIG_S_FAILED);
	}
}

static void version_1(void)
{
	never(!(offered(&rng) & F_VERSION_1), "VERSION_1 is not offered");
	never(negotiate(&rng, 0), "FEATURES_OK stays set for a driver without VERSION_1");
}

static void no_sr_iov(void)
{
	never(offered(&rng) & F_SR_IOV, "SR_IOV is offered");
	never(offered(&balloon) & F_SR_IOV, "the balloon offers SR_IOV");
}

static void config_before_features_ok(void)
{
	for (unsigned step = 0; step < 3; step++) {
		set(&disk, VIRTIO_MMIO_STATUS, (uint32_t)BIT(step) - 1);
		same(reg(&disk, VIRTIO_MMIO_CONFIG), DISK_SECTORS, "the disk's capacity, read before FEATURES_OK,");
	}
	negotiate(&disk, F_VERSION_1);
	same(reg(&disk, VIRTIO_MMIO_CONFIG), DISK_SECTORS, "the disk's capacity after FEATURES_OK");
	set(&disk, VIRTIO_MMIO_STATUS, 0);
}

static void config_change_is_notified(void)
{
	if (!ticker.base) {
		skip("no device here changes its configuration space by itself");
		return;
	}
	up(&ticker, 1, 1);
	interrupts_enable(ticker.pin);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t before = interrupts_count(ticker.pin);
		bool comes = false;

		set(&ticker, VIRTIO_MMIO_INTERRUPT_ACK, ISR_CONFIG);
		for (uint64_t start = rdtsc(); !comes && rdtsc() - start < TICK_TSC;)
			comes = interrupts_come(ticker.pin, before);
		never(!comes, "no interrupt comes for a configuration change");
		same(reg(&ticker, VIRTIO_MMIO_INTERRUPT_STATUS) & ISR_CONFIG, ISR_CONFIG,
		     "the configuration change bit of InterruptStatus");
	}
	interrupts_disable(ticker.pin);
	set(&ticker, VIRTIO_MMIO_STATUS, 0);
}

/* EVENT_IDX is withdrawn too late: used_event must go on to mean what it does with it. */
static void features_frozen(void)
{
	if (!(offered(&rng) & F_EVENT_IDX)) {
		skip("EVENT_IDX is not offered");
		return;
	}
	negotiate(&rng, F_VERSION_1 | F_EVENT_IDX);
	write_features(&rng, F_VERSION_1);
	set(&rng, VIRTIO_MMIO_STATUS, S_FEATURES);
	queue_up(&rng, 0, RING_MAX);
	rng.queue[0].avail[2 + RING_MAX] = 9;
	set(&rng, VIRTIO_MMIO_STATUS, S_UP);
	same(reg(&rng, VIRTIO_MMIO_STATUS), S_UP, "Status");
	serves(&rng);
	settle();
	same(reg(&rng, VIRTIO_MMIO_INTERRUPT_STATUS), 0,
	     "InterruptStatus after an entry that is not the one at used_event");
}

void conform_status(void)
{
	static const struct conform_item items[] = {
		{ ITEM_32, status_is_0 },
		{ ITEM_33, before_driver_ok },
		{ ITEM_34, needs_reset },
		{ ITEM_35, needs_reset_is_told },
		{ ITEM_36, silence_after_reset },
		{ ITEM_38, subsets },
		{ ITEM_39, no_other_offers },
		{ ITEM_40, accepted_again },
		{ ITEM_41, version_1 },
		{ ITEM_42, no_sr_iov },
		{ ITEM_43, config_before_features_ok },
		{ ITEM_44, config_change_is_notified },
		{ ITEM_45, features_frozen },
	};

	conform_items(items, sizeof(items) / sizeof(items[0]));
}
