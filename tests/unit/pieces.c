// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/pieces.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

static void put_pieces(struct rig *rig, uint64_t table, uint16_t first, const struct piece *pieces, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		put_desc(rig, table, (uint16_t)(first + i), pieces[i].gpa, pieces[i].len,
			 (uint16_t)((pieces[i].writable ? D_WRITE : 0) | (i + 1 < n ? D_NEXT : 0)),
			 (uint16_t)(first + i + 1));
}

void pieces_add(struct ring *ring, uint16_t head, const struct piece *pieces, unsigned n)
{
	assert_true(head + n <= ring->num);
	put_pieces(ring->driver->rig, ring->desc, head, pieces, n);
	ring_add(ring, head);
}

void pieces_add_table(struct ring *ring, uint16_t head, const struct piece *pieces, unsigned n)
{
	uint64_t table = gpa_alloc(ring->driver->rig, 16ull * n, 16);

	put_pieces(ring->driver->rig, table, 0, pieces, n);
	ring_desc(ring, head, table, 16 * n, D_INDIRECT, 0);
	ring_add(ring, head);
}

unsigned pieces_cut(struct piece *pieces, unsigned n, uint64_t gpa, uint32_t len, uint32_t step, bool writable)
{
	for (uint32_t at = 0; at < len; at += step)
		pieces[n++] = (struct piece){ gpa + at, len - at < step ? len - at : step, writable };
	return n;
}

void nap_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

bool used_comes(struct ring *ring, uint16_t idx)
{
	for (uint64_t end = now_ns() + 20000000000ull; now_ns() < end; nap_ms(1))
		if (ring_used_idx(ring) == idx)
			return true;
	return false;
}

uint64_t device_count(struct driver *driver, const char *name)
{
	const struct counter_desc *desc = driver->dev->class->counters;
	uint64_t count = 0;
	bool found = false;

	pthread_mutex_lock(&driver->dev->lock);
	for (; desc->name; desc++) {
		const uint64_t *values = (const uint64_t *)((const char *)driver->dev->priv + desc->offset);

		for (unsigned i = 0; i < (desc->n_names ? desc->n_names : 1); i++)
			if (strcmp(desc->n_names ? desc->names[i] : desc->name, name) == 0)
				count = values[i], found = true;
	}
	pthread_mutex_unlock(&driver->dev->lock);
	assert_true(found);
	return count;
}

void refuses_options(struct rig *rig, const char *class, const char *options, const char *part)
{
	struct driver refused;
	char *text;

	free(rig_errors(rig));
	if (driver_add(&refused, rig, class, options) == 0)
		fail_msg("taken: %s", options);
	text = rig_errors(rig);
	assert_one_message(text, part);
	free(text);
}

#define check(condition) _assert_true(condition, #condition, file, line)

void still_alive_(struct driver *driver, const char *file, int line)
{
	struct rig *rig = driver->rig;
	uint32_t status = reg_get(driver, R_STATUS);

	check((status & ~(S_UP | S_NEEDS_RESET | S_FAILED)) == 0);
	if ((status & S_NEEDS_RESET) && (status & S_DRIVER_OK)) {
		check(reg_get(driver, R_INTERRUPT_STATUS) & ISR_CONFIG);
		check(edges(driver) > 0);
	}
	check(reg_get(&rig->b, R_STATUS) == S_UP);
	check(echo_serves(&rig->b));
}
