// SPDX-License-Identifier: GPL-2.0-only
/* The sockets of the virtio console's ports: where they are, whose they are, and when there is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support.h"
#include "tests/unit/virtcon.h"

static struct virtcon con;

static void refuse(struct rig *rig, const char *options, const char *must_say)
{
	struct driver d;
	char *text;

	free(rig_errors(rig));
	if (driver_add(&d, rig, "console", options) == 0)
		fail_msg("'%s' is taken", options);
	text = rig_errors(rig);
	assert_one_message(text, must_say);
	assert_int_equal(strncmp(text, "minivmm: --device console: ", 27), 0);
	free(text);
}

static void wrong_options(void **state)
{
	static const char *const bad[] = { "port=",           "port=a",          "port=a:",       "port=:/tmp/x",
					   "port=a/b:/tmp/x", "port=a b:/tmp/x", "port=.:/tmp/x", "port=..:/tmp/x" };
	char text[2048], *at = text;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(*state, bad[i], "port");
	sprintf(text, "port=%064d:/tmp/x", 0);
	refuse(*state, text, "63 characters");
	sprintf(text, "port=a:/tmp/%0110d", 0);
	refuse(*state, text, "at most 107");
	refuse(*state, "port=a:/nonexistent/a", "directory");
	sprintf(text, "port=a:%s/1,port=b:%s/2,port=a:%s/3", socket_dir, socket_dir, socket_dir);
	refuse(*state, text, "needs its own");
	for (unsigned i = 0; i < 8; i++)
		at += sprintf(at, "port=%u:%s/%u,", i, socket_dir, i);
	refuse(*state, text, "7 already"); /* teardown finds that no socket is left */
}

static void seven_ports(void **state)
{
	virtcon_add_ports(&con, *state, "abcdefg");
	assert_int_equal(window_get(&con.d, MAX_PORTS, 4), 8);
	reg_put(&con.d, R_QUEUE_SEL, 17);
	assert_int_equal(reg_get(&con.d, R_QUEUE_NUM_MAX), 64);
	rig_loop_start(con.rig);
	virtcon_all_open(&con, 8);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;1 NAME 1 a;2 NAME 1 b;3 NAME 1 c;4 NAME 1 d;5 NAME 1 e;6 NAME 1 "
			     "f;7 NAME 1 g;");
	int fd = socket_client("g");

	expect_control(&con, "7 OPEN 1;");
	post(&con, TX(7), 0, "seven", 5);
	expect_heard(fd, "seven", 5);
	close(fd);
}

static void sockets_are_private(void **state)
{
	struct stat st;

	umask(0);
	virtcon_add_ports(&con, *state, "a");
	assert_int_equal(lstat(socket_path("a"), &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	umask(022);
}

static void what_is_at_the_path(void **state)
{
	char options[256];
	int fd = socket_listener("a");

	sprintf(options, "port=a:%s", socket_path("a"));
	refuse(*state, options, "in use");
	close(fd); /* a socket that nobody listens on is left: it is replaced */
	virtcon_add_ports(&con, *state, "a");
	close(socket_client("a"));
	unlink(socket_path("a"));
	close(socket_listener("a")); /* somebody else's, by now: it stays when we end */
	rig_teardown(state);
	assert_int_equal(unlink(socket_path("a")), 0);
	rig_setup(state);
	fclose(fopen(socket_path("a"), "w"));
	refuse(*state, options, "no socket");
	unlink(socket_path("a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_TEST(wrong_options),
		SOCKET_TEST(seven_ports),
		SOCKET_TEST(sockets_are_private),
		SOCKET_TEST(what_is_at_the_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
