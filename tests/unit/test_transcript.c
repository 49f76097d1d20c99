// SPDX-License-Identifier: GPL-2.0-only
/* What the device does, as the transcript of --trace tells it: each event, each field, in their order. */
#include "tests/unit/json.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"

#define NAME "transcript"
#define ALL  (F_VERSION_1 | F_INDIRECT | F_EVENT_IDX | F_RING_RESET)

/* Device status as the standard names its bits (virtio 1.2, 2.1). */
#define UP_WORDS "ACKNOWLEDGE|DRIVER|DRIVER_OK|FEATURES_OK"

/* Ends the trace, and compares the events of `kinds` (NULL: all). */
static void expect(struct rig *rig, const char *kinds, const struct want *want)
{
	json_t *events = trace_ended(rig, NAME);
	char *words = json_words(events, kinds);

	want_all(want, words);
	free(words);
	json_decref(events);
}

/* A 32-bit access as it has to be in the transcript; reg is its name and off its place in the standard. */
static void want_put(struct want *w, const struct driver *d, const char *reg, unsigned off, const char *val)
{
	want(w, "mmio_write dev=%s reg=%s addr=0x%llx len=4 val=%s", d->dev->name, reg,
	     (unsigned long long)d->base + off, val);
}

static void want_get(struct want *w, const struct driver *d, const char *reg, unsigned off, const char *val)
{
	want(w, "mmio_read dev=%s reg=%s addr=0x%llx len=4 val=%s", d->dev->name, reg,
	     (unsigned long long)d->base + off, val);
}

static void want_put_hex(struct want *w, const struct driver *d, const char *reg, unsigned off, uint64_t value)
{
	char hex[24];

	snprintf(hex, sizeof(hex), "0x%llx", (unsigned long long)value);
	want_put(w, d, reg, off, hex);
}

/* --- status, features, queues ------------------------------------------------------------------------------------- */

static void from_reset_to_driver_ok(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct want w = { 0 };

	trace_begin(rig, NAME, 16);
	assert_true(driver_up(d, ALL | BIT(ECHO_FEATURE_LOW) | BIT(ECHO_FEATURE_HIGH)));
	want_put(&w, d, "Status", R_STATUS, "0");
	want(&w, "reset dev=echo0");
	want_put(&w, d, "Status", R_STATUS, "ACKNOWLEDGE");
	want(&w, "status dev=echo0 old=0 new=ACKNOWLEDGE");
	want_put(&w, d, "Status", R_STATUS, "ACKNOWLEDGE|DRIVER");
	want(&w, "status dev=echo0 old=ACKNOWLEDGE new=ACKNOWLEDGE|DRIVER");
	want_put(&w, d, "DriverFeaturesSel", R_DRIVER_FEATURES_SEL, "0x0");
	want_put(&w, d, "DriverFeatures", R_DRIVER_FEATURES, "0x30000008");
	want_put(&w, d, "DriverFeaturesSel", R_DRIVER_FEATURES_SEL, "0x1");
	want_put(&w, d, "DriverFeatures", R_DRIVER_FEATURES, "0x40101");
	want_put(&w, d, "Status", R_STATUS, "ACKNOWLEDGE|DRIVER|FEATURES_OK");
	want(&w, "features dev=echo0 bits=bit3|INDIRECT_DESC|EVENT_IDX|VERSION_1|RING_RESET|bit50");
	want(&w, "status dev=echo0 old=ACKNOWLEDGE|DRIVER new=ACKNOWLEDGE|DRIVER|FEATURES_OK");
	want_get(&w, d, "Status", R_STATUS, "ACKNOWLEDGE|DRIVER|FEATURES_OK");
	for (unsigned q = 0; q < 2; q++) {
		const struct ring *ring = &d->rings[q];

		want_put_hex(&w, d, "QueueSel", R_QUEUE_SEL, q);
		want_put_hex(&w, d, "QueueNum", R_QUEUE_NUM, 8);
		want_put_hex(&w, d, "QueueDescLow", R_QUEUE_DESC_LOW, ring->desc);
		want_put_hex(&w, d, "QueueDescHigh", R_QUEUE_DESC_HIGH, 0);
		want_put_hex(&w, d, "QueueDriverLow", R_QUEUE_DRIVER_LOW, ring->avail);
		want_put_hex(&w, d, "QueueDriverHigh", R_QUEUE_DRIVER_HIGH, 0);
		want_put_hex(&w, d, "QueueDeviceLow", R_QUEUE_DEVICE_LOW, ring->used);
		want_put_hex(&w, d, "QueueDeviceHigh", R_QUEUE_DEVICE_HIGH, 0);
		want_put_hex(&w, d, "QueueSel", R_QUEUE_SEL, q);
		want_put_hex(&w, d, "QueueReady", R_QUEUE_READY, 1);
		want(&w, "queue_ready dev=echo0 queue=%u size=8 desc=0x%llx avail=0x%llx used=0x%llx", q,
		     (unsigned long long)ring->desc, (unsigned long long)ring->avail, (unsigned long long)ring->used);
	}
	want_put(&w, d, "Status", R_STATUS, UP_WORDS);
	want(&w, "status dev=echo0 old=ACKNOWLEDGE|DRIVER|FEATURES_OK new=" UP_WORDS);
	want_get(&w, d, "Status", R_STATUS, UP_WORDS);
	expect(rig, NULL, &w);
}

