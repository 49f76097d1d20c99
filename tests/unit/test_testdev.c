// SPDX-License-Identifier: GPL-2.0-only
/* The virtio-test device: prints the numbers that it gets, and raises configuration changes by a timer. */
#include "tests/unit/driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/virtio/virtio.h"

#define CAN_PRINT BIT(0)
#define NUM_PAGES (R_CONFIG + 0)
#define ACTUAL    (R_CONFIG + 4)
#define EVENT     (R_CONFIG + 8)
#define QUIET     "delay=1m,period=1m" /* no tick while a test runs */

static void add_test_device(struct driver *d, struct rig *rig, const char *options)
{
	assert_int_equal(driver_add(d, rig, "test", options), 0);
}

/* Sends `len` bytes cut into the given pieces (0 at the end); returns what the device printed, to be freed. */
static char *send(struct driver *d, const void *bytes, uint32_t len, const uint32_t *pieces)
{
	struct ring *ring = &d->rings[0];
	uint64_t gpa = gpa_alloc(d->rig, len, 1);
	uint16_t at = ring_used_idx(ring), n = 0;

	memcpy(gpa_ptr(d->rig, gpa, len), bytes, len);
	for (uint32_t done = 0; pieces[n]; done += pieces[n++])
		ring_desc(ring, n, gpa + done, pieces[n], pieces[n + 1] ? D_NEXT : 0, (uint16_t)(n + 1));
	ring_add(ring, 0);
	free(rig_output(d->rig));
	kick(d, 0);
	assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
	assert_int_equal(ring_used_id(ring, at), 0);
	assert_int_equal(ring_used_len(ring, at), 0);
	return rig_output(d->rig);
}

static void assert_prints(struct driver *d, const void *bytes, uint32_t len, const uint32_t *pieces, const char *want)
{
	char *text = send(d, bytes, len, pieces);

	assert_string_equal(text, want);
	free(text);
}

static void identity_and_defaults(void **state)
{
	struct driver d;

	add_test_device(&d, *state, NULL);
	assert_int_equal(reg_get(&d, R_DEVICE_ID), 21);
	reg_put(&d, R_QUEUE_SEL, 0);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 128);
	reg_put(&d, R_QUEUE_SEL, 1);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 0);
	assert_int_equal(offered_features(&d) & 0xffffff, CAN_PRINT);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 0);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0);
	assert_int_equal(window_get(&d, EVENT, 4), 0);
	window_put(&d, R_CONFIG + 11, 1, 0x55); /* 12 bytes, no more */
	assert_int_equal(window_get(&d, R_CONFIG + 11, 1), 0x55);
	window_put(&d, R_CONFIG + 12, 1, 0x55);
	assert_int_equal(window_get(&d, R_CONFIG + 12, 1), 0);
}

static void id_and_queue_size_overrides(void **state)
{
	struct driver d;

	add_test_device(&d, *state, "id=63,queue-size=2," QUIET);
	assert_int_equal(reg_get(&d, R_DEVICE_ID), 63);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 2);
	d.num = 2;
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	assert_prints(&d, "\x07\0\0\0", 4, (const uint32_t[]){ 4, 0 }, "virtio-test: get virtio num: 7\n");
}

static void one_number_a_buffer(void **state)
{
	struct driver d;

	add_test_device(&d, *state, QUIET);
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	assert_prints(&d, "\0\0\0\0", 4, (const uint32_t[]){ 4, 0 }, "virtio-test: get virtio num: 0\n");
	assert_prints(&d, "\x01\x02\x03\x04", 4, (const uint32_t[]){ 4, 0 }, "virtio-test: get virtio num: 67305985\n");
	assert_prints(&d, "\xff\xff\xff\xff", 4, (const uint32_t[]){ 4, 0 },
		      "virtio-test: get virtio num: 4294967295\n");
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_USED);
	assert_int_equal(edges(&d), 1);
}

/* Two numbers and up to three stray bytes, split at any two places. */
static void numbers_split_at_any_byte(void **state)
{
	static const uint8_t bytes[] = { 1, 0, 0, 1, 2, 0, 0, 2, 9, 9, 9 };
	struct driver d;

	add_test_device(&d, *state, QUIET);
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	for (uint32_t len = 8; len <= 11; len++)
		for (uint32_t a = 1; a < len - 1; a++)
			for (uint32_t b = 1; a + b < len; b++)
				assert_prints(
					&d, bytes, len, (const uint32_t[]){ a, b, len - a - b, 0 },
					"virtio-test: get virtio num: 16777217\nvirtio-test: get virtio num: 33554434\n");
	assert_prints(&d, bytes, 8, (const uint32_t[]){ 1, 1, 1, 1, 1, 1, 1, 1, 0 },
		      "virtio-test: get virtio num: 16777217\nvirtio-test: get virtio num: 33554434\n");
}

