// SPDX-License-Identifier: GPL-2.0-only
/* Many requests to a disk image at once, on either engine: each is done() once, in time, and from the right place. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/disk.h"

#define MANY  1000u
#define BLOCK 4096u

/* MANY writes, each of its own block with its own content, and whatever else a test keeps count of. */
struct flight {
	struct asked asked[MANY];
	struct iovec iov[MANY];
	unsigned n_done;
};

static struct flight *flight_make(struct bench *bench)
{
	struct flight *flight = calloc(1, sizeof(*flight));

	assert_non_null(flight);
	for (unsigned i = 0; i < MANY; i++) {
		memset(bench->bytes + i * BLOCK, (int)(i * 7 + 1), BLOCK);
		flight->iov[i] = (struct iovec){ bench->bytes + i * BLOCK, BLOCK };
		flight->asked[i].request = (struct disk_request){ .op = DISK_WRITE,
								  .offset = i * BLOCK,
								  .len = BLOCK,
								  .iov = &flight->iov[i],
								  .n_iov = 1,
								  .done = asked_done };
	}
	return flight;
}

static unsigned flight_done(const struct flight *flight)
{
	unsigned n = 0;

	for (unsigned i = 0; i < MANY; i++) {
		assert_in_range(flight->asked[i].n_done, 0, 1);
		assert_int_equal(flight->asked[i].err, 0);
		n += flight->asked[i].n_done;
	}
	return n;
}

/* All were done(), and the blocks are in the image. */
static void flight_landed(struct bench *bench, struct flight *flight)
{
	assert_int_equal(flight_done(flight), MANY);
	assert_int_equal(pread(bench->fd, bench->more, MANY * BLOCK, 0), MANY * BLOCK);
	assert_memory_equal(bench->bytes, bench->more, MANY * BLOCK);
	free(flight);
}

static bool is_readable(struct disk *disk, int timeout_ms)
{
	struct pollfd through = { .fd = disk_fd(disk), .events = POLLIN };

	return poll(&through, 1, timeout_ms) == 1;
}

static void a_batch_of_many_through_little_depth(void **state)
{
	struct bench *bench = bench_of(state);
	struct flight *flight = flight_make(bench);

	for (unsigned i = 0; i < MANY; i++)
		disk_submit(bench->disk, &flight->asked[i].request);
	assert_int_equal(flight_done(flight), 0);
	disk_kick(bench->disk);
	assert_int_equal(flight_done(flight), 0);
	while (flight_done(flight) < MANY) {
		assert_true(is_readable(bench->disk, 20000));
		disk_complete(bench->disk);
	}
	flight_landed(bench, flight);
	/* nothing is left over: no signal, no second done() */
	disk_complete(bench->disk);
	assert_false(is_readable(bench->disk, 50));
}

static void as_many_at_once_as_the_depth(void **state)
{
	struct bench *bench = bench_of(state);
	struct asked asked[DEPTH];
	struct iovec iov[DEPTH];

	for (unsigned round = 0; round < 50; round++) {
		unsigned n_done = 0;

		for (unsigned i = 0; i < DEPTH; i++) {
			iov[i] = (struct iovec){ bench->bytes + i * BLOCK, BLOCK };
			asked[i] = (struct asked){ .request = { .op = round % 2 ? DISK_READ : DISK_WRITE,
								.offset = i * BLOCK,
								.len = BLOCK,
								.iov = &iov[i],
								.n_iov = 1,
								.done = asked_done } };
			memset(iov[i].iov_base, round % 2 ? 0 : (int)(round + i + 1), BLOCK);
			disk_submit(bench->disk, &asked[i].request);
		}
		disk_kick(bench->disk);
		while (n_done < DEPTH) {
			assert_true(is_readable(bench->disk, 20000));
			disk_complete(bench->disk);
			n_done = 0;
			for (unsigned i = 0; i < DEPTH; i++)
				n_done += asked[i].n_done;
		}
		for (unsigned i = 0; i < DEPTH; i++) {
			assert_int_equal(asked[i].err, 0);
			assert_int_equal(bench->bytes[(i + 1) * BLOCK - 1], (uint8_t)(round / 2 * 2 + i + 1));
		}
	}
}

