// SPDX-License-Identifier: GPL-2.0-only
/* Output to a slow, a stuck and a vanished reader. test_input.c has the input, test_tty.c the terminals. */
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

#define MS       1000000ull
#define TEXT_MAX (4u << 20)

struct rig {
	struct console console;
	struct loop *loop;
	struct terminal *terminal;
	char text[TEXT_MAX]; /* what came out */
	atomic_size_t len;
	atomic_int quits, gone, inputs;
	pthread_t thread;
	atomic_int done;
};

static struct rig *rig;

static void on_quit(void *ctx, int gone)
{
	(void)ctx;
	rig->quits++;
	rig->gone += gone;
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

/* Reads all there is, slowly at first, until `done` and nothing more comes. */
static void *read_slowly(void *ctx)
{
	(void)ctx;
	for (unsigned round = 0;; round++) {
		bool last = rig->done; /* what was printed before that is in the pipe by now */
		size_t n = console_read(&rig->console, rig->text + rig->len, round < 100 ? 3000 : TEXT_MAX - rig->len,
					50);

		rig->len += n;
		if (!n && last)
			return NULL;
		if (round < 100)
			usleep(1000);
	}
}

static void reader_start(void)
{
	assert_int_equal(pthread_create(&rig->thread, NULL, read_slowly, NULL), 0);
}

static void reader_end(void)
{
	rig->done = 1;
	pthread_join(rig->thread, NULL);
}

/* "None lost", in order, whatever the reader does: a megabyte in pieces of every size. */
static void test_slow_reader(void **state)
{
	const size_t much = 1 << 20;
	char *bytes = malloc(much);
	size_t piece = 1;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < much; i++)
		bytes[i] = (char)('!' + (i * 7 + i / 90) % 90);
	start();
	reader_start();
	for (size_t at = 0; at < much; at += piece) {
		piece = 1 + at % 997;
		if (piece > much - at)
			piece = much - at;
		terminal_write(rig->terminal, bytes + at, piece);
	}
	terminal_stop(rig->terminal);
	console_stop(&rig->console);
	terminal_finish(rig->terminal);
	reader_end();
	assert_int_equal(rig->len, much);
	assert_memory_equal(rig->text, bytes, much);
	free(bytes);
}

/* A plain file takes everything at once, and epoll takes no plain file. */
static void test_output_to_a_file(void **state)
{
	struct temp_file file;
	char back[64] = "";

	(void)state;
	file_make(&file, "", 0);
	assert_true(dup2(file.fd, STDOUT_FILENO) >= 0);
	start();
	terminal_write(rig->terminal, "console\n", 8);
	terminal_line(rig->terminal, "device");
	terminal_finish(rig->terminal);
	assert_int_equal(pread(file.fd, back, sizeof(back) - 1, 0), 15);
	assert_string_equal(back, "console\ndevice\n");
	file_gone(&file);
}

#define LINES 1500

static void *write_lines(void *ctx)
{
	char line[64];

	(void)ctx;
	for (unsigned i = 0; i < LINES; i++) {
		int len = snprintf(line, sizeof(line), "console %u %.*s\n", i, (int)(i % 40),
				   "----------------------------------------");

		for (int at = 0; at < len; at++) /* as a guest does: byte by byte */
			terminal_write(rig->terminal, line + at, 1);
	}
	return NULL;
}

/* Each line that came out is a whole one of the console or of the device, each kind in order. */
static void test_lines_are_whole(void **state)
{
	unsigned console = 0, device = 0, number;
	pthread_t writer;
	char line[64], kind[16], *at, *end;

	(void)state;
	start();
	reader_start();
	assert_int_equal(pthread_create(&writer, NULL, write_lines, NULL), 0);
	for (unsigned i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "device %u ++++++++", i);
		terminal_line(rig->terminal, line);
		if (i % 8 == 0)
			usleep(500);
	}
	pthread_join(writer, NULL);
	console_stop(&rig->console);
	terminal_finish(rig->terminal);
	reader_end();
	rig->text[rig->len] = '\0';
	for (at = rig->text; (end = strchr(at, '\n')); at = end + 1) {
		*end = '\0';
		if (sscanf(at, "%15s %u", kind, &number) != 2)
			fail_msg("torn: '%s'", at);
		if (strcmp(kind, "console") == 0) {
			assert_int_equal(number, console++);
			assert_int_equal(strspn(strrchr(at, ' ') + 1, "-"), number % 40);
		} else {
			assert_string_equal(kind, "device");
			assert_int_equal(number, device++);
			assert_string_equal(strrchr(at, ' '), " ++++++++");
		}
	}
	assert_int_equal(*at, '\0');
	assert_int_equal(console, LINES);
	assert_int_equal(device, LINES);
}

