// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/observe.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/clock.h"
#include "vmm/counting.h"
#include "vmm/file.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/resident.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/trace/file.h"
#include "vmm/trace/recorder.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

#define LINES_MAX  (64u << 10) /* bytes: how a device stands, of up to 18 queues with 18 lines each, and some more */
#define LINES_SHOW (8u << 10)  /* so many are shown at once */

struct observer {
	struct vm *vm;
	struct counting *counting; /* or NULL */
	struct loop *loop;         /* the main thread's: what is shown holds up no device */
	int wish_fd;               /* eventfd: something is to be shown */
	struct loop_source *wish;
	atomic_bool counts_wanted, recorder_wanted;
	_Atomic(const char *) failed[VM_DEVICES_MAX]; /* names, in order of failing; each once */
	unsigned shown;                               /* how many of them */

	/* for the flight recorder, which a guest can have shown: no memory is taken then */
	struct trace_record records[TRACE_RECORDS];
	char lines[LINES_MAX];
};

/* --- the flight recorder ------------------------------------------------------------------------------------------ */

static void pass_on(struct text *lines, size_t most, uint64_t deadline)
{
	if (lines->len <= most)
		return;
	log_block(clock_ms_until(deadline), "minivmm: ", lines->bytes, lines->len);
	lines->len = 0;
	lines->failed = false;
}

/* The events that are kept and how the devices stand; of one device where `name` is not NULL. `why`, or NULL. */
static void show_recorder(struct observer *observer, const char *name, const char *why, int wait_ms)
{
	const struct vm *vm = observer->vm;
	const struct recorder_clock clock = recorder_clock(&vm->trace);
	struct text out = { .bytes = observer->lines, .size = sizeof(observer->lines), .fixed = true };
	uint64_t deadline = clock_ns() + (uint64_t)wait_ms * 1000000u;
	unsigned n = vm->trace.recorder ? recorder_take(&vm->trace, name, observer->records) : 0;

	if (vm->trace.recorder)
		text_printf(&out, "flight recorder: the last %u events%s%s, times in seconds before now%s\n", n,
			    name ? " of " : "", name ? name : "", vm->trace.n_files ? "" : " (--trace FILE keeps all)");
	for (unsigned i = 0; i < n; i++) {
		recorder_line(&clock, &observer->records[i], &out);
		pass_on(&out, LINES_SHOW, deadline);
	}
	for (unsigned i = 0; i < vm->n_devices; i++) {
		if (vm->devices[i].ops->report)
			vm->devices[i].ops->report(vm->devices[i].ctx, name, &out);
		pass_on(&out, LINES_SHOW, deadline);
	}
	if (why && vm->trace.recorder) /* what was said first is far above by now */
		text_printf(&out, "flight recorder: it is shown because %s\n", why);
	pass_on(&out, 0, deadline);
}

/* --- wishes, of any thread ---------------------------------------------------------------------------------------- */

static void wish(struct observer *observer)
{
	uint64_t one = 1;
	ssize_t ignored = write(observer->wish_fd, &one, sizeof(one));

	(void)ignored;
}

void observe_now(struct observer *observer)
{
	atomic_store(&observer->counts_wanted, true);
	wish(observer);
}

void observe_recorder(struct observer *observer)
{
	atomic_store(&observer->recorder_wanted, true);
	wish(observer);
}

void observe_failure(struct observer *observer, const char *name)
{
	for (unsigned i = 0; i < VM_DEVICES_MAX; i++) {
		const char *empty = NULL;

		if (atomic_compare_exchange_strong(&observer->failed[i], &empty, name)) {
			wish(observer);
			return;
		}
		if (empty == name)
			return;
	}
}

static void on_wish(void *ctx, uint32_t events)
{
	struct observer *observer = ctx;
	uint64_t count;

	(void)events;
	if (read(observer->wish_fd, &count, sizeof(count)) < 0)
		return;
	if (atomic_exchange(&observer->counts_wanted, false)) {
		if (observer->counting)
			counting_show(observer->counting, 0);
		else
			log_error("exits are not counted; start minivmm with --stats");
	}
	if (atomic_exchange(&observer->recorder_wanted, false))
		show_recorder(observer, NULL, NULL, OBSERVE_LIVE_MS);
	while (observer->shown < VM_DEVICES_MAX && atomic_load(&observer->failed[observer->shown]))
		show_recorder(observer, atomic_load(&observer->failed[observer->shown++]), NULL, OBSERVE_LIVE_MS);
}

/* --- from start to end -------------------------------------------------------------------------------------------- */

