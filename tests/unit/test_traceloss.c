// SPDX-License-Identifier: GPL-2.0-only
/* A file of --trace that cannot take what it should: nobody waits for it, and what is missing is counted. */
#include "tests/unit/json.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/support.h"

#define NAME     "file"
#define ROOM     (100u << 10) /* bytes of a disk that is soon full */
#define CROWD    200000u      /* events: more than the ring has room for */
#define PATIENCE 20000000000u /* ns; for a machine that does other things as well */
#define LOST     "events are lost from here on"
#define MISSING  "events are missing in it"

static void emit(struct rig *rig, unsigned n)
{
	static uint64_t number;

	for (unsigned i = 0; i < n; i++, number++)
		TRACE(&rig->vm->trace, used, "dev", 1, number, number, number);
}

/* The number in the one message that says how many events are missing; 0 where there is none. */
static uint64_t said_missing(const char *said)
{
	const char *at = strstr(said, MISSING);

	if (!at)
		return 0;
	assert_int_equal(count_of(said, MISSING), 1);
	for (at--; at > said && at[-1] >= '0' && at[-1] <= '9';)
		at--;
	return strtoull(at, NULL, 10);
}

/* Standard error's text once it is there, to be freed. */
static char *wait_for_message(struct rig *rig)
{
	struct stat st;

	/* rig_errors() would lose what comes between its look and its cut */
	for (uint64_t start = now_ns(); fstat(rig->err_fd, &st) == 0 && st.st_size == 0; usleep(1000))
		assert_true(now_ns() - start < PATIENCE);
	return rig_errors(rig);
}

/* --- a disk that is full ------------------------------------------------------------------------------------------ */

static int unlimit_files(void **state)
{
	limit_files(RLIM_INFINITY);
	return rig_teardown(state);
}

/* Full to the end: it is said once, what is there is whole lines, and how many are not is said at the end. */
static void full_until_the_end(void **state)
{
	struct rig *rig = *state;
	struct stat st;

	trace_begin(rig, NAME, 16);
	limit_files(ROOM);
	free(rig_errors(rig));
	emit(rig, 30000);
	char *first = wait_for_message(rig);

	assert_one_message(first, LOST);
	assert_non_null(strstr(first, scratch_path(NAME)));
	for (unsigned i = 0; i < 20; i++, usleep(5000))
		emit(rig, 100);
	json_t *events = trace_ended(rig, NAME);
	char *last = rig_errors(rig);

	assert_one_message(last, MISSING);
	assert_int_equal(json_count(events, "used") + said_missing(last), 32000);
	assert_true(json_sum(events, "dropped", "count") <=
		    said_missing(last)); /* a shorter write may have found room */
	assert_int_equal(stat(scratch_path(NAME), &st), 0);
	assert_true(st.st_size > 0 && st.st_size <= ROOM);
	free(first);
	free(last);
	json_decref(events);
}

/* The file goes on, with the exact number of events that are not in it where they would be. */
static void room_again(void **state)
{
	struct rig *rig = *state;
	uint64_t next = UINT64_MAX, dropped = 0;
	json_t *event;
	size_t i;

	trace_begin(rig, NAME, 16);
	limit_files(ROOM);
	free(rig_errors(rig));
	emit(rig, 30000);
	free(wait_for_message(rig));
	for (unsigned k = 0; k < 10; k++, usleep(5000))
		emit(rig, 100);
	limit_files(RLIM_INFINITY);
	usleep(50000); /* or the last of these could be among those that are lost */
	emit(rig, 500);
	json_t *events = trace_ended(rig, NAME);
	char *said = rig_errors(rig);

	json_array_foreach(events, i, event)
	{
		if (strcmp(json_str(event, "ev"), "dropped") == 0) {
			dropped += json_int(event, "count");
			next += json_int(event, "count");
			continue;
		}
		if (next != UINT64_MAX && json_int(event, "len") != next)
			test_fail("event %zu is number %u, but %u by the counts of what was dropped", i,
				  (unsigned)json_int(event, "len"), (unsigned)next);
		next = json_int(event, "len") + 1;
	}
	assert_int_not_equal(dropped, 0);
	assert_int_equal(json_array_size(events) - json_count(events, "dropped") + dropped, 31500);
	assert_int_equal(said_missing(said), dropped);
	assert_int_equal(count_of(said, LOST), 0); /* it was said once */
	free(said);
	json_decref(events);
}

