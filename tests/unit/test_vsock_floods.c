// SPDX-License-Identifier: GPL-2.0-only
/* More than there is room for, and too little room: what waits is bounded, and what follows works. */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "devices/backend/vsock_conn.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "tests/unit/vsock.h"

/* No rx buffers: replies wait, a bit each or in a table of fixed size; then the tx queue stands still. */
static void no_rx_buffers(void **state)
{
	struct peer *peer = *state;
	struct ring *tx = &peer->d.rings[TX];
	struct flow flow;
	uint32_t taken = 0, came = 0;

	flow_from_host(&flow, peer, 5);
	close(flow.fd);
	peer_up(peer, 0, 4096);
	int waiting = host_dial(peer, "CONNECT 5\n");
	int listener = host_listen(peer, 6);

	peer_send(peer, peer_packet(peer, REQUEST, 9, 6)); /* its RESPONSE is owed */
	for (unsigned i = 0; i < 1000; i++) {
		struct packet *out = peer_packet(peer, CREDIT_REQUEST, 9, 6);

		peer_send(peer, out); /* and so is one CREDIT_UPDATE */
	}
	do
		peer_post(peer, peer_packet(peer, RW, 1000 + taken, 7));
	while (ring_used_idx(tx) == tx->avail_idx && ++taken < 1000);
	assert_int_equal(taken, VSOCK_REFUSALS);
	assert_true(echo_serves(&peer->rig->b));

	/* a driver that cares now gets all of it, and what waited is taken */
	for (uint16_t head = 0; head < RX_NUM; head++)
		peer_add_rx(peer, head, 4096);
	peer_kick(peer, RX);
	for (came = 0; came < taken + 1;)
		came += peer_receive(peer)->op == RST;
	assert_int_equal(ring_used_idx(tx), tx->avail_idx);
	sleep_ms(10);
	unsigned others = 0;

	while (ring_used_idx(&peer->d.rings[RX]) != peer->rx_at) {
		peer_receive(peer);
		others += peer->in.op == RESPONSE || peer->in.op == REQUEST;
	}
	assert_in_range(others, 0, 2); /* where they did not come between the RSTs */
	assert_int_equal(peer_counts(peer)->open, 2);
	close(waiting);
	close(listener);
	peer_is_well(peer);
}

/* As soon as there are buffers, all is done: nobody kicks queue TX once more for what it left. */
static void it_goes_on_by_itself(void **state)
{
	struct peer *peer = *state;
	struct ring *rx = &peer->d.rings[RX], *tx = &peer->d.rings[TX];

	peer->d.num = 128;
	peer_up(peer, 0, 4096);
	for (unsigned i = 0; i < VSOCK_REFUSALS; i++)
		peer_send(peer, peer_packet(peer, RW, i, 7));
	for (uint16_t head = 0; head < 50; head++) { /* the same packet from fifty buffers */
		ring_desc(tx, head, peer->tx_gpa, HEADER, 0, 0);
		ring_add(tx, head);
	}
	peer_kick(peer, TX);
	assert_int_equal(ring_used_idx(tx), VSOCK_REFUSALS);
	for (uint16_t head = 0; head < 128; head++) {
		ring_desc(rx, head, peer->rx_gpa, 100, D_WRITE, 0);
		ring_add(rx, head);
	}
	peer_kick(peer, RX);
	assert_int_equal(ring_used_idx(tx), VSOCK_REFUSALS + 50);
	assert_int_equal(ring_used_idx(rx), VSOCK_REFUSALS + 50);

	/* what waits does not outlive a reset */
	peer->d.num = RX_NUM;
	peer_up(peer, 0, 4096);
	peer_send(peer, peer_packet(peer, RW, 1, 7));
	peer_up(peer, RX_NUM, 4096);
	peer_silent(peer);
	peer_is_well(peer);
}

