// SPDX-License-Identifier: GPL-2.0-only
/* "--device NAME,key=value,...": what is taken, and the message for what is not. */
#include "tests/unit/driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio/core.h"

static struct driver refused; /* never comes to life */

static void assert_refused(struct rig *rig, const char *options, const char *must_say)
{
	char *text;
	size_t len;

	free(rig_errors(rig));
	if (driver_add(&refused, rig, "test", options) != -EINVAL)
		fail_msg("'%s' is taken", options);
	text = rig_errors(rig);
	len = strlen(text);
	if (strncmp(text, "minivmm: --device test: ", 24) || count_of(text, "\n") != 1 || text[len - 1] != '\n' ||
	    len > 1024)
		fail_msg("'%s' gives: %s", options, text);
	if (!strstr(text, must_say))
		fail_msg("'%s' gives no '%s': %s", options, must_say, text);
	free(text);
}

static void assert_taken(struct rig *rig, struct driver *d, const char *options)
{
	char *text;

	free(rig_errors(rig));
	if (driver_add(d, rig, "test", options))
		fail_msg("'%s' is refused", options);
	text = rig_errors(rig);
	assert_string_equal(text, "");
	free(text);
}

static void unknown_keys(void **state)
{
	static const char *const bad[] = { "dela=1s", "delays=1s", "Delay=1s", " delay=1s", "x",
					   "=",       "=1s",       ",",        ",delay=1s", "delay=1s,x=2" };

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_refused(*state, bad[i], "unknown key");
	assert_refused(*state, "delay=1s,colour=red", "colour");
}

static void durations(void **state)
{
	static const char *const bad[] = {
		"",
		"s",
		"1",
		"1s,,", /* a comma of the value, not the end of it */
		"1h",
		"1 s",
		" 1s",
		"+1s",
		"-1s",
		"1s ",
		"1S",
		"1.5s",
		"1ss",
		"ms",
		"0s",
		"99us",
		"99999ns",
		"61m",
		"3601s",
		"3600001ms",
		"18446744073s",
		"18446744074s",
		"18446744073709551615s",
		"18446744073709551616ns",
		"99999999999999999999999999s",
		"0x",
		"0xs",
		"1s=2s",
		"1e3s",
		"nan",
		"inf",
	};
	char options[80];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(options, sizeof(options), "delay=%s", bad[i]);
		assert_refused(*state, options, "delay");
		snprintf(options, sizeof(options), "delay=2s,period=%s", bad[i]);
		assert_refused(*state, options, "period");
	}
	assert_refused(*state, "delay", "delay takes");
	assert_refused(*state, "period", "period takes");
}

static void durations_in_range(void **state)
{
	static const char *const good[] = { "100us", "100000ns", "1ms", "1s", "60m", "3600s", "1m" };
	char options[80];
	struct driver d;

	for (unsigned i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		snprintf(options, sizeof(options), "delay=%s,period=%s", good[i], good[i]);
		assert_taken(*state, &d, options);
	}
}

static void numbers(void **state)
{
	static const char *const bad[] = { "",   "x",   "-1",         "+1",          " 1",
					   "1 ", "1k",  "4294967296", "0x100000000", "18446744073709551616",
					   "0x", "0xg", "1.0" };
	char options[80];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(options, sizeof(options), "num-pages=%s", bad[i]);
		assert_refused(*state, options, "num-pages");
		snprintf(options, sizeof(options), "id=%s", bad[i]);
		assert_refused(*state, options, "id");
	}
	assert_refused(*state, "num-pages", "num-pages takes");
}

static void powers_of_two(void **state)
{
	static const char *const bad[] = { "",      "0",          "3",  "12", "127", "129", "32769",
					   "65536", "4294967296", "-8", "8k", "one", "0x",  "0x3" };
	char options[80];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(options, sizeof(options), "queue-size=%s", bad[i]);
		assert_refused(*state, options, "power of two");
	}
}

