// SPDX-License-Identifier: GPL-2.0-only
/* The terminal's second user, who never waits: a virtio console beside the serial port. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/console.h"
#include "tests/unit/support.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

struct rig {
	struct console console;
	struct loop *loop;
	struct terminal *terminal;
	atomic_int first, second, rooms, resizes;
};

static struct rig *rig;

static void count(void *ctx)
{
	atomic_int *counter = ctx;

	++*counter;
}

static void on_input(void *ctx)
{
	count(&((struct rig *)ctx)->second);
}

static void on_room(void *ctx)
{
	count(&((struct rig *)ctx)->rooms);
}

static void on_resized(void *ctx)
{
	count(&((struct rig *)ctx)->resizes);
}

static const struct terminal_user user = { .input = on_input, .room = on_room, .resized = on_resized };

static int setup(void **state)
{
	rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	console_open(&rig->console);
	assert_int_equal(loop_create(&rig->loop), 0);
	assert_int_equal(terminal_create(&rig->terminal, rig->loop), 0);
	terminal_set_input(rig->terminal, count, &rig->first);
	assert_true(terminal_set_user(rig->terminal, &user, rig));
	assert_int_equal(terminal_start(rig->terminal), 0);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	console_close(&rig->console);
	catch_stderr(); /* "standard output takes no more", where a test left some */
	terminal_destroy(rig->terminal);
	caught_stderr();
	loop_destroy(rig->loop);
	free(rig);
	return 0;
}

/* As many bytes as there is room for; returns how many. */
static size_t fill(void)
{
	char bytes[1000];
	size_t len = 0, n;

	memset(bytes, '\n', sizeof(bytes)); /* so that lines of devices go with them */
	do {
		n = terminal_try_write(rig->terminal, bytes, sizeof(bytes));
		len += n;
	} while (n == sizeof(bytes));
	return len;
}

static void test_one_user(void **state)
{
	(void)state;
	assert_false(terminal_set_user(rig->terminal, &user, NULL));
	assert_true(terminal_set_user(rig->terminal, NULL, NULL));
	assert_true(terminal_set_user(rig->terminal, &user, rig));
	terminal_resized(rig->terminal);
	assert_int_equal(rig->resizes, 1);
	assert_true(terminal_set_user(rig->terminal, NULL, NULL));
	terminal_resized(rig->terminal);
	assert_int_equal(rig->resizes, 1);
}

static void test_room(void **state)
{
	char out[4096];
	size_t len, got = 0;

	(void)state;
	console_run(&rig->console, rig->loop);
	len = fill();
	assert_in_range(len, 64 << 10, 128 << 10);
	usleep(50000);
	assert_int_equal(rig->rooms, 0);
	while (got < len)
		got += console_read(&rig->console, out, sizeof(out), 1000);
	wait_until(rig->rooms == 1);
	usleep(20000);
	assert_int_equal(rig->rooms, 1); /* it did not try again, so it is not told again */
	assert_int_equal(terminal_try_write(rig->terminal, "again", 5), 5);
	console_expect(&rig->console, "again", 5);
}

/* The room was made by others, who write out what they can with each of theirs. */
static void test_room_by_others(void **state)
{
	char out[4096];
	size_t len = fill(), got = 0;

	(void)state;
	for (; got < len; len++, got += console_read(&rig->console, out, sizeof(out), 0))
		terminal_line(rig->terminal, "");
	console_run(&rig->console, rig->loop);
	wait_until(rig->rooms == 1);
}

/* A pipe that was left alone while its reader took nothing is read for the next one. */
static void test_claim_of_a_full_pipe(void **state)
{
	char bytes[10000] = "";
	size_t len = 0;

	(void)state;
	console_type(&rig->console, bytes, sizeof(bytes));
	console_run(&rig->console, rig->loop);
	wait_until(rig->first > 0);
	usleep(50000);
	assert_int_equal(rig->second, 0);
	assert_int_equal(terminal_user_read(rig->terminal, bytes, 1), 0);
	terminal_claim_input(rig->terminal, true);
	wait_until(rig->second > 0);
	assert_int_equal(terminal_read(rig->terminal, bytes, 1), 0);
	wait_until((len += terminal_user_read(rig->terminal, bytes, 100)) == 5000);
	usleep(20000);
	int before = rig->first;

	terminal_claim_input(rig->terminal, false);
	wait_until(rig->first > before);
	wait_until((len += terminal_read(rig->terminal, bytes, 100)) == sizeof(bytes));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_user),
		TEST(test_room),
		TEST(test_room_by_others),
		TEST(test_claim_of_a_full_pipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
