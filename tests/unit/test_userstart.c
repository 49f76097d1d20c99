// SPDX-License-Identifier: GPL-2.0-only
/* minivmm-usernet's start and end: messages, each exactly one; who ends whom; what it inherits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/guest.h"
#include "tests/unit/support.h"

static int open_with(struct link *link, const char *const *rules, unsigned n)
{
	struct usernet_settings settings = { .hostfwd = rules, .n_hostfwd = n };

	return link_open_user(link, WHO, &settings);
}

static void assert_refused(const char *const *rules, unsigned n, const char *must_say)
{
	struct link link;
	const char *text;

	catch_stderr();
	int err = open_with(&link, rules, n);

	text = caught_stderr();
	if (err >= 0)
		fail_msg("hostfwd=%s is taken", rules[n - 1]);
	assert_one_message(text, must_say);
	assert_int_equal(strncmp(text, "minivmm: " WHO ": ", strlen("minivmm: " WHO ": ")), 0);
	assert_int_equal(link.n_fds, 0);
	assert_int_equal(link.helper, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	link_close(&link);
}

static void malformed_forwards(void **state)
{
	static const struct {
		const char *rule, *must_say;
	} bad[] = {
		{ "", "tcp: nor" },
		{ "tcp", "tcp: nor" },
		{ "TCP::1-:2", "tcp: nor" },
		{ "sctp::1-:2", "tcp: nor" },
		{ "tcp:2222-:22", "HOSTADDR" },
		{ "tcp:localhost:2222-:22", "HOSTADDR" },
		{ "tcp:127.0.0.1.1:2222-:22", "HOSTADDR" },
		{ "tcp:1.2.3.4.5.6.7.8.9:2222-:22", "HOSTADDR" },
		{ "tcp: 127.0.0.1:2222-:22", "HOSTADDR" },
		{ "tcp:::1:2222-:22", "HOSTPORT" },
		{ "tcp::-:22", "HOSTPORT" },
		{ "tcp::0-:22", "HOSTPORT" },
		{ "tcp::65536-:22", "HOSTPORT" },
		{ "tcp::99999999999999999999-:22", "HOSTPORT" },
		{ "tcp::+1-:22", "HOSTPORT" },
		{ "tcp::2222", "HOSTPORT" },
		{ "tcp::2222:22", "HOSTPORT" },
		{ "tcp::2222-22", "GUESTADDR" },
		{ "tcp::2222-", "GUESTADDR" },
		{ "tcp::2222-guest:22", "GUESTADDR" },
		{ "tcp::2222-192.168.1.1:22", "GUESTADDR" },
		{ "tcp::2222-10.0.2.0:22", "GUESTADDR" },
		{ "tcp::2222-10.0.2.2:22", "GUESTADDR" },
		{ "tcp::2222-10.0.2.3:22", "GUESTADDR" },
		{ "tcp::2222-10.0.2.255:22", "GUESTADDR" },
		{ "tcp::2222-:", "GUESTPORT" },
		{ "tcp::2222-:0", "GUESTPORT" },
		{ "tcp::2222-:65536", "GUESTPORT" },
		{ "tcp::2222-:22 ", "GUESTPORT" },
		{ "tcp::2222-:22,", "GUESTPORT" },
		{ "--help", "tcp: nor" },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char names[64];

		snprintf(names, sizeof(names), "hostfwd=%s: ", bad[i].rule);
		assert_refused(&bad[i].rule, 1, names);
		assert_refused(&bad[i].rule, 1, bad[i].must_say);
		assert_refused(&bad[i].rule, 1, "the form is tcp|udp:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT");
	}
}

static void well_formed_forwards(void **state)
{
	char rules[USERNET_HOSTFWD_MAX + 1][64];
	const char *all[USERNET_HOSTFWD_MAX + 1];
	uint16_t port = free_port(SOCK_STREAM);
	struct link link;

	(void)state;
	snprintf(rules[0], sizeof(rules[0]), "tcp:127.0.0.1:%u-10.0.2.99:65535", port);
	snprintf(rules[1], sizeof(rules[1]), "udp:127.0.0.1:%u-:1", free_port(SOCK_DGRAM));
	for (unsigned i = 0; i <= USERNET_HOSTFWD_MAX; i++) {
		if (i >= 2) /* 127.0.0.0/8 is all the host's own */
			snprintf(rules[i], sizeof(rules[i]), "tcp:127.0.0.%u:%u-:22", i, port);
		all[i] = rules[i];
	}
	assert_int_equal(open_with(&link, all, USERNET_HOSTFWD_MAX), 0);
	close(host_connect(SOCK_STREAM, port));
	link_close(&link);
	assert_refused(all, USERNET_HOSTFWD_MAX + 1, "at most 16");
}

