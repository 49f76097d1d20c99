// SPDX-License-Identifier: GPL-2.0-only
/* A file of --trace: which there can be, what becomes of it, and that no event is lost without being counted. */
#include "tests/unit/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "vmm/observe.h"
#include "vmm/trace/spec.h"

#define NAME    "file"
#define THREADS 4
#define EACH    10000 /* 4 times that fits into the ring */

/* --- which files there can be ------------------------------------------------------------------------------------- */

/* One message with --trace and `part`, no file, -errno. */
static void refused(const char *spec, int err, const char *part)
{
	struct trace_file *file = NULL;
	struct stat st;

	catch_stderr();
	int got = trace_file_open(&file, spec, NULL, NULL);
	const char *said = caught_stderr();

	assert_one_message(said, part);
	assert_non_null(strstr(said, "--trace"));
	assert_int_equal(got, err);
	assert_null(file);
	assert_true(lstat(spec, &st) < 0 || !S_ISREG(st.st_mode));
}

static void files_that_cannot_be(void **state)
{
	char spec[300];

	(void)state;
	refused("", -EINVAL, "name");
	refused("-", -EINVAL, "name");
	refused(",format=timeline", -EINVAL, "name");
	refused("-,format=timeline", -EINVAL, "name");
	refused(scratch_path("no/such"), -ENOENT, scratch_path("no/such"));
	assert_int_equal(mkdir(scratch_path("dir"), 0755), 0);
	refused(scratch_path("dir"), -EISDIR, scratch_path("dir"));
	refused(scratch_path("dir/"), -EISDIR, scratch_path("dir/"));
	assert_int_equal(mkfifo(scratch_path("fifo"), 0600), 0);
	refused(scratch_path("fifo"), -ENXIO, "reader");
	snprintf(spec, sizeof(spec), "%s,format=xml", scratch_path("x"));
	refused(spec, -EINVAL, "'xml'");
	snprintf(spec, sizeof(spec), "%s,format=", scratch_path("x"));
	refused(spec, -EINVAL, "''");
	assert_int_equal(access(scratch_path("x"), F_OK), -1);
	assert_int_equal(close(open(scratch_path("read-only"), O_CREAT | O_WRONLY, 0400)), 0);
	if (geteuid() != 0)
		refused(scratch_path("read-only"), -EACCES, scratch_path("read-only"));
}

static void specs_that_are_checked_alone(void **state)
{
	(void)state;
	size_t len;

	assert_ptr_equal(trace_spec("a", &len), &trace_transcript);
	assert_int_equal(len, 1);
	assert_ptr_equal(trace_spec("/no/such/file.pftrace.json,format=transcript", &len), &trace_transcript);
	assert_int_equal(len, 26);
	assert_ptr_equal(trace_spec("a,format=timeline", &len), &trace_timeline);
	assert_int_equal(len, 1);
	assert_ptr_equal(trace_spec("a,b=c.pftrace.json", &len), &trace_timeline);
	assert_int_equal(len, 18);
	catch_stderr();
	assert_null(trace_spec("a,format=json", &len));
	assert_one_message(caught_stderr(), "transcript and timeline");
	catch_stderr();
	assert_null(trace_spec("a,fromat=timeline", &len));
	assert_one_message(caught_stderr(), "only format=NAME");
}

/* All files that were made go where the run does not come about, and none that is no plain file. */
static void a_run_that_does_not_come_about(void **state)
{
	struct rig *rig = *state;
	struct observer *observer = NULL;
	char first[300], second[300];

	snprintf(first, sizeof(first), "%s", scratch_path("first"));
	snprintf(second, sizeof(second), "%s", scratch_path("no/second"));
	rig->config.traces[0] = first;
	rig->config.traces[1] = "/dev/null";
	rig->config.traces[2] = second;
	rig->config.n_traces = 3;
	free(rig_errors(rig));
	assert_int_equal(observe_start(&observer, rig->vm), -ENOENT);
	char *said = rig_errors(rig);

	assert_true(is_one_message(said) && strstr(said, second));
	free(said);
	assert_int_equal(access(first, F_OK), -1);
	assert_int_equal(access("/dev/null", F_OK), 0);
	assert_int_equal(rig->vm->trace.n_files, 0);
}

static void a_run_from_start_to_end(void **state)
{
	struct rig *rig = *state;
	struct observer *observer = NULL;
	char transcript[300], timeline[300];

	snprintf(transcript, sizeof(transcript), "%s", scratch_path("run"));
	snprintf(timeline, sizeof(timeline), "%s,format=timeline", scratch_path("run.txt"));
	rig->config.traces[0] = transcript;
	rig->config.traces[1] = timeline;
	rig->config.n_traces = 2;
	rig->config.cpus = 0; /* there are none without KVM */
	rig->config.trace_data = 2;
	rig->vm->vcpus = calloc(1, 4096);
	assert_int_equal(observe_start(&observer, rig->vm), 0);
	assert_true(driver_up(&rig->a, F_VERSION_1));
	assert_true(echo_serves(&rig->a));
	observe_end(observer, 3);
	free(rig->vm->vcpus);
	rig->vm->vcpus = NULL;
	json_t *events = json_transcript(transcript), *first = json_array_get(events, 0), *event;
	size_t i;

	assert_string_equal(json_str(first, "ev"), "start");
	assert_int_equal(json_int(first, "mono"), rig->vm->trace.start_ns);
	event = json_array_get(events, json_array_size(events) - 1);
	assert_string_equal(json_str(event, "ev"), "end");
	assert_int_equal(json_int(event, "status"), 3);
	json_array_foreach(events, i, event) if (strcmp(json_str(event, "ev"), "pop") == 0)
		assert_int_equal(strlen(json_str(event, "data")), 4);
	assert_int_equal(json_count(events, "interrupt"), 1);
	json_decref(events);
	json_t *array = json_load_file(scratch_path("run.txt"), 0, NULL);

	assert_true(json_is_array(array) && json_array_size(array) > 3);
	json_decref(array);
	rig->config.cpus = 1;
}