static void a_drain_leaves_nothing(void **state)
{
	struct bench *bench = bench_of(state);
	struct flight *flight = flight_make(bench);

	for (unsigned i = 0; i < MANY; i++) {
		disk_submit(bench->disk, &flight->asked[i].request);
		if (i == MANY / 2)
			disk_kick(bench->disk);
	}
	disk_drain(bench->disk);
	flight_landed(bench, flight);
	disk_drain(bench->disk); /* of nothing */
	assert_int_equal(ask_range(bench->disk, DISK_FLUSH, 0, 0, false), 0);
}

/* What one group asked for, more than can be under way at once, comes to an end early; the other group's does not. */
static void a_group_is_dropped(void **state)
{
	struct bench *bench = bench_of(state);
	struct asked *asked = calloc(128, sizeof(*asked));
	struct iovec all = { bench->bytes, IMAGE_SIZE }, few = { bench->more, 4096 };
	unsigned cancelled = 0;

	for (unsigned i = 0; i < 128; i++) {
		bool stays = i % 8 == 7;

		/* writes: many may be of the same memory at once */
		asked[i].request = (struct disk_request){ .op = DISK_WRITE,
							  .group = stays ? 0 : DISK_GROUPS - 1,
							  .len = stays ? few.iov_len : all.iov_len,
							  .iov = stays ? &few : &all,
							  .n_iov = 1,
							  .done = asked_done };
		disk_submit(bench->disk, &asked[i].request);
	}
	disk_kick(bench->disk);
	disk_drop(bench->disk, 1u << (DISK_GROUPS - 1));
	for (unsigned i = 0; i < 128; i++) {
		assert_int_equal(i % 8 == 7 ? 1 : asked[i].n_done, 1);
		cancelled += asked[i].err == -ECANCELED;
	}
	assert_true(cancelled > 100); /* of 112: those that had not begun, and what was left of others */
	disk_drain(bench->disk);
	for (unsigned i = 7; i < 128; i += 8)
		assert_true(asked[i].n_done == 1 && asked[i].err == 0);
	/* and it may ask again */
	asked[0].n_done = 0;
	assert_int_equal(ask(bench->disk, &asked[0]), 0);
	free(asked);
}

/* Open descriptors, or threads other than the kernel's for io_uring, which go when it pleases. */
static unsigned count(const char *kind)
{
	char path[300], name[16];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/self/%s", kind);
	DIR *dir = opendir(path);

	assert_non_null(dir);
	for (struct dirent *entry; (entry = readdir(dir)); n++) {
		snprintf(path, sizeof(path), "/proc/self/%s/%.20s/comm", kind, entry->d_name);
		FILE *comm = fopen(path, "re");

		/* a thread that has gone meanwhile was one of those */
		if (!strcmp(kind, "task"))
			n -= !comm || !fgets(name, sizeof(name), comm) || strncmp(name, "iou-", 4) == 0;
		if (comm)
			fclose(comm);
	}
	closedir(dir);
	return n;
}

static void a_close_waits_and_leaves_nothing(void **state)
{
	struct bench *bench = bench_of(state);
	struct flight *flight = flight_make(bench);

	disk_close(bench->disk);
	bench->disk = NULL;
	unsigned fds = count("fd"), threads = count("task");

	bench->disk = disk_on(bench->path, bench->threads, false);
	assert_true(count("fd") > fds);
	assert_int_equal(count("task"), threads + (bench->threads ? 4 : 0));
	for (unsigned i = 0; i < MANY; i++)
		disk_submit(bench->disk, &flight->asked[i].request);
	disk_close(bench->disk);
	bench->disk = NULL;
	assert_int_equal(flight_done(flight), MANY);
	assert_int_equal(count("fd"), fds);
	assert_int_equal(count("task"), threads);
	/* and the lock is gone at once, as often as that is tried */
	for (unsigned i = 0; i < 100; i++) {
		bench->disk = disk_on(bench->path, bench->threads, false);
		for (unsigned j = 0; j < 2; j++) {
			disk_submit(bench->disk, &flight->asked[j].request);
			flight->asked[j].n_done = 0;
		}
		disk_close(bench->disk);
	}
	bench->disk = NULL;
	flight_landed(bench, flight);
}

/* --- done() that goes on ------------------------------------------------------------------------------------------ */

struct relay {
	struct asked asked; /* first: asked_done() */
	struct disk *disk;
	unsigned left;
};

