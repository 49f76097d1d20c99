// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/sandbox/refused.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/rawmode.h"
#include "vmm/sandbox/rules.h"

#define SYS_SECCOMP_CODE 1 /* SYS_SECCOMP of siginfo_t, which <sys/syscall.h> hides */
#define FILTERS_MAX      64u

_Thread_local char refused_name[REFUSED_NAME] = "main";

/* --- on: the end -------------------------------------------------------------------------------------------------- */

/* The thread may be anywhere, in malloc() too: nothing here but what a signal's handler may call. */
static void on_refused(int signo, siginfo_t *info, void *context)
{
	char line[256];
	size_t len = 0;
	const char *parts[] = { "minivmm: --sandbox: ", refused_name, " is ended: it called ",
				call_name(info->si_syscall),
				", which it has no need of (--sandbox=log tells of all such calls)\n" };

	(void)context;
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]) && info->si_code == SYS_SECCOMP_CODE; i++) {
		size_t part = strlen(parts[i]);

		if (part > sizeof(line) - len)
			part = sizeof(line) - len;
		memcpy(line + len, parts[i], part);
		len += part;
	}
	rawmode_leave();
	ssize_t ignored = write(STDERR_FILENO, line, len);

	(void)ignored;
	if (info->si_code != SYS_SECCOMP_CODE) {
		raise(signo); /* SA_RESETHAND: now it kills */
		return;
	}
	/* The same call once more. The signal is blocked in its own handler, and then the kernel does not ask us again.
	 */
	syscall(info->si_syscall, 0, 0, 0, 0, 0, 0);
}

int refused_end(void)
{
	struct sigaction action = { .sa_sigaction = on_refused, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND) };

	return sigaction(SIGSYS, &action, NULL) < 0 ? -errno : 0;
}

/* --- log: a thread that watches ----------------------------------------------------------------------------------- */

struct filter {
	int fd;
	char name[REFUSED_NAME];
};

struct teller {
	int new_fd;
	struct filter filters[FILTERS_MAX];
	unsigned n;
};

/* One that is told. */
static void tell(const struct filter *filter)
{
	struct seccomp_notif call;
	struct seccomp_notif_resp answer;

	memset(&call, 0, sizeof(call));
	memset(&answer, 0, sizeof(answer));
	if (seccomp_notify_receive(filter->fd, &call) != 0)
		return;
	log_error("--sandbox=log: %s called %s, which it has no need of", filter->name, call_name(call.data.nr));
	answer.id = call.id;
	answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	seccomp_notify_respond(filter->fd, &answer);
}

static void *teller_thread(void *arg)
{
	struct teller *teller = arg;

	for (;;) {
		struct pollfd fds[1 + FILTERS_MAX] = { { .fd = teller->new_fd, .events = POLLIN } };

		for (unsigned i = 0; i < teller->n; i++)
			fds[1 + i] = (struct pollfd){ .fd = teller->filters[i].fd, .events = POLLIN };
		unsigned n = teller->n;

		if (poll(fds, 1 + n, -1) < 0)
			continue;
		for (unsigned i = 0; i < n; i++) {
			if (fds[1 + i].revents & POLLIN)
				tell(&teller->filters[i]);
			else if (fds[1 + i].revents) /* all threads of the filter have ended */
				teller->filters[i].fd = -1;
		}
		if (fds[0].revents & POLLIN && teller->n < FILTERS_MAX &&
		    read(teller->new_fd, &teller->filters[teller->n], sizeof(struct filter)) == sizeof(struct filter))
			teller->n++;
		else if (fds[0].revents) /* no more come; those that there are stay */
			teller->new_fd = -1;
	}
	return NULL;
}

int refused_tell(int *told_fd)
{
	struct teller *teller = calloc(1, sizeof(*teller)); /* the thread's, which ends with the process */
	sigset_t all, old;
	pthread_t thread;
	int fds[2] = { -1, -1 }, err = 0;

	if (!teller)
		return -ENOMEM;
	if (pipe2(fds, O_CLOEXEC) < 0) {
		err = -errno;
		goto fail;
	}
	teller->new_fd = fds[0];
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	err = -pthread_create(&thread, NULL, teller_thread, teller);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		goto fail_fds;
	pthread_detach(thread);
	*told_fd = fds[1];
	return 0;
fail_fds:
	close(fds[0]);
	close(fds[1]);
fail:
	free(teller);
	return err;
}

int refused_told(int told_fd, int notify_fd)
{
	struct filter filter = { .fd = notify_fd };

	memcpy(filter.name, refused_name, sizeof(filter.name));
	return write(told_fd, &filter, sizeof(filter)) == sizeof(filter) ? 0 : -EIO;
}
