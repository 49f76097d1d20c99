// SPDX-License-Identifier: GPL-2.0-only
/* The flight recorder: the last events, whole, in order, and of one device where that is asked. */
#include "tests/unit/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "vmm/trace/recorder.h"

#define WRITERS  3
#define LINES    30000        /* to be checked while they write */
#define BURST    50           /* events, then a pause in which a reader gets hold of some */
#define PATIENCE 20000000000u /* ns */

struct shown {
	struct text text;
	char *bytes; /* with a NUL */
	unsigned n;
};

static struct shown show(const struct rig *rig, const char *dev)
{
	static struct trace_record records[TRACE_RECORDS];
	const struct recorder_clock clock = recorder_clock(&rig->vm->trace);
	struct shown shown = { .n = recorder_take(&rig->vm->trace, dev, records) };

	for (unsigned i = 0; i < shown.n; i++)
		recorder_line(&clock, &records[i], &shown.text);
	assert_false(shown.text.failed);
	shown.bytes = strndup(shown.text.bytes ? shown.text.bytes : "", shown.text.len);
	assert_int_equal(count_of(shown.bytes, "\n"), shown.n);
	return shown;
}

static void shown_free(struct shown *shown)
{
	text_free(&shown->text);
	free(shown->bytes);
}

/* The lines without their time, "CPU DEVICE EVENT field=value..." with single spaces, to be freed. Times do not go
 * back, and none is in the future. */
static char *words_of(const struct shown *shown)
{
	char *words = NULL, *copy = strdup(shown->bytes), *rest = copy, *line;
	double last = -1e9;
	size_t size;
	FILE *out = open_memstream(&words, &size);

	while ((line = strsep(&rest, "\n")) && *line) {
		char *word, *end;
		bool is_first = true;
		double age = strtod(line, &end);

		assert_true(*end == ' ' && age <= 0 && age >= last);
		last = age;
		while ((word = strsep(&end, " "))) {
			if (!*word)
				continue;
			fprintf(out, "%s%s", is_first ? "" : " ", word);
			is_first = false;
		}
		fputc('\n', out);
	}
	fclose(out);
	free(copy);
	return words;
}

static void expect(const struct rig *rig, const char *dev, const struct want *want)
{
	struct shown shown = show(rig, dev);
	char *words = words_of(&shown);

	want_all(want, words);
	free(words);
	shown_free(&shown);
}

/* --- what is in it ------------------------------------------------------------------------------------------------ */

/* As if nothing had happened before. */
static void forget(struct rig *rig)
{
	struct trace *trace = &rig->vm->trace;

	memset(trace->records, 0, sizeof(trace->records));
	trace->next = 0;
}

static void a_round_of_a_driver(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];
	struct want w = { 0 };

	assert_true(driver_up(d, F_VERSION_1));
	uint64_t in = gpa_alloc(rig, 8, 1), out = gpa_alloc(rig, 8, 1);

	forget(rig);
	ring_desc(ring, 0, in, 8, D_NEXT, 1);
	ring_desc(ring, 1, out, 6, D_WRITE, 0);
	ring_add(ring, 0);
	trace_cpu = 3;
	kick(d, 0);
	trace_cpu = -1;
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	want(&w, "cpu3 echo0 mmio_write reg=QueueNotify len=4 val=0x0");
	want(&w, "cpu3 echo0 kick queue=0 via=exit");
	want(&w, "cpu3 echo0 pop queue=0 head=0 n=2 in=8 out=6 0x%llx+8:NEXT 0x%llx+6:WRITE", (unsigned long long)in,
	     (unsigned long long)out);
	want(&w, "cpu3 echo0 used queue=0 head=0 len=6 idx=1");
	want(&w, "cpu3 echo0 interrupt cause=USED isr=USED gsi=%u", d->dev->irq->gsi);
	want(&w, "loop echo0 mmio_write reg=InterruptACK len=4 val=USED");
	want(&w, "loop echo0 ack bits=USED left=0");
	expect(rig, NULL, &w);
}

