// SPDX-License-Identifier: GPL-2.0-only
/* Input from pipes and files: all of it arrives, and where none is left nothing spins. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/console.h"
#include "tests/unit/support.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

#define MS 1000000ull

struct rig {
	struct console console;
	struct loop *loop;
	struct terminal *terminal;
	atomic_int quits, inputs;
};

static struct rig *rig;

static void on_quit(void *ctx, int gone)
{
	(void)ctx;
	(void)gone;
	rig->quits++;
}

static void on_input(void *ctx)
{
	(void)ctx;
	rig->inputs++;
}

static int setup(void **state)
{
	rig = calloc(1, sizeof(*rig));
	assert_non_null(rig);
	console_open(&rig->console);
	assert_int_equal(loop_create(&rig->loop), 0);
	assert_int_equal(terminal_create(&rig->terminal, rig->loop), 0);
	terminal_set_quit(rig->terminal, on_quit, rig);
	terminal_set_input(rig->terminal, on_input, rig);
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	console_stop(&rig->console);
	terminal_destroy(rig->terminal);
	loop_destroy(rig->loop);
	console_close(&rig->console);
	free(rig);
	return 0;
}

static void start(void)
{
	assert_int_equal(terminal_start(rig->terminal), 0);
	console_run(&rig->console, rig->loop);
}

/* A pipe whose other end is closed is always "ready"; the loop must not spin on it. */
static void check_idle(void)
{
	usleep(200000);
	console_stop(&rig->console);
	if (rig->console.cpu_ns > 50 * MS)
		fail_msg("the loop spins: %llu ms of processor time in 200 ms",
			 (unsigned long long)(rig->console.cpu_ns / MS));
}

static void test_idle_with_input_left_and_no_writer(void **state)
{
	char bytes[10000] = "";

	(void)state;
	console_type(&rig->console, bytes, sizeof(bytes)); /* more than is taken while the guest does not read */
	console_close_in(&rig->console);
	start();
	check_idle();
}

static void test_idle_with_no_input(void **state)
{
	(void)state;
	console_close_in(&rig->console);
	start();
	check_idle();
	assert_int_equal(rig->inputs, 0);
}

static void check_input_file(const char *path, int flags, size_t expected)
{
	int fd = open(path, flags | O_CLOEXEC);
	char bytes[100];
	size_t len = 0;

	assert_true(fd >= 0);
	assert_true(dup2(fd, STDIN_FILENO) == STDIN_FILENO);
	close(fd);
	start();
	for (unsigned quiet = 0; quiet < 100; usleep(500)) {
		size_t n = terminal_read(rig->terminal, bytes, sizeof(bytes));

		quiet = n ? 0 : quiet + 1;
		len += n;
	}
	assert_int_equal(len, expected);
	check_idle();
}

static void test_input_dev_null(void **state)
{
	(void)state;
	check_input_file("/dev/null", O_RDONLY, 0);
}

static void test_input_write_only(void **state)
{
	(void)state;
	check_input_file("/dev/null", O_WRONLY, 0);
}

static void test_input_plain_file(void **state)
{
	static char content[50000];
	struct temp_file file;

	(void)state;
	file_make(&file, content,
		  sizeof(content)); /* more than the ring: epoll knows no plain files, and it must go on */
	check_input_file(file.path, O_RDONLY, sizeof(content));
	file_gone(&file);
}

static void *type_much(void *ctx)
{
	const size_t len = 300000;
	char byte;

	for (size_t i = 0; i < len; i++) {
		byte = (char)(i * 3 + i / 251);
		if (write(rig->console.in, &byte, 1) != 1)
			break;
	}
	return ctx;
}

/* The guest reads a byte at a time, so the ring is full and then not, again and again: nothing is lost. */
static void test_input_much(void **state)
{
	const size_t len = 300000;
	pthread_t typist;
	size_t got = 0;

	(void)state;
	start();
	assert_int_equal(pthread_create(&typist, NULL, type_much, NULL), 0);
	for (uint64_t end = now_ns() + 20000 * MS; got < len && now_ns() < end;) {
		char bytes[3];
		size_t n = terminal_read(rig->terminal, bytes, 1 + got % 3);

		for (size_t i = 0; i < n; i++, got++)
			assert_int_equal(bytes[i], (char)(got * 3 + got / 251));
		if (got % 5000 < 2)
			usleep(2000);
	}
	if (got < len) { /* the typist waits for ever: let it go before the test fails */
		assert_true(dup2(rig->console.saved_in, STDIN_FILENO) == STDIN_FILENO);
		pthread_join(typist, NULL);
		fail_msg("%zu of %zu bytes arrived", got, len);
	}
	pthread_join(typist, NULL);
	assert_true(rig->inputs > 0);
}

/* The escape belongs to terminals: from a pipe every byte is the guest's. */
static void test_no_escape_in_pipes(void **state)
{
	char bytes[8] = "";
	size_t got = 0;

	(void)state;
	console_type(&rig->console, "\001x\001\001h", 5);
	start();
	wait_until((got += terminal_read(rig->terminal, bytes + got, sizeof(bytes) - got)) == 5);
	assert_memory_equal(bytes, "\001x\001\001h", 5);
	assert_int_equal(rig->quits, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_idle_with_input_left_and_no_writer),
		TEST(test_idle_with_no_input),
		TEST(test_input_dev_null),
		TEST(test_input_write_only),
		TEST(test_input_plain_file),
		TEST(test_input_much),
		TEST(test_no_escape_in_pipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
