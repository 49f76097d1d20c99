// SPDX-License-Identifier: GPL-2.0-only
/*
 * The user network is a program of its own: libslirp parses whatever a guest sends, which is better done where no guest
 * memory is, and there is no static libslirp to link with.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/backend/link.h"
#include "devices/backend/usernet/usernet.h"
#include "vmm/clock.h"
#include "vmm/log.h"

#define PROGRAM       "minivmm-usernet"
#define READY_WAIT_NS 10000000000u
#define SOCKET_BYTES  (4 << 20) /* asked for; net.core.wmem_max is what there is, where that is less */

extern char **environ;

/* The program's name in the directory of our own; empty where that cannot be told. */
static void name_beside(char *path, size_t size)
{
	ssize_t len = readlink("/proc/self/exe", path, size);
	char *slash;

	if (len <= 0 || (size_t)len >= size)
		len = 0;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash || (size_t)(slash + 1 - path) + sizeof(PROGRAM) > size)
		path[0] = '\0';
	else
		strcpy(slash + 1, PROGRAM);
}

static int set_up_files(posix_spawn_file_actions_t *files, int socket)
{
	int err = posix_spawn_file_actions_adddup2(files, socket, USERNET_FD);

	if (!err)
		err = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	/* whoever reads the guest's console to its end must not wait for the helper */
	if (!err)
		err = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!err)
		err = posix_spawn_file_actions_addclosefrom_np(files, USERNET_FD + 1);
	return err;
}

/* A session of its own: Ctrl-C on our terminal is for us. No signal blocked or ignored. */
static int set_up_signals(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int err;

	sigemptyset(&none);
	sigfillset(&all);
	sigdelset(&all, SIGKILL);
	sigdelset(&all, SIGSTOP);
	err = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (!err)
		err = posix_spawnattr_setsigmask(attributes, &none);
	if (!err)
		err = posix_spawnattr_setsigdefault(attributes, &all);
	return err;
}

/* 0 or -errno: also where the program cannot be executed. */
static int spawn(pid_t *helper, int socket, char *const *argv)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	char path[PATH_MAX];
	int err = posix_spawn_file_actions_init(&files);

	if (err)
		return -err;
	err = posix_spawnattr_init(&attributes);
	if (err)
		goto out_files;
	name_beside(path, sizeof(path));
	err = set_up_files(&files, socket);
	if (!err)
		err = set_up_signals(&attributes);
	if (!err)
		err = *path ? posix_spawn(helper, path, &files, &attributes, argv, environ) : ENOENT;
	if (err == ENOENT)
		err = posix_spawnp(helper, PROGRAM, &files, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
out_files:
	posix_spawn_file_actions_destroy(&files);
	return -err;
}

static int start(struct link *link, const char *who, int socket, const struct usernet_settings *settings)
{
	const char *argv[5 + 2 * USERNET_HOSTFWD_MAX];
	unsigned n = 0;
	int err;

	argv[n++] = PROGRAM;
	argv[n++] = "--who";
	argv[n++] = who;
	if (settings->restrict_)
		argv[n++] = "--restrict";
	for (unsigned i = 0; i < settings->n_hostfwd; i++) {
		argv[n++] = "--hostfwd";
		argv[n++] = settings->hostfwd[i];
	}
	argv[n] = NULL;
	err = spawn(&link->helper, socket, (char *const *)argv);
	if (err) {
		link->helper = 0;
		log_error("%s: cannot start " PROGRAM ", beside minivmm or in PATH: %s: run 'make', or use tap=", who,
			  strerror(-err));
	}
	return err;
}

/* The helper ended before it was ready: it said why, unless something ended it. */
static int tell_end(struct link *link, const char *who)
{
	int status = 0;

	while (waitpid(link->helper, &status, 0) < 0)
		if (errno != EINTR)
			return -EIO;
	link->helper = 0;
	if (WIFSIGNALED(status))
		log_error("%s: " PROGRAM " was ended by signal %d (%s) at its start", who, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		log_error("%s: " PROGRAM " in minivmm's directory or in PATH is another program", who);
	return WIFEXITED(status) && WEXITSTATUS(status) == USERNET_EXIT_USAGE ? -EINVAL : -EIO;
}

static int await_ready(struct link *link, const char *who)
{
	struct pollfd in = { .fd = link->fds[0], .events = POLLIN };
	uint64_t deadline = clock_ns() + READY_WAIT_NS;
	char said[sizeof(USERNET_READY)];
	ssize_t n;

	do {
		n = poll(&in, 1, clock_ms_until(deadline));
	} while (n < 0 && errno == EINTR);
	if (n < 0) {
		int err = -errno;

		log_error("%s: cannot wait for " PROGRAM ": %s", who, strerror(-err));
		kill(link->helper, SIGKILL);
		return err;
	}
	n = recv(link->fds[0], said, sizeof(said), MSG_DONTWAIT);
	if (n == (ssize_t)strlen(USERNET_READY) && memcmp(said, USERNET_READY, (size_t)n) == 0)
		return 0;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return tell_end(link, who);
	if (n < 0) {
		log_error("%s: " PROGRAM " is not ready after %u s: is the host overloaded?", who,
			  (unsigned)(READY_WAIT_NS / 1000000000u));
		kill(link->helper, SIGKILL);
		return -ETIMEDOUT;
	}
	log_error("%s: " PROGRAM " is of another version than minivmm: run 'make'", who);
	return -EPROTO;
}

int link_open_user(struct link *link, const char *who, const struct usernet_settings *settings)
{
	const int size = SOCKET_BYTES;
	int pair[2], err;

	*link = (struct link){ .n_fds = 0 };
	if (settings->n_hostfwd > USERNET_HOSTFWD_MAX) {
		log_error("%s: hostfwd=: %u are given: at most %d are possible", who, settings->n_hostfwd,
			  USERNET_HOSTFWD_MAX);
		return -E2BIG;
	}
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0) {
		err = -errno;
		log_error("%s: cannot make a socket for " PROGRAM ": %s", who, strerror(-err));
		return err;
	}
	/* what is on its way counts against the sender's buffer alone */
	for (unsigned i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	link->fds[link->n_fds++] = pair[0];
	err = start(link, who, pair[1], settings);
	close(pair[1]); /* or its end would not be seen */
	if (!err)
		err = await_ready(link, who);
	if (err)
		link_close(link);
	return err;
}