static void resets_and_stops(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct want w = { 0 };

	assert_true(driver_up(d, ALL));
	trace_begin(rig, NAME, 16);
	ring_ready(&d->rings[1], 0);
	want_put(&w, d, "QueueSel", R_QUEUE_SEL, "0x1");
	want_put(&w, d, "QueueReady", R_QUEUE_READY, "0x0");
	want(&w, "queue_stop dev=echo0 queue=1");
	reg_put(d, R_QUEUE_SEL, 0);
	reg_put(d, R_QUEUE_RESET, 1);
	want_put(&w, d, "QueueSel", R_QUEUE_SEL, "0x0");
	want_put(&w, d, "QueueReset", R_QUEUE_RESET, "0x1");
	want(&w, "queue_reset dev=echo0 queue=0");
	reg_put(d, R_STATUS, 0);
	want_put(&w, d, "Status", R_STATUS, "0");
	want(&w, "status dev=echo0 old=" UP_WORDS " new=0");
	want(&w, "reset dev=echo0");
	reg_put(d, R_STATUS, S_ACKNOWLEDGE | S_FAILED);
	want_put(&w, d, "Status", R_STATUS, "ACKNOWLEDGE|FAILED");
	want(&w, "status dev=echo0 old=0 new=ACKNOWLEDGE|FAILED");
	expect(rig, NULL, &w);
}

/* --- chains ------------------------------------------------------------------------------------------------------- */

static void from_notify_to_interrupt(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];
	struct want w = { 0 };

	assert_true(driver_up(d, F_VERSION_1));
	trace_begin(rig, NAME, 16);
	uint64_t in = gpa_alloc(rig, 7, 1), out = gpa_alloc(rig, 11, 1);

	memcpy(gpa_ptr(rig, in, 7), "\x00\x01\x7f\x80\xff\xab\x0c", 7);
	ring_desc(ring, 5, in, 7, D_NEXT, 2);
	ring_desc(ring, 2, out, 11, D_WRITE, 0);
	ring_add(ring, 5);
	kick(d, 0);
	want_put(&w, d, "QueueNotify", R_QUEUE_NOTIFY, "0x0");
	want(&w, "kick dev=echo0 queue=0 via=exit");
	want(&w, "pop dev=echo0 queue=0 head=5 n=2 in=7 out=11 descs=0x%llx+7:NEXT,0x%llx+11:WRITE data=00017f80ffab0c",
	     (unsigned long long)in, (unsigned long long)out);
	want(&w, "used dev=echo0 queue=0 head=5 len=7 idx=1 data=00017f80ffab0c");
	want(&w, "interrupt dev=echo0 cause=USED isr=USED gsi=%u", d->dev->irq->gsi);
	reg_get(d, R_INTERRUPT_STATUS);
	want_get(&w, d, "InterruptStatus", R_INTERRUPT_STATUS, "USED");
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	want_put(&w, d, "InterruptACK", R_INTERRUPT_ACK, "USED");
	want(&w, "ack dev=echo0 bits=USED left=0");
	expect(rig, NULL, &w);
}

