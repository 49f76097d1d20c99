// SPDX-License-Identifier: GPL-2.0-only
/* Which devices a command line makes: the default, none, several, in order, and one that may be there only once. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "devices/devices.h"
#include "devices/virtio/virtio.h"
#include "tests/unit/support.h"

static const struct virtio_class lone_class = { .name = "lone", .help = "", .id = 1, .single = true };
VIRTIO_DEVICE(lone_class);

/* Makes the machine of these devices; the names of what is on its MMIO bus, in order, or the message where it fails. */
static const char *made(char **devices, unsigned n, int expected)
{
	static char text[512];
	struct vm_config config = plain_config();
	struct vm *vm;

	config.devices = devices;
	config.n_devices = n;
	assert_int_equal(vm_create(&vm, &config), 0);
	catch_stderr();
	assert_int_equal(devices_create(vm), expected);
	const char *said = caught_stderr();

	text[0] = '\0';
	for (unsigned i = 0; i < vm->mmio.n_ranges && !expected; i++) {
		strncat(text, vm->mmio.ranges[i].name, sizeof(text) - strlen(text) - 2);
		strcat(text, " ");
	}
	vm_destroy(vm);
	if (!expected) {
		assert_string_equal(said, "");
		return text;
	}
	return said;
}
#define MADE(expected, ...) \
	made((char *[]){ __VA_ARGS__ }, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *), expected)

static void test_default(void **state)
{
	(void)state;
	assert_string_equal(made(NULL, 0, 0), "power pvpanic test0 ");
	assert_string_equal(MADE(0, "none"), "power pvpanic ");
}

static void test_order(void **state)
{
	(void)state;
	assert_string_equal(MADE(0, "test", "lone", "test,period=1ms"), "power pvpanic test0 lone0 test1 ");
	assert_string_equal(MADE(0, "lone", "none", "test"), "power pvpanic lone0 test0 ");
}

static void test_only_once(void **state)
{
	(void)state;
	assert_one_message(MADE(-EEXIST, "lone", "test", "lone"), "--device lone");
	assert_one_message(MADE(-EEXIST, "lone", "lone,id=3"), "only one");
}

static void test_unknown(void **state)
{
	(void)state;
	assert_one_message(MADE(-EINVAL, "tes"), "'tes'");
	assert_one_message(MADE(-EINVAL, "testy"), "--device help");
	assert_one_message(MADE(-EINVAL, ""), "--device help");
	assert_one_message(MADE(-EINVAL, "test", "test,foo=1"), "'foo'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_only_once),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
