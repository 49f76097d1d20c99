// SPDX-License-Identifier: GPL-2.0-only
/* Packets that break the rules of 5.10: they cost their connection, and what follows works. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/vsock_conn.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "tests/unit/vsock.h"

/* The first `len` bytes of a packet, in a chain of `pieces` (0 at the end). */
static void post_pieces(struct peer *peer, const uint32_t *pieces)
{
	struct ring *ring = &peer->d.rings[TX];
	uint64_t at = peer->tx_gpa;
	uint16_t used = ring_used_idx(ring);

	for (uint16_t i = 0; pieces[i]; at += pieces[i++])
		ring_desc(ring, i, at, pieces[i], pieces[i + 1] ? D_NEXT : 0, (uint16_t)(i + 1));
	ring_add(ring, 0);
	peer_kick(peer, TX);
	assert_int_equal(ring_used_idx(ring), (uint16_t)(used + 1));
	assert_int_equal(ring_used_id(ring, used), 0);
}

static void short_headers(void **state)
{
	struct peer *peer = *state;

	peer_send(peer, peer_packet(peer, REQUEST, 1, 2)); /* what the bytes are that now come cut off */
	peer_expect_rst(peer, 1, 2);
	for (uint32_t len = 1; len < HEADER; len++)
		post_pieces(peer, (const uint32_t[]){ len, 0 });
	post_pieces(peer, (const uint32_t[]){ 8, 8, 8, 8, 8, 3, 0 });
	assert_int_equal(peer_counts(peer)->ignored, HEADER);
	/* and one without a byte to be read */
	ring_desc(&peer->d.rings[TX], 0, peer->tx_gpa, 4096, D_WRITE, 0);
	ring_add(&peer->d.rings[TX], 0);
	peer_kick(peer, TX);
	assert_int_equal(peer_counts(peer)->ignored, HEADER + 1);
	peer_silent(peer);
	peer_is_well(peer);
}

static void split_anywhere(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	for (uint32_t first = 1; first < HEADER + 4; first++) {
		flow_send(&flow, RW, 0, "four", 4);
		post_pieces(peer, (const uint32_t[]){ first, HEADER + 4 - first, 0 }); /* once more */
		host_expect(flow.fd, "fourfour");
	}
	flow_send(&flow, RW, 0, "four", 4);
	post_pieces(peer, (const uint32_t[]){ 1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 1, 0 });
	host_expect(flow.fd, "fourfour");
	close(flow.fd);
}

/* Buffers of the guest's: 1, 42, 2 and 7 bytes. */
static void into_pieces(void **state)
{
	static const uint32_t lens[] = { 1, 42, 2, 7 };
	struct peer *peer = *state;
	struct ring *ring = &peer->d.rings[RX];
	uint64_t at = peer->rx_gpa;

	peer_up(peer, 0, 4096);
	for (uint16_t i = 0; i < 4; at += lens[i++])
		ring_desc(ring, i, at, lens[i], i < 3 ? D_NEXT | D_WRITE : D_WRITE, (uint16_t)(i + 1));
	ring_add(ring, 0);
	peer_kick(peer, RX);
	int fd = host_dial(peer, "CONNECT 5\n");

	assert_int_equal(peer_receive(peer)->op, REQUEST);
	assert_int_equal(peer->in.dst_port, 5);
	close(fd);
	peer_expect_rst(peer, 5, peer->in.src_port);
	peer_is_well(peer);
}

/* What the header says is there, and is not. */
static void lengths_that_lie(void **state)
{
	static const uint32_t lens[] = { 5, VSOCK_BUF, VSOCK_BUF + 1, 0x80000000u, 0xffffffffu };
	struct peer *peer = *state;
	struct flow flow;

	for (unsigned i = 0; i < 5; i++) {
		flow_from_host(&flow, peer, 5);
		struct packet *out = peer_packet(peer, RW, 5, flow.host_port);

		memcpy(out->data, "four", 4);
		out->n = 4;
		out->len = lens[i];
		peer_send(peer, out);
		peer_expect_rst(peer, 5, flow.host_port);
		host_eof(flow.fd);
		close(flow.fd);
	}
	/* less than is there is what counts */
	flow_from_host(&flow, peer, 5);
	struct packet *out = peer_packet(peer, RW, 5, flow.host_port);

	memcpy(out->data, "12345678", 8);
	out->n = 8;
	out->len = 2;
	peer_send(peer, out);
	flow_send(&flow, RW, 0, "ab", 2);
	host_expect(flow.fd, "12ab");
	close(flow.fd);
	peer_is_well(peer);
}

static void more_than_the_credit(void **state)
{
	static const uint8_t zeros[VSOCK_BUF];
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	for (unsigned i = 0;; i++) {
		struct packet *out = peer_packet(peer, RW, 5, flow.host_port);

		assert_in_range(i, 0, 100);
		memcpy(out->data, zeros, 60000);
		out->len = out->n = 60000;
		peer_send(peer, out);
		if (peer_counts(peer)->resets)
			break;
	}
	while (peer_receive(peer)->op == CREDIT_UPDATE)
		;
	assert_int_equal(peer->in.op, RST);
	peer_expect_open(peer, 0);
	close(flow.fd);

	/* one packet that is longer than the whole buffer */
	flow_from_host(&flow, peer, 5);
	struct packet *out = peer_packet(peer, RW, 5, flow.host_port);

	out->len = out->n = VSOCK_BUF + 1;
	peer_send(peer, out);
	peer_expect_rst(peer, 5, flow.host_port);
	close(flow.fd);
	peer_is_well(peer);
}