static void dev_full(void **state)
{
	struct rig *rig = *state;
	struct trace *trace = &rig->vm->trace;

	assert_int_equal(trace_file_open(&trace->files[0], "/dev/full", NULL, NULL), 0);
	trace->n_files = 1;
	trace->on = true;
	emit(rig, 1000);
	char *first = wait_for_message(rig);

	assert_one_message(first, "/dev/full");
	assert_non_null(strstr(first, strerror(ENOSPC)));
	emit(rig, 1000);
	trace_end(rig);
	char *last = rig_errors(rig);

	assert_one_message(last, MISSING);
	assert_int_equal(said_missing(last), 2000);
	free(first);
	free(last);
}

/* Whatever is lost, the rest is a timeline: an array that may end anywhere. */
static void timeline_on_a_full_disk(void **state)
{
	struct rig *rig = *state;
	size_t len;

	trace_begin(rig, "t.pftrace.json", 16);
	limit_files(0); /* nothing at all, not its beginning either; nor any message */
	TRACE(&rig->vm->trace, kick, "dev", 0, "exit");
	usleep(60000);
	limit_files(RLIM_INFINITY);
	usleep(60000);
	for (unsigned i = 0; i < 100; i++, usleep(500))
		TRACE(&rig->vm->trace, config, "dev", i);
	trace_end(rig);
	char *text = scratch_read(scratch_path("t.pftrace.json"), &len);

	assert_true(len > 1000);
	assert_int_equal(text[0], '[');
	free(text);
}

/* --- a FIFO ------------------------------------------------------------------------------------------------------- */

/* Reads until all writers are gone, from `start` on; its thread. */
struct reader {
	int fd;
	FILE *out;
	char *text;
	size_t size;
	pthread_t thread;
};

static void read_some(struct reader *reader, size_t want)
{
	char bytes[4096];

	for (size_t done = 0; done < want;) {
		struct pollfd fd = { .fd = reader->fd, .events = POLLIN };

		poll(&fd, 1, -1);
		ssize_t got = read(reader->fd, bytes, want - done < sizeof(bytes) ? want - done : sizeof(bytes));

		if (got <= 0)
			return;
		fwrite(bytes, 1, (size_t)got, reader->out);
		done += (size_t)got;
	}
}

static void *read_all(void *arg)
{
	read_some(arg, SIZE_MAX);
	return NULL;
}

/* A trace to a FIFO, whose reader waits. */
static void fifo_begin(struct rig *rig, struct reader *reader)
{
	unlink(scratch_path(NAME));
	assert_int_equal(mkfifo(scratch_path(NAME), 0600), 0);
	*reader = (struct reader){ .fd = open(scratch_path(NAME), O_RDONLY | O_NONBLOCK | O_CLOEXEC) };
	assert_true(reader->fd >= 0);
	reader->out = open_memstream(&reader->text, &reader->size);
	trace_begin(rig, NAME, 16);
	free(rig_errors(rig));
}

/* Ends the trace while the rest is read; what was read as a transcript. */
static json_t *fifo_end(struct rig *rig, struct reader *reader)
{
	assert_int_equal(pthread_create(&reader->thread, NULL, read_all, reader), 0);
	trace_end(rig);
	pthread_join(reader->thread, NULL);
	close(reader->fd);
	fclose(reader->out);
	FILE *file = fopen(scratch_path("read"), "w");

	fwrite(reader->text, 1, reader->size, file);
	fclose(file);
	free(reader->text);
	return json_transcript(scratch_path("read"));
}

/* More than the ring has room for while nobody reads: no emitter waits, and the
 * file has the gap where it is. */
static void crowded_out_and_room_again(void **state)
{
	struct rig *rig = *state;
	struct reader reader;

	fifo_begin(rig, &reader);
	emit(rig, CROWD); /* would never come back */
	read_some(&reader, 2u << 20);
	emit(rig, 1000);
	json_t *events = fifo_end(rig, &reader);
	uint64_t dropped = json_sum(events, "dropped", "count"), next = UINT64_MAX;
	char *said = rig_errors(rig);
	json_t *event;
	size_t i;

	assert_in_range(dropped, 1, CROWD);
	assert_int_equal(json_count(events, "used") + dropped, CROWD + 1000);
	assert_one_message(said, MISSING);
	assert_int_equal(said_missing(said), dropped);
	json_array_foreach(events, i, event)
	{
		bool is_gap = strcmp(json_str(event, "ev"), "dropped") == 0;

		assert_true(is_gap || next == UINT64_MAX || json_int(event, "len") == next);
		next = is_gap ? next + json_int(event, "count") : json_int(event, "len") + 1;
	}
	free(said);
	json_decref(events);
}

