// SPDX-License-Identifier: GPL-2.0-only
/*
 * A terminal as standard input: raw mode, the Ctrl-A escape, and the way back. The terminal under test runs in a child
 * that has the pseudo-terminal as its controlling one; it tells by pipes what it got.
 */
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/console.h"
#include "tests/unit/support.h"
#include "vmm/loop.h"
#include "vmm/terminal.h"

enum how { RUN, BACKGROUND, DIE };

struct tty {
	int master, slave;
	int got; /* bytes that the guest would read; then 'Q' and 0 or 1 for a quit */
	int out; /* standard output of the child */
	pid_t child;
	struct termios before;
};

/* --- in the child ------------------------------------------------------------------------------------------------- */

static int report_fd;
static struct loop *loop;
static struct terminal *terminal;

static void on_input(void *ctx)
{
	char bytes[64];
	size_t n;

	(void)ctx;
	while ((n = terminal_read(terminal, bytes, sizeof(bytes))))
		if (write(report_fd, bytes, n) < 0)
			_exit(9);
}

static void on_key(void *ctx, char key)
{
	char told[2] = { 'K', key };

	(void)ctx;
	if (write(report_fd, told, 2) < 0)
		_exit(9);
}

static void on_quit(void *ctx, int gone)
{
	char quit[2] = { 'Q', (char)('0' + gone) };

	(void)ctx;
	if (write(report_fd, quit, 2) < 0)
		_exit(9);
	loop_stop(loop);
}

static void child(int slave, int out, int report, enum how how)
{
	static const struct rlimit no_core;

	report_fd = report;
	setrlimit(RLIMIT_CORE, &no_core);
	alarm(20);
	signal(SIGHUP, SIG_DFL); /* also under nohup(1) */
	setsid();
	if (ioctl(slave, TIOCSCTTY, 0) < 0)
		_exit(10);
	if (how == BACKGROUND) { /* as "minivmm &" in a shell: the foreground is the parent's */
		pid_t job = fork();

		if (job) {
			int status = 0;

			waitpid(job, &status, 0);
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 11);
		}
		setpgid(0, 0);
	}
	if (dup2(slave, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 || loop_create(&loop) < 0 ||
	    terminal_create(&terminal, loop) < 0)
		_exit(12);
	terminal_set_quit(terminal, on_quit, NULL);
	terminal_set_key(terminal, on_key, NULL);
	terminal_set_input(terminal, on_input, NULL);
	if (terminal_start(terminal) < 0)
		_exit(13);
	if (write(report, "!", 1) < 0) /* ready */
		_exit(14);
	if (how == DIE) {
		raise(SIGABRT);
		_exit(15);
	}
	if (how == BACKGROUND)
		usleep(100000);
	else
		loop_run(loop);
	terminal_finish(terminal);
	_exit(0);
}

/* --- in the test -------------------------------------------------------------------------------------------------- */

static struct tty tty_begin(enum how how)
{
	int out[2], report[2];
	struct tty tty;

	fflush(stdout);
	assert_int_equal(openpty(&tty.master, &tty.slave, NULL, NULL, NULL), 0);
	assert_true(pipe(out) == 0 && pipe(report) == 0);
	assert_int_equal(tcgetattr(tty.slave, &tty.before), 0);
	tty.child = fork();
	if (tty.child == 0) {
		close(tty.master); /* or it would never hang up */
		child(tty.slave, out[1], report[1], how);
	}
	close(out[1]);
	close(report[1]);
	tty.out = out[0];
	tty.got = report[0];
	return tty;
}

static void tty_expect(int fd, const char *bytes, size_t len)
{
	struct console reading = { .out = fd };

	console_expect(&reading, bytes, len);
}

static void tty_type(const struct tty *tty, const char *bytes, size_t len)
{
	assert_int_equal(write(tty->master, bytes, len), len);
}

