// SPDX-License-Identifier: GPL-2.0-only
/* Bytes through the socket device: credit both ways (virtio 1.2, 5.10.6.3). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/backend/vsock_conn.h"
#include "tests/unit/support.h"
#include "tests/unit/vsock.h"

#define MIB (1u << 20)

/* The device sends what the guest has room for, asks once, and goes on when there is more. */
static void the_guests_credit(void **state)
{
	struct peer *peer = *state;
	uint8_t bytes[1000];
	struct flow flow;

	fill(bytes, sizeof(bytes), 1);
	flow_from_host(&flow, peer, 5);
	flow.buf_alloc = 100;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	host_write(flow.fd, bytes, sizeof(bytes));
	assert_int_equal(flow_expect(&flow, RW)->n, 100);
	assert_memory_equal(peer->in.data, bytes, 100);
	flow_expect(&flow, CREDIT_REQUEST);
	peer_silent(peer);
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0); /* still none: no second question */
	peer_silent(peer);
	flow.fwd_cnt = 50;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	assert_int_equal(flow_expect(&flow, RW)->n, 50);
	assert_memory_equal(peer->in.data, bytes + 100, 50);
	flow_expect(&flow, CREDIT_REQUEST); /* for the next */
	flow.buf_alloc = 2000;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	assert_int_equal(flow_expect(&flow, RW)->n, 850);
	assert_memory_equal(peer->in.data, bytes + 150, 850);
	peer_silent(peer);
	close(flow.fd);
}

/* A guest that claims to have consumed what was never sent, or to have less room than is in flight, gets nothing. */
static void credit_that_cannot_be(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	flow_from_host(&flow, peer, 5);
	flow_works(&flow);
	flow.fwd_cnt = 13;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	host_write(flow.fd, "x", 1);
	flow_expect(&flow, CREDIT_REQUEST);
	flow.fwd_cnt = 0;
	flow.buf_alloc = 11;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	peer_silent(peer);
	flow.buf_alloc = 13;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	assert_int_equal(flow_expect(&flow, RW)->n, 1);
	close(flow.fd);
}

/* A program that does not read: the guest may send until the device's buffer is full, and all of it arrives. */
static void the_devices_credit(void **state)
{
	struct peer *peer = *state;
	uint8_t *bytes = malloc(MIB), *got = malloc(MIB);
	uint32_t sent = 0;
	struct flow flow;

	fill(bytes, MIB, 2);
	flow_from_host(&flow, peer, 5);
	assert_int_equal(flow.peer_buf, VSOCK_BUF);
	for (;;) { /* as long as the socket takes it, the device says so */
		uint32_t n = flow_ask(&flow);

		if (n == 0)
			break;
		if (n > 30000)
			n = 30000;
		assert_true(sent + n <= MIB);
		flow_send(&flow, RW, 0, bytes + sent, n);
		sent += n;
	}
	assert_true(sent > VSOCK_BUF); /* the socket's buffer, and ours */
	peer_silent(peer);
	host_read(flow.fd, got, sent);
	assert_memory_equal(got, bytes, sent);
	while (flow_credit(&flow) < VSOCK_BUF - VSOCK_BUF / 4)
		flow_expect(&flow, CREDIT_UPDATE);
	/* the longest payload that there can be */
	while (flow_ask(&flow) < VSOCK_BUF)
		;
	flow_send(&flow, RW, 0, bytes, VSOCK_BUF);
	host_read(flow.fd, got, VSOCK_BUF);
	assert_memory_equal(got, bytes, VSOCK_BUF);
	flow_ask(&flow);
	flow_send(&flow, RW, 0, "a", 1); /* not for every byte */
	host_expect(flow.fd, "a");
	peer_silent(peer);
	close(flow.fd);
	free(bytes);
	free(got);
}

struct echo_host {
	int fd;
	const uint8_t *out;
	uint8_t *in;
	size_t len;
};