/* Connections that end and begin while they wait for a buffer keep their place, once. */
static void places_in_the_queue(void **state)
{
	struct peer *peer = *state;
	int listener = host_listen(peer, 6);
	unsigned seen = 0;

	peer_up(peer, 0, 4096);
	for (uint32_t port = 1; port <= 3; port++)
		peer_send(peer, peer_packet(peer, REQUEST, port, 6));
	for (uint32_t port = 1; port <= 2; port++)
		peer_send(peer, peer_packet(peer, RST, port, 6));
	for (uint32_t port = 4; port <= 6; port++)
		peer_send(peer, peer_packet(peer, REQUEST, port, 6));
	for (uint16_t head = 0; head < RX_NUM; head++)
		peer_add_rx(peer, head, 4096);
	peer_kick(peer, RX);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(peer_receive(peer)->op, RESPONSE);
		seen |= 1u << peer->in.dst_port;
	}
	assert_int_equal(seen, 1u << 3 | 1u << 4 | 1u << 5 | 1u << 6);
	peer_silent(peer);
	close(listener);
	peer_is_well(peer);
}

static void rx_buffers_that_are_too_small(void **state)
{
	struct peer *peer = *state;

	for (uint32_t len = HEADER - 1; len <= HEADER; len++) {
		peer_up(peer, 1, len);
		assert_int_equal(reg_get(&peer->d, R_STATUS), S_UP | S_NEEDS_RESET);
		int fd = host_dial(peer, "CONNECT 5\n");

		host_eof(fd);
		close(fd);
		assert_true(echo_serves(&peer->rig->b));
	}
	peer_up(peer, RX_NUM, HEADER + 1);
	int fd = host_dial(peer, "CONNECT 5\n");

	assert_int_equal(peer_receive(peer)->op, REQUEST);
	close(fd);
	peer_receive(peer);
	peer_is_well(peer);
}

/* A failure in mid-flow closes what is open. */
static void failure(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	ring_add(&peer->d.rings[TX], 999);
	peer_kick(peer, TX);
	assert_int_equal(reg_get(&peer->d, R_STATUS), S_UP | S_NEEDS_RESET);
	host_eof(flow.fd);
	assert_int_equal(peer_counts(peer)->open, 0);
	close(flow.fd);
	peer_up(peer, RX_NUM, 4096);
	peer_is_well(peer);
}

static void floods(void **state)
{
	struct peer *peer = *state;
	int listener = host_listen(peer, 6), fds[300];

	/* the guest's: more than the table, than the backlog, than there are rx buffers */
	for (uint32_t i = 0; i < 20000; i++) {
		peer_post(peer, peer_packet(peer, REQUEST, i, 6));
		while (ring_used_idx(&peer->d.rings[RX]) != peer->rx_at)
			peer_receive(peer);
	}
	assert_int_equal(peer_counts(peer)->open, VSOCK_CONNS);
	assert_true(echo_serves(&peer->rig->b));
	peer_up(peer, RX_NUM, 4096);
	close(listener);

	/* the host's */
	for (unsigned i = 0; i < 300; i++)
		fds[i] = host_dial(peer, i % 2 ? "CONNECT 5\n" : "");
	sleep_ms(20);
	assert_int_equal(peer_counts(peer)->open, VSOCK_CONNS);
	for (unsigned i = 0; i < 300; i++)
		close(fds[i]);
	peer_up(peer, RX_NUM, 4096);
	peer_is_well(peer);
}

static bool is_muted(struct peer *peer)
{
	peer_lock(peer);
	bool muted = peer_backend(peer)->muted;

	peer_unlock(peer);
	return muted;
}

