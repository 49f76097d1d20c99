// SPDX-License-Identifier: GPL-2.0-only
/*
 * The host fails a device: each system call of a request is interrupted, cut short or refused. It costs that request,
 * or where there is no way to say so the device, never its sibling; and what is over is over.
 *
 * This program's own calls stand before libc's and liburing's.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/unit/blkdrive.h"
#include "tests/unit/echo.h"
#include "tests/unit/netdrive.h"
#include "tests/unit/support.h"

#define LEN     4096u
#define FOREVER 1000000000

enum call { PREADV, PWRITEV, FDATASYNC, FALLOCATE, GETRANDOM, WRITEV, READ, SUBMIT, N_CALLS };

/* The next `times` calls fail with `error`; all transfer `most` bytes, where that is not 0. Other threads make them. */
static struct {
	atomic_int times, error;
	atomic_size_t most;
} plan[N_CALLS];

static void fail_next(enum call call, int times, int error)
{
	atomic_store(&plan[call].error, error);
	atomic_store(&plan[call].times, times);
}

static bool fails(enum call call)
{
	if (atomic_load(&plan[call].times) <= 0)
		return false;
	atomic_fetch_sub(&plan[call].times, 1);
	errno = atomic_load(&plan[call].error);
	return true;
}

/* Of a transfer that is cut short only a part of its first buffer is left. */
static int cut(enum call call, const struct iovec **iov, int n, struct iovec *part)
{
	size_t most = atomic_load(&plan[call].most);

	if (!most)
		return n;
	*part = **iov;
	part->iov_len = part->iov_len < most ? part->iov_len : most;
	*iov = part;
	return 1;
}

#define NEXT(name) ((__typeof__(&(name)))(uintptr_t)dlsym(RTLD_NEXT, #name))

ssize_t preadv(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct iovec part;

	n = cut(PREADV, &iov, n, &part);
	return fails(PREADV) ? -1 : NEXT(preadv)(fd, iov, n, offset);
}

ssize_t pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct iovec part;

	n = cut(PWRITEV, &iov, n, &part);
	return fails(PWRITEV) ? -1 : NEXT(pwritev)(fd, iov, n, offset);
}

int fdatasync(int fd)
{
	return fails(FDATASYNC) ? -1 : NEXT(fdatasync)(fd);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	return fails(FALLOCATE) ? -1 : NEXT(fallocate)(fd, mode, offset, len);
}

ssize_t getrandom(void *bytes, size_t len, unsigned flags)
{
	size_t most = atomic_load(&plan[GETRANDOM].most);

	return fails(GETRANDOM) ? -1 : NEXT(getrandom)(bytes, most && most < len ? most : len, flags);
}

ssize_t writev(int fd, const struct iovec *iov, int n)
{
	return fails(WRITEV) ? -1 : NEXT(writev)(fd, iov, n);
}

/* Of sockets alone: the loop reads its own descriptors. */
ssize_t read(int fd, void *bytes, size_t len)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) && fails(READ) ? -1 : NEXT(read)(fd, bytes, len);
}

int io_uring_submit(struct io_uring *ring)
{
	return fails(SUBMIT) ? -errno : NEXT(io_uring_submit)(ring);
}

static int end(void **state, int (*teardown)(void **state))
{
	for (unsigned call = 0; call < N_CALLS; call++) {
		atomic_store(&plan[call].times, 0);
		atomic_store(&plan[call].most, 0);
	}
	return teardown(state);
}

static int end_blk(void **state)
{
	return end(state, blkdrive_teardown);
}

static int end_rig(void **state)
{
	return end(state, rig_teardown);
}

/* --- disks -------------------------------------------------------------------------------------------------------- */

static struct blkdrive *blk_up(void **state)
{
	struct blkdrive *blk = *state;

	blkdrive_add(blk, NULL);
	blkdrive_up(blk, 0, 64);
	return blk;
}

/* One request of each kind: whether it reads, writes, flushes, discards or zeroes, `call` is what it is done by. */
static const struct {
	uint32_t type;
	enum call call;
} kinds[] = {
	{ BLK_IN, PREADV },         { BLK_OUT, PWRITEV },      { BLK_FLUSH, FDATASYNC },
	{ BLK_DISCARD, FALLOCATE }, { BLK_ZEROES, FALLOCATE },
};
#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

static int ask_kind(struct blkdrive *blk, unsigned kind)
{
	uint32_t type = kinds[kind].type;

	if (type == BLK_DISCARD || type == BLK_ZEROES)
		return blkdrive_clear(blk, type, 64, 8, 0);
	return blkdrive_ask(blk, type, 64, type == BLK_FLUSH ? 0 : LEN);
}

