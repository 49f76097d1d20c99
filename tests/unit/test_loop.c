// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/support.h"
#include "vmm/loop.h"

#define MS 1000000ull

struct bench {
	struct loop *loop;
	struct loop_source *source, *other, *deadline;
	int fds[2];
	unsigned calls, other_calls, stop_after;
	uint64_t expirations;
	int signo;
	bool late; /* the deadline passed: the test hangs otherwise */
};

static void on_deadline(void *ctx, uint64_t expirations)
{
	struct bench *b = ctx;

	(void)expirations;
	b->late = true;
	loop_stop(b->loop);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	assert_int_equal(loop_create(&b->loop), 0);
	assert_int_equal(loop_add_timer(b->loop, on_deadline, b, &b->deadline), 0);
	loop_set_timer(b->deadline, 5000 * MS, 0);
	assert_int_equal(pipe(b->fds), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;

	loop_destroy(b->loop);
	close(b->fds[0]);
	close(b->fds[1]);
	free(b);
	return 0;
}

static void called(struct bench *b)
{
	if (++b->calls == b->stop_after)
		loop_stop(b->loop);
}

static void on_fd(void *ctx, uint32_t events)
{
	struct bench *b = ctx;
	char byte;

	assert_true(events & EPOLLIN);
	assert_int_equal(read(b->fds[0], &byte, 1), 1);
	called(b);
}

static void test_fd(void **state)
{
	struct bench *b = *state;

	b->stop_after = 3;
	assert_int_equal(loop_add_fd(b->loop, b->fds[0], EPOLLIN, on_fd, b, &b->source), 0);
	assert_int_equal(write(b->fds[1], "abc", 3), 3);
	assert_int_equal(loop_run(b->loop), 0); /* level-triggered: all three come */
	assert_int_equal(b->calls, 3);
	assert_false(b->late);
}

static void test_plain_file(void **state)
{
	struct bench *b = *state;
	struct temp_file file;

	file_make(&file, "x", 1);
	assert_int_equal(loop_add_fd(b->loop, file.fd, EPOLLIN, on_fd, b, &b->source), -EPERM);
	assert_int_equal(loop_add_fd(b->loop, -1, EPOLLIN, on_fd, b, &b->source), -EBADF);
	file_gone(&file);
}

static void on_timer(void *ctx, uint64_t expirations)
{
	struct bench *b = ctx;

	b->expirations += expirations;
	called(b);
}

static void test_timer(void **state)
{
	struct bench *b = *state;
	uint64_t start = now_ns();

	b->stop_after = 3;
	assert_int_equal(loop_add_timer(b->loop, on_timer, b, &b->source), 0);
	loop_set_timer(b->source, 20 * MS, 10 * MS);
	assert_int_equal(loop_run(b->loop), 0);
	assert_false(b->late);
	assert_true(b->expirations >= 3);
	assert_true(now_ns() - start >= 40 * MS); /* never early */
}

static void on_timer_slow(void *ctx, uint64_t expirations)
{
	struct bench *b = ctx;

	if (b->calls == 0)
		usleep(60000); /* the loop was busy: what ran out meanwhile comes as one call */
	on_timer(ctx, expirations);
}

static void test_timer_coalesces(void **state)
{
	struct bench *b = *state;

	b->stop_after = 2;
	assert_int_equal(loop_add_timer(b->loop, on_timer_slow, b, &b->source), 0);
	loop_set_timer(b->source, 10 * MS, 10 * MS);
	assert_int_equal(loop_run(b->loop), 0);
	assert_true(b->expirations >= 6);
	assert_int_equal(b->calls, 2);
}

static void test_timer_unarmed(void **state)
{
	struct bench *b = *state;

	/* new, disarmed again, and one shot that ran out: none is called */
	assert_int_equal(loop_add_timer(b->loop, on_timer, b, &b->source), 0);
	assert_int_equal(loop_add_timer(b->loop, on_timer, b, &b->other), 0);
	loop_set_timer(b->other, 10 * MS, 10 * MS);
	loop_set_timer(b->other, 0, 10 * MS);
	loop_set_timer(b->deadline, 60 * MS, 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->calls, 0);
}

static void test_one_shot(void **state)
{
	struct bench *b = *state;

	assert_int_equal(loop_add_timer(b->loop, on_timer, b, &b->source), 0);
	loop_set_timer(b->source, 5 * MS, 0);
	loop_set_timer(b->deadline, 60 * MS, 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->calls, 1);
	assert_int_equal(b->expirations, 1);
}

/* Seconds and nanoseconds are two numbers: 1.2 s is not 0.2 s. */
static void test_timer_over_a_second(void **state)
{
	struct bench *b = *state;
	uint64_t start = now_ns();

	b->stop_after = 1;
	assert_int_equal(loop_add_timer(b->loop, on_timer, b, &b->source), 0);
	loop_set_timer(b->source, 1200 * MS, 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_true(now_ns() - start >= 1200 * MS);
	assert_false(b->late);
}

static void on_signal(void *ctx, int signo)
{
	struct bench *b = ctx;

	b->signo = signo;
	called(b);
}

static void test_signal(void **state)
{
	struct bench *b = *state;

	b->stop_after = 1;
	assert_int_equal(loop_add_signal(b->loop, SIGUSR1, on_signal, b, &b->source), 0);
	kill(getpid(), SIGUSR1); /* its default would kill us */
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->signo, SIGUSR1);
}

static void *stop_later(void *ctx)
{
	usleep(30000);
	loop_stop(((struct bench *)ctx)->loop);
	return NULL;
}

static void test_stop_from_thread(void **state)
{
	struct bench *b = *state;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, stop_later, b), 0);
	assert_int_equal(loop_run(b->loop), 0);
	pthread_join(thread, NULL);
	assert_false(b->late);
}

