// SPDX-License-Identifier: GPL-2.0-only
/* The run of a machine: its threads, from the first to the last, and what ends it. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/observe.h"
#include "vmm/panic.h"
#include "vmm/terminal.h"
#include "vmm/thread.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

void vm_stop(struct vm *vm, int status)
{
	int running = 0;

	if (atomic_compare_exchange_strong(&vm->stopping, &running, 1)) {
		atomic_store(&vm->status, status);
		loop_stop(vm->loop);
		observe_stop(vm->observer);
	}
}

static void on_signal(void *ctx, int signo)
{
	struct vm *vm = ctx;

	if (signo == SIGTSTP)
		terminal_suspend(vm->terminal);
	else if (signo == SIGCONT)
		terminal_resume(vm->terminal);
	else if (signo == SIGWINCH)
		terminal_resized(vm->terminal);
	else if (signo == SIGUSR1)
		observe_now(vm->observer);
	else
		vm_stop(vm, 128 + signo);
}

static void on_quit(void *ctx, int gone)
{
	struct vm *vm = ctx;

	vm_stop(vm, gone ? VM_END_ERROR : VM_END_OK);
}

static void on_key(void *ctx, char key)
{
	struct vm *vm = ctx;

	if (key == 's')
		observe_now(vm->observer);
	else if (key == 'r')
		observe_recorder(vm->observer);
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].ops->key)
			vm->devices[i].ops->key(vm->devices[i].ctx, key);
}

/* From the loop on; before it, what a signal does by itself is right. One that our parent ignores, we ignore. */
static int catch_signals(struct vm *vm)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGTSTP, SIGCONT, SIGWINCH };
	struct loop_source *source;
	struct sigaction action;
	int err = 0;

	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]) && !err; i++)
		if (sigaction(signals[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			err = loop_add_signal(vm->loop, signals[i], on_signal, vm, &source);
	if (err)
		log_error("signals: %s", strerror(-err));
	return err;
}

static void on_timeout(void *ctx, uint64_t expirations)
{
	struct vm *vm = ctx;

	(void)expirations;
	log_error("--timeout: the time is over");
	vm_stop(vm, VM_END_TIMEOUT);
}

static int set_timeout(struct vm *vm)
{
	struct loop_source *source;
	int err = 0;

	if (vm->config->timeout_ns) {
		err = loop_add_timer(vm->loop, on_timeout, vm, &source);
		if (!err)
			loop_set_timer(source, vm->config->timeout_ns, 0);
	}
	if (err)
		log_error("--timeout: %s", strerror(-err));
	return err;
}

static void *loop_thread(void *arg)
{
	struct vm *vm = arg;

	vm_pass_gate(vm);
	int err = loop_run(vm->loop);

	if (err) {
		log_error("event loop: %s", strerror(-err));
		vm_stop(vm, VM_END_ERROR);
	}
	return NULL;
}

/* The main thread is confined last: what confines it is on all that it starts, too. */
static int start_threads(struct vm *vm)
{
	int err = thread_start(&vm->loop_thread, vm->sandbox, BY_LOOP, "loop", loop_thread, vm);

	vm->loop_started = !err;
	if (err)
		log_error("cannot start a thread for the event loop: %s", strerror(-err));
	for (unsigned i = 0; i < vm->config->cpus && !err; i++)
		err = vcpu_start(&vm->vcpus[i]);
	if (!err) {
		err = sandbox_prepare(vm->sandbox, BY_MAIN);
		if (err)
			log_error("--sandbox: %s", strerror(-err));
	}
	return err ? err : sandbox_enter(vm->sandbox, BY_MAIN, "main");
}

void vm_pass_gate(struct vm *vm)
{
	pthread_mutex_lock(&vm->gate);
	pthread_mutex_unlock(&vm->gate);
}

/* Now that its console is written out; and last of all, or it would be far above the flight recorder. */
static void tell_panic(const struct vm *vm)
{
	bool shown;
	const struct tail *tail = terminal_tail(vm->terminal, &shown);

	panic_tell(tail, shown);
}

int vm_run(struct vm *vm)
{
	int err = observe_start(&vm->observer, vm);

	if (!err)
		err = catch_signals(vm);
	if (!err)
		err = set_timeout(vm);
	terminal_set_quit(vm->terminal, on_quit, vm);
	terminal_set_key(vm->terminal, on_key, vm);
	if (!err)
		err = terminal_start(vm->terminal);
	pthread_mutex_lock(&vm->gate);
	if (!err)
		err = start_threads(vm);
	bool ran = !err;

	if (err)
		vm_stop(vm, VM_END_ERROR);
	pthread_mutex_unlock(&vm->gate);
	observe_run(vm->observer);
	if (vm->loop_started)
		pthread_join(vm->loop_thread, NULL);
	terminal_stop(vm->terminal);
	for (unsigned i = 0; i < vm->config->cpus; i++)
		vcpu_join(&vm->vcpus[i]);
	int status = atomic_load(&vm->status);

	if (terminal_finish(vm->terminal) < 0 && status == VM_END_OK)
		status = VM_END_ERROR;
	if (ran)
		observe_end(vm->observer, status);
	else
		observe_cancel(vm->observer);
	vm->observer = NULL;
	if (status == VM_END_PANIC)
		tell_panic(vm);
	return status;
}
