// SPDX-License-Identifier: GPL-2.0-only
/* What is told of a panic: the last bytes of a console, the reason and the lines that are shown, and their escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/console.h"
#include "tests/unit/support.h"
#include "vmm/loop.h"
#include "vmm/panic.h"
#include "vmm/tail.h"
#include "vmm/terminal.h"

#define BEFORE "minivmm:   "
#define SAID   "minivmm: the guest's kernel panicked"
#define NO_WHY SAID "; why is not among the last lines of its console: with console=ttyS0 in --append it says why\n"

static struct tail tail;
static char text[TAIL_MAX + 1];

static int setup(void **state)
{
	(void)state;
	memset(&tail, 0, sizeof(tail));
	return 0;
}

static void says(const char *words)
{
	tail_put(&tail, words, strlen(words));
}

static void says_lines(unsigned first, unsigned n)
{
	char line[32];

	for (unsigned i = first; i < first + n; i++) {
		snprintf(line, sizeof(line), "line %u\r\n", i);
		says(line);
	}
}

static const char *told(bool shown)
{
	catch_stderr();
	panic_tell(&tail, shown);
	return caught_stderr();
}

static unsigned count_lines(const char *lines)
{
	unsigned n = 0;

	for (; *lines; lines++)
		n += *lines == '\n';
	return n;
}

/* --- the tail ----------------------------------------------------------------------------------------------------- */

static void test_tail_short(void **state)
{
	(void)state;
	assert_int_equal(tail_text(&tail, text), 0);
	assert_string_equal(text, "");
	says("one\ntwo");
	tail_put(&tail, "\0!", 2);
	assert_int_equal(tail_text(&tail, text), 9);
	assert_string_equal(text, "one\ntwo?!");
}

/* Full to the byte, nothing is lost; a byte more, and the line that it was taken from goes. */
static void test_tail_edge(void **state)
{
	(void)state;
	says("first\n");
	for (unsigned i = 6; i < TAIL_MAX - 1; i++)
		says("x");
	says("\n");
	assert_int_equal(tail_text(&tail, text), TAIL_MAX);
	assert_memory_equal(text, "first\nx", 7);
	says("y");
	assert_int_equal(tail_text(&tail, text), TAIL_MAX - 5);
	assert_memory_equal(text, "xx", 2);
	assert_string_equal(text + TAIL_MAX - 7, "\ny");
}

/* Against a copy of all that was put, in pieces of all lengths, also of more than there is room for. */
static void test_tail_pieces(void **state)
{
	const size_t size = 1u << 20;
	char *all = malloc(size + 1);
	uint64_t seed = 7;
	size_t len = 0;

	(void)state;
	assert_non_null(all);
	for (size_t i = 0; i < size; i++)
		all[i] = (char)(i % 61 ? 'a' + random_next(&seed) % 26 : '\n');
	all[size] = '\0';
	while (len < size) {
		size_t n = random_next(&seed) % (random_next(&seed) % 8 ? 200 : 3 * TAIL_MAX);

		n = n < size - len ? n : size - len;
		tail_put(&tail, all + len, n);
		len += n;
		size_t kept = tail_text(&tail, text);

		assert_memory_equal(text, all + len - kept, kept);
		assert_true(kept == len || kept >= TAIL_MAX - 61);
		assert_true(kept == len || all[len - kept - 1] == '\n');
	}
	free(all);
}

/* The same in one piece. */
static void test_tail_overfull(void **state)
{
	char much[TAIL_MAX + 4];

	(void)state;
	memset(much, 'x', sizeof(much));
	memcpy(much, "first\nsecond\n", 13);
	tail_put(&tail, much, sizeof(much));
	assert_int_equal(tail_text(&tail, text), TAIL_MAX + 4 - 6);
	assert_memory_equal(text, "second\nxx", 9);
}

/* One line without an end is what there is. */
static void test_tail_one_line(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * TAIL_MAX; i++)
		says("x");
	assert_int_equal(tail_text(&tail, text), TAIL_MAX);
	says("\n");
	assert_int_equal(tail_text(&tail, text), TAIL_MAX);
}

