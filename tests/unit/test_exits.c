// SPDX-License-Identifier: GPL-2.0-only
/* What is between two KVM_RUNs, without KVM: the page that it shares is a page of memory here. */
#include "tests/unit/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "devices/devices.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "vmm/trace/stats_show.h"
#include "vmm/vcpu.h"

#define NAME "transcript"
#define PAGE 4096

/* vCPU 1 of the rig's machine, on this thread. */
static struct vcpu vcpu_begin(struct rig *rig, bool counted)
{
	struct vcpu vcpu = { .vm = rig->vm, .index = 1, .fd = -1, .run_size = PAGE };

	vcpu.run = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(vcpu.run != MAP_FAILED);
	vcpu.stats = counted ? stats_create() : NULL;
	trace_cpu = 1;
	return vcpu;
}

static void vcpu_end(struct vcpu *vcpu)
{
	trace_cpu = -1;
	stats_destroy(vcpu->stats);
	munmap(vcpu->run, PAGE);
}

static void serve_mmio(struct vcpu *vcpu, uint64_t gpa, uint32_t len, bool is_write, uint64_t value)
{
	memset(vcpu->run, 0, PAGE);
	vcpu->run->exit_reason = KVM_EXIT_MMIO;
	vcpu->run->mmio.phys_addr = gpa;
	vcpu->run->mmio.len = len;
	vcpu->run->mmio.is_write = is_write;
	memcpy(vcpu->run->mmio.data, &value, sizeof(value));
	vcpu_serve(vcpu, 0);
}

static void serve_io(struct vcpu *vcpu, uint16_t port, uint8_t size, uint32_t times, bool is_out, const void *bytes)
{
	memset(vcpu->run, 0, PAGE);
	vcpu->run->exit_reason = KVM_EXIT_IO;
	vcpu->run->io.direction = is_out ? KVM_EXIT_IO_OUT : KVM_EXIT_IO_IN;
	vcpu->run->io.port = port;
	vcpu->run->io.size = size;
	vcpu->run->io.count = times;
	vcpu->run->io.data_offset = PAGE / 2;
	if (bytes)
		memcpy((uint8_t *)vcpu->run + PAGE / 2, bytes, size * times);
	vcpu_serve(vcpu, 0);
}

/* How many exits of that kind were counted. */
static uint64_t counted(const struct vcpu *vcpu, const char *reason, const char *name, uint64_t addr)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < STATS_ROWS; i++) {
		const struct stats_row *row = &vcpu->stats->rows[i];

		if (row->count && strcmp(row->key.reason, reason) == 0 && row->key.addr == addr &&
		    strcmp(row->key.range ? row->key.range->name : "", name) == 0)
			n += row->count;
	}
	return n;
}

/* The transcript's events without the time that nobody can know; each `enter` has one. */
static void expect(struct rig *rig, const struct want *want)
{
	json_t *events = trace_ended(rig, NAME), *event;
	size_t i;

	json_array_foreach(events, i, event) if (strcmp(json_str(event, "ev"), "enter") == 0)
	{
		assert_true(json_int(event, "ns") < 10000000000);
		json_object_del(event, "ns");
	}
	char *words = json_words(events, NULL);

	want_all(want, words);
	free(words);
	json_decref(events);
}