/* What was there before is not in the file, and all files get the same. */
static void files_are_made_anew_and_are_equal(void **state)
{
	struct rig *rig = *state;
	int fd = open(scratch_path("one"), O_CREAT | O_WRONLY, 0600);
	size_t len[2];

	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(write(fd, "of old\n", 7), 7);
	close(fd);
	trace_begin(rig, "one", 16);
	trace_begin(rig, "two", 16);
	assert_true(driver_up(&rig->a, F_VERSION_1));
	for (unsigned i = 0; i < 10; i++)
		assert_true(echo_serves(&rig->a));
	trace_end(rig);
	char *one = scratch_read(scratch_path("one"), &len[0]), *two = scratch_read(scratch_path("two"), &len[1]);

	assert_int_equal(len[0], len[1]);
	assert_memory_equal(one, two, len[0]);
	free(one);
	free(two);
	json_t *events = json_transcript(scratch_path("one"));

	assert_int_equal(json_count(events, "used"), 10);
	json_decref(events);
}

static void nobody_hears_of_what_comes_before_or_after(void **state)
{
	struct rig *rig = *state;

	assert_true(driver_up(&rig->a, F_VERSION_1));
	trace_begin(rig, NAME, 16);
	json_t *events = trace_ended(rig, NAME);

	assert_int_equal(json_array_size(events), 0);
	json_decref(events);
	assert_true(echo_serves(&rig->a));
	events = json_transcript(scratch_path(NAME));
	assert_int_equal(json_array_size(events), 0);
	json_decref(events);
}

/* --- many threads ------------------------------------------------------------------------------------------------- */

struct emitter {
	struct trace *trace;
	pthread_t thread;
	uint64_t number;
};

/* Each event can be told from every other, and half of it from the other half. */
static void *emit_many(void *arg)
{
	struct emitter *e = arg;

	trace_cpu = (int)e->number;
	for (uint64_t i = 0; i < EACH; i++) {
		struct trace_desc descs[TRACE_RECORD_DESCS] = { { i, 1, 0, 0 }, { i, 2, 0, 0 } };
		struct iovec iov = { &i, sizeof(i) };
		const struct trace_extra extra = {
			.descs = descs, .n_descs = (unsigned)(i % 3), .iov = &iov, .n_iov = 1, .n_bytes = sizeof(i)
		};

		TRACE_WITH(e->trace, pop, "many", &extra, e->number, i, i % 3, i, e->number);
	}
	return NULL;
}

static void threads_lose_and_tear_nothing(void **state)
{
	struct rig *rig = *state;
	struct emitter emitters[THREADS];
	uint64_t next[THREADS] = { 0 };
	json_t *event, *desc;
	size_t i, k;

	trace_begin(rig, NAME, 8);
	for (unsigned n = 0; n < THREADS; n++) {
		emitters[n] = (struct emitter){ .trace = &rig->vm->trace, .number = n };
		assert_int_equal(pthread_create(&emitters[n].thread, NULL, emit_many, &emitters[n]), 0);
	}
	for (unsigned n = 0; n < THREADS; n++)
		pthread_join(emitters[n].thread, NULL);
	json_t *events = trace_ended(rig, NAME);

	assert_int_equal(json_array_size(events), THREADS * EACH);
	json_array_foreach(events, i, event)
	{
		uint64_t cpu = json_int(event, "cpu"), number = json_int(event, "head");
		json_t *descs = json_object_get(event, "descs");
		char addr[24], data[24];

		assert_true(cpu < THREADS && number == next[cpu]++);
		assert_true(json_int(event, "queue") == cpu && json_int(event, "out") == cpu);
		assert_int_equal(json_int(event, "in"), number);
		assert_int_equal(json_array_size(descs), number % 3);
		snprintf(addr, sizeof(addr), "0x%x", (unsigned)number);
		json_array_foreach(descs, k, desc)
			assert_true(json_int(desc, "len") == k + 1 && strcmp(json_str(desc, "addr"), addr) == 0);
		snprintf(data, sizeof(data), "%016llx", (unsigned long long)__builtin_bswap64(number));
		assert_string_equal(json_str(event, "data"), data);
	}
	json_decref(events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_that_cannot_be),      cmocka_unit_test(specs_that_are_checked_alone),
		RIG_TEST(a_run_that_does_not_come_about),    RIG_TEST(a_run_from_start_to_end),
		RIG_TEST(files_are_made_anew_and_are_equal), RIG_TEST(nobody_hears_of_what_comes_before_or_after),
		RIG_TEST(threads_lose_and_tear_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