static void one_to_three_bytes_left_over(void **state)
{
	struct driver d;

	add_test_device(&d, *state, QUIET);
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	for (uint32_t len = 1; len < 4; len++)
		assert_prints(&d, "\x01\x02\x03", len, (const uint32_t[]){ len, 0 }, "");
	assert_prints(&d, "\x01\x02\x03", 3, (const uint32_t[]){ 1, 1, 1, 0 }, "");
	/* they do not run into the next buffer */
	assert_prints(&d, "\x05\0\0\0", 4, (const uint32_t[]){ 4, 0 }, "virtio-test: get virtio num: 5\n");
	assert_int_equal(reg_get(&d, R_STATUS), S_UP);
}

static void many_numbers_in_order(void **state)
{
	struct driver d;
	uint32_t numbers[200];
	char want[200 * 40], *at = want;

	add_test_device(&d, *state, QUIET);
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	for (uint32_t i = 0; i < 200; i++) {
		numbers[i] = i * 1000;
		at += sprintf(at, "virtio-test: get virtio num: %u\n", numbers[i]);
	}
	assert_prints(&d, numbers, sizeof(numbers), (const uint32_t[]){ 333, 467, 0 }, want);
}

/* A buffer that the device may only write holds no number, and stays as it is: used length 0 says so. */
static void a_writable_buffer_is_not_written(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint64_t gpa = gpa_alloc(rig, 4, 1);
	char *text;

	add_test_device(&d, rig, QUIET);
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	put32(rig, gpa, 0x5a5a5a5a);
	ring_desc(&d.rings[0], 0, gpa, 4, D_WRITE, 0);
	ring_add(&d.rings[0], 0);
	kick(&d, 0);
	assert_int_equal(ring_used_idx(&d.rings[0]), 1);
	assert_int_equal(ring_used_len(&d.rings[0], 0), 0);
	assert_int_equal(get32(rig, gpa), 0x5a5a5a5a);
	text = rig_output(rig);
	assert_string_equal(text, "");
	free(text);
}

static void config_writes_leave_num_pages(void **state)
{
	struct driver d;

	add_test_device(&d, *state, "num-pages=305419896," QUIET); /* 0x12345678 */
	for (unsigned up = 0; up < 2; up++) {
		for (unsigned len = 1; len <= 8; len *= 2) {
			for (unsigned off = 0; off < 4; off++) {
				window_put(&d, R_CONFIG + off, len, 0xa5a5a5a5a5a5a5a5);
				assert_int_equal(window_get(&d, NUM_PAGES, 4), 0x12345678);
			}
		}
		assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	}
	window_put(&d, ACTUAL, 4, 0x11223344);
	window_put(&d, EVENT, 4, 0x55667788);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0x11223344);
	assert_int_equal(window_get(&d, EVENT, 4), 0x55667788);
	/* what of a write lies behind num_pages is taken, byte for byte */
	window_put(&d, R_CONFIG + 2, 4, 0xddccbbaa);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0x1122ddcc);
	window_put(&d, R_CONFIG + 0, 8, 0x99aabbcc00000000);
	assert_int_equal(window_get(&d, ACTUAL, 4), 0x99aabbcc);
	assert_int_equal(window_get(&d, NUM_PAGES, 4), 0x12345678);
	assert_int_equal(window_get(&d, EVENT, 4), 0x55667788);
}

static void print_queue_wants_can_print(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	char *text;

	add_test_device(&d, rig, QUIET);
	assert_true(driver_up(&d, F_VERSION_1));
	ring_desc(&d.rings[0], 0, gpa_alloc(rig, 4, 1), 4, 0, 0);
	ring_add(&d.rings[0], 0);
	kick(&d, 0);
	assert_int_equal(ring_used_idx(&d.rings[0]), 0);
	assert_int_equal(reg_get(&d, R_STATUS), S_UP | S_NEEDS_RESET);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_CONFIG);
	assert_int_equal(edges(&d), 1);
	text = rig_output(rig);
	assert_string_equal(text, "");
	free(text);
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	assert_prints(&d, "\x07\0\0\0", 4, (const uint32_t[]){ 4, 0 }, "virtio-test: get virtio num: 7\n");
}

/* --- ticks -------------------------------------------------------------------------------------------------------- */

static void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

