// SPDX-License-Identifier: GPL-2.0-only
/* The virtio console's other ports, with real clients at their sockets: test_console_sockets.c makes
 * the sockets. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/support.h"
#include "tests/unit/virtcon.h"

static struct virtcon con;
/* Port 1 and 2 are known and open; the loop runs. */
static void add_open(struct rig *rig)
{
	virtcon_add_ports(&con, rig, "ab");
	rig_loop_start(rig);
	virtcon_all_open(&con, 3);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;1 NAME 1 a;2 NAME 1 b;");
}

/* --- clients ------------------------------------------------------------------------------------------------------ */

static void both_ways(void **state)
{
	int fd;
	uint64_t gpa;

	add_open(*state);
	fd = socket_client("b");
	expect_control(&con, "2 OPEN 1;");
	gpa = give(&con, RX(2), 0, 100);
	assert_int_equal(write(fd, "to the guest", 12), 12);
	expect_bytes(&con, RX(2), 0, gpa, "to the guest");
	post(&con, TX(2), 0, "to the host", 11);
	expect_heard(fd, "to the host", 11);
	assert_int_equal(used(&con, TX(2)), 1);
	assert_int_equal(counted(&con, "rx-bytes"), 12);
	assert_int_equal(counted(&con, "tx-bytes"), 11);
	close(fd);
	expect_control(&con, "2 OPEN 0;");
}

/* What is sent before the guest listens waits; also for its buffers, which it fills one by one. */
static void bytes_wait_for_the_guest(void **state)
{
	uint64_t gpa;
	int fd;

	virtcon_add_ports(&con, *state, "a");
	rig_loop_start(con.rig);
	fd = socket_client("a");
	assert_int_equal(write(fd, "early bird", 10), 10);
	virtcon_up(&con, F_MULTIPORT);
	give_control(&con, 16);
	gpa = give(&con, RX(1), 0, 5);
	say(&con, 1, PORT_READY, 1);
	expect_control(&con, "1 NAME 1 a;1 OPEN 1;"); /* the client was there before the driver */
	usleep(20000);
	assert_int_equal(used(&con, RX(1)), 0);
	say(&con, 1, PORT_OPEN, 1);
	expect_bytes(&con, RX(1), 0, gpa, "early");
	gpa = give(&con, RX(1), 1, 100);
	expect_bytes(&con, RX(1), 1, gpa, " bird");
	say(&con, 1, PORT_OPEN, 0);
	gpa = give(&con, RX(1), 2, 100);
	assert_int_equal(write(fd, "later", 5), 5);
	usleep(20000);
	assert_int_equal(used(&con, RX(1)), 2);
	say(&con, 1, PORT_OPEN, 1);
	expect_bytes(&con, RX(1), 2, gpa, "later");
	close(fd);
	expect_control(&con, "1 OPEN 0;");
}

/* The host's socket fills up, and the sender waits there: 4 MB in order, through buffers of odd sizes. */
static void *send_much(void *ctx)
{
	int fd = *(int *)ctx;

	for (uint32_t i = 0; i < 1 << 20; i++)
		if (write(fd, &i, 4) != 4)
			break;
	close(fd);
	return NULL;
}

static void much_to_the_guest(void **state)
{
	pthread_t sender;
	uint8_t *got = malloc(4 << 20);
	size_t len = 0;
	int fd;

	add_open(*state);
	fd = socket_client("a");
	pthread_create(&sender, NULL, send_much, &fd);
	uint64_t gpa = gpa_alloc(con.rig, 5000, 1);

	for (uint16_t at = 0; len < 4 << 20; at++) {
		struct ring *ring = &con.d.rings[RX(1)];

		ring_desc(ring, at % VIRTCON_RING, gpa, 1 + at * 7 % 5000, D_WRITE, 0);
		ring_add(ring, at % VIRTCON_RING);
		kick(&con.d, RX(1));
		wait_until(used(&con, RX(1)) == (uint16_t)(at + 1));
		uint32_t n = ring_used_len(ring, at);

		memcpy(got + len, gpa_ptr(con.rig, gpa, n), n);
		len += n;
	}
	for (uint32_t i = 0; i < 1 << 20; i++)
		if (((uint32_t *)got)[i] != i)
			fail_msg("number %u is %u", i, ((uint32_t *)got)[i]);
	expect_control(&con, "1 OPEN 1;1 OPEN 0;"); /* the last byte came before */
	assert_int_equal(counted(&con, "rx-bytes"), 4 << 20);
	pthread_join(sender, NULL);
	free(got);
}