static void a_request_gets_the_error(void **state)
{
	static const int errors[] = { EIO, ENOSPC, EDQUOT, ENOMEM };
	struct blkdrive *blk = blk_up(state);

	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		for (unsigned i = 0; i < 4; i++) {
			fail_next(kinds[kind].call, 1, errors[i]);
			assert_int_equal(ask_kind(blk, kind), BLK_IOERR);
			assert_int_equal(reg_get(&blk->d, R_STATUS), S_UP);
			assert_int_equal(ask_kind(blk, kind), BLK_OK);
		}
		char *said = rig_errors(blk->rig);

		/* messages of what a guest can have repeated are rationed: the first is there */
		assert_true(kind || count_of(said, "the guest gets an error") == 4);
		free(said);
	}
	assert_true(echo_serves(&blk->rig->b));
	assert_int_equal(device_count(&blk->d, "errors"), 4 * N_KINDS);
}

static void an_interruption_is_none(void **state)
{
	static const int errors[] = { EINTR, EAGAIN };
	struct blkdrive *blk = blk_up(state);

	for (unsigned kind = 0; kind < N_KINDS; kind++) {
		for (unsigned i = 0; i < 2; i++) {
			fail_next(kinds[kind].call, 7, errors[i]);
			assert_int_equal(ask_kind(blk, kind), BLK_OK);
			assert_int_equal(atomic_load(&plan[kinds[kind].call].times), 0);
		}
	}
	assert_int_equal(device_count(&blk->d, "errors"), 0);
}

static void short_transfers_go_on(void **state)
{
	static const size_t most[] = { 1, 511, 513, LEN - 1 };
	struct blkdrive *blk = blk_up(state);

	for (unsigned i = 0; i < 4; i++) {
		atomic_store(&plan[PREADV].most, most[i]);
		atomic_store(&plan[PWRITEV].most, most[i]);
		memset(blkdrive_data(blk), 0, LEN);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 8 * i, LEN), BLK_OK);
		for (unsigned at = 0; at < LEN; at++)
			assert_int_equal(blkdrive_data(blk)[at], blkdrive_byte(8 * i * BLK_SECTOR + at));
		blkdrive_fill(blkdrive_data(blk), LEN, i + 1);
		assert_int_equal(blkdrive_ask(blk, BLK_OUT, 8 * i, LEN), BLK_OK);
		assert_memory_equal(blkdrive_seen(blk) + (size_t)8 * i * BLK_SECTOR, blkdrive_data(blk), LEN);
	}
}

static void a_full_disk_is_read(void **state)
{
	struct blkdrive *blk = blk_up(state);

	fail_next(PWRITEV, FOREVER, ENOSPC);
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(blkdrive_ask(blk, BLK_OUT, 0, LEN), BLK_IOERR);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 0, LEN), BLK_OK);
	}
	assert_true(echo_serves(&blk->rig->b));
	fail_next(PWRITEV, 0, 0); /* somebody made room */
	blkdrive_works(blk);
}

/* The ring takes no requests for a while: they are late, that is all. */
static void a_ring_that_takes_nothing(void **state)
{
	static const int errors[] = { EAGAIN, EBUSY, EINTR };
	struct blkdrive *blk = blk_up(state);

	for (unsigned i = 0; i < 3; i++) {
		fail_next(SUBMIT, 20, errors[i]);
		assert_int_equal(blkdrive_ask(blk, BLK_IN, 0, LEN), BLK_OK);
		if (atomic_load(&plan[SUBMIT].times) == 20) {
			print_message("no io_uring here\n");
			skip();
		}
	}
	/* a reset waits for what was not taken */
	fail_next(SUBMIT, 20, EAGAIN);
	blkdrive_header(blk, blk->header, BLK_IN, 0);
	pieces_add(&blk->d.rings[0], 0,
		   (struct piece[]){ { blk->header, 16, false }, { blk->data, LEN, true }, { blk->status, 1, true } },
		   3);
	kick(&blk->d, 0);
	reg_put(&blk->d, R_STATUS, 0);
	assert_int_equal(reg_get(&blk->d, R_STATUS), 0);
	blkdrive_up(blk, 0, 64);
	blkdrive_works(blk);
}

/* --- the network -------------------------------------------------------------------------------------------------- */

static void net_start(struct netdrive *net, struct rig *rig)
{
	net_add(net, rig, NULL);
	net_up(net, NET_F_BASIC);
}

