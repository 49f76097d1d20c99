// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing that a guest does has this process take memory, map any, or open a file: neither on a vCPU's thread nor on
 * the loop's. Of every device, with what is said about it, with the flight recorder that a first failure shows, and
 * with connections that the guest makes.
 */
#include "tests/bounds/alloc.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/bounds/storm.h"
#include "tests/unit/echo.h"
#include "tests/unit/json.h"
#include "vmm/observe.h"
#include "vmm/vcpu.h"

#define STEPS 6000u

/* Descriptors that are open, without a look that opens one or takes memory. */
static unsigned open_files(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static pthread_t observing;

static void *observe_thread(void *observer)
{
	observe_run(observer);
	return NULL;
}

/* All that vm_run() starts but vCPUs and terminal: it is the rig's files that lines go to. */
static void observe(struct rig *rig)
{
	rig->vm->vcpus = calloc(rig->config.cpus, sizeof(*rig->vm->vcpus));
	assert_non_null(rig->vm->vcpus);
	assert_int_equal(observe_start(&rig->vm->observer, rig->vm), 0);
	assert_int_equal(pthread_create(&observing, NULL, observe_thread, rig->vm->observer), 0);
}

static void observe_no_more(struct rig *rig)
{
	observe_stop(rig->vm->observer);
	pthread_join(observing, NULL);
	observe_end(rig->vm->observer, 0);
	rig->vm->observer = NULL;
}

/* Whoever shows it has his turn when he can. */
static bool recorder_was_shown(const struct rig *rig)
{
	static char said[65536];
	ssize_t n = pread(rig->err_fd, said, sizeof(said) - 1, 0);

	said[n > 0 ? n : 0] = '\0';
	return strstr(said, "flight recorder: the last");
}

struct test {
	const char *class;
	struct rig *rig;
};

static void a_device(void **state)
{
	const struct test *test = *state;
	struct rig *rig = test->rig;
	struct storm storm;

	storm_add(&storm, rig, test->class, 1);
	observe(rig);
	unsigned files = open_files() + storm.accepts;

	rig_loop_start(rig);
	wait_until(open_files() == files);

	alloc_watch();
	for (unsigned i = 0; i < STEPS; i++)
		storm_step(&storm);
	storm_end(&storm);
	wait_until(recorder_was_shown(rig));
	unsigned allocations = alloc_count(), more = open_files() - files;

	if (allocations) {
		alloc_tell(rig->saved_err);
		test_fail("memory was taken or given back %u times, first as above", allocations);
	}
	if (more)
		test_fail("%d more files are open", (int)more);
	assert_true(storm.ups > 50 && storm.failures > 5); /* it was a storm */
	assert_true(echo_serves(&rig->b));
	rig_loop_stop(rig);
	observe_no_more(rig);
}

static int setup(void **state)
{
	static struct test test;
	void *rig;

	test.class = *state;
	if (rig_setup(&rig))
		return -1;
	test.rig = rig;
	*state = &test;
	return 0;
}

static int teardown(void **state)
{
	void *rig = ((struct test *)*state)->rig;

	return rig_teardown(&rig);
}

int main(void)
{
	struct CMUnitTest tests[16];
	unsigned n = 0;

	for (; storm_classes[n]; n++)
		tests[n] = (struct CMUnitTest){ storm_classes[n], a_device, setup, teardown, (void *)storm_classes[n] };
	return _cmocka_run_group_tests("alloc", tests, n, NULL, NULL);
}