static void indirect_descriptors(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct ring *ring = &d->rings[0];
	struct want w = { 0 };

	assert_true(driver_up(d, F_VERSION_1 | F_INDIRECT));
	trace_begin(rig, NAME, 16);
	uint64_t table = gpa_alloc(rig, 48, 16), in = gpa_alloc(rig, 8, 1), out = gpa_alloc(rig, 3, 1);

	memcpy(gpa_ptr(rig, in, 8), "indirect", 8);
	put_desc(rig, table, 0, in, 2, D_NEXT, 2);
	put_desc(rig, table, 2, in + 2, 6, D_NEXT, 1);
	put_desc(rig, table, 1, out, 3, D_WRITE, 0);
	ring_desc(ring, 7, table, 48, D_INDIRECT, 0);
	ring_add(ring, 7);
	kick(d, 0);
	json_t *events = trace_ended(rig, NAME);
	char *words = json_words(events, " pop used ");

	/* the one in the ring is counted and shown as well */
	want(&w,
	     "pop dev=echo0 queue=0 head=7 n=4 in=8 out=3 "
	     "descs=0x%llx+48:INDIRECT,0x%llx+2:NEXT,0x%llx+6:NEXT,0x%llx+3:WRITE data=696e646972656374",
	     (unsigned long long)table, (unsigned long long)in, (unsigned long long)in + 2, (unsigned long long)out);
	want(&w, "used dev=echo0 queue=0 head=7 len=3 idx=1 data=696e64");
	want_all(&w, words);
	free(words);
	json_decref(events);
}

/* --- who is told, and how ----------------------------------------------------------------------------------------- */

static void suppressed_by_flags(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct want w = { 0 };

	assert_true(driver_up(d, F_VERSION_1));
	ring_set_avail_flags(&d->rings[0], 1);
	trace_begin(rig, NAME, 0);
	assert_true(echo_serves(d));
	assert_true(echo_serves(d));
	for (unsigned i = 1; i <= 2; i++) {
		want(&w, "kick dev=echo0 queue=0 via=exit");
		want(&w, "used dev=echo0 queue=0 head=0 len=5 idx=%u", i);
		want(&w, "suppressed dev=echo0 queue=0 by=flags event=0 idx=%u", i);
	}
	expect(rig, " kick used interrupt pending suppressed ", &w);
}

static void suppressed_by_used_event(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct want w = { 0 };

	assert_true(driver_up(d, F_VERSION_1 | F_EVENT_IDX));
	ring_set_used_event(&d->rings[0], 2);
	trace_begin(rig, NAME, 16);
	for (unsigned i = 0; i < 4; i++)
		assert_true(echo_serves(d));
	want(&w, "suppressed dev=echo0 queue=0 by=used_event event=2 idx=1");
	want(&w, "suppressed dev=echo0 queue=0 by=used_event event=2 idx=2");
	want(&w, "interrupt dev=echo0 cause=USED isr=USED gsi=%u", d->dev->irq->gsi);
	want(&w, "suppressed dev=echo0 queue=0 by=used_event event=2 idx=4");
	expect(rig, " interrupt pending suppressed ", &w);
}

static void pending_until_acknowledged(void **state)
{
	struct rig *rig = *state;
	struct driver *d = &rig->a;
	struct want w = { 0 };
	unsigned gsi;

	assert_true(driver_up(d, F_VERSION_1));
	gsi = d->dev->irq->gsi;
	trace_begin(rig, NAME, 16);
	assert_true(echo_serves(d));
	assert_true(echo_serves(d));
	want(&w, "interrupt dev=echo0 cause=USED isr=USED gsi=%u", gsi);
	want(&w, "pending dev=echo0 cause=USED isr=USED");
	echo_command(d, ECHO_CHANGE);
	echo_command(d, ECHO_CHANGE);
	want(&w, "config dev=echo0 generation=1");
	want(&w, "interrupt dev=echo0 cause=CONFIG isr=USED|CONFIG gsi=%u", gsi);
	want(&w, "config dev=echo0 generation=2");
	want(&w, "pending dev=echo0 cause=CONFIG isr=USED|CONFIG");
	assert_int_equal(edges(d), 2); /* as many as there are events of that kind */
	reg_put(d, R_INTERRUPT_ACK, ISR_USED);
	want(&w, "ack dev=echo0 bits=USED left=CONFIG");
	assert_true(echo_serves(d));
	want(&w, "interrupt dev=echo0 cause=USED isr=USED|CONFIG gsi=%u", gsi);
	reg_put(d, R_INTERRUPT_ACK, ISR_USED | ISR_CONFIG);
	want(&w, "ack dev=echo0 bits=USED|CONFIG left=0");
	echo_command(d, ECHO_CHANGE);
	want(&w, "config dev=echo0 generation=3");
	want(&w, "interrupt dev=echo0 cause=CONFIG isr=CONFIG gsi=%u", gsi);
	assert_int_equal(edges(d), 2);
	expect(rig, " interrupt pending config ack ", &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(from_reset_to_driver_ok),    RIG_TEST(resets_and_stops),    RIG_TEST(from_notify_to_interrupt),
		RIG_TEST(indirect_descriptors),       RIG_TEST(suppressed_by_flags), RIG_TEST(suppressed_by_used_event),
		RIG_TEST(pending_until_acknowledged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
