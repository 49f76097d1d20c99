// SPDX-License-Identifier: GPL-2.0-only
/* The socket device with Unix sockets: connections, credit, ends, resets (virtio 1.2, 5.10). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/backend/vsock_conn.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "tests/unit/vsock.h"

/* --- the device --------------------------------------------------------------------------------------------------- */

static void identity(void **state)
{
	struct peer *peer = *state;
	struct driver d;
	char options[128];

	rig_loop_stop(peer->rig); /* devices come while it does not run: loop.h */
	assert_int_equal(reg_get(&peer->d, R_DEVICE_ID), 19);
	for (unsigned q = 0; q < 4; q++) {
		reg_put(&peer->d, R_QUEUE_SEL, q);
		assert_int_equal(reg_get(&peer->d, R_QUEUE_NUM_MAX), q < 3 ? 128 : 0);
	}
	assert_int_equal(window_get(&peer->d, R_CONFIG, 8), GUEST_CID);
	window_put(&peer->d, R_CONFIG, 8, 99);
	assert_int_equal(window_get(&peer->d, R_CONFIG, 8), GUEST_CID);
	assert_int_equal(offered_features(&peer->d) & 0xffffff, F_STREAM);
	snprintf(options, sizeof(options), "cid=0xfffffffe,socket=%s.2", peer->path);
	assert_int_equal(driver_add(&d, peer->rig, "vsock", options), 0);
	assert_int_equal(window_get(&d, R_CONFIG, 8), 0xfffffffe);
}

/* What is reserved (virtio 1.2, 5.10.4), a name that is too long, and neither of the two backends. */
static void wrong_options(void **state)
{
	static const struct {
		const char *options, *message;
	} wrong[] = {
		{ "cid=2,socket=x", "cid=2" },
		{ "cid=0xffffffff,socket=x", "cid=0xffffffff" },
		{ "socket=/tmp/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123",
		  "has 1 to 96 characters" },
		{ "socket=", "socket=" },
		{ "socket=/no/such/place", "socket=/no/such/place" },
		{ "cid=7", "load vhost_vsock, or give socket=PATH" },
	};
	struct peer *peer = *state;
	struct driver d;

	rig_loop_stop(peer->rig);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		if (i == 5 && access("/dev/vhost-vsock", F_OK) == 0)
			continue;
		free(rig_errors(peer->rig));
		assert_int_not_equal(driver_add(&d, peer->rig, "vsock", wrong[i].options), 0);
		char *text = rig_errors(peer->rig);

		assert_one_message(text, wrong[i].message);
		assert_one_message(text, "--device vsock");
		free(text);
	}
}