/* A prompt does not end its line: the device's waits for a moment, then goes below it. */
static void test_prompt(void **state)
{
	char out[64];

	(void)state;
	start();
	terminal_write(rig->terminal, "login: ", 7);
	terminal_line(rig->terminal, "tick");
	console_expect(&rig->console, "login: ", 7);
	console_read(&rig->console, out, sizeof(out), 400);
	assert_string_equal(out, "\ntick\n");
	terminal_line(rig->terminal, "tock"); /* nothing to wait for now */
	console_expect(&rig->console, "tock\n", 5);
	terminal_write(rig->terminal, "lo", 2);
	terminal_line(rig->terminal, "tack");
	terminal_write(rig->terminal, "ok\n", 3);
	console_expect(&rig->console, "look\ntack\n", 10); /* the line ended in time */
}

static uint64_t count_lines(const char *text, const char *begin)
{
	uint64_t n = 0;

	for (const char *at = text; *at; at = strchr(at, '\n') + 1) {
		n += strncmp(at, begin, strlen(begin)) == 0;
		if (!strchr(at, '\n'))
			fail_msg("the last line is torn: '%.40s'", at);
	}
	return n;
}

/* What came out and what the notes call dropped is all that there was. */
static void check_nothing_vanished(uint64_t sent)
{
	uint64_t said = 0;

	rig->text[rig->len] = '\0';
	for (const char *at = strstr(rig->text, "minivmm: "); at; at = strstr(at + 1, "minivmm: ")) {
		unsigned long long n;

		assert_int_equal(sscanf(at, "minivmm: %llu lines of devices were dropped", &n), 1);
		said += n;
	}
	assert_true(said > 0); /* there were more than fit anywhere */
	assert_int_equal(count_lines(rig->text, "device ") + said, sent);
}

static void send_lines(unsigned n)
{
	char line[128];
	uint64_t begin = now_ns();

	for (unsigned i = 0; i < n; i++) {
		snprintf(line, sizeof(line), "device %u %080u", i, i);
		terminal_line(rig->terminal, line);
	}
	assert_true(now_ns() - begin < 2000 * MS); /* "never waits" */
}

static void test_dropped_lines_are_said(void **state)
{
	(void)state;
	start();
	send_lines(8000); /* 700 KB, and nobody reads */
	reader_start();
	wait_until(rig->len > 100000);
	usleep(100000); /* the buffer drains */
	terminal_line(rig->terminal, "device again");
	usleep(300000);
	console_stop(&rig->console);
	terminal_finish(rig->terminal);
	reader_end();
	check_nothing_vanished(8001);
}

/* The same where the run ends while everything is full, and the reader comes only then. */
static void test_dropped_lines_are_said_at_the_end(void **state)
{
	(void)state;
	start();
	send_lines(8000);
	console_stop(&rig->console);
	reader_start();
	terminal_finish(rig->terminal);
	reader_end();
	check_nothing_vanished(8000);
}

static void *write_forever(void *ctx)
{
	static const char bytes[1000];

	(void)ctx;
	for (unsigned i = 0; i < 1000; i++)
		terminal_write(rig->terminal, bytes, sizeof(bytes));
	rig->done = 1;
	return NULL;
}

/* A vCPU that waits for room can be joined. */
static void test_stop_wakes_writer(void **state)
{
	pthread_t writer;

	(void)state;
	start();
	assert_int_equal(pthread_create(&writer, NULL, write_forever, NULL), 0);
	usleep(100000);
	assert_int_equal(rig->done, 0); /* nobody reads: it waits */
	terminal_stop(rig->terminal);
	wait_until(rig->done);
	pthread_join(writer, NULL);
	console_stop(&rig->console);
	uint64_t begin = now_ns();

	catch_stderr();
	terminal_finish(rig->terminal); /* gives up after a second, and says so */
	assert_one_message(caught_stderr(), "lost");
	assert_true(now_ns() - begin < 3000 * MS);
}

static void test_reader_gone(void **state)
{
	pthread_t writer;

	(void)state;
	start();
	assert_int_equal(pthread_create(&writer, NULL, write_forever, NULL), 0);
	usleep(20000);
	catch_stderr();
	console_close_out(&rig->console);
	wait_until(rig->done); /* nobody waits for a reader that is gone */
	pthread_join(writer, NULL);
	terminal_line(rig->terminal, "a line that no one hears");
	assert_one_message(caught_stderr(), "standard output");
	assert_int_equal(rig->quits, 1);
	assert_int_equal(rig->gone, 1);
	console_stop(&rig->console);
	catch_stderr();
	terminal_finish(rig->terminal);
	assert_string_equal(caught_stderr(), ""); /* it was said already */
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

static void test_idle_with_no_output_reader(void **state)
{
	(void)state;
	start();
	console_close_out(&rig->console);
	check_idle();
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_slow_reader),
		TEST(test_output_to_a_file),
		TEST(test_lines_are_whole),
		TEST(test_prompt),
		TEST(test_dropped_lines_are_said),
		TEST(test_dropped_lines_are_said_at_the_end),
		TEST(test_stop_wakes_writer),
		TEST(test_reader_gone),
		TEST(test_idle_with_no_output_reader),
	};

	terminal_destroy(NULL); /* is ignored */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