/* A client that does not read: the buffer stays ours, and goes on when it does. */
static void much_from_the_guest(void **state)
{
	const uint32_t much = 1 << 20;
	char *bytes = malloc(much);
	int fd;

	for (uint32_t i = 0; i < much; i++)
		bytes[i] = (char)(i * 3 + i / 251);
	add_open(*state);
	fd = socket_client("a");
	expect_control(&con, "1 OPEN 1;");
	for (uint16_t i = 0; i < 8; i++)
		post(&con, TX(1), i, bytes + i * much / 8, much / 8);
	usleep(50000);
	assert_in_range(used(&con, TX(1)), 0, 6);
	expect_heard(fd, bytes, much);
	wait_until(used(&con, TX(1)) == 8);
	assert_int_equal(counted(&con, "tx-bytes"), much);
	assert_int_equal(counted(&con, "dropped-bytes"), 0);
	close(fd);
	free(bytes);
}

static void nobody_there(void **state)
{
	add_open(*state);
	post(&con, TX(1), 0, "hello?", 6);
	assert_int_equal(used(&con, TX(1)), 1);
	assert_int_equal(counted(&con, "dropped-bytes"), 6);
	assert_int_equal(counted(&con, "tx-bytes"), 0);
}

/* What the guest had begun to send to a client that left is not for the next. */
static void no_rest_for_the_next(void **state)
{
	const uint32_t much = 4 << 20;
	char *bytes = calloc(1, much);
	int first, second;

	add_open(*state);
	first = socket_client("a");
	expect_control(&con, "1 OPEN 1;");
	second = socket_client("a"); /* waits for its turn */
	post(&con, TX(1), 0, bytes, much);
	assert_int_equal(used(&con, TX(1)), 0);
	close(first);
	wait_until(used(&con, TX(1)) == 1);
	expect_control(&con, "1 OPEN 0;1 OPEN 1;");
	post(&con, TX(1), 1, "for the second", 14);
	expect_heard(second, "for the second", 14);
	assert_int_equal(counted(&con, "tx-bytes") + counted(&con, "dropped-bytes"), much + 14);
	close(second);
	free(bytes);
}

/* Who has only said all that he has to say still gets the answer. */
static void half_closed(void **state)
{
	uint64_t gpa;
	int fd;

	add_open(*state);
	fd = socket_client("a");
	expect_control(&con, "1 OPEN 1;");
	gpa = give(&con, RX(1), 0, 100);
	give(&con, RX(1), 1, 100);
	assert_int_equal(write(fd, "question", 8), 8);
	shutdown(fd, SHUT_WR);
	expect_bytes(&con, RX(1), 0, gpa, "question");
	usleep(20000);
	assert_int_equal(used(&con, CONTROL_RX), con.control_seen);
	post(&con, TX(1), 0, "answer", 6);
	expect_heard(fd, "answer", 6);
	close(fd);
	expect_control(&con, "1 OPEN 0;");
}

/* Clients come and go while the driver gives no buffer for messages: it hears that one left, and that one is there. */
static void clients_come_and_go(void **state)
{
	uint64_t gpa;
	int fd;

	virtcon_add_ports(&con, *state, "a");
	rig_loop_start(con.rig);
	virtcon_up(&con, F_MULTIPORT);
	give_control(&con, 2);
	say(&con, 1, PORT_READY, 1);
	say(&con, 1, PORT_OPEN, 1);
	fd = socket_client("a");
	expect_control(&con, "1 NAME 1 a;1 OPEN 1;");
	for (unsigned i = 0; i < 20; i++) {
		close(fd);
		fd = socket_client("a");
		usleep(1000);
	}
	gpa = give(&con, RX(1), 20, 16);
	assert_int_equal(write(fd, "last", 4), 4);
	usleep(20000);
	assert_int_equal(used(&con, RX(1)), 0); /* the driver does not know of this one yet */
	give_control(&con, 8);
	expect_control(&con, "1 OPEN 0;1 OPEN 1;");
	wait_until(used(&con, RX(1)) == 1);
	assert_int_equal(ring_used_len(&con.d.rings[RX(1)], 0), 4);
	(void)gpa;
	close(fd);
	expect_control(&con, "1 OPEN 0;");
	usleep(20000);
	assert_int_equal(used(&con, CONTROL_RX), con.control_seen);
}

