// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of the virtio console that keep no rule, or are slow at it. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/support.h"
#include "tests/unit/virtcon.h"

static struct virtcon con;

static void strange_messages(void **state)
{
	static const uint32_t ports[] = { 1, 2, 7, 8, 31, 32, 63, 255, 256, 0x80000000, UINT32_MAX };
	uint8_t noise[64];
	uint64_t seed = 7;

	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, F_MULTIPORT);
	give_control(&con, 32);
	for (uint16_t event = 0; event < 12; event++)
		for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
			if (event != DEVICE_READY)
				say(&con, ports[i], event, 1);
	for (uint16_t value = 2; value; value = (uint16_t)(value << 1)) /* neither yes nor no */
		say(&con, 0, DEVICE_READY, value);
	for (uint32_t len = 1; len < 8; len++) /* short */
		post(&con, CONTROL_TX, 0, "\0\0\0\0\0\0\1", len);
	assert_int_equal(used(&con, CONTROL_RX), 0);
	post(&con, CONTROL_TX, 0, "\0\0\0\0\3\0\1\0 and a tail", 19); /* long: the tail is of no meaning */
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;");
	give(&con, CONTROL_TX, 0, 8); /* nothing to read in it */
	for (unsigned i = 0; i < 5000; i++) {
		for (unsigned b = 0; b < sizeof(noise); b++)
			noise[b] = (uint8_t)random_next(&seed) & (b % 8 ? 7 : 1);
		post(&con, CONTROL_TX, 0, noise, 1 + (uint32_t)(i % sizeof(noise)));
		if (i % 64 == 0)
			give_control(&con, 1);
	}
	assert_int_equal(reg_get(&con.d, R_STATUS), S_UP);
	virtcon_up(&con, 0);
	post(&con, TX(0), 0, "alive\n", 6);
	expect_shown(&con, "alive\n");
}

/* What does not belong on a queue comes back with nothing done. */
static void strange_buffers(void **state)
{
	struct ring *ring;
	uint64_t gpa;

	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_all_open(&con, 1);
	post(&con, RX(0), 0, "readable", 8); /* nothing to write in it */
	assert_int_equal(used(&con, RX(0)), 1);
	assert_int_equal(ring_used_len(&con.d.rings[RX(0)], 0), 0);
	give(&con, TX(0), 0, 8); /* nothing to read in it */
	assert_int_equal(used(&con, TX(0)), 1);
	ring = &con.d.rings[TX(0)];
	ring_desc(ring, 1, 0, 0, 0, 0); /* empty */
	ring_add(ring, 1);
	ring = &con.d.rings[RX(0)];
	ring_desc(ring, 1, 0, 0, D_WRITE, 0);
	ring_add(ring, 1);
	kick(&con.d, TX(0));
	kick(&con.d, RX(0));
	wait_until(used(&con, TX(0)) == 2 && used(&con, RX(0)) == 2);
	gpa = give(&con, RX(0), 2, 8);
	console_type(&con.pipes, "alive", 5);
	expect_bytes(&con, RX(0), 2, gpa, "alive");
	assert_int_equal(reg_get(&con.d, R_STATUS), S_UP);
	virtcon_end(&con);
}

/* A chain of nearly 4 GiB: the same page again and again. `flags`: D_WRITE or 0. */
static void add_huge(unsigned q, uint16_t flags)
{
	struct rig *rig = con.rig;
	const uint32_t len = 63u << 20;
	uint64_t table = gpa_alloc(rig, 16 * VIRTCON_RING, 16);

	for (uint16_t i = 0; i < VIRTCON_RING; i++)
		put_desc(rig, table, i, 0, len, flags | (i + 1 < VIRTCON_RING ? D_NEXT : 0), (uint16_t)(i + 1));
	ring_desc(&con.d.rings[q], 0, table, 16 * VIRTCON_RING, D_INDIRECT, 0);
	ring_add(&con.d.rings[q], 0);
	kick(&con.d, q);
}

/* Nobody is held up by such buffers, neither the vCPU nor the loop, where the reader takes all that there is. */
static void huge_buffers(void **state)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	dup2(null, STDOUT_FILENO); /* teardown puts it back */
	close(null);
	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, F_INDIRECT);
	add_huge(TX(0), 0);
	assert_int_equal(counted(&con, "tx-bytes"), 64 * 4096); /* its share */
	rig_loop_start(con.rig);
	wait_until(counted(&con, "tx-bytes") > 64 << 20); /* the loop goes on, others in between */
	reg_put(&con.d, R_STATUS, 0);
	virtcon_up(&con, 0);
	post(&con, TX(0), 0, "alive", 5);
	assert_int_equal(used(&con, TX(0)), 1);
}

static void huge_room_for_input(void **state)
{
	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_up(&con, F_INDIRECT);
	add_huge(RX(0), D_WRITE);
	console_type(&con.pipes, "few", 3);
	wait_until(used(&con, RX(0)) == 1);
	assert_int_equal(ring_used_len(&con.d.rings[RX(0)], 0), 3);
	virtcon_end(&con);
}

/* The queues of other ports are not there without MULTIPORT. */
static void no_queues_without_multiport(void **state)
{
	virtcon_add(&con, *state, NULL);
	virtcon_up(&con, 0);
	post(&con, CONTROL_TX, 0, "\0\0\0\0\0\0\1\0", 8);
	give(&con, CONTROL_RX, 0, 64);
	assert_int_equal(used(&con, CONTROL_TX), 0);
	assert_int_equal(used(&con, CONTROL_RX), 0);
}

/* A driver that broke the ring has lost its device; what is typed goes to the serial port again. */
static void a_failed_device_lets_go(void **state)
{
	struct ring *ring = &con.d.rings[TX(0)];

	virtcon_add(&con, *state, NULL);
	virtcon_run(&con);
	virtcon_up(&con, 0);
	give(&con, RX(0), 0, 16);
	ring_add(ring, 999);
	kick(&con.d, TX(0));
	assert_true(reg_get(&con.d, R_STATUS) & S_NEEDS_RESET);
	console_type(&con.pipes, "x", 1);
	expect_serial(&con, "x");
	assert_int_equal(used(&con, RX(0)), 0);
	virtcon_end(&con);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(strange_messages),
		RIG_TEST(strange_buffers),
		RIG_TEST(huge_buffers),
		RIG_TEST(huge_room_for_input),
		RIG_TEST(no_queues_without_multiport),
		RIG_TEST(a_failed_device_lets_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