/* The host's program: writes and reads at the same time. */
static void *run_echo_host(void *ctx)
{
	struct echo_host *host = ctx;

	for (size_t sent = 0, got = 0; got < host->len;) {
		struct pollfd pollfd = { .fd = host->fd, .events = POLLIN | (sent < host->len ? POLLOUT : 0) };

		if (poll(&pollfd, 1, 5000) != 1)
			return "stands still";
		ssize_t n = pollfd.revents & POLLOUT ?
				    send(host->fd, host->out + sent, host->len - sent, MSG_DONTWAIT | MSG_NOSIGNAL) :
				    0;

		sent += n > 0 ? (size_t)n : 0;
		n = recv(host->fd, host->in + got, host->len - got, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN))
			return "is over";
		got += n > 0 ? (size_t)n : 0;
	}
	return NULL;
}

/* The guest gives every byte back; its buffers and its credit are small, and the counters go round 2^32. */
static void echo_of_1_mib(void **state)
{
	struct peer *peer = *state;
	struct echo_host host = { .out = malloc(MIB), .in = calloc(1, MIB), .len = MIB };
	uint8_t *bytes = malloc(MIB);
	struct flow flow;
	pthread_t thread;
	void *why;

	peer_up(peer, 5, HEADER + 333);
	flow_from_host(&flow, peer, 5);
	struct vsock_conn *conn = conn_find(peer_backend(peer), flow.host_port, 5);

	peer_lock(peer);
	conn->tx_cnt = conn->peer_fwd_cnt = flow.fwd_cnt = 0u - 70000;
	conn->rx_cnt = conn->fwd_cnt = conn->told_cnt = flow.tx_cnt = flow.peer_fwd = 0u - 99999;
	peer_unlock(peer);
	flow.buf_alloc = 1000;
	flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
	host.fd = flow.fd;
	fill((uint8_t *)host.out, MIB, 3);
	assert_int_equal(pthread_create(&thread, NULL, run_echo_host, &host), 0);
	for (uint32_t got = 0, given = 0; given < MIB;) {
		const struct packet *in = peer_receive(peer);

		flow.peer_buf = in->buf_alloc;
		flow.peer_fwd = in->fwd_cnt;
		if (in->op == CREDIT_REQUEST)
			flow_send(&flow, CREDIT_UPDATE, 0, NULL, 0);
		assert_in_range(in->n, in->op == RW, 333);
		memcpy(bytes + got, in->data, in->n);
		got += in->n;
		flow.fwd_cnt += in->n;
		while (given < got && flow_credit(&flow) > 0) {
			uint32_t n = got - given < flow_credit(&flow) ? got - given : flow_credit(&flow);

			flow_send(&flow, RW, 0, bytes + given, n);
			given += n;
		}
	}
	pthread_join(thread, &why);
	if (why)
		fail_msg("the host %s", (char *)why);
	assert_memory_equal(host.in, host.out, MIB);
	assert_int_equal(peer_counts(peer)->to_guest, MIB);
	assert_int_equal(peer_counts(peer)->from_guest, MIB);
	close(flow.fd);
	free(bytes);
	free((void *)host.out);
	free(host.in);
}

/* Several connections share the guest's buffers. */
static void fair_shares(void **state)
{
	struct peer *peer = *state;
	struct flow flows[4];
	char bytes[20000] = { 0 };
	unsigned n[4] = { 0 };

	peer_up(peer, 1, 1000);
	for (unsigned i = 0; i < 4; i++)
		flow_from_host(&flows[i], peer, i);
	for (unsigned i = 0; i < 4; i++)
		host_write(flows[i].fd, bytes, sizeof(bytes));
	sleep_ms(10);
	for (unsigned i = 0; i < 40; i++)
		n[peer_receive(peer)->dst_port]++;
	for (unsigned i = 0; i < 4; i++) {
		assert_in_range(n[i], 8, 12);
		close(flows[i].fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(the_guests_credit), PEER_TEST(credit_that_cannot_be), PEER_TEST(the_devices_credit),
		PEER_TEST(echo_of_1_mib),     PEER_TEST(fair_shares),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
