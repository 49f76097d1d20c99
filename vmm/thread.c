// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/thread.h"

#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>

#include "vmm/sandbox/sandbox.h"

/* On the starter's stack: it waits until the thread has taken what it needs. */
struct start {
	struct sandbox *sandbox;
	unsigned by;
	const char *name;
	void *(*fn)(void *);
	void *ctx;
	int err;
	sem_t entered;
};

static void *begin(void *arg)
{
	struct start *start = arg;
	void *(*fn)(void *) = start->fn;
	void *ctx = start->ctx;
	char name[16]; /* with its end, the kernel's most */
	int err;

	snprintf(name, sizeof(name), "%s", start->name);
	pthread_setname_np(pthread_self(), name);
	start->err = err = sandbox_enter(start->sandbox, start->by, name);
	sem_post(&start->entered);
	return err ? NULL : fn(ctx);
}

int thread_start(pthread_t *thread, struct sandbox *sandbox, unsigned by, const char *name, void *(*fn)(void *),
		 void *ctx)
{
	struct start start = { .sandbox = sandbox, .by = by, .name = name, .fn = fn, .ctx = ctx };
	int err = sandbox_prepare(sandbox, by);
	/* a fault is the thread's own, with the handler that restores the terminal */
	static const int own[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP, SIGSYS };
	sigset_t blocked, old;

	if (err)
		return err;
	sem_init(&start.entered, 0, 0);
	sigfillset(&blocked);
	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		sigdelset(&blocked, own[i]);
	pthread_sigmask(SIG_SETMASK, &blocked, &old);
	err = -pthread_create(thread, NULL, begin, &start);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!err) {
		while (sem_wait(&start.entered) < 0)
			;
		err = start.err;
		if (err)
			pthread_join(*thread, NULL);
	}
	sem_destroy(&start.entered);
	return err;
}
