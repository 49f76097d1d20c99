// SPDX-License-Identifier: GPL-2.0-only
/* A guest that does what is told of, as often as it likes, has few lines written: by a clock of the test's own. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/json.h"

#define EVENTS  20000u
#define SECONDS 50u /* that they take */
#define BURST   10u /* lines in 5 s, and one more that counts those held back */

static uint64_t now_us;

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
	(void)id;
	*t = (struct timespec){ .tv_sec = (time_t)(100 + now_us / 1000000),
				.tv_nsec = (long)(now_us % 1000000 * 1000) };
	return 0;
}

static void ignored(struct driver *d)
{
	kick(d, 7);
}

static void failed(struct driver *d)
{
	assert_true(driver_negotiate(d, F_VERSION_1));
	ring_program(&d->rings[0]);
	reg_put(d, R_QUEUE_NUM, 3);
	ring_ready(&d->rings[0], 1);
	assert_true(reg_get(d, R_STATUS) & S_NEEDS_RESET);
}

static void warned(struct driver *d)
{
	virtio_warn(d->dev, "a backend failed");
}

static void few_lines(struct rig *rig, const char *what, void (*event)(struct driver *d))
{
	unsigned lines, most = (SECONDS / 5 + 1) * (BURST + 1);
	char *said;

	ring_place(&rig->a.rings[0], 8);
	free(rig_errors(rig));
	now_us += 10000000;
	for (unsigned i = 0; i < EVENTS; i++, now_us += SECONDS * 1000000ull / EVENTS)
		event(&rig->a);
	said = rig_errors(rig);
	lines = count_of(said, "\n");
	/* also not none: it is to be known, and how much there was */
	if (lines > most || lines < BURST || !strstr(said, "more messages like these were held back"))
		test_fail("%s: %u lines of %u events", what, lines, EVENTS);
	free(said);
}

static void of_each_way(void **state)
{
	struct rig *rig = *state;

	few_lines(rig, "ignored", ignored);
	few_lines(rig, "failed", failed);
	few_lines(rig, "warned", warned);
	assert_true(driver_up(&rig->a, F_VERSION_1) && echo_serves(&rig->a) && echo_serves(&rig->b));
}

int main(void)
{
	const struct CMUnitTest tests[] = { RIG_TEST(of_each_way) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
