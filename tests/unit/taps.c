// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/taps.h"

#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *missing = "taps_open() was not called";

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return n < 0 ? -1 : 0;
}

/* Namespaces of our own, as root in them; that needs no privilege where users may have them. */
static const char *enter_namespace(void)
{
	unsigned uid = geteuid();
	char map[32];

	if (access("/dev/net/tun", R_OK | W_OK) < 0)
		return "/dev/net/tun cannot be opened";
	if (unshare(uid ? CLONE_NEWUSER | CLONE_NEWNET : CLONE_NEWNET) < 0)
		return "no network namespace is to be had";
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (uid && write_file("/proc/self/uid_map", map) < 0)
		return "a user namespace cannot be set up";
	return system("ip tuntap add dev probe0 mode tap && ip tuntap del dev probe0 mode tap") == 0 ?
		       NULL :
		       "'ip tuntap add' does not work";
}

void taps_open(void)
{
	missing = enter_namespace();
}

const char *taps_missing(void)
{
	return missing;
}

void run_command(const char *command)
{
	if (system(command) != 0)
		fail_msg("failed: %s", command);
}