static void memory(void **state)
{
	struct rig *rig = *state;
	struct vcpu vcpu = vcpu_begin(rig, true);
	struct want w = { 0 };
	unsigned long long base = rig->a.base;

	trace_begin(rig, NAME, 16);
	serve_mmio(&vcpu, base + R_STATUS, 4, true, S_ACKNOWLEDGE);
	want(&w, "mmio_write cpu=1 dev=echo0 reg=Status addr=0x%llx len=4 val=ACKNOWLEDGE", base + R_STATUS);
	want(&w, "status cpu=1 dev=echo0 old=0 new=ACKNOWLEDGE");
	want(&w, "enter cpu=1 dev=echo0 reason=mmio write reg=Status addr=0x%llx", base + R_STATUS);
	serve_mmio(&vcpu, base, 4, false, 0);
	assert_int_equal(*(uint32_t *)vcpu.run->mmio.data, 0x74726976);
	want(&w, "mmio_read cpu=1 dev=echo0 reg=MagicValue addr=0x%llx len=4 val=0x74726976", base);
	want(&w, "enter cpu=1 dev=echo0 reason=mmio read reg=MagicValue addr=0x%llx", base);
	serve_mmio(&vcpu, 0xfee00000, 4, true, 7);
	want(&w, "mmio_write cpu=1 addr=0xfee00000 len=4 val=0x7");
	want(&w, "enter cpu=1 reason=mmio write addr=0xfee00000");
	expect(rig, &w);
	for (unsigned i = 0; i < 5; i++)
		serve_mmio(&vcpu, base, 4, false, 0);
	assert_int_equal(counted(&vcpu, "mmio write", "echo0", base + R_STATUS), 1);
	assert_int_equal(counted(&vcpu, "mmio read", "echo0", base), 6);
	assert_int_equal(counted(&vcpu, "mmio write", "", 0xfee00000), 1);
	assert_int_equal(stats_sum(vcpu.stats), 8);
	assert_int_equal(vcpu.exits, 8);
	vcpu_end(&vcpu);
}

/* rep outs is one exit and as many accesses. */
static void ports(void **state)
{
	struct rig *rig = *state;
	struct vcpu vcpu = vcpu_begin(rig, true);
	struct want w = { 0 };

	assert_int_equal(serial_create(rig->vm), 0);
	trace_begin(rig, NAME, 16);
	serve_io(&vcpu, 0x3ff, 1, 3, true, "\x11\x22\x33");
	want(&w, "pio_write cpu=1 dev=serial reg=SCR addr=0x3ff len=1 val=0x11");
	want(&w, "pio_write cpu=1 dev=serial reg=SCR addr=0x3ff len=1 val=0x22");
	want(&w, "pio_write cpu=1 dev=serial reg=SCR addr=0x3ff len=1 val=0x33");
	want(&w, "enter cpu=1 dev=serial reason=pio write reg=SCR addr=0x3ff");
	serve_io(&vcpu, 0x3ff, 1, 1, false, NULL);
	assert_int_equal(((uint8_t *)vcpu.run)[PAGE / 2], 0x33);
	want(&w, "pio_read cpu=1 dev=serial reg=SCR addr=0x3ff len=1 val=0x33");
	want(&w, "enter cpu=1 dev=serial reason=pio read reg=SCR addr=0x3ff");
	serve_io(&vcpu, 0x80, 2, 1, true, "\x34\x12");
	want(&w, "pio_write cpu=1 addr=0x80 len=2 val=0x1234");
	want(&w, "enter cpu=1 reason=pio write addr=0x80");
	expect(rig, &w);
	assert_int_equal(counted(&vcpu, "pio write", "serial", 0x3ff), 1);
	assert_int_equal(counted(&vcpu, "pio read", "serial", 0x3ff), 1);
	assert_int_equal(counted(&vcpu, "pio write", "", 0x80), 1);
	assert_int_equal(vcpu.exits, 3);
	vcpu_end(&vcpu);
}

static void interrupted(void **state)
{
	struct rig *rig = *state;
	struct vcpu vcpu = vcpu_begin(rig, true);
	struct want w = { 0 };

	memset(vcpu.run, 0xff, PAGE); /* what is there then is old */
	trace_begin(rig, NAME, 16);
	free(rig_errors(rig));
	vcpu_serve(&vcpu, EINTR);
	vcpu_serve(&vcpu, EAGAIN);
	vcpu_serve(&vcpu, EINTR);
	for (unsigned i = 0; i < 3; i++) {
		want(&w, "exit cpu=1 reason=interrupted");
		want(&w, "enter cpu=1 reason=interrupted");
	}
	expect(rig, &w);
	char *said = rig_errors(rig);

	assert_string_equal(said, "");
	assert_int_equal(counted(&vcpu, "interrupted", "", 0), 3);
	assert_int_equal(vcpu.exits, 3);
	assert_int_equal(atomic_load(&rig->vm->stopping), 0);
	free(said);
	vcpu_end(&vcpu);
}