static void observer_free(struct observer *observer)
{
	loop_destroy(observer->loop);
	if (observer->wish_fd >= 0)
		close(observer->wish_fd);
	counting_free(observer->counting);
	free(observer);
}

static int start_loop(struct observer *observer)
{
	int err = loop_create(&observer->loop);

	if (err)
		return err;
	observer->wish_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (observer->wish_fd < 0)
		return -errno;
	return loop_add_fd(observer->loop, observer->wish_fd, EPOLLIN, on_wish, observer, &observer->wish);
}

static int start_traces(struct vm *vm)
{
	const struct vm_config *config = vm->config;
	struct trace *trace = &vm->trace;
	const char *spared[3 + TRACE_FILES_MAX + 1];
	unsigned n = 0;
	int err = 0;

	if (config->kernel)
		spared[n++] = config->kernel;
	if (config->initrd)
		spared[n++] = config->initrd;
	if (config->stats_file)
		spared[n++] = config->stats_file;
	for (unsigned i = 0; i < config->n_traces && !err; i++) {
		spared[n] = NULL;
		err = trace_file_open(&trace->files[i], config->traces[i], spared, vm->sandbox);
		if (!err)
			spared[n++] = trace_file_path(trace->files[trace->n_files++]);
	}
	return err;
}

static int start(struct observer *observer)
{
	struct vm *vm = observer->vm;
	struct trace *trace = &vm->trace;
	const char *stats_file = vm->config->stats_file;
	int err = start_loop(observer);

	/* a reader that went away, a file that may not grow: errors of write(2), not our death */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (!err)
		err = counting_start(&observer->counting, vm, observer->loop);
	if (err) {
		log_error("cannot watch the run: %s", strerror(-err));
		return err;
	}
	err = stats_file ? file_can_replace(stats_file) : 0; /* now, not after an hour, is the time to find out */
	if (err) {
		log_error("--stats=%s: %s", stats_file, strerror(-err));
		return err;
	}
	if (stats_file) {
		err = file_allow_replace(stats_file, vm->sandbox);
		if (err) {
			log_error("--stats=%s: --sandbox cannot allow it: %s", stats_file, strerror(-err));
			return err;
		}
	}
	err = start_traces(vm);
	if (err)
		return err;
	trace->data_max = vm->config->trace_data;
	trace->on = trace->recorder || trace->n_files;
	TRACE(trace, start, NULL, trace->start_ns);
	return 0;
}

int observe_start(struct observer **out, struct vm *vm)
{
	struct observer *observer = resident_alloc(1, sizeof(*observer));
	int err;

	if (!observer) {
		log_error("cannot watch the run: no memory");
		return -ENOMEM;
	}
	observer->vm = vm;
	observer->wish_fd = -1;
	err = start(observer);
	if (!err) {
		*out = observer;
		return 0;
	}
	observe_cancel(observer);
	return err;
}

void observe_run(struct observer *observer)
{
	int err = observer ? loop_run(observer->loop) : 0;

	if (err) {
		log_error("event loop: %s", strerror(-err));
		vm_stop(observer->vm, VM_END_ERROR);
	}
}

void observe_stop(struct observer *observer)
{
	if (observer)
		loop_stop(observer->loop);
}

void observe_cancel(struct observer *observer)
{
	if (!observer)
		return;
	struct trace *trace = &observer->vm->trace;

	while (trace->n_files)
		trace_file_discard(trace->files[--trace->n_files]);
	trace->on = trace->recorder;
	observer_free(observer);
}

/* What the recorder is shown for, or NULL. */
static const char *accident(int status)
{
	switch (status) {
	case VM_END_PANIC: return "the guest's kernel panicked";
	case VM_END_CRASH: return "a vCPU could not go on";
	case VM_END_TIMEOUT: return "--timeout was over";
	case 128 + SIGQUIT: return "SIGQUIT came";
	default: return NULL;
	}
}

void observe_end(struct observer *observer, int status)
{
	if (!observer)
		return;
	struct vm *vm = observer->vm;
	uint64_t exits = 0;

	for (unsigned i = 0; i < vm->config->cpus; i++)
		exits += vm->vcpus[i].exits;
	TRACE(&vm->trace, end, NULL, status);
	on_wish(observer, 0); /* what there was no time for */
	if (accident(status))
		show_recorder(observer, NULL, accident(status), OBSERVE_END_MS);
	for (unsigned i = 0; i < vm->trace.n_files; i++)
		trace_file_close(vm->trace.files[i]);
	vm->trace.n_files = 0;
	vm->trace.on = vm->trace.recorder;
	if (observer->counting)
		counting_show(observer->counting, exits);
	observer_free(observer);
}
