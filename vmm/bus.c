// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/bus.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

int bus_add(struct bus *bus, const struct bus_range *range)
{
	unsigned at = 0;

	if (range->len == 0 || range->base + (range->len - 1) < range->base)
		return -EINVAL;
	if (bus->n_ranges == BUS_RANGES_MAX)
		return -ENOSPC;
	while (at < bus->n_ranges && bus->ranges[at].base < range->base)
		at++;
	if (at < bus->n_ranges && bus->ranges[at].base - range->base < range->len)
		return -EEXIST;
	if (at > 0 && range->base - bus->ranges[at - 1].base < bus->ranges[at - 1].len)
		return -EEXIST;
	memmove(&bus->ranges[at + 1], &bus->ranges[at], (bus->n_ranges - at) * sizeof(bus->ranges[0]));
	bus->ranges[at] = *range;
	bus->n_ranges++;
	return 0;
}

const struct bus_range *bus_find(const struct bus *bus, uint64_t addr, unsigned len)
{
	unsigned low = 0, high = bus->n_ranges;

	while (low < high) {
		unsigned mid = (low + high) / 2;
		const struct bus_range *range = &bus->ranges[mid];

		if (addr < range->base)
			high = mid;
		else if (addr - range->base >= range->len)
			low = mid + 1;
		else
			return len <= range->len - (addr - range->base) ? range : NULL;
	}
	return NULL;
}

const struct bus_range *bus_access(const struct bus *bus, uint64_t addr, unsigned len, int is_write, void *data)
{
	const struct bus_range *range = bus_find(bus, addr, len);
	uint64_t value = 0;

	/* KVM hands over bytes in guest order; minivmm's hosts are little-endian as its guests are. */
	if (is_write) {
		memcpy(&value, data, len);
		if (range)
			range->ops->write(range->ctx, addr - range->base, len, value);
	} else {
		value = range ? range->ops->read(range->ctx, addr - range->base, len) : UINT64_MAX;
		memcpy(data, &value, len);
	}
	return range;
}
