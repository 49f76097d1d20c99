// SPDX-License-Identifier: GPL-2.0-only
/* The ends of a connection, from either side, whole and by halves (virtio 1.2, 5.10.6.5). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/vsock.h"

#define MIB (1u << 20)

static void host_closes(void **state)
{
	struct peer *peer = *state;
	uint8_t bytes[10000], got[10000];
	uint32_t done = 0;
	struct flow flow;

	fill(bytes, sizeof(bytes), 4);
	flow_from_host(&flow, peer, 5);
	host_write(flow.fd, bytes, sizeof(bytes));
	close(flow.fd);
	while (peer_receive(peer)->op == RW) {
		memcpy(got + done, peer->in.data, peer->in.n);
		done += peer->in.n;
	}
	assert_int_equal(done, sizeof(bytes));
	assert_memory_equal(got, bytes, sizeof(bytes));
	unsigned flags = 0;

	for (;; peer_receive(peer)) { /* in one or two packets: both are clean */
		assert_int_equal(peer->in.op, SHUTDOWN);
		flags |= peer->in.flags;
		if (flags == (SHUT_RCV | SHUT_SEND))
			break;
	}
	flow_send(&flow, RW, 0, "late", 4); /* on its way meanwhile */
	peer_silent(peer);
	assert_int_equal(peer_counts(peer)->open, 1);
	flow_send(&flow, RST, 0, NULL, 0);
	assert_int_equal(peer_counts(peer)->open, 0);
	assert_int_equal(peer_counts(peer)->resets, 0);
}

/* A program that leaves with bytes unread: its socket says ECONNRESET. */
static void host_closes_in_haste(void **state)
{
	struct peer *peer = *state;
	struct flow flow;
	unsigned flags = 0;

	flow_from_host(&flow, peer, 5);
	flow_send(&flow, RW, 0, "unread", 6);
	close(flow.fd);
	while (flags != (SHUT_RCV | SHUT_SEND))
		flags |= flow_expect(&flow, SHUTDOWN)->flags;
	flow_send(&flow, RST, 0, NULL, 0);
	peer_expect_open(peer, 0);
}

static void host_closes_one_half(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	shutdown(flow.fd, SHUT_WR);
	assert_int_equal(flow_expect(&flow, SHUTDOWN)->flags, SHUT_SEND);
	flow_send(&flow, RW, 0, "answer", 6);
	host_expect(flow.fd, "answer");
	flow_send(&flow, SHUTDOWN, SHUT_RCV | SHUT_SEND, NULL, 0);
	flow_expect(&flow, RST);
	host_eof(flow.fd);
	peer_expect_open(peer, 0);
	close(flow.fd);
}

static void guest_closes_one_half(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_guest(&flow, peer, 5, 6);
	flow_send(&flow, RW, 0, "question", 8);
	flow_send(&flow, SHUTDOWN, SHUT_SEND, NULL, 0);
	host_expect(flow.fd, "question");
	host_eof(flow.fd);
	host_write(flow.fd, "answer", 6);
	assert_int_equal(flow_expect(&flow, RW)->n, 6);
	flow_send(&flow, SHUTDOWN, 0, NULL, 0); /* bits that are clear take nothing back */
	peer_silent(peer);
	flow_send(&flow, SHUTDOWN, SHUT_RCV, NULL, 0);
	flow_expect(&flow, RST);
	peer_expect_open(peer, 0);
	close(flow.fd);
}

static void guest_reads_no_more(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_guest(&flow, peer, 5, 6);
	flow_send(&flow, SHUTDOWN, SHUT_RCV, NULL, 0);
	assert_int_equal(send(flow.fd, "x", 1, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	flow_send(&flow, RW, 0, "still", 5);
	host_expect(flow.fd, "still");
	peer_silent(peer);
	close(flow.fd); /* nothing is left to be read: that is both halves */
	assert_int_equal(flow_expect(&flow, SHUTDOWN)->flags, SHUT_RCV | SHUT_SEND);
	flow_send(&flow, RST, 0, NULL, 0);
	peer_expect_open(peer, 0);
}

static void host_reads_no_more(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_guest(&flow, peer, 5, 6);
	shutdown(flow.fd, SHUT_RD);
	flow_send(&flow, RW, 0, "nobody", 6);
	assert_int_equal(flow_expect(&flow, SHUTDOWN)->flags, SHUT_RCV);
	host_write(flow.fd, "but", 3);
	assert_int_equal(flow_expect(&flow, RW)->n, 3);
	close(flow.fd);
	assert_int_equal(flow_expect(&flow, SHUTDOWN)->flags, SHUT_RCV | SHUT_SEND);
	flow_send(&flow, SHUTDOWN, SHUT_RCV | SHUT_SEND, NULL, 0); /* both at once is clean, too */
	flow_expect(&flow, RST);
	peer_expect_open(peer, 0);
}

/* The guest sent much and closed: the RST is at once, so that it can forget the ports; the bytes arrive all the same.
 */
static void what_was_sent_arrives(void **state)
{
	struct peer *peer = *state;
	uint8_t *bytes = malloc(MIB), *got = malloc(MIB);
	uint32_t sent = 0;
	struct flow flow, next;

	fill(bytes, MIB, 5);
	flow_from_guest(&flow, peer, 5, 6);
	for (;;) {
		uint32_t n = flow_ask(&flow);

		if (n > 50000)
			n = 50000;

		if (n == 0)
			break;
		flow_send(&flow, RW, 0, bytes + sent, n);
		sent += n;
	}
	flow_send(&flow, SHUTDOWN, SHUT_RCV | SHUT_SEND, NULL, 0);
	flow_expect(&flow, RST);
	flow_from_guest(&next, peer, 5, 6); /* the same ports */
	assert_int_equal(peer_counts(peer)->open, 2);
	host_read(flow.fd, got, sent);
	assert_memory_equal(got, bytes, sent);
	host_eof(flow.fd);
	peer_expect_open(peer, 1);
	flow_works(&next);
	close(flow.fd);
	close(next.fd);
	free(bytes);
	free(got);
}

static void guest_breaks_off(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	flow_send(&flow, RST, 0, NULL, 0);
	host_eof(flow.fd);
	assert_int_equal(peer_counts(peer)->open, 0);
	assert_int_equal(peer_counts(peer)->resets, 1);
	flow_send(&flow, RW, 0, "x", 1);
	peer_expect_rst(peer, 5, flow.host_port);
	close(flow.fd);

	/* the program left before the guest answered */
	int fd = host_dial(peer, "CONNECT 9\n");
	uint32_t port = peer_receive(peer)->src_port;

	close(fd);
	peer_expect_rst(peer, 9, port);
	peer_send(peer, peer_packet(peer, RESPONSE, 9, port));
	peer_expect_rst(peer, 9, port);
	peer_expect_open(peer, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(host_closes),           PEER_TEST(host_closes_in_haste), PEER_TEST(host_closes_one_half),
		PEER_TEST(guest_closes_one_half), PEER_TEST(guest_reads_no_more),  PEER_TEST(host_reads_no_more),
		PEER_TEST(what_was_sent_arrives), PEER_TEST(guest_breaks_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