static void ports_that_cannot_be_had(void **state)
{
	uint16_t port;
	int fd = host_bind(SOCK_STREAM, &port);
	char tcp[64], all[64];
	const char *rules[] = { tcp, tcp }, *udp[] = { "udp::9999-:1", "udp:127.0.0.1:9999-:2" };
	const char *foreign = "tcp:192.0.2.1:2222-:22"; /* RFC 5737: nobody's */

	(void)state;
	snprintf(tcp, sizeof(tcp), "tcp::%u-:22", port);
	snprintf(all, sizeof(all), "tcp:0.0.0.0:%u-:22", port);
	assert_refused(rules, 1, "is in use");
	assert_refused(rules, 1, tcp);
	rules[0] = all;
	assert_refused(rules, 1, "is in use");
	close(fd);
	assert_refused(rules, 2, "is in use by hostfwd=");
	assert_refused(udp, 2, "is in use by hostfwd=");
	assert_refused(&foreign, 1, "does not have this address");
}

/* As a user who may not have ports below 1024. */
static void a_port_that_is_not_permitted(void **state)
{
	const char *rule = "tcp::1-:22";
	FILE *file = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "r");
	int status, first = 1024;
	pid_t pid;

	(void)state;
	if (file) {
		assert_int_equal(fscanf(file, "%d", &first), 1);
		fclose(file);
	}
	if (first <= 1) {
		print_message("skipped: everybody may have all ports here\n");
		skip();
	}
	if (geteuid() == 0) {
		pid = fork();
		if (pid == 0) {
			if (setresuid(65534, 65534, 65534) == 0)
				assert_refused(&rule, 1, "is not permitted");
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	} else {
		assert_refused(&rule, 1, "is not permitted");
	}
}

