// SPDX-License-Identifier: GPL-2.0-only
/*
 * Items 54 and 55, without chance: what lies in guest memory at the very moment at which used.idx is stored. The used
 * ring is placed so that its flags and idx are the last bytes of one page and its elements begin the next; the first
 * page is made read-only, and the fault of the device's store takes the picture.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/unit/driver.h"

#define PAGE 4096u
#define LEN  64u

/* What the handler needs and what it saw; one thread, one test at a time. */
static struct {
	uint8_t *page;        /* the one that is read-only */
	const uint8_t *entry; /* the used element that is to be there */
	const uint8_t *out;   /* what the device may write */
	unsigned faults;
	uint8_t seen_entry[8], seen_out[LEN];
} watched;

static void on_store(int signal, siginfo_t *info, void *context)
{
	const uint8_t *at = info->si_addr;

	(void)context;
	if (at < watched.page || at >= watched.page + PAGE || mprotect(watched.page, PAGE, PROT_READ | PROT_WRITE)) {
		sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
		return;
	}
	watched.faults++;
	memcpy(watched.seen_entry, watched.entry, sizeof(watched.seen_entry));
	memcpy(watched.seen_out, watched.out, LEN);
}

/* Serves one buffer, of descriptors 2 (readable) and 3, with the store of used.idx watched. */
static void serve_watched(struct driver *d, uint64_t in, uint64_t out)
{
	struct sigaction action = { .sa_sigaction = on_store, .sa_flags = SA_SIGINFO }, before;
	struct rig *rig = d->rig;
	struct ring *ring = &d->rings[0];

	assert_true(driver_negotiate(d, F_VERSION_1));
	ring_place(ring, 8);
	ring->used = gpa_alloc(rig, 3 * PAGE, PAGE) + PAGE - 4;
	memset(gpa_ptr(rig, ring->used, 4), 0, 4);
	memset(gpa_ptr(rig, ring->used + 4, 8 * 8 + 2), 0xdd, 8 * 8 + 2);
	ring_program(ring);
	ring_ready(ring, 1);
	reg_put(d, R_STATUS, S_UP);
	assert_int_equal(reg_get(d, R_STATUS), S_UP);
	ring_desc(ring, 2, in, LEN, D_NEXT, 3);
	ring_desc(ring, 3, out, LEN, D_WRITE, 0);
	memset(&watched, 0, sizeof(watched));
	watched.page = (uint8_t *)gpa_ptr(rig, ring->used, 4) + 4 - PAGE;
	watched.entry = gpa_ptr(rig, ring->used + 4, 8);
	watched.out = gpa_ptr(rig, out, LEN);
	ring_add(ring, 2);
	assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
	assert_int_equal(mprotect(watched.page, PAGE, PROT_READ), 0);
	kick(d, 0);
	mprotect(watched.page, PAGE, PROT_READ | PROT_WRITE);
	sigaction(SIGSEGV, &before, NULL);
	assert_int_equal(watched.faults, 1);
	assert_int_equal(ring_used_idx(ring), 1);
}

static void entry_is_there_when_idx_is_stored(void **state)
{
	static const uint8_t wanted[8] = { 2, 0, 0, 0, LEN, 0, 0, 0 };
	struct rig *rig = *state;

	serve_watched(&rig->a, gpa_alloc(rig, LEN, 1), gpa_alloc(rig, LEN, 1));
	assert_memory_equal(watched.seen_entry, wanted, sizeof(wanted));
}

static void bytes_are_there_when_idx_is_stored(void **state)
{
	struct rig *rig = *state;
	struct driver rng, *devices[] = { &rig->a, &rng };

	assert_int_equal(driver_add(&rng, rig, "rng", NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		uint64_t in = gpa_alloc(rig, LEN, 1), out = gpa_alloc(rig, LEN, 1);
		static const uint8_t untouched[LEN];

		memset(gpa_ptr(rig, in, LEN), 0x5a, LEN);
		serve_watched(devices[i], in, out);
		assert_memory_not_equal(watched.seen_out, untouched, LEN);
		assert_memory_equal(watched.seen_out, gpa_ptr(rig, out, LEN), LEN); /* nothing came later */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_ITEM(54, entry_is_there_when_idx_is_stored),
		RIG_ITEM(55, bytes_are_there_when_idx_is_stored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