static void wrong_addresses(void **state)
{
	struct peer *peer = *state;
	struct packet *out = peer_packet(peer, REQUEST, 5, 6);

	close(host_listen(peer, 6));
	int listener = host_listen(peer, 6);

	/* a sender that the guest is not: nobody to answer */
	static const uint64_t sources[] = { 0, 2, 4, 0xffffffff, 1ull << 32 | GUEST_CID, ~0ull };

	for (unsigned i = 0; i < 6; i++) {
		out->src_cid = sources[i];
		peer_send(peer, out);
	}
	assert_int_equal(peer_counts(peer)->ignored, 6);
	peer_silent(peer);

	/* an address where nobody is */
	static const uint64_t to[] = { 0, 1, 3, 4, 0xffffffff, 1ull << 32 | HOST_CID };

	out->src_cid = GUEST_CID;
	for (unsigned i = 0; i < 6; i++) {
		out->dst_cid = to[i];
		peer_send(peer, out);
		assert_int_equal(peer_receive(peer)->op, RST);
		assert_int_equal(peer->in.src_cid, to[i]);
		assert_int_equal(peer->in.dst_port, 5);
	}
	assert_int_equal(peer_counts(peer)->open, 0);
	close(listener);
	peer_is_well(peer);
}

static void unknown_types_and_ops(void **state)
{
	static const uint16_t types[] = { 0, 2, 3, 0xffff }, ops[] = { INVALID, 8, 99, 0xffff, REQUEST, RESPONSE };
	struct peer *peer = *state;
	struct flow flow;
	int listener = host_listen(peer, 6);

	for (unsigned i = 0; i < 4; i++) { /* virtio 1.2, 5.10.6.4.2 */
		struct packet *out = peer_packet(peer, REQUEST, 5, 6);

		out->type = types[i];
		peer_send(peer, out);
		peer_expect_rst(peer, 5, 6);
		assert_int_equal(peer->in.type, types[i]);
	}
	close(listener);
	/* to nobody; an RST has no answer */
	for (uint16_t op = 0; op < 12; op++) {
		if (op == RST)
			continue;
		peer_send(peer, peer_packet(peer, op, 5, 6));
		peer_expect_rst(peer, 5, 6);
	}
	peer_send(peer, peer_packet(peer, RST, 5, 6));
	peer_silent(peer);
	/* to a connection */
	for (unsigned i = 0; i < 6; i++) {
		flow_from_host(&flow, peer, 5);
		peer_send(peer, peer_packet(peer, ops[i], 5, flow.host_port));
		peer_expect_rst(peer, 5, flow.host_port);
		host_eof(flow.fd);
		close(flow.fd);
	}
	assert_int_equal(peer_counts(peer)->resets, 6);
	peer_is_well(peer);
}

static void out_of_turn(void **state)
{
	struct peer *peer = *state;
	struct flow flow;
	int fd = host_dial(peer, "CONNECT 5\n");
	uint32_t port = peer_receive(peer)->src_port;
	struct packet *out = peer_packet(peer, RW, 5, port);

	out->len = out->n = 4;
	peer_send(peer, out); /* before its RESPONSE */
	peer_expect_rst(peer, 5, port);
	host_eof(fd);
	close(fd);

	flow_from_host(&flow, peer, 5);
	flow_send(&flow, SHUTDOWN, SHUT_SEND, NULL, 0);
	flow_send(&flow, RW, 0, "x", 1); /* behind its own end */
	flow_expect(&flow, RST);
	close(flow.fd);
	peer_is_well(peer);
}

/* What the host owes a driver whose device failed in its very first turn is not owed to the next one. */
static void fails_in_its_first_turn(void **state)
{
	struct peer *peer = *state;
	struct driver *d = &peer->d;
	const uint32_t num = d->num;

	peer_post(peer, peer_packet(peer, RW, 5, 6)); /* the bytes of a packet without a connection */
	peer_expect_rst(peer, 5, 6);
	d->num = VSOCK_REFUSALS;
	assert_true(driver_negotiate(d, F_VERSION_1 | F_STREAM));
	for (unsigned q = RX; q <= TX; q++) {
		ring_place(&d->rings[q], d->num);
		ring_program(&d->rings[q]);
		ring_ready(&d->rings[q], 1);
	}
	ring_desc(&d->rings[TX], 0, peer->tx_gpa, HEADER, 0, 0);
	for (unsigned i = 0; i < VSOCK_REFUSALS; i++)
		ring_add(&d->rings[TX], 0);
	ring_desc(&d->rings[RX], 0, peer->rx_gpa, HEADER, D_WRITE, 0); /* no room */
	ring_add(&d->rings[RX], 0);
	reg_put(d, R_STATUS, S_UP);
	for (unsigned ms = 0; ms < 5000 && reg_get(d, R_STATUS) == S_UP; ms++)
		sleep_ms(1);
	assert_true(reg_get(d, R_STATUS) & S_NEEDS_RESET);

	d->num = num;
	peer_up(peer, 0, 0); /* and no rx buffer: what is refused has to wait */
	peer_send(peer, peer_packet(peer, RW, 5, 6));
	peer_is_well(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(short_headers),         PEER_TEST(split_anywhere),       PEER_TEST(into_pieces),
		PEER_TEST(lengths_that_lie),      PEER_TEST(more_than_the_credit), PEER_TEST(wrong_addresses),
		PEER_TEST(unknown_types_and_ops), PEER_TEST(out_of_turn),          PEER_TEST(fails_in_its_first_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