/* A program of the same name, in a directory that alone is PATH; a script, or nothing. */
static void assert_odd_program(const char *script, int mode, const char *must_say)
{
	static const char *const none[1];
	char directory[] = "/tmp/minivmm-XXXXXX", name[64], *path = strdup(getenv("PATH"));
	struct link link;
	const char *text;
	int err;

	assert_non_null(mkdtemp(directory));
	snprintf(name, sizeof(name), "%s/minivmm-usernet", directory);
	if (script) {
		FILE *file = fopen(name, "w");

		assert_non_null(file);
		fprintf(file, "#!/bin/sh\n%s\n", script);
		fclose(file);
		chmod(name, (mode_t)mode);
	}
	setenv("PATH", directory, 1);
	catch_stderr();
	err = open_with(&link, none, 0);
	text = caught_stderr();
	setenv("PATH", path, 1);
	free(path);
	unlink(name);
	rmdir(directory);
	assert_true(err < 0);
	assert_one_message(text, must_say);
	assert_int_equal(link.n_fds, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void the_program_is_missing(void **state)
{
	(void)state;
	assert_odd_program(NULL, 0, "run 'make', or use tap=");
	assert_odd_program("exit 0", 0644, "run 'make', or use tap=");
}

static void the_program_is_another(void **state)
{
	(void)state;
	assert_odd_program("exit 0", 0755, "another program");
	assert_odd_program("kill -9 $$", 0755, "ended by signal 9");
	assert_odd_program("echo minivmm: said once >&2; exit 1", 0755, "said once");
}

static void closing_ends_it(void **state)
{
	struct guest guest;
	pid_t pid;

	(void)state;
	guest_open(&guest, NULL, false);
	pid = guest.link.helper;
	assert_int_equal(getsid(pid), pid); /* Ctrl-C is not for it */
	uint64_t start = now_ns();

	link_close(&guest.link);
	assert_in_range(now_ns() - start, 0, 900000000u); /* by itself, not by the signal after a second */
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	assert_int_equal(kill(pid, 0), -1);
	link_close(&guest.link); /* nothing more */
}

static void one_that_does_not_end_is_killed(void **state)
{
	struct guest guest;
	pid_t pid;

	(void)state;
	guest_open(&guest, NULL, false);
	pid = guest.link.helper;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	link_close(&guest.link);
	assert_int_equal(kill(pid, 0), -1);
}

static void its_end_is_seen(void **state)
{
	struct guest guest;
	struct pollfd in;

	(void)state;
	guest_open(&guest, NULL, false);
	assert_int_equal(kill(guest.link.helper, SIGKILL), 0);
	in = (struct pollfd){ .fd = guest.link.fds[0], .events = POLLIN };
	assert_int_equal(poll(&in, 1, 10000), 1);
	assert_int_equal(in.revents, POLLIN | POLLHUP);
	assert_int_equal(read(guest.link.fds[0], guest.in, sizeof(guest.in)), 0);
	assert_int_equal(read(guest.link.fds[0], guest.in, sizeof(guest.in)), 0);
	assert_int_equal(write(guest.link.fds[0], guest.in, 60), -1);
	assert_int_equal(errno, EPIPE);
	guest_close(&guest);
}

/* Whoever starts the helper may end in any way: somebody else who holds the socket does not keep it alive. */
static void it_ends_with_its_parent(void **state)
{
	static const char *const none[1];
	int told[2], held[2], status;
	struct link link;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(told), 0);
	assert_int_equal(pipe(held), 0); /* whose end a grandchild has as well, with the link's socket */
	pid = fork();
	if (pid == 0) {
		close(told[0]);
		if (open_with(&link, none, 0) < 0 || write(told[1], &link.helper, sizeof(link.helper)) < 0)
			_exit(1);
		close(held[1]);
		if (fork() == 0)
			_exit(read(held[0], &byte, 1) < 0);
		kill(getpid(), SIGKILL);
	}
	close(told[1]);
	assert_int_equal(read(told[0], &link.helper, sizeof(link.helper)), sizeof(link.helper));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	for (unsigned i = 0; kill(link.helper, 0) == 0; i++) {
		char stat[64];
		FILE *file;
		int c = 0;

		/* where nobody reaps orphans it stays a zombie */
		snprintf(stat, sizeof(stat), "/proc/%d/stat", (int)link.helper);
		file = fopen(stat, "r");
		if (!file)
			break;
		while (c != ')' && c != EOF)
			c = fgetc(file);
		c = fgetc(file) == ' ' ? fgetc(file) : 0;
		fclose(file);
		if (c == 'Z')
			break;
		if (i == 10000)
			fail_msg("the helper lives on");
		usleep(1000);
	}
	close(held[1]);
	close(held[0]);
	close(told[0]);
}

/* Neither our standard input and output nor any other descriptor; no signal that we block or ignore. */
static void it_inherits_nothing(void **state)
{
	static const char *const none[1];
	char name[64], target[64], line[256];
	unsigned long long blocked = 1, ignored = 0;
	struct link link;
	sigset_t usr1;
	FILE *file;
	int fd = fcntl(STDIN_FILENO, F_DUPFD, 100);

	(void)state;
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigprocmask(SIG_BLOCK, &usr1, NULL);
	signal(SIGINT, SIG_IGN);
	assert_int_equal(open_with(&link, none, 0), 0);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
	for (int i = 0; geteuid() == 0 && i <= STDERR_FILENO; i++) { /* it is not dumpable: root alone may look */
		snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)link.helper, i);
		ssize_t len = readlink(name, target, sizeof(target) - 1);

		assert_true(len > 0);
		target[len] = '\0';
		assert_string_equal(target, "/dev/null");
	}
	snprintf(name, sizeof(name), "/proc/%d/fd/%d", (int)link.helper, fd);
	assert_int_equal(access(name, F_OK), -1);
	snprintf(name, sizeof(name), "/proc/%d/status", (int)link.helper);
	file = fopen(name, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		sscanf(line, "SigBlk: %llx", &blocked);
		sscanf(line, "SigIgn: %llx", &ignored);
	}
	fclose(file);
	assert_int_equal(blocked, 0);
	assert_int_equal(ignored & 0x7fffffff,
			 1u << (SIGPIPE - 1)); /* its own choice; the C library has some behind 31 */
	link_close(&link);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(malformed_forwards),       cmocka_unit_test(well_formed_forwards),
		cmocka_unit_test(ports_that_cannot_be_had), cmocka_unit_test(a_port_that_is_not_permitted),
		cmocka_unit_test(the_program_is_missing),   cmocka_unit_test(the_program_is_another),
		cmocka_unit_test(closing_ends_it),          cmocka_unit_test(one_that_does_not_end_is_killed),
		cmocka_unit_test(its_end_is_seen),          cmocka_unit_test(it_ends_with_its_parent),
		cmocka_unit_test(it_inherits_nothing),
	};

	guest_find_program();
	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
