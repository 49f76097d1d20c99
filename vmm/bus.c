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

/* An access, told as the event of its bus. Its fields are looked up only where somebody listens. */
#define TELL(bus, direction, range, addr, len, value)                                                                  \
	do {                                                                                                           \
		if (!(bus)->trace)                                                                                     \
			break;                                                                                         \
		if ((bus)->is_pio)                                                                                     \
			TRACE_WHERE(is_recorded(range), (bus)->trace, pio_##direction, range_name(range), range, addr, \
				    len, value);                                                                       \
		else                                                                                                   \
			TRACE_WHERE(is_recorded(range), (bus)->trace, mmio_##direction, range_name(range), range,      \
				    addr, len, value);                                                                 \
	} while (0)

static bool is_recorded(const struct bus_range *range)
{
	return !range || !range->ops->chatty;
}

static const char *range_name(const struct bus_range *range)
{
	return range ? range->name : NULL;
}

const struct bus_range *bus_access(const struct bus *bus, uint64_t addr, unsigned len, int is_write, void *data)
{
	const struct bus_range *range = bus_find(bus, addr, len);
	uint64_t value = 0;

	/* KVM hands over bytes in guest order; minivmm's hosts are little-endian as its guests are. */
	if (is_write) {
		memcpy(&value, data, len);
		TELL(bus, write, range, addr, len, value); /* before: what the device does about it comes behind */
		if (range)
			range->ops->write(range->ctx, addr - range->base, len, value);
	} else {
		value = range ? range->ops->read(range->ctx, addr - range->base, len) : UINT64_MAX;
		memcpy(data, &value, len);
		value = 0;
		memcpy(&value, data, len); /* no more than the vCPU sees */
		TELL(bus, read, range, addr, len, value);
	}
	return range;
}

void bus_print(const struct bus *bus, FILE *out)
{
	for (unsigned i = 0; i < bus->n_ranges; i++) {
		const struct bus_range *range = &bus->ranges[i];
		const char *last = NULL;

		fprintf(out, "%s 0x%llx+0x%llx %s\n", bus->name, (unsigned long long)range->base,
			(unsigned long long)range->len, range->name);
		for (uint64_t off = 0; range->ops->reg_name && off < range->len; off++) {
			const char *name = range->ops->reg_name(off);

			if (name && name != last)
				fprintf(out, "%s 0x%llx %s %s\n", bus->name, (unsigned long long)(range->base + off),
					range->name, name);
			last = name;
		}
	}
}