/* Runs the loop until the device's event is at least `event`, or five seconds. */
static void run_until_event(struct driver *d, uint32_t event)
{
	rig_loop_start(d->rig);
	for (unsigned i = 0; i < 5000 && window_get(d, EVENT, 4) < event; i++)
		sleep_ms(1);
	rig_loop_stop(d->rig);
}

static void one_tick(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	uint32_t generation;
	char *text;

	add_test_device(&d, rig, "delay=1ms,period=60m");
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	window_put(&d, EVENT, 4, 0x77);
	generation = reg_get(&d, R_CONFIG_GENERATION);
	rig_loop_start(rig);
	for (unsigned i = 0; i < 5000 && !reg_get(&d, R_INTERRUPT_STATUS); i++)
		sleep_ms(1);
	sleep_ms(20); /* for a second one that should not be */
	rig_loop_stop(rig);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_CONFIG);
	assert_int_equal(edges(&d), 1);
	assert_int_equal(reg_get(&d, R_CONFIG_GENERATION), generation + 1);
	text = rig_output(rig);
	assert_string_equal(text, "virtio-test: set config: 0\n");
	assert_int_not_equal(window_get(&d, EVENT, 4), 0x77);
	free(text);
}

static void each_tick_is_event_generation_interrupt_and_line(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	char *text, *at, line[64];
	uint32_t n = 0, generation, event;

	add_test_device(&d, rig, "delay=1ms,period=2ms");
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	generation = reg_get(&d, R_CONFIG_GENERATION);
	run_until_event(&d, 5);
	event = window_get(&d, EVENT, 4) & 0xffffffff;
	text = at = rig_output(rig);
	for (; *at; at += strlen(line), n++) {
		snprintf(line, sizeof(line), "virtio-test: set config: %u\n", n);
		if (strncmp(at, line, strlen(line)))
			fail_msg("not '%s' but %s", line, at);
	}
	free(text);
	assert_true(n >= 5);
	assert_int_equal(reg_get(&d, R_CONFIG_GENERATION), generation + n);
	assert_in_range(event, n - 1, n); /* its number, from 0 as the line or from 1 */
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), ISR_CONFIG);
	assert_int_equal(edges(&d), 1); /* nobody acknowledged */
	reg_put(&d, R_STATUS, 0);
}

/* The timer runs, but there is nobody to tell: neither sent nor counted. */
static void no_tick_before_driver_ok(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	char *text;
	uint32_t generation;

	add_test_device(&d, rig, "delay=1ms,period=1ms");
	assert_true(driver_negotiate(&d, F_VERSION_1 | CAN_PRINT));
	ring_place(&d.rings[0], 8);
	ring_program(&d.rings[0]);
	ring_ready(&d.rings[0], 1);
	generation = reg_get(&d, R_CONFIG_GENERATION);
	rig_loop_start(rig);
	sleep_ms(30);
	text = rig_output(rig);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), 0);
	assert_int_equal(edges(&d), 0);
	assert_int_equal(reg_get(&d, R_CONFIG_GENERATION), generation);
	reg_put(&d, R_STATUS, S_UP);
	for (unsigned i = 0; i < 5000 && !reg_get(&d, R_INTERRUPT_STATUS); i++)
		sleep_ms(1);
	rig_loop_stop(rig);
	text = rig_output(rig);
	assert_int_equal(strncmp(text, "virtio-test: set config: 0\n", 27), 0); /* the first that is sent is number 0 */
	free(text);
}

static void no_tick_after_reset(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	char *text;

	add_test_device(&d, rig, "delay=1ms,period=1ms");
	assert_true(driver_up(&d, F_VERSION_1 | CAN_PRINT));
	rig_loop_start(rig);
	sleep_ms(10);
	reg_put(&d, R_STATUS, 0);
	edges(&d);
	free(rig_output(rig));
	sleep_ms(20);
	rig_loop_stop(rig);
	text = rig_output(rig);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(reg_get(&d, R_INTERRUPT_STATUS), 0);
	assert_int_equal(edges(&d), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(identity_and_defaults),
		RIG_TEST(id_and_queue_size_overrides),
		RIG_TEST(one_number_a_buffer),
		RIG_TEST(numbers_split_at_any_byte),
		RIG_TEST(one_to_three_bytes_left_over),
		RIG_TEST(many_numbers_in_order),
		RIG_TEST(a_writable_buffer_is_not_written),
		RIG_TEST(config_writes_leave_num_pages),
		RIG_TEST(print_queue_wants_can_print),
		RIG_TEST(one_tick),
		RIG_TEST(each_tick_is_event_generation_interrupt_and_line),
		RIG_TEST(no_tick_before_driver_ok),
		RIG_TEST(no_tick_after_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
