// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/balloondrive.h"

#include <string.h>

#include "devices/virtio/core.h"

void balloon_again(struct driver *d, uint64_t without)
{
	assert_true(driver_negotiate(d, offered_features(d) & ~(without | F_EVENT_IDX)));
	for (unsigned q = 0; q < d->dev->n_queues; q++) {
		ring_place(&d->rings[q], q == REPORT && d->num > 32 ? 32 : d->num);
		ring_program(&d->rings[q]);
		ring_ready(&d->rings[q], 1);
	}
	reg_put(d, R_STATUS, S_UP);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
	reg_put(d, R_INTERRUPT_ACK, ISR_CONFIG | ISR_USED); /* a round of hints may have begun */
	edges(d);
}

void balloon_up(struct driver *d, struct rig *rig, const char *options, uint32_t num)
{
	assert_int_equal(driver_add(d, rig, "balloon", options), 0);
	d->num = num;
	balloon_again(d, 0);
}

void fill_pages(struct rig *rig, uint64_t gpa, unsigned n)
{
	memset(gpa_ptr(rig, gpa, n * PAGE), FULL, n * PAGE);
}

bool page_is(struct rig *rig, uint64_t gpa, uint8_t byte)
{
	const uint8_t *page = gpa_ptr(rig, gpa, PAGE);

	return page[0] == byte && memcmp(page, page + 1, PAGE - 1) == 0;
}

uint32_t send_pfns(struct driver *d, unsigned q, const uint32_t *pfns, unsigned n, uint32_t len)
{
	struct ring *ring = &d->rings[q];
	uint64_t list = gpa_alloc(d->rig, 4ull * n + 4, 4);
	uint16_t at = ring_used_idx(ring);

	for (unsigned i = 0; i < n; i++)
		put32(d->rig, list + 4 * i, pfns[i]);
	pieces_add(ring, 0, &(struct piece){ list, len, false }, 1);
	kick(d, q);
	assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
	assert_int_equal(ring_used_id(ring, at), 0);
	return ring_used_len(ring, at);
}
