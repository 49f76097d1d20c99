// SPDX-License-Identifier: GPL-2.0-only
/* Requests to the block device (virtio 1.2, 5.2) that are under way: many, on many queues, and when the driver stops
 * the device or a queue meanwhile. The calls of the engine "threads" pass gates of this program's. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/blkdrive.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define BLOCK    4096u
#define FEATURES (F_VERSION_1 | F_INDIRECT | F_RING_RESET | BLK_F_FLUSH)

/* --- gates -------------------------------------------------------------------------------------------------------- */

enum gate { READS, WRITES, SYNCS, GATES };
static struct {
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool closed[GATES];
	unsigned calls[GATES];
} gates = { .lock = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER };

static void pass(enum gate gate)
{
	pthread_mutex_lock(&gates.lock);
	gates.calls[gate]++;
	while (gates.closed[gate])
		pthread_cond_wait(&gates.opened, &gates.lock);
	pthread_mutex_unlock(&gates.lock);
}

static void gate_set(enum gate gate, bool closed)
{
	pthread_mutex_lock(&gates.lock);
	gates.closed[gate] = closed;
	pthread_cond_broadcast(&gates.opened);
	pthread_mutex_unlock(&gates.lock);
}

static unsigned gate_calls(enum gate gate)
{
	pthread_mutex_lock(&gates.lock);
	unsigned calls = gates.calls[gate];

	pthread_mutex_unlock(&gates.lock);
	return calls;
}

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
	pass(READS);
	return syscall(SYS_preadv, fd, iov, n, offset, 0);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	pass(WRITES);
	return syscall(SYS_pwritev, fd, iov, n, offset, 0);
}

int fdatasync(int fd)
{
	pass(SYNCS);
	return (int)syscall(SYS_fdatasync, fd);
}

static void *open_later(void *arg)
{
	(void)arg;
	nap_ms(150);
	for (unsigned gate = 0; gate < GATES; gate++)
		gate_set(gate, false);
	return NULL;
}

/* Requests of the engine "threads" cannot end before some 150 ms from now. */
static pthread_t hold(void)
{
	pthread_t thread;

	for (unsigned gate = 0; gate < GATES; gate++)
		gate_set(gate, true);
	assert_int_equal(pthread_create(&thread, NULL, open_later, NULL), 0);
	return thread;
}

/* --- many --------------------------------------------------------------------------------------------------------- */

/* A request of one block, in one descriptor on queue q: block `at` of the image, and of blk->data. */
static uint64_t post_block(struct blkdrive *blk, unsigned q, uint16_t head, uint32_t type, uint32_t at)
{
	uint64_t header = gpa_alloc(blk->rig, 17, 16), data = blk->data + at * BLOCK;
	struct piece pieces[] = { { header, 16, false }, { data, BLOCK, type == BLK_IN }, { header + 16, 1, true } };

	blkdrive_header(blk, header, type, at * BLOCK / BLK_SECTOR);
	*(uint8_t *)gpa_ptr(blk->rig, header + 16, 1) = NOT_WRITTEN;
	pieces_add_table(&blk->d.rings[q], head, pieces, 3);
	return header + 16;
}

static void up(struct blkdrive *blk, uint64_t more, uint32_t num)
{
	blk->d.num = num;
	assert_true(driver_up(&blk->d, FEATURES | more));
}

static void assert_statuses(struct blkdrive *blk, const uint64_t *status, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(*(uint8_t *)gpa_ptr(blk->rig, status[i], 1), BLK_OK);
}

/* Each of the heads up to n came once. */
static void assert_each_once(struct ring *ring, unsigned n)
{
	bool seen[256] = { false };

	for (uint16_t at = 0; at < n; at++) {
		uint32_t id = ring_used_id(ring, at);

		assert_true(id < n && !seen[id]);
		seen[id] = true;
	}
}

/* Writes and reads of a whole ring, by one kick; while the gates are closed all of them wait in the device. */
static void a_ring_full(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *ring = &blk->d.rings[0];
	uint64_t status[256];

	blkdrive_add(blk, NULL);
	for (unsigned round = 0; round < 4; round++) {
		up(blk, F_EVENT_IDX, 256);
		pthread_t thread = hold();

		blkdrive_fill(blkdrive_data(blk), BLK_DATA_MAX, round);
		for (unsigned i = 0; i < 256; i++)
			status[i] = post_block(blk, 0, (uint16_t)i, round % 2 ? BLK_IN : BLK_OUT, i);
		ring_set_used_event(ring, 255); /* one notification, for the last */
		kick(&blk->d, 0);
		kick(&blk->d, 0);
		assert_true(used_comes(ring, 256));
		pthread_join(thread, NULL);
		assert_each_once(ring, 256);
		assert_statuses(blk, status, 256);
		assert_memory_equal(blkdrive_seen(blk), blkdrive_data(blk), BLK_DATA_MAX);
		wait_until(edges(&blk->d) == 1);
	}
}