static void relay_done(struct disk_request *request, int err)
{
	struct relay *relay = (struct relay *)request;

	asked_done(request, err);
	if (relay->left && --relay->left) {
		request->op = relay->left % 3 ? DISK_WRITE : DISK_FLUSH;
		request->offset = relay->left % 7 ? 0 : IMAGE_SIZE; /* some are refused */
		disk_submit(relay->disk, request);
		disk_kick(relay->disk);
	}
}

static void done_may_submit(void **state)
{
	struct bench *bench = bench_of(state);
	struct iovec iov = { bench->bytes, 512 };
	struct relay relays[2 * DEPTH];

	for (unsigned i = 0; i < 2 * DEPTH; i++) {
		relays[i] = (struct relay){ .disk = bench->disk, .left = 20 };
		relays[i].asked.request = (struct disk_request){
			.op = DISK_WRITE, .len = 512, .iov = &iov, .n_iov = 1, .done = relay_done
		};
		disk_submit(bench->disk, &relays[i].asked.request);
	}
	disk_drain(bench->disk);
	for (unsigned i = 0; i < 2 * DEPTH; i++)
		assert_int_equal(relays[i].asked.n_done, 20);
}

/* --- threads of the caller's -------------------------------------------------------------------------------------- */

struct submitter {
	struct bench *bench;
	struct flight *flight;
	pthread_mutex_t *lock;
	pthread_t thread;
	unsigned first, step;
};

/* As a vCPU would, and then it ends, with its requests still under way. */
static void *submitter_thread(void *ctx)
{
	struct submitter *submitter = ctx;

	for (unsigned i = submitter->first; i < MANY; i += submitter->step) {
		pthread_mutex_lock(submitter->lock);
		disk_submit(submitter->bench->disk, &submitter->flight->asked[i].request);
		disk_kick(submitter->bench->disk);
		pthread_mutex_unlock(submitter->lock);
	}
	return NULL;
}

static void many_threads_submit_and_end(void **state)
{
	struct bench *bench = bench_of(state);
	struct flight *flight = flight_make(bench);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct submitter submitters[8];
	unsigned n_done = 0;

	for (unsigned i = 0; i < 8; i++) {
		submitters[i] = (struct submitter){ bench, flight, &lock, .first = i, .step = 8 };
		assert_int_equal(pthread_create(&submitters[i].thread, NULL, submitter_thread, &submitters[i]), 0);
	}
	while (n_done < MANY) {
		assert_true(is_readable(bench->disk, 20000));
		pthread_mutex_lock(&lock);
		disk_complete(bench->disk);
		n_done = flight_done(flight);
		pthread_mutex_unlock(&lock);
	}
	for (unsigned i = 0; i < 8; i++)
		pthread_join(submitters[i].thread, NULL);
	flight_landed(bench, flight);
}

static void a_thread_that_ends_takes_nothing_along(void **state)
{
	struct bench *bench = bench_of(state);

	for (unsigned round = 0; round < 20; round++) {
		struct flight *flight = flight_make(bench);
		pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
		struct submitter submitter = { bench, flight, &lock, .first = 0, .step = 1 };

		for (unsigned i = 0; i < MANY; i += 10)
			flight->asked[i].request.op = DISK_FLUSH; /* slow, so that some are not begun yet */
		assert_int_equal(pthread_create(&submitter.thread, NULL, submitter_thread, &submitter), 0);
		pthread_join(submitter.thread, NULL);
		disk_drain(bench->disk);
		assert_int_equal(flight_done(flight), MANY);
		free(flight);
	}
}

/* A signal for the process is for a thread of the caller's, never for one of the pool. */
static void signals_are_not_for_the_pool(void **state)
{
	struct bench *bench = bench_of(state);
	sigset_t set, old, pending;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	kill(getpid(), SIGUSR1); /* would end the program, if any thread took it */
	assert_int_equal(ask_range(bench->disk, DISK_FLUSH, 0, 0, false), 0);
	sigpending(&pending);
	assert_true(sigismember(&pending, SIGUSR1));
	sigwait(&set, &sig);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_BOTH(a_batch_of_many_through_little_depth),
		ON_BOTH(as_many_at_once_as_the_depth),
		ON_BOTH(a_drain_leaves_nothing),
		ON_BOTH(a_group_is_dropped),
		ON_BOTH(a_close_waits_and_leaves_nothing),
		ON_BOTH(done_may_submit),
		ON_BOTH(many_threads_submit_and_end),
		ON_BOTH(a_thread_that_ends_takes_nothing_along),
		ON_BOTH(signals_are_not_for_the_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