static void reset_with_a_client(void **state)
{
	char *bytes = calloc(1, 4 << 20);
	uint64_t gpa;
	int fd;

	add_open(*state);
	fd = socket_client("a");
	expect_control(&con, "1 OPEN 1;");
	give(&con, RX(1), 0, 16);
	post(&con, TX(1), 0, bytes, 4 << 20);
	reg_put(&con.d, R_STATUS, 0);
	assert_int_equal(write(fd, "kept", 4), 4);
	expect_heard(fd, bytes, 4096);
	virtcon_all_open(&con, 3);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;1 NAME 1 a;1 OPEN 1;2 NAME 1 b;");
	gpa = give(&con, RX(1), 3, 16);
	expect_bytes(&con, RX(1), 0, gpa, "kept");
	close(fd);
	expect_control(&con, "1 OPEN 0;");
	free(bytes);
}

/* A new driver hears nothing until it asks, and gets nothing until it opens. */
static void reset_forgets(void **state)
{
	int fd;

	add_open(*state);
	fd = socket_client("a");
	expect_control(&con, "1 OPEN 1;");
	say(&con, 0, DEVICE_READY, 1);
	virtcon_up(&con, F_MULTIPORT); /* with messages for the old one still to be sent ... */
	say(&con, 1, PORT_READY, 1);
	say(&con, 1, PORT_OPEN, 1);
	virtcon_up(&con, F_MULTIPORT); /* ... and a port that it had open */
	give_control(&con, 8);
	give(&con, RX(1), 0, 16);
	assert_int_equal(write(fd, "x", 1), 1);
	usleep(20000);
	assert_int_equal(used(&con, CONTROL_RX), 0);
	assert_int_equal(used(&con, RX(1)), 0);
	close(socket_client("b"));
	usleep(20000);
	assert_int_equal(used(&con, CONTROL_RX), 0);
	close(fd);
}

/* Before there is a driver, and with one that knows of port 0 alone, clients come, send and go. */
static void without_a_driver(void **state)
{
	uint64_t gpa;
	int fd;

	virtcon_add_ports(&con, *state, "a");
	rig_loop_start(con.rig);
	fd = socket_client("a");
	assert_int_equal(write(fd, "news", 4), 4);
	close(fd);
	usleep(20000);
	virtcon_up(&con, 0);
	gpa = give(&con, RX(1), 0, 16);
	post(&con, TX(1), 0, "x", 1);
	assert_int_equal(used(&con, RX(1)) + used(&con, TX(1)), 0);
	virtcon_all_open(&con, 2);
	gpa = give(&con, RX(1), 1, 16);
	expect_bytes(&con, RX(1), 0, gpa, "news");
	give(&con, RX(1), 2, 16);
	expect_control(&con, "0 CONSOLE 1;0 OPEN 1;1 NAME 1 a;1 OPEN 1;1 OPEN 0;");
}

/* A client that is gone, with bytes that the guest does not take, keeps nothing busy. */
static void idle(void **state)
{
	virtcon_add_ports(&con, *state, "a");
	int fd = socket_client("a");
	struct timespec before, after;

	rig_loop_start(con.rig);
	virtcon_all_open(&con, 2);
	assert_int_equal(write(fd, "bytes", 5), 5);
	shutdown(fd, SHUT_WR);
	usleep(10000);
	close(fd);
	usleep(10000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	usleep(200000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SOCKET_TEST(both_ways),           SOCKET_TEST(bytes_wait_for_the_guest),
		SOCKET_TEST(much_to_the_guest),   SOCKET_TEST(much_from_the_guest),
		SOCKET_TEST(nobody_there),        SOCKET_TEST(no_rest_for_the_next),
		SOCKET_TEST(half_closed),         SOCKET_TEST(clients_come_and_go),
		SOCKET_TEST(reset_with_a_client), SOCKET_TEST(reset_forgets),
		SOCKET_TEST(without_a_driver),    SOCKET_TEST(idle),
	};

	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