/* Some descriptors at most; that there are more is to be seen. */
static void descriptors_of_long_chains(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];

	d->num = 16;
	assert_true(driver_up(d, F_VERSION_1));
	uint64_t at = gpa_alloc(rig, 64, 1);

	for (uint16_t n = 1; n <= TRACE_RECORD_DESCS + 2; n++) {
		struct want w = { 0 };
		char line[64 * TRACE_RECORD_DESCS];
		int len = 0;

		for (uint16_t i = 0; i < n; i++)
			ring_desc(ring, i, at + i, 1u + i, (uint16_t)(i + 1 < n), (uint16_t)(i + 1));
		ring_add(ring, 0);
		kick(d, 0);
		forget(rig);
		ring_add(ring, 0);
		kick(d, 0);
		for (unsigned i = 0; i < n && i < TRACE_RECORD_DESCS; i++)
			len += snprintf(line + len, sizeof(line) - (size_t)len, " 0x%llx+%u%s",
					(unsigned long long)at + i, 1 + i, i + 1u < n ? ":NEXT" : "");
		snprintf(line + len, sizeof(line) - (size_t)len, "%s", n > TRACE_RECORD_DESCS ? " ..." : "");
		want(&w, "loop echo0 pop queue=0 head=0 n=%u in=%u out=0%s", n, n * (n + 1u) / 2, line);
		struct shown shown = show(rig, NULL);
		char *words = words_of(&shown), *pop = strstr(words, "loop echo0 pop"),
		     *end = pop ? strchr(pop, '\n') : 0;

		assert_non_null(end);
		end[1] = '\0';
		want_all(&w, pop);
		free(words);
		shown_free(&shown);
	}
}

static void the_last_1024(void **state)
{
	static const unsigned totals[] = { 0, 1, 5, 1023, 1024, 1025, 1500, 2047, 2048, 3000 };
	struct rig *rig = *state;
	struct trace *trace = &rig->vm->trace;

	for (unsigned run = 0; run < sizeof(totals) / sizeof(totals[0]); run++) {
		unsigned total = totals[run], n = total < TRACE_RECORDS ? total : TRACE_RECORDS;

		forget(rig);
		for (unsigned i = 0; i < total; i++)
			TRACE(trace, tick, "dev", i);
		struct shown shown = show(rig, NULL);
		char *words = words_of(&shown), *line = words;

		assert_int_equal(shown.n, n);
		for (unsigned i = total - n; i < total; i++) {
			char want_line[64];

			snprintf(want_line, sizeof(want_line), "loop dev tick expirations=%u\n", i);
			if (strncmp(line, want_line, strlen(want_line)))
				test_fail("of %u, no %s: '%.40s'", total, want_line, line);
			line += strlen(want_line);
		}
		free(words);
		shown_free(&shown);
	}
}

/* Also where the count of all events begins again. */
static void numbers_wrap(void **state)
{
	struct rig *rig = *state;
	struct want w = { 0 };

	forget(rig);
	rig->vm->trace.next = UINT32_MAX - 2;
	for (unsigned i = 0; i < 6; i++)
		TRACE(&rig->vm->trace, tick, "dev", i);
	struct shown shown = show(rig, NULL);
	char *words = words_of(&shown);

	assert_in_range(shown.n, 5, 6); /* the one whose number means "never written" may be missing */
	for (unsigned i = 0; i < 6; i++)
		if (shown.n == 6 || i != 2)
			want(&w, "loop dev tick expirations=%u", i);
	want_all(&w, words);
	free(words);
	shown_free(&shown);
}

static void of_one_device(void **state)
{
	struct rig *rig = *state;
	struct want w = { 0 };
	const char *a = rig->a.dev->name, *b = rig->b.dev->name;

	forget(rig);
	for (unsigned i = 0; i < 3; i++) {
		TRACE(&rig->vm->trace, tick, a, i);
		TRACE(&rig->vm->trace, tick, b, 100 + i);
		TRACE(&rig->vm->trace, exit, NULL, "nobody's");
		want(&w, "loop echo1 tick expirations=%u", 100 + i);
	}
	expect(rig, b, &w);
	w.len = 0;
	want(&w, "loop - exit reason=nobody's");
	struct shown shown = show(rig, NULL);

	assert_int_equal(shown.n, 9);
	assert_int_equal(count_of(shown.bytes, "exit"), 3);
	shown_free(&shown);
}

static void texts_are_cut(void **state)
{
	struct rig *rig = *state;
	struct want w = { 0 };
	char text[200];

	forget(rig);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	TRACE_WITH(&rig->vm->trace, fail, "dev", (&(struct trace_extra){ .text = text }), text);
	text[sizeof(((struct trace_record *)NULL)->text) - 1] = '\0';
	want(&w, "loop dev fail rule=%s", text);
	text[3] = '\0';
	TRACE_WITH(&rig->vm->trace, ignored, "dev", (&(struct trace_extra){ .text = text }), text);
	want(&w, "loop dev ignored why=xxx");
	TRACE(&rig->vm->trace, queue_ready, "dev", 1, 2, 3, 4, 5);
	want(&w, "loop dev queue_ready queue=1 size=2 desc=0x3 avail=0x4 used=0x5");
	expect(rig, NULL, &w);
}