static void words(void **state)
{
	static const char *const bad[] = { "", "ON", "On", "yes", "1", "true", "on ", "offf", "o", "exit ioeventfd" };
	static const char *const keys[] = { "indirect", "event-idx", "notify" };
	char options[80];

	for (unsigned k = 0; k < 3; k++) {
		for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
			snprintf(options, sizeof(options), "%s=%s", keys[k], bad[i]);
			assert_refused(*state, options, keys[k]);
		}
		assert_refused(*state, keys[k], keys[k]);
	}
	assert_refused(*state, "notify=on", "exit or ioeventfd");
	assert_refused(*state, "indirect=exit", "on or off");
}

/* Longer than any value is: refused as a whole, not cut to something that is right. */
static void very_long_texts(void **state)
{
	char options[3000];

	memset(options, '1', sizeof(options));
	memcpy(options, "num-pages=", 10);
	for (unsigned len = 64; len < sizeof(options); len += 60) {
		options[len + 10] = '\0';
		assert_refused(*state, options, "num-pages");
		options[len + 10] = '1';
	}
	options[2999] = '\0';
	memset(options, 'k', 2000);
	assert_refused(*state, options, "unknown key");
}

static void what_is_taken_arrives(void **state)
{
	struct rig *rig = *state;
	struct driver d;

	assert_taken(rig, &d, "queue-size=0x40,num-pages=0x1234,id=0x2a,indirect=off,event-idx=off,notify=ioeventfd");
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 64);
	assert_int_equal(window_get(&d, R_CONFIG, 4), 0x1234);
	assert_int_equal(reg_get(&d, R_DEVICE_ID), 42);
	assert_false(offered_features(&d) & (F_INDIRECT | F_EVENT_IDX));
	assert_int_equal(rig->vm->n_ioeventfds, 1);
	assert_taken(rig, &d,
		     "indirect=on,event-idx=on,notify=exit,num-pages=4294967295,id=4294967295,queue-size=32768");
	assert_true((offered_features(&d) & (F_INDIRECT | F_EVENT_IDX)) == (F_INDIRECT | F_EVENT_IDX));
	assert_int_equal(rig->vm->n_ioeventfds, 1);
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 32768);
	assert_int_equal(window_get(&d, R_CONFIG, 4), 0xffffffff);
	assert_taken(rig, &d, NULL);
	assert_taken(rig, &d, "");
	assert_taken(rig, &d, "queue-size=1");
	assert_int_equal(reg_get(&d, R_QUEUE_NUM_MAX), 1);
}

/* A refused device leaves nothing behind: no window, no line, no place in the machine. */
static void a_refused_device_leaves_nothing(void **state)
{
	struct rig *rig = *state;
	unsigned ranges = rig->vm->mmio.n_ranges, devices = rig->vm->n_devices;
	uint32_t lines = rig->vm->irqs.taken;

	for (unsigned i = 0; i < 100; i++)
		assert_refused(rig, "queue-size=3", "queue-size");
	assert_int_equal(rig->vm->mmio.n_ranges, ranges);
	assert_int_equal(rig->vm->n_devices, devices);
	assert_int_equal(rig->vm->irqs.taken, lines);
}

static void more_devices_than_lines(void **state)
{
	struct rig *rig = *state;
	struct driver d;
	unsigned n = 0;
	char *text;

	while (n < 100 && driver_add(&d, rig, "test", "notify=ioeventfd") == 0)
		n++;
	assert_in_range(n, 8, 64);
	text = rig_errors(rig);
	assert_int_equal(count_of(text, "\n"), 1);
	assert_int_equal(count_of(text, "minivmm: --device test: "), 1);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(unknown_keys),
		RIG_TEST(durations),
		RIG_TEST(durations_in_range),
		RIG_TEST(numbers),
		RIG_TEST(powers_of_two),
		RIG_TEST(words),
		RIG_TEST(very_long_texts),
		RIG_TEST(what_is_taken_arrives),
		RIG_TEST(a_refused_device_leaves_nothing),
		RIG_TEST(more_devices_than_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