static void queues(void **state)
{
	struct blkdrive *blk = *state;
	uint64_t status[4 * 32];

	blkdrive_add(blk, "queues=4");
	assert_true(offered_features(&blk->d) & BLK_F_MQ);
	assert_int_equal(window_get(&blk->d, R_CONFIG + 34, 2), 4);
	reg_put(&blk->d, R_QUEUE_SEL, 3);
	assert_int_equal(reg_get(&blk->d, R_QUEUE_NUM_MAX), 256);
	reg_put(&blk->d, R_QUEUE_SEL, 4);
	assert_int_equal(reg_get(&blk->d, R_QUEUE_NUM_MAX), 0);
	up(blk, BLK_F_MQ, 32);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 4 * 32; i++)
			status[i] = post_block(blk, i % 4, (uint16_t)(i / 4), BLK_IN, i);
		pthread_t thread = hold();

		for (unsigned q = 0; q < 4; q++)
			kick(&blk->d, 3 - q);
		for (uint16_t q = 0; q < 4; q++) {
			assert_true(used_comes(&blk->d.rings[q], (uint16_t)(32 * (round + 1))));
			assert_each_once(&blk->d.rings[q], 32);
		}
		pthread_join(thread, NULL);
		assert_statuses(blk, status, 4 * 32);
		assert_memory_equal(blkdrive_data(blk), blkdrive_seen(blk), 4 * 32 * BLOCK);
		memset(blkdrive_data(blk), NOT_WRITTEN, BLK_DATA_MAX);
	}
	up(blk, 0, 32); /* a driver that knows of one */
	blkdrive_works(blk);
}

/* --- stopped meanwhile -------------------------------------------------------------------------------------------- */

static void assert_untouched(struct blkdrive *blk, uint64_t gpa, uint64_t len)
{
	const uint8_t *bytes = gpa_ptr(blk->rig, gpa, len);

	for (uint64_t i = 0; i < len; i++)
		if (bytes[i] != NOT_WRITTEN)
			fail_msg("byte %llu was written", (unsigned long long)i);
}

static void post_reads(struct blkdrive *blk, unsigned q, uint16_t n, uint64_t *status)
{
	for (uint16_t i = 0; i < n; i++)
		status[i] = post_block(blk, q, i, BLK_IN, i + q * n);
	kick(&blk->d, q);
}

/* When the reset is through the memory is the driver's again (2.4.1): data, statuses, rings. */
static void reset_under_way(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *ring = &blk->d.rings[0];
	uint64_t status[200], everything = 16 << 20;

	blkdrive_add(blk, NULL);
	for (unsigned round = 0; round < 3; round++) {
		up(blk, 0, 256);
		pthread_t thread = hold();

		post_reads(blk, 0, 200, status);
		reg_put(&blk->d, R_STATUS, 0);
		assert_int_equal(reg_get(&blk->d, R_STATUS), 0);
		edges(&blk->d);
		memset(gpa_ptr(blk->rig, blk->data, everything), NOT_WRITTEN,
		       everything); /* all that was allocated since */
		pthread_join(thread, NULL);
		nap_ms(50);
		assert_untouched(blk, blk->data, everything);
		assert_int_equal(ring_used_idx(ring), NOT_WRITTEN | NOT_WRITTEN << 8);
		assert_int_equal(edges(&blk->d), 0);
		assert_int_equal(reg_get(&blk->d, R_INTERRUPT_STATUS), 0);
		up(blk, 0, 256);
		blkdrive_works(blk);
	}
}

/* The same for one queue (2.6.1.1), while the other goes on. */
static void queue_reset_under_way(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *rings = blk->d.rings;
	uint64_t status[2][64];

	blkdrive_add(blk, "queues=2");
	up(blk, BLK_F_MQ, 64);
	for (unsigned round = 0; round < 3; round++) {
		uint16_t other = ring_used_idx(&rings[1]);
		pthread_t thread = hold();

		post_reads(blk, 0, 64, status[0]);
		post_reads(blk, 1, 64, status[1]);
		reg_put(&blk->d, R_QUEUE_SEL, 0);
		reg_put(&blk->d, R_QUEUE_RESET, 1);
		wait_until(reg_get(&blk->d, R_QUEUE_RESET) == 0);
		assert_int_equal(reg_get(&blk->d, R_QUEUE_READY), 0);
		memset(blkdrive_data(blk), NOT_WRITTEN, 64 * BLOCK);
		uint16_t had = ring_used_idx(&rings[0]);

		pthread_join(thread, NULL);
		assert_true(used_comes(&rings[1], (uint16_t)(other + 64)));
		nap_ms(20);
		assert_untouched(blk, blk->data, 64 * BLOCK);
		assert_int_equal(ring_used_idx(&rings[0]), had);
		assert_statuses(blk, status[1], 64);
		assert_memory_equal(blkdrive_data(blk) + 64 * BLOCK, blk->image + 64 * BLOCK, 64 * BLOCK);
		ring_place(&rings[0], 64);
		ring_program(&rings[0]);
		ring_ready(&rings[0], 1);
		post_reads(blk, 0, 64, status[0]);
		assert_true(used_comes(&rings[0], 64));
		assert_each_once(&rings[0], 64);
		assert_statuses(blk, status[0], 64);
	}
}