/* Accesses to the serial port would leave room for nothing else; a transcript has them. */
static void what_comes_too_often(void **state)
{
	struct rig *rig = *state;
	struct want w = { 0 };
	uint64_t data = 7;

	assert_int_equal(serial_create(rig->vm), 0);
	forget(rig);
	trace_begin(rig, "x", 0);
	bus_access(&rig->vm->pio, 0x3ff, 1, 1, &data);
	bus_access(&rig->vm->pio, 0x3ff, 1, 0, &data);
	bus_access(&rig->vm->pio, 0x80, 1, 1, &data);
	TRACE_WHERE(false, &rig->vm->trace, enter, NULL, 5, "a reason", NULL, 0);
	json_t *events = trace_ended(rig, "x");

	assert_int_equal(json_array_size(events), 4);
	json_decref(events);
	want(&w, "loop - pio_write addr=0x80 len=1 val=0x7");
	expect(rig, NULL, &w);
}

static void off_is_off(void **state)
{
	struct rig *rig = *state;
	struct trace *trace = calloc(1, sizeof(*trace));

	trace_init(trace, false);
	assert_false(trace->on);
	TRACE(trace, tick, "dev", 1);
	assert_int_equal(trace->next, 0);
	free(trace);
	forget(rig);
	rig->vm->trace.recorder = false;
	trace_begin(rig, "x", 0);
	assert_true(driver_up(&rig->a, F_VERSION_1));
	json_t *events = trace_ended(rig, "x");

	assert_true(json_array_size(events) > 20);
	assert_false(rig->vm->trace.on);
	json_decref(events);
	expect(rig, NULL, &(struct want){ 0 });
}

/* --- while others write ------------------------------------------------------------------------------------------- */

struct writer {
	struct trace *trace;
	pthread_t thread;
	uint64_t number, written;
	bool *stop;
};

/* All that belongs to an event is the same number, or text made of one letter. */
static void *write_events(void *arg)
{
	struct writer *w = arg;
	char text[60];

	trace_cpu = (int)w->number;
	while (!__atomic_load_n(w->stop, __ATOMIC_RELAXED)) {
		uint64_t x = w->written++ * WRITERS + w->number;
		struct trace_desc descs[TRACE_RECORD_DESCS] = {
			{ x, 7, 0, 0 }, { x, 7, 0, 0 }, { x, 7, 0, 0 }, { x, 7, 0, 0 }
		};
		const struct trace_extra chain = { .descs = descs, .n_descs = 4 };

		if (x % 5 == 0) {
			memset(text, 'a' + (int)(x % 26), sizeof(text) - 1);
			text[sizeof(text) - 1] = '\0';
			TRACE_WITH(w->trace, fail, "many", (&(struct trace_extra){ .text = text }), text);
		} else {
			TRACE_WITH(w->trace, pop, "many", &chain, x, x, 4, x, x);
		}
		if (w->written % BURST == 0)
			usleep(20);
	}
	return NULL;
}

static void check_line(const char *line)
{
	unsigned long long q, head, in, out, addr[4];
	unsigned cpu, n;
	const char *rule = strstr(line, "rule=");

	if (rule) {
		assert_int_equal(strspn(rule + 5, (char[]){ rule[5], '\0' }), 59);
		assert_int_equal(rule[5 + 59], '\0');
		return;
	}
	if (sscanf(line,
		   "%*f cpu%u many pop queue=%llu head=%llu n=%u in=%llu out=%llu 0x%llx+7 0x%llx+7 0x%llx+7 0x%llx+7",
		   &cpu, &q, &head, &n, &in, &out, &addr[0], &addr[1], &addr[2], &addr[3]) != 10)
		test_fail("no whole event: '%s'", line);
	if (q != head || q != in || q != out || n != 4 || q % WRITERS != cpu || addr[0] != q || addr[1] != q ||
	    addr[2] != q || addr[3] != q)
		test_fail("two events in one: '%s'", line);
}

static void no_event_is_torn(void **state)
{
	struct rig *rig = *state;
	struct writer writers[WRITERS];
	bool stop = false;
	unsigned lines = 0;

	forget(rig);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){ .trace = &rig->vm->trace, .number = i, .stop = &stop };
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_events, &writers[i]), 0);
	}
	for (uint64_t start = now_ns(); lines < LINES;) {
		struct shown shown = show(rig, NULL);
		char *rest = shown.bytes, *line;

		assert_true(shown.n <= TRACE_RECORDS);
		for (; (line = strsep(&rest, "\n")) && *line; lines++)
			check_line(line);
		shown_free(&shown);
		assert_true(now_ns() - start < PATIENCE);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	struct shown shown = show(rig, NULL);

	assert_in_range(shown.n, TRACE_RECORDS - WRITERS, TRACE_RECORDS);
	shown_free(&shown);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(a_round_of_a_driver),  RIG_TEST(descriptors_of_long_chains),
		RIG_TEST(the_last_1024),        RIG_TEST(numbers_wrap),
		RIG_TEST(of_one_device),        RIG_TEST(texts_are_cut),
		RIG_TEST(what_comes_too_often), RIG_TEST(off_is_off),
		RIG_TEST(no_event_is_torn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