/* The last of them are missing: the file says so itself. */
static void crowded_out_at_the_end(void **state)
{
	struct rig *rig = *state;
	struct reader reader;

	fifo_begin(rig, &reader);
	emit(rig, CROWD);
	json_t *events = fifo_end(rig, &reader);
	char *said = rig_errors(rig);

	assert_one_message(said, MISSING);
	assert_int_equal(json_count(events, "used") + said_missing(said), CROWD);
	assert_int_equal(json_sum(events, "dropped", "count"), said_missing(said));
	free(said);
	json_decref(events);
}

/* Events that were crowded out and then lost as well are missing once. */
static void reader_goes_away(void **state)
{
	struct rig *rig = *state;
	struct reader reader;
	char *first, *last;

	fifo_begin(rig, &reader);
	emit(rig, CROWD);
	read_some(&reader, 2u << 20);
	emit(rig, 1000); /* behind the count of what was crowded out */
	close(reader.fd);
	first = wait_for_message(rig);
	assert_one_message(first, LOST);
	assert_non_null(strstr(first, strerror(EPIPE)));
	emit(rig, 1000);
	trace_end(rig);
	last = rig_errors(rig);
	assert_one_message(last, MISSING);
	fclose(reader.out);
	uint64_t missing = said_missing(last), lines = count_of(reader.text, "\n");

	/* what was in the pipe, and in the write that failed, may be counted either way */
	if (missing > CROWD + 2000 - lines + 4000 || missing + lines < CROWD + 2000 - 4000)
		test_fail("%u events, %u were read, but %u are said to be missing", CROWD + 2000, (unsigned)lines,
			  (unsigned)missing);
	free(first);
	free(last);
	free(reader.text);
}

/* Takes a stuck reader away when the time is over, so that a test that fails ends. */
struct watchdog {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t done_cond;
	int fd;
	bool done, was_needed;
};

static void *watch(void *arg)
{
	struct watchdog *dog = arg;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&dog->lock);
	while (!dog->done && pthread_cond_timedwait(&dog->done_cond, &dog->lock, &until) == 0)
		;
	dog->was_needed = !dog->done;
	pthread_mutex_unlock(&dog->lock);
	close(dog->fd);
	return NULL;
}

static void stuck_reader_at_the_end(void **state)
{
	struct rig *rig = *state;
	struct reader reader;
	struct watchdog dog = { .lock = PTHREAD_MUTEX_INITIALIZER, .done_cond = PTHREAD_COND_INITIALIZER };

	fifo_begin(rig, &reader);
	emit(rig, CROWD);
	dog.fd = reader.fd;
	assert_int_equal(pthread_create(&dog.thread, NULL, watch, &dog), 0);
	trace_end(rig);
	pthread_mutex_lock(&dog.lock);
	dog.done = true;
	pthread_cond_signal(&dog.done_cond);
	pthread_mutex_unlock(&dog.lock);
	pthread_join(dog.thread, NULL);
	char *said = rig_errors(rig);

	assert_false(dog.was_needed);
	assert_int_equal(count_of(said, LOST), 1);
	assert_in_range(said_missing(said), CROWD - 2000, CROWD); /* a pipe holds 64 KiB, and the write was cut */
	fclose(reader.out);
	free(reader.text);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(full_until_the_end, rig_setup, unlimit_files),
		cmocka_unit_test_setup_teardown(room_again, rig_setup, unlimit_files),
		RIG_TEST(dev_full),
		cmocka_unit_test_setup_teardown(timeline_on_a_full_disk, rig_setup, unlimit_files),
		RIG_TEST(crowded_out_and_room_again),
		RIG_TEST(crowded_out_at_the_end),
		RIG_TEST(reader_goes_away),
		RIG_TEST(stuck_reader_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