/* --- what is told ------------------------------------------------------------------------------------------------- */

static void test_reason(void **state)
{
	(void)state;
	says("[    0.1] boot\r\n[    0.9] Kernel panic - not syncing: an old one\r\n");
	says("[    1.0] Kernel panic - not syncing: sysrq triggered crash\r\n[    1.0] Call Trace:\r\n");
	assert_string_equal(told(true), SAID ": sysrq triggered crash\n");
	assert_string_equal(told(false), SAID ": sysrq triggered crash\n" BEFORE "[    0.1] boot\n" BEFORE
					      "[    0.9] Kernel panic - not syncing: an old one\n" BEFORE
					      "[    1.0] Kernel panic - not syncing: sysrq triggered crash\n" BEFORE
					      "[    1.0] Call Trace:\n");
}

/* The panic's own line may be the last that came, whole or not. */
static void test_reason_last(void **state)
{
	(void)state;
	says("Kernel panic - not syncing: VFS: Unable to mount");
	assert_string_equal(told(true), SAID ": VFS: Unable to mount\n");
}

static void test_no_reason(void **state)
{
	(void)state;
	assert_string_equal(told(false), SAID "; its console is empty: with console=ttyS0 in --append it says why\n");
	says("# \n\nKernel panic - not");
	assert_string_equal(told(true), NO_WHY);
	assert_string_equal(told(false), NO_WHY BEFORE "# \n" BEFORE "\n" BEFORE "Kernel panic - not\n");
}

/* The last PANIC_LINES_ANY; more where the trouble began before them, up to PANIC_LINES. */
static void test_which_lines(void **state)
{
	const char *lines;

	(void)state;
	says_lines(0, 100);
	says("Kernel panic - not syncing: x\n");
	lines = told(false);
	assert_int_equal(count_lines(lines), 1 + PANIC_LINES_ANY);
	assert_non_null(strstr(lines, SAID ": x\n" BEFORE "line 81\n"));
	says_lines(0, PANIC_LINES_ANY);
	lines = told(false);
	assert_int_equal(count_lines(lines), 1 + 1 + PANIC_LINES_ANY);
	assert_non_null(strstr(lines, SAID ": x\n" BEFORE "Kernel panic - not syncing: x\n" BEFORE "line 0\n"));
	says_lines(PANIC_LINES_ANY, PANIC_LINES - 1 - PANIC_LINES_ANY);
	assert_int_equal(count_lines(told(false)), 1 + PANIC_LINES);
	says_lines(0, 1);
	lines = told(false);
	assert_int_equal(count_lines(lines), 1 + PANIC_LINES_ANY);
	assert_memory_equal(lines, SAID ": x\n", strlen(SAID ": x\n"));
}

static void test_oops(void **state)
{
	static const char *const oops[] = { "BUG: kernel NULL pointer dereference, address: 0",
					    "kernel BUG at mm/slub.c:1!", "Oops: 0002 [#1] SMP",
					    "general protection fault, probably for non-canonical address" };

	(void)state;
	for (unsigned i = 0; i < sizeof(oops) / sizeof(oops[0]); i++) {
		char first[128];

		memset(&tail, 0, sizeof(tail));
		says_lines(0, 50);
		says("[    1.0] ");
		says(oops[i]);
		says("\n");
		says_lines(50, 40);
		says("Kernel panic - not syncing: Fatal exception\n");
		snprintf(first, sizeof(first), ": Fatal exception\n" BEFORE "[    1.0] %s\n" BEFORE "line 50\n",
			 oops[i]);
		assert_non_null(strstr(told(false), first));
	}
}

/* --- what a guest can do with it ---------------------------------------------------------------------------------- */

static void test_escapes(void **state)
{
	(void)state;
	says("\x1b[2J\x1b]0;title\a\xc2\x9b"
	     "31m\x9b\t\x7f~ \\\rKernel panic - not syncing: \x1b[31mred\x80\r\r\n");
	assert_string_equal(
		told(false),
		SAID ": \\x1b[31mred\\x80\n" BEFORE
		     "\\x1b[2J\\x1b]0;title\\x07\\xc2\\x9b31m\\x9b\\x09\\x7f~ \\\\x0dKernel panic - not syncing: "
		     "\\x1b[31mred\\x80\n");
}