/* Without --stats and --trace no clock is read, and no count but one is kept. */
static void nobody_asks(void **state)
{
	struct rig *rig = *state;
	struct vcpu vcpu = vcpu_begin(rig, false);
	uint32_t before = rig->vm->trace.next;

	serve_mmio(&vcpu, rig->a.base, 4, false, 0);
	vcpu_serve(&vcpu, EINTR);
	assert_int_equal(vcpu.exits, 2);
	assert_int_equal(rig->vm->trace.next - before, 2); /* the read and the exit; enter is not for the recorder */
	vcpu_end(&vcpu);
}

/* The figure of --stats: writes of QueueNotify, and nothing else that is near. */
static void what_ioeventfd_would_save(void **state)
{
	struct rig *rig = *state;
	struct vcpu vcpu = vcpu_begin(rig, true);
	struct stats_series series = { .n_samples = 0 };
	struct text out = { 0 };

	assert_true(driver_up(&rig->a, F_VERSION_1));
	for (unsigned i = 0; i < 9; i++) {
		serve_mmio(&vcpu, rig->a.base + R_QUEUE_NOTIFY, 4, true, i % 2);
		serve_mmio(&vcpu, rig->b.base + R_QUEUE_NOTIFY, 4, true, 0);
		serve_mmio(&vcpu, rig->a.base + R_QUEUE_NOTIFY, 4, false, 0);
		serve_mmio(&vcpu, rig->a.base + R_QUEUE_SEL, 4, true, 0);
		serve_mmio(&vcpu, 0xfee00000 + R_QUEUE_NOTIFY, 4, true, 0);
		vcpu_serve(&vcpu, EINTR);
	}
	stats_json(vcpu.stats, vcpu.exits, 1, &(struct counts){ 0 }, &series, &out);
	json_t *all = json_loadb(out.bytes, out.len, 0, NULL);

	assert_int_equal(json_int(all, "exits"), 54);
	assert_int_equal(json_int(json_object_get(all, "ioeventfd"), "exits"), 18);
	json_decref(all);
	text_free(&out);
	vcpu_end(&vcpu);
}

/* However long a run is and however often somebody asks: bounded, and it never goes back. */
static void series_are_bounded(void **state)
{
	static const char reasons[2 * (SERIES_REASONS + 4)];
	struct stats *stats = stats_create();
	struct stats_series *series = calloc(1, sizeof(*series));
	uint64_t seed = 3, now = 0, counted = 0;

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		bool last = i > 2500 && i % 7 == 0;
		unsigned before = series->n_samples;

		now += 1 + (random_next(&seed) >> 20) % (8 * SERIES_FIRST);
		stats_count(stats, &(struct stats_key){ .reason = &reasons[i * 20 / 5000] }, 1);
		counted++;
		series_add(series, stats, now, last);
		assert_in_range(series->n_samples, 1, SERIES_SAMPLES);
		assert_true(series->n_reasons <= SERIES_REASONS);
		if (last || before == 0)
			assert_int_equal(series->samples[series->n_samples - 1].ns, now);
		for (unsigned k = 1; k < series->n_samples; k++) {
			assert_true(series->samples[k].ns > series->samples[k - 1].ns);
			for (unsigned r = 0; r < SERIES_REASONS; r++)
				assert_true(series->samples[k].counts[r] >= series->samples[k - 1].counts[r]);
		}
		if (i != 2500)
			continue;
		/* samples are a period apart, and go back to the beginning */
		assert_in_range(series->n_samples, SERIES_SAMPLES / 3, SERIES_SAMPLES);
		assert_true(series->samples[0].ns < now / 50);
		for (unsigned k = 1; k < series->n_samples; k++)
			assert_true(series->samples[k].ns - series->samples[k - 1].ns >= series->period / 2);
	}
	series_add(series, stats, now + 1, true);
	for (unsigned r = 0; r < SERIES_REASONS; r++)
		counted -= series->samples[series->n_samples - 1].counts[r];
	assert_int_equal(counted, 4 * 5000 / 20); /* of the reasons that found no place */
	free(series);
	stats_destroy(stats);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(memory),
		RIG_TEST(ports),
		RIG_TEST(interrupted),
		RIG_TEST(nobody_asks),
		RIG_TEST(what_ioeventfd_would_save),
		cmocka_unit_test(series_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