static void the_socket_file(void **state)
{
	struct peer *peer = *state;
	char options[128], other[80];
	struct driver d;
	struct stat st;

	rig_loop_stop(peer->rig);
	assert_int_equal(stat(peer->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);

	/* one that is in use */
	snprintf(options, sizeof(options), "socket=%s", peer->path);
	assert_int_not_equal(driver_add(&d, peer->rig, "vsock", options), 0);
	char *text = rig_errors(peer->rig);

	assert_one_message(text, "another program listens there");
	free(text);
	assert_int_equal(stat(peer->path, &st), 0);

	/* one that somebody left */
	close(host_listen(peer, 1));
	snprintf(options, sizeof(options), "socket=%s_1", peer->path);
	assert_int_equal(driver_add(&d, peer->rig, "vsock", options), 0);

	/* and no socket at all */
	snprintf(other, sizeof(other), "%s_2", peer->path);
	FILE *file = fopen(other, "w");

	fputs("mine", file);
	fclose(file);
	snprintf(options, sizeof(options), "socket=%s", other);
	assert_int_not_equal(driver_add(&d, peer->rig, "vsock", options), 0);
	text = rig_errors(peer->rig);
	assert_one_message(text, "is no socket");
	free(text);
	assert_int_equal(stat(other, &st), 0);
	assert_int_equal(st.st_size, 4);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void host_connects(void **state)
{
	struct peer *peer = *state;
	struct flow flows[2];

	for (unsigned i = 0; i < 2; i++)
		flow_from_host(&flows[i], peer, 1234);
	assert_int_not_equal(flows[0].host_port, flows[1].host_port);
	for (unsigned i = 0; i < 6; i++)
		flow_works(&flows[i % 2]);
	assert_int_equal(peer_counts(peer)->connections, 2);
	assert_int_equal(peer_counts(peer)->to_guest, 72);
	assert_int_equal(peer_counts(peer)->from_guest, 66);
	for (unsigned i = 0; i < 2; i++)
		close(flows[i].fd);
}

static void guest_connects(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_guest(&flow, peer, 1025, 52);
	flow_works(&flow);
	flow_works(&flow);
	close(flow.fd);
	assert_true(edges(&peer->d) > 0);
}

static void nobody_is_there(void **state)
{
	struct peer *peer = *state;

	peer_send(peer, peer_packet(peer, REQUEST, 1025, 52));
	peer_expect_rst(peer, 1025, 52);
	assert_int_equal(peer_counts(peer)->refused, 1);
	/* and the other way round */
	int fd = host_dial(peer, "CONNECT 77\n");
	uint32_t port = peer_receive(peer)->src_port;

	peer_send(peer, peer_packet(peer, RST, 77, port));
	host_eof(fd);
	peer_expect_open(peer, 0);
	close(fd);
}

static void greetings(void **state)
{
	static const char *const wrong[] = {
		"CONNECT 4294967296\n", "CONNECT\n",    "CONNECT x\n", "CONNECT 5 \n",
		"connect 5\n",          "CONNECT -5\n", "\n",          "CONNECT 00000000000000000000000005\n"
	};
	struct peer *peer = *state;

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		int fd = host_dial(peer, wrong[i]);

		host_eof(fd);
		close(fd);
	}
	/* a line that never ends, one that is broken off, and none */
	int fd = host_dial(peer, "CONNECT 5");

	shutdown(fd, SHUT_WR);
	host_eof(fd);
	close(fd);
	close(host_dial(peer, ""));
	peer_expect_open(peer, 0);
	peer_silent(peer);

	/* byte by byte; what is behind the line is the guest's */
	struct flow flow = { .peer = peer, .guest_port = 4294967295u, .buf_alloc = 100 };

	flow.fd = host_dial(peer, "");
	for (const char *at = "CONNECT 4294967295\nhello"; *at; at++) {
		host_write(flow.fd, at, 1);
		sleep_ms(1);
	}
	flow.host_port = peer_receive(peer)->src_port;
	assert_int_equal(peer->in.op, REQUEST);
	peer_silent(peer); /* not before the guest accepted */
	flow_send(&flow, RESPONSE, 0, NULL, 0);
	char line[32];

	snprintf(line, sizeof(line), "OK %u\n", flow.host_port);
	host_expect(flow.fd, line);
	for (unsigned done = 0; done < 5; done += peer->in.n) {
		flow_expect(&flow, RW);
		assert_memory_equal(peer->in.data, &"hello"[done], peer -> in.n);
	}
	close(flow.fd);
}

/* The next tick is now, and takes effect: the one connection that there is grows older, or changes. */
static void fire(struct peer *peer)
{
	const struct itimerspec now = { .it_value.tv_nsec = 1 };
	struct vsock_unix *host = peer_backend(peer);
	enum conn_state before, state;
	unsigned age_before, age;
	struct itimerspec left;

	peer_conn(peer, &before, &age_before);
	state = before;
	age = age_before;
	assert_int_equal(timerfd_gettime(host->timer_fd, &left), 0);
	assert_true(left.it_value.tv_sec || left.it_value.tv_nsec); /* it would come by itself */
	timerfd_settime(host->timer_fd, 0, &now, NULL);
	for (unsigned ms = 0; ms < 5000 && state == before && age == age_before; ms++) {
		sleep_ms(1);
		peer_conn(peer, &state, &age);
	}
	sleep_ms(2); /* the timer is set anew */
}

/* A guest that does not answer: the program is told in the end, and so is the guest. */
static void patience(void **state)
{
	struct peer *peer = *state;
	int fd = host_dial(peer, "CONNECT 9\n");
	uint32_t port = peer_receive(peer)->src_port;
	struct flow flow;

	for (unsigned i = 0; i < 4; i++)
		fire(peer);
	peer_silent(peer);
	fire(peer);
	host_eof(fd);
	peer_expect_rst(peer, 9, port);
	close(fd);

	flow_from_host(&flow, peer, 10);
	close(flow.fd);
	while (peer_receive(peer)->op != SHUTDOWN)
		;
	for (unsigned i = 0; i < 5; i++)
		fire(peer);
	do /* a first SHUTDOWN may have been one half */
		peer_receive(peer);
	while (peer->in.op == SHUTDOWN);
	assert_int_equal(peer->in.op, RST);
	peer_expect_open(peer, 0);
}

/* A pair of ports is one connection's at a time. */
static void ports_that_come_round(void **state)
{
	struct peer *peer = *state;
	struct flow flows[3];

	for (unsigned i = 0; i < 3; i++) {
		peer_lock(peer);
		peer_backend(peer)->counts->next_port = 0x3fffffff;
		peer_unlock(peer);
		flow_from_host(&flows[i], peer, 5);
	}
	assert_int_equal(flows[0].host_port, 0x7fffffff);
	assert_int_equal(flows[1].host_port, 0x40000000);
	assert_int_equal(flows[2].host_port, 0x40000001);
	for (unsigned i = 0; i < 3; i++)
		flow_works(&flows[i]);
	for (unsigned i = 0; i < 3; i++)
		close(flows[i].fd);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void table_full(void **state)
{
	struct peer *peer = *state;
	int listener = host_listen(peer, 1), hosts[VSOCK_CONNS];

	for (uint32_t i = 0; i < VSOCK_CONNS; i++) {
		peer_send(peer, peer_packet(peer, REQUEST, 2000 + i, 1));
		assert_int_equal(peer_receive(peer)->op, RESPONSE);
		assert_int_equal(peer->in.dst_port, 2000 + i);
	}
	peer_send(peer, peer_packet(peer, REQUEST, 1999, 1));
	peer_expect_rst(peer, 1999, 1);
	for (uint32_t i = 0; i < VSOCK_CONNS; i++)
		hosts[i] = host_accept(listener);
	sleep_ms(10);
	fcntl(listener, F_SETFL, O_NONBLOCK);
	assert_int_equal(accept(listener, NULL, NULL), -1); /* nobody is troubled for nothing */
	int fd = host_dial(peer, "CONNECT 5\n");

	host_eof(fd);
	close(fd);
	assert_true(echo_serves(&peer->rig->b));

	/* one ends, one begins */
	struct packet *out = peer_packet(peer, SHUTDOWN, 2077, 1);

	out->flags = SHUT_RCV | SHUT_SEND;
	peer_send(peer, out);
	peer_expect_rst(peer, 2077, 1);
	peer_expect_open(peer, VSOCK_CONNS - 1);
	peer_send(peer, peer_packet(peer, REQUEST, 1999, 1));
	assert_int_equal(peer_receive(peer)->op, RESPONSE);
	for (uint32_t i = 0; i < VSOCK_CONNS; i++)
		close(hosts[i]);
	close(listener);
}

/* --- reset -------------------------------------------------------------------------------------------------------- */

static void reset_in_mid_flow(void **state)
{
	struct peer *peer = *state;
	struct flow flow;
	char bytes[50000] = { 0 };

	flow_from_host(&flow, peer, 5);
	host_write(flow.fd, bytes, sizeof(bytes));
	flow_send(&flow, RW, 0, bytes, sizeof(bytes));
	reg_put(&peer->d, R_STATUS, 0);
	assert_int_equal(peer_counts(peer)->open, 0);
	host_read(flow.fd, bytes, sizeof(bytes));
	host_eof(flow.fd);
	close(flow.fd);

	/* without a driver nobody is let in */
	int fd = host_dial(peer, "CONNECT 5\n");

	host_eof(fd);
	close(fd);
	peer_up(peer, RX_NUM, 4096);
	peer_silent(peer); /* nothing of before */
	flow_from_guest(&flow, peer, 5, 5);
	flow_works(&flow);
	close(flow.fd);
}

static void again(struct peer *peer, unsigned q)
{
	struct ring *ring = &peer->d.rings[q];

	reg_put(&peer->d, R_QUEUE_SEL, q);
	reg_put(&peer->d, R_QUEUE_RESET, 1);
	ring_place(ring, RX_NUM);
	ring_program(ring);
	ring_ready(ring, 1);
}

/* virtio 1.2, 2.6.1: the queue begins anew, the connections go on. */
static void queue_resets(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	flow_works(&flow); /* the device has a buffer in its hands by now */
	again(peer, RX);
	peer->rx_at = 0;
	host_write(flow.fd, "waiting", 7);
	sleep_ms(10);
	for (uint16_t head = 0; head < RX_NUM; head++)
		peer_add_rx(peer, head, 4096);
	peer_kick(peer, RX);
	assert_int_equal(flow_expect(&flow, RW)->n, 7);
	flow_works(&flow);
	again(peer, TX);
	flow_works(&flow);
	assert_int_equal(reg_get(&peer->d, R_STATUS), S_UP);
	close(flow.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(identity),      PEER_TEST(wrong_options),     PEER_TEST(the_socket_file),
		PEER_TEST(host_connects), PEER_TEST(guest_connects),    PEER_TEST(nobody_is_there),
		PEER_TEST(greetings),     PEER_TEST(patience),          PEER_TEST(ports_that_come_round),
		PEER_TEST(table_full),    PEER_TEST(reset_in_mid_flow), PEER_TEST(queue_resets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