/* This process has no descriptor left: who connects waits, and costs nothing meanwhile. */
static void no_descriptors(void **state)
{
	struct peer *peer = *state;
	struct vsock_unix *host = peer_backend(peer);
	const struct itimerspec now = { .it_value.tv_nsec = 1 };
	struct rlimit before, none;
	int fd = host_socket();

	getrlimit(RLIMIT_NOFILE, &before);
	none = before;
	none.rlim_cur = (rlim_t)dup(fd); /* the next that would be given out */
	close((int)none.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &none);
	host_dial_from(fd, peer->path);
	host_write(fd, "CONNECT 5\n", 10);
	for (unsigned ms = 0; ms < 5000 && !is_muted(peer); ms++)
		sleep_ms(1);
	assert_true(is_muted(peer));
	setrlimit(RLIMIT_NOFILE, &before);
	peer_silent(peer);
	timerfd_settime(host->timer_fd, 0, &now, NULL);
	assert_int_equal(peer_receive(peer)->op, REQUEST);
	assert_false(is_muted(peer));
	close(fd);
	peer_is_well(peer);
}

/* Anything, from a few addresses; programs that come, write, read and go. */
static void at_random(void **state)
{
	struct peer *peer = *state;
	int listener = host_listen(peer, 1), fds[20] = { 0 };
	uint64_t seed = 20221122;
	char bytes[5000] = { 0 };

	fcntl(listener, F_SETFL, O_NONBLOCK);
	peer->hasty = true;
	for (unsigned i = 0; i < 60000; i++) {
		uint64_t r = random_next(&seed);
		struct packet *out = peer_packet(peer, (r >> 8) % 64 == 0 ? (r >> 16) % 12 : 1 + (r >> 16) % 7,
						 (r >> 20) % 9, (r >> 24) % 3 ? 1 : 0x40000000u + (r >> 26) % 16);
		int *fd = &fds[(r >> 30) % 20];

		out->flags = (r >> 35) % 4;
		out->buf_alloc = (r >> 37) % 4 ? 65536 : (uint32_t)(r >> 32);
		out->fwd_cnt = (r >> 39) % 4 ? 0 : (uint32_t)(r >> 30);
		out->n = out->op == RW ? (r >> 41) % 3000 : 0;
		out->len = (r >> 53) % 50 ? out->n : (uint32_t)(r >> 24);
		if (ring_used_idx(&peer->d.rings[TX]) == peer->d.rings[TX].avail_idx)
			peer_post(peer, out);
		if (i % 5 == 0 && *fd > 0) {
			switch ((r >> 54) % 5) {
			case 0: shutdown(*fd, (int)(r >> 57) % 2); break;
			case 1: send(*fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_NOSIGNAL); break;
			case 2: recv(*fd, bytes, sizeof(bytes), MSG_DONTWAIT); break;
			default: close(*fd); *fd = 0;
			}
		} else if (i % 5 == 1 && *fd == 0) {
			*fd = (r >> 54) % 2 ? accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK) : -1;
			if (*fd < 0)
				*fd = host_dial(peer, "CONNECT 3\n");
		}
		while ((r >> 60) % 4 && ring_used_idx(&peer->d.rings[RX]) != peer->rx_at)
			peer_receive(peer);
		if (i % 4096 == 0) {
			assert_int_equal(reg_get(&peer->d, R_STATUS), S_UP);
			assert_true(echo_serves(&peer->rig->b));
			peer_up(peer, RX_NUM, (uint32_t)(HEADER + 1 + (r >> 33) % 5000));
		}
	}
	peer->hasty = false;
	for (unsigned i = 0; i < 20; i++)
		if (fds[i] > 0)
			close(fds[i]);
	close(listener);
	while (ring_used_idx(&peer->d.rings[RX]) != peer->rx_at)
		peer_receive(peer);
	peer_is_well(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(no_rx_buffers),
		PEER_TEST(it_goes_on_by_itself),
		PEER_TEST(places_in_the_queue),
		PEER_TEST(rx_buffers_that_are_too_small),
		PEER_TEST(failure),
		PEER_TEST(floods),
		PEER_TEST(no_descriptors),
		PEER_TEST(at_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