/* Every byte there is, four megabytes of them, and every line that can be long: few lines of plain characters. */
static void test_garbage(void **state)
{
	static const unsigned newline_of[] = { 1, 2, 100, 256, 5000, 1u << 30 };
	uint64_t seed = 1;

	(void)state;
	for (unsigned i = 0; i < sizeof(newline_of) / sizeof(newline_of[0]); i++) {
		memset(&tail, 0, sizeof(tail));
		for (unsigned n = 0; n < 4u << 20; n++) {
			char byte = (char)random_next(&seed);

			if (random_next(&seed) % newline_of[i] == 0)
				byte = '\n';
			tail_put(&tail, &byte, 1);
		}
		for (int panicked = 0; panicked < 2; panicked++) {
			const char *lines = told(false);
			size_t width = 0;

			assert_true(count_lines(lines) <= 1 + PANIC_LINES);
			assert_memory_equal(lines, SAID, strlen(SAID));
			for (const char *at = lines; *at; at++) {
				assert_true(*at == '\n' || (*at >= ' ' && *at <= '~'));
				width = *at == '\n' ? 0 : width + 1;
				assert_true(width <= strlen(SAID ": ") + PANIC_LINE_MAX);
			}
			says("Kernel panic - not syncing: ");
			for (unsigned n = 0; n < PANIC_LINE_MAX; n++)
				says("\x1b");
		}
	}
}

/* As long as it may be, and one more: no more than the bound, and it is seen that there was more. */
static void test_line_cut(void **state)
{
	char wanted[PANIC_LINE_MAX + 64] = SAID ": ";

	(void)state;
	says("Kernel panic - not syncing: ");
	for (unsigned i = 0; i < PANIC_LINE_MAX - 3; i++) {
		says("x");
		strcat(wanted, "x");
	}
	assert_memory_equal(told(true), wanted, strlen(wanted));
	assert_string_equal(told(true) + strlen(wanted), "\n");
	says("x");
	assert_string_equal(told(true) + strlen(wanted), "...\n");
}

/* --- the terminal fills it ---------------------------------------------------------------------------------------- */

/* By both ways that a console has, and nothing of a device's lines. */
static void test_terminal(void **state)
{
	struct console console;
	struct terminal *terminal;
	struct loop *loop;
	bool shown;

	(void)state;
	console_open(&console);
	assert_int_equal(loop_create(&loop), 0);
	assert_int_equal(terminal_create(&terminal, loop), 0);
	assert_int_equal(terminal_start(terminal), 0);
	console_run(&console, loop);
	terminal_write(terminal, "serial\n", 7);
	terminal_line(terminal, "a device");
	assert_int_equal(terminal_try_write(terminal, "virtio\n", 7), 7);
	console_expect(&console, "serial\na device\nvirtio\n", 23);
	console_stop(&console);
	tail_text(terminal_tail(terminal, &shown), text);
	terminal_destroy(terminal);
	loop_destroy(loop);
	console_close(&console);
	assert_string_equal(text, "serial\nvirtio\n");
	assert_false(shown); /* a pipe of the test's is not its standard error */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_tail_short, setup),    cmocka_unit_test_setup(test_tail_edge, setup),
		cmocka_unit_test_setup(test_tail_pieces, setup),   cmocka_unit_test_setup(test_tail_one_line, setup),
		cmocka_unit_test_setup(test_tail_overfull, setup), cmocka_unit_test_setup(test_reason, setup),
		cmocka_unit_test_setup(test_reason_last, setup),   cmocka_unit_test_setup(test_no_reason, setup),
		cmocka_unit_test_setup(test_which_lines, setup),   cmocka_unit_test_setup(test_oops, setup),
		cmocka_unit_test_setup(test_escapes, setup),       cmocka_unit_test_setup(test_garbage, setup),
		cmocka_unit_test_setup(test_line_cut, setup),      cmocka_unit_test_setup(test_terminal, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