static void a_frame_is_lost(void **state)
{
	static const int errors[] = { EIO, ENOBUFS, EMSGSIZE, ENOMEM };
	struct netdrive net;
	uint8_t frame[600];

	net_start(&net, *state);
	net_frame(frame, sizeof(frame), 1);
	for (unsigned i = 0; i < 4; i++) {
		uint16_t at = ring_used_idx(&net.d.rings[TX]);

		fail_next(WRITEV, 1, errors[i]);
		net_send(&net, 0, frame, sizeof(frame));
		assert_true(used_comes(&net.d.rings[TX], (uint16_t)(at + 1)));
		peer_expects_none(&net);
		assert_int_equal(device_count(&net.d, "tx-dropped"), i + 1);
		net_works(&net);
	}
	assert_true(echo_serves(&net.rig->b));
}

static void a_frame_is_not_late(void **state)
{
	struct netdrive net;
	uint8_t frame[600];

	net_start(&net, *state);
	net_frame(frame, sizeof(frame), 2);
	fail_next(WRITEV, 7, EINTR);
	net_send(&net, 0, frame, sizeof(frame));
	peer_expects(&net, frame, sizeof(frame));
	net_give(&net, 0, NET_FRAME);
	fail_next(READ, 7, EINTR);
	peer_sends(&net, frame, sizeof(frame));
	net_expect(&net, frame, sizeof(frame), 1);
	assert_int_equal(device_count(&net.d, "tx-dropped"), 0);
}

/* No frame can come any more: the card has no link, and all else goes on. */
static void a_link_that_fails(void **state)
{
	struct netdrive net;
	uint8_t frame[600];

	net_start(&net, *state);
	net_frame(frame, sizeof(frame), 3);
	fail_next(READ, FOREVER, EIO);
	peer_sends(&net, frame, sizeof(frame));
	wait_until(!(window_get(&net.d, LINK, 2) & 1));
	assert_int_equal(reg_get(&net.d, R_STATUS), S_UP);
	char *said = rig_errors(net.rig);

	assert_one_message(said, strerror(EIO));
	free(said);
	uint16_t at = ring_used_idx(&net.d.rings[TX]);

	net_send(&net, 0, frame, sizeof(frame));
	assert_true(used_comes(&net.d.rings[TX], (uint16_t)(at + 1)));
	assert_true(echo_serves(&net.rig->b));
}

/* --- random numbers ----------------------------------------------------------------------------------------------- */

static uint32_t random_of(struct driver *d, uint32_t len)
{
	struct ring *ring = &d->rings[0];
	uint16_t at = ring_used_idx(ring);

	pieces_add(ring, 0, &(struct piece){ gpa_alloc(d->rig, len, 1), len, true }, 1);
	kick(d, 0);
	return ring_used_idx(ring) == at ? 0 : ring_used_len(ring, at);
}

static void random_numbers_that_come_slowly(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "rng", NULL), 0);
	d.num = 8;
	assert_true(driver_up(&d, F_VERSION_1));
	fail_next(GETRANDOM, 7, EINTR);
	assert_int_equal(random_of(&d, 1024), 1024);
	atomic_store(&plan[GETRANDOM].most, 10);
	assert_int_equal(random_of(&d, 1024), 1024);
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
}

/* A buffer may not go back empty (virtio 1.2, 5.4.6.2). */
static void no_random_numbers(void **state)
{
	struct driver d;

	assert_int_equal(driver_add(&d, *state, "rng", NULL), 0);
	d.num = 8;
	assert_true(driver_up(&d, F_VERSION_1));
	fail_next(GETRANDOM, 1, ENOSYS);
	assert_int_equal(random_of(&d, 64), 0);
	assert_int_equal(reg_get(&d, R_STATUS), S_UP | S_NEEDS_RESET);
	assert_true(echo_serves(&d.rig->b));
	char *said = rig_errors(d.rig);

	assert_non_null(strstr(said, strerror(ENOSYS)));
	free(said);
	assert_true(driver_up(&d, F_VERSION_1));
	assert_int_equal(random_of(&d, 64), 64);
}

#define BLK_TEST(test, engine)                                                                    \
	{                                                                                         \
#test " (" #engine ")", test, blkdrive_setup, end_blk, (void *)&blkdrive_##engine \
	}
#define HOST_TEST(test) cmocka_unit_test_setup_teardown(test, rig_setup, end_rig)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BLK_TEST(a_request_gets_the_error, threads),
		BLK_TEST(an_interruption_is_none, threads),
		BLK_TEST(short_transfers_go_on, threads),
		BLK_TEST(a_full_disk_is_read, threads),
		BLK_TEST(a_ring_that_takes_nothing, auto),
		HOST_TEST(a_frame_is_lost),
		HOST_TEST(a_frame_is_not_late),
		HOST_TEST(a_link_that_fails),
		HOST_TEST(random_numbers_that_come_slowly),
		HOST_TEST(no_random_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