/* A driver stops a queue with QueueReady (4.2.2.2) and starts it anew while its requests are under way. What was asked
 * before comes to nothing; what is asked after is answered once, and only when it is done. */
static void queue_stopped_under_way(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *ring = &blk->d.rings[0];
	uint64_t status[64];

	blkdrive_add(blk, NULL);
	up(blk, 0, 64);
	for (unsigned round = 0; round < 5; round++) {
		pthread_t thread = hold();

		post_reads(blk, 0, 64, status);
		ring_ready(ring, 0);
		assert_int_equal(reg_get(&blk->d, R_QUEUE_READY), 0);
		memset(blkdrive_data(blk), NOT_WRITTEN, BLK_DATA_MAX);
		ring_place(ring, 64);
		ring_program(ring);
		ring_ready(ring, 1);
		for (uint16_t i = 0; i < 64; i++) /* elsewhere */
			status[i] = post_block(blk, 0, i, BLK_IN, 128 + i);
		kick(&blk->d, 0);
		assert_true(used_comes(ring, 64));
		pthread_join(thread, NULL);
		assert_each_once(ring, 64);
		assert_statuses(blk, status, 64);
		assert_memory_equal(blkdrive_data(blk) + 128 * BLOCK, blk->image + 128 * BLOCK, 64 * BLOCK);
		nap_ms(20);
		assert_int_equal(ring_used_idx(ring), 64);
		assert_untouched(blk, blk->data, 64 * BLOCK);
		still_alive(&blk->d);
		up(blk, 0, 64);
	}
}

/* A request that breaks the device, behind others that are under way: those come to nothing, too. */
static void broken_under_way(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *ring = &blk->d.rings[0];
	uint64_t status[32];

	blkdrive_add(blk, NULL);
	up(blk, 0, 64);
	pthread_t thread = hold();

	post_reads(blk, 0, 32, status);
	uint16_t had = ring_used_idx(ring);

	ring_add(ring, 3); /* which the device has, or had */
	ring_add(ring, 64);
	kick(&blk->d, 0);
	assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP | S_NEEDS_RESET);
	pthread_join(thread, NULL);
	nap_ms(20);
	assert_in_range(ring_used_idx(ring), had, had + 33);
	still_alive(&blk->d);
	up(blk, 0, 64);
	blkdrive_works(blk);
}

/* --- what is on the medium ---------------------------------------------------------------------------------------- */

/* Without FLUSH, which was offered, a write that is answered is on the medium (5.2.6.2). */
static void sync_comes_before_the_answer(void **state)
{
	struct blkdrive *blk = *state;
	struct ring *ring = &blk->d.rings[0];
	unsigned calls = gate_calls(SYNCS), writes = gate_calls(WRITES);

	blkdrive_add(blk, NULL);
	blk->d.num = 8;
	assert_true(driver_up(&blk->d, FEATURES & ~BLK_F_FLUSH));
	gate_set(SYNCS, true);
	memset(blkdrive_data(blk), 0x55, BLOCK);
	post_block(blk, 0, 0, BLK_OUT, 0);
	kick(&blk->d, 0);
	wait_until(gate_calls(SYNCS) > calls);
	assert_true(gate_calls(WRITES) > writes);
	nap_ms(30);
	assert_int_equal(blkdrive_seen(blk)[BLOCK - 1], 0x55);
	assert_int_equal(ring_used_idx(ring), 0);
	gate_set(SYNCS, false);
	assert_true(used_comes(ring, 1));
	assert_int_equal(gate_calls(SYNCS), calls + 1);
	up(blk, 0, 8); /* with it there is nothing to wait for until it is asked */
	post_block(blk, 0, 0, BLK_OUT, 0);
	kick(&blk->d, 0);
	assert_true(used_comes(ring, 1));
	assert_int_equal(gate_calls(SYNCS), calls + 1);
	gate_set(SYNCS, true);
	struct piece flush[] = { { blk->header, 16, false }, { blk->status, 1, true } };

	blkdrive_header(blk, blk->header, BLK_FLUSH, 0);
	pieces_add(ring, 1, flush, 2);
	kick(&blk->d, 0);
	wait_until(gate_calls(SYNCS) == calls + 2);
	nap_ms(30);
	assert_int_equal(ring_used_idx(ring), 1);
	gate_set(SYNCS, false);
	assert_true(used_comes(ring, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_ENGINES(a_ring_full),
		ON_ENGINES(queues),
		ON_ENGINES(reset_under_way),
		ON_ENGINES(queue_reset_under_way),
		ON_ENGINES(broken_under_way),
		{ "sync_comes_before_the_answer", sync_comes_before_the_answer, blkdrive_setup, blkdrive_teardown,
		  (void *)&blkdrive_threads },
		ON_ENGINES(queue_stopped_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