static void test_stop_before_run(void **state)
{
	struct bench *b = *state;
	uint64_t start = now_ns();

	loop_stop(b->loop);
	assert_int_equal(loop_run(b->loop), 0);
	assert_true(now_ns() - start < 1000 * MS);
}

/* The first of two ready sources deletes both: the other is not called any more, although its event waits already. */
static void on_delete_all(void *ctx, uint32_t events)
{
	struct bench *b = ctx;

	(void)events;
	b->calls++;
	loop_del(b->source);
	loop_del(b->other);
	loop_set_timer(b->deadline, 50 * MS, 0);
}

static void test_delete_inside(void **state)
{
	struct bench *b = *state;
	int one = eventfd(1, EFD_CLOEXEC), two = eventfd(1, EFD_CLOEXEC);

	assert_int_equal(loop_add_fd(b->loop, one, EPOLLIN, on_delete_all, b, &b->source), 0);
	assert_int_equal(loop_add_fd(b->loop, two, EPOLLIN, on_delete_all, b, &b->other), 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->calls, 1);
	close(one);
	close(two);
}

/* "Not called again once this returned", also where nothing runs, and NULL is ignored. */
static void test_delete_outside(void **state)
{
	struct bench *b = *state;

	loop_del(NULL);
	assert_int_equal(loop_add_fd(b->loop, b->fds[0], EPOLLIN, on_fd, b, &b->source), 0);
	assert_int_equal(loop_add_timer(b->loop, on_timer, b, &b->other), 0);
	loop_set_timer(b->other, MS, MS);
	assert_int_equal(write(b->fds[1], "a", 1), 1);
	loop_del(b->source);
	loop_del(b->other);
	loop_set_timer(b->deadline, 50 * MS, 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->calls, 0);
}

/* A source that is added where another was deleted is a new one, even for the same descriptor. */
static void on_replace(void *ctx, uint32_t events)
{
	struct bench *b = ctx;

	(void)events;
	b->other_calls++;
	loop_del(b->source);
	assert_int_equal(loop_add_fd(b->loop, b->fds[0], EPOLLIN, on_fd, b, &b->source), 0);
}

static void test_replace_inside(void **state)
{
	struct bench *b = *state;

	b->stop_after = 1;
	assert_int_equal(loop_add_fd(b->loop, b->fds[0], EPOLLIN, on_replace, b, &b->source), 0);
	assert_int_equal(write(b->fds[1], "a", 1), 1);
	assert_int_equal(loop_run(b->loop), 0);
	assert_int_equal(b->other_calls, 1);
	assert_int_equal(b->calls, 1);
}

static void *unmute_later(void *ctx)
{
	usleep(50000);
	loop_set_events(((struct bench *)ctx)->source, EPOLLIN);
	return NULL;
}

static void test_mute(void **state)
{
	struct bench *b = *state;
	uint64_t start = now_ns();
	pthread_t thread;

	b->stop_after = 1;
	assert_int_equal(loop_add_fd(b->loop, b->fds[0], EPOLLIN, on_fd, b, &b->source), 0);
	assert_int_equal(write(b->fds[1], "a", 1), 1);
	loop_set_events(b->source, 0);
	assert_int_equal(pthread_create(&thread, NULL, unmute_later, b), 0);
	assert_int_equal(loop_run(b->loop), 0);
	pthread_join(thread, NULL);
	assert_false(b->late);
	assert_true(now_ns() - start >= 50 * MS);
}

/* A muted source whose other end hangs up must not keep the loop busy. */
static void on_any(void *ctx, uint32_t events)
{
	struct bench *b = ctx;

	(void)events;
	b->calls++;
}

static void test_mute_hangup(void **state)
{
	struct bench *b = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(loop_add_fd(b->loop, fds[0], EPOLLIN, on_any, b, &b->source), 0);
	loop_set_events(b->source, 0);
	close(fds[1]);
	loop_set_timer(b->deadline, 50 * MS, 0);
	assert_int_equal(loop_run(b->loop), 0);
	assert_true(b->calls <= 1);
	close(fds[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fd),
		TEST(test_plain_file),
		TEST(test_timer),
		TEST(test_timer_coalesces),
		TEST(test_timer_unarmed),
		TEST(test_one_shot),
		TEST(test_timer_over_a_second),
		TEST(test_signal),
		TEST(test_stop_from_thread),
		TEST(test_stop_before_run),
		TEST(test_delete_inside),
		TEST(test_delete_outside),
		TEST(test_replace_inside),
		TEST(test_mute),
		TEST(test_mute_hangup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