/* Waits for the child, and its terminal is as it was before. */
static int tty_end(struct tty *tty)
{
	struct termios after;
	int status = -1;

	assert_int_equal(waitpid(tty->child, &status, 0), tty->child);
	assert_int_equal(tcgetattr(tty->slave, &after), 0);
	assert_true(after.c_lflag == tty->before.c_lflag && after.c_iflag == tty->before.c_iflag);
	assert_true(after.c_oflag == tty->before.c_oflag && after.c_cflag == tty->before.c_cflag);
	assert_memory_equal(after.c_cc, tty->before.c_cc, sizeof(after.c_cc));
	close(tty->master);
	close(tty->slave);
	close(tty->out);
	close(tty->got);
	return status;
}

static bool is_raw(const struct tty *tty)
{
	struct termios now;

	assert_int_equal(tcgetattr(tty->slave, &now), 0);
	return !(now.c_lflag & (ICANON | ECHO | ISIG)) && !(now.c_iflag & (ICRNL | IXON));
}

static void test_raw_and_back(void **state)
{
	struct tty tty = tty_begin(RUN);

	(void)state;
	tty_expect(tty.got, "!", 1);
	assert_true(is_raw(&tty));
	tty_type(&tty, "\001x", 2);
	tty_expect(tty.got, "Q0", 2); /* quit, and not because the output is gone */
	assert_int_equal(tty_end(&tty), 0);
}

/* What means something to a shell's terminal is the guest's here; a lone x is an x. */
static void test_keys_reach_the_guest(void **state)
{
	static const char keys[] = "ls x\r\003\032\034\004\021\023\177\033[A\303\251";
	struct tty tty = tty_begin(RUN);

	(void)state;
	tty_expect(tty.got, "!", 1);
	tty_type(&tty, keys, sizeof(keys) - 1);
	tty_expect(tty.got, keys, sizeof(keys) - 1);
	tty_type(&tty, "\001X", 2);
	tty_expect(tty.got, "Q0", 2);
	assert_int_equal(tty_end(&tty), 0);
}

static void test_escape(void **state)
{
	struct tty tty = tty_begin(RUN);
	struct console out = { .out = tty.out };
	char help[512];

	(void)state;
	tty_expect(tty.got, "!", 1);
	tty_type(&tty, "a\001\001b", 4); /* one Ctrl-A goes through */
	tty_expect(tty.got, "a\001b", 3);
	tty_type(&tty, "\001h", 2);
	console_read(&out, help, sizeof(help), 300);
	assert_non_null(strstr(help, "Ctrl-A x"));
	assert_non_null(strstr(help, "Ctrl-A h"));
	assert_non_null(strstr(help, "Ctrl-A Ctrl-A"));
	tty_expect(tty.got, "K?", 2); /* others tell of theirs */
	tty_type(&tty, "\001", 1);    /* the two keys may come apart */
	usleep(20000);
	tty_type(&tty, "\001c", 2);
	tty_expect(tty.got, "\001c", 2);
	tty_type(&tty, "\001s\001R\001zs", 7); /* the last s is the guest's */
	tty_expect(tty.got, "KsKrKzs", 7);
	tty_type(&tty, "\001x", 2);
	tty_expect(tty.got, "Q0", 2);
	assert_int_equal(tty_end(&tty), 0);
}

static void test_restored_by_fatal_signal(void **state)
{
	struct tty tty = tty_begin(DIE);

	(void)state;
	tty_expect(tty.got, "!", 1);
	int status = tty_end(&tty);

	assert_true(WIFSIGNALED(status)); /* with its usual status */
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_background(void **state)
{
	struct tty tty = tty_begin(BACKGROUND);

	(void)state;
	tty_expect(tty.got, "!", 1);
	assert_false(is_raw(&tty));
	assert_int_equal(tty_end(&tty), 0);
}

/* The terminal hangs up: a SIGHUP, which nothing here keeps from us. */
static void test_hangup(void **state)
{
	struct tty tty = tty_begin(RUN);
	int status;

	(void)state;
	tty_expect(tty.got, "!", 1);
	close(tty.master);
	close(tty.slave);
	assert_int_equal(waitpid(tty.child, &status, 0), tty.child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP); /* which main() catches */
	close(tty.out);
	close(tty.got);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_raw_and_back), cmocka_unit_test(test_keys_reach_the_guest),
		cmocka_unit_test(test_escape),       cmocka_unit_test(test_restored_by_fatal_signal),
		cmocka_unit_test(test_background),   cmocka_unit_test(test_hangup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
