// SPDX-License-Identifier: GPL-2.0-only
/* Queues that the host's kernel serves: when it has them, and when not. By /dev/vhost-vsock, on plain memory. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "devices/backend/vhost_vsock.h"
#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "tests/unit/vsock.h"

#define VHOST_TEST(fn) cmocka_unit_test_setup_teardown(fn, peer_setup_vhost, peer_teardown)

/* A connection from the host: a program's AF_VSOCK socket. */
static void connect_guest(struct flow *flow, struct peer *peer, uint32_t guest_port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = GUEST_CID, .svm_port = guest_port };

	*flow = (struct flow){ .peer = peer, .guest_port = guest_port, .buf_alloc = 65536 };
	flow->fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(connect(flow->fd, (struct sockaddr *)&addr, sizeof(addr)), -1);
	assert_int_equal(errno, EINPROGRESS);
	do /* of an earlier connection there may be something left */
		flow->host_port = peer_receive(peer)->src_port;
	while (peer->in.op != REQUEST || peer->in.dst_port != guest_port);
	flow->peer_buf = peer->in.buf_alloc;
	flow_send(flow, RESPONSE, 0, NULL, 0);
}

static void both_ways(struct flow *flow)
{
	struct pollfd pollfd = { .fd = flow->fd, .events = POLLOUT };

	assert_int_equal(poll(&pollfd, 1, 5000), 1);
	host_write(flow->fd, "to the guest", 12);
	while (peer_receive(flow->peer)->op != RW)
		;
	assert_int_equal(flow->peer->in.n, 12);
	assert_memory_equal(flow->peer->in.data, "to the guest", 12);
	flow->fwd_cnt += 12;
	flow_send(flow, RW, 0, "to the host", 11);
	host_expect(flow->fd, "to the host");
}

static void features(void **state)
{
	struct peer *peer = *state;
	uint64_t offered = offered_features(&peer->d);

	assert_int_equal(offered & (F_VERSION_1 | F_INDIRECT | F_EVENT_IDX | F_RING_RESET),
			 F_VERSION_1 | F_INDIRECT | F_EVENT_IDX | F_RING_RESET);
	assert_int_equal(offered & BIT(26), 0); /* VHOST_F_LOG_ALL is no feature of a device */
	assert_int_equal(window_get(&peer->d, R_CONFIG, 8), GUEST_CID);
	/* and without those that the user took away */
	struct driver d;

	assert_int_equal(driver_add(&d, peer->rig, "vsock", "cid=4,event-idx=off"), 0);
	assert_int_equal(offered_features(&d) & (F_INDIRECT | F_EVENT_IDX), F_INDIRECT);
}

static void the_address_is_taken(void **state)
{
	struct peer *peer = *state;
	struct driver d;

	assert_int_not_equal(driver_add(&d, peer->rig, "vsock", "cid=3"), 0);
	char *text = rig_errors(peer->rig);

	assert_one_message(text, "cid=3: another guest of this host has it");
	free(text);
}

/* The kernel tells the loop, which interrupts: not at once. */
static void await_interrupt(struct peer *peer)
{
	for (unsigned ms = 0; ms < 5000 && !reg_get(&peer->d, R_INTERRUPT_STATUS); ms++)
		sleep_ms(1);
	assert_int_equal(reg_get(&peer->d, R_INTERRUPT_STATUS), ISR_USED);
}

static void packets_and_interrupts(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	connect_guest(&flow, peer, 7);
	for (unsigned i = 0; i < 10; i++) {
		both_ways(&flow);
		await_interrupt(peer);
		sleep_ms(5);                          /* what else the kernel told */
		assert_int_equal(edges(&peer->d), 1); /* as nobody acknowledged */
		reg_put(&peer->d, R_INTERRUPT_ACK, ISR_USED);
		sleep_ms(2);
		assert_int_equal(reg_get(&peer->d, R_INTERRUPT_STATUS), 0);
	}
	close(flow.fd);
}

/* True where the ring's used area stays as it is while a program tries to connect. */
static bool left_alone(struct peer *peer)
{
	uint64_t used = peer->d.rings[RX].used;
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = GUEST_CID, .svm_port = 99 };
	int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	uint8_t before[6 + 8 * RX_NUM];

	memcpy(before, gpa_ptr(peer->rig, used, sizeof(before)), sizeof(before));
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), -1);
	sleep_ms(30);
	close(fd);
	return memcmp(before, gpa_ptr(peer->rig, used, sizeof(before)), sizeof(before)) == 0;
}

static void resets_take_the_rings_back(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	assert_true(vhost_serves(peer->d.dev, RX) && vhost_serves(peer->d.dev, TX));
	assert_false(vhost_serves(peer->d.dev, 2));
	assert_false(left_alone(peer));
	reg_put(&peer->d, R_STATUS, 0);
	assert_true(left_alone(peer));
	assert_int_equal(reg_get(&peer->d, R_INTERRUPT_STATUS), 0);
	for (unsigned i = 0; i < 20; i++) {
		peer_up(peer, RX_NUM, 4096);
		connect_guest(&flow, peer, 7);
		both_ways(&flow);
		close(flow.fd);
	}
	/* the driver gives up */
	reg_put(&peer->d, R_STATUS, S_UP | S_FAILED);
	assert_true(left_alone(peer));
	peer_up(peer, RX_NUM, 4096);
	reg_put(&peer->d, R_QUEUE_SEL, RX);
	reg_put(&peer->d, R_QUEUE_READY, 0);
	assert_true(left_alone(peer));
	assert_true(echo_serves(&peer->rig->b));
}

static void reset_queue(struct peer *peer, unsigned q)
{
	struct ring *ring = &peer->d.rings[q];

	reg_put(&peer->d, R_QUEUE_SEL, q);
	reg_put(&peer->d, R_QUEUE_RESET, 1);
	assert_false(vhost_serves(peer->d.dev, TX)); /* both or none */
	if (q == RX)
		assert_true(left_alone(peer));
	ring_place(ring, RX_NUM);
	ring_program(ring);
	ring_ready(ring, 1);
	assert_true(vhost_serves(peer->d.dev, RX));
}

/* The queue that was reset begins anew, the other goes on where it was. */
static void queue_resets(void **state)
{
	struct peer *peer = *state;
	struct flow flow;

	connect_guest(&flow, peer, 7);
	both_ways(&flow);
	reset_queue(peer, RX);
	peer->rx_at = 0;
	for (uint16_t head = 0; head < RX_NUM; head++)
		peer_add_rx(peer, head, 4096);
	kick(&peer->d, RX);
	both_ways(&flow);
	for (unsigned i = 0; i < 3; i++) {
		reset_queue(peer, TX);
		both_ways(&flow);
	}
	/* what is available before the queue is ready, and nobody kicks for */
	struct packet *out = peer_packet(peer, RW, 7, flow.host_port);

	memcpy(out->data, "early", 5);
	out->len = out->n = 5;
	out->fwd_cnt = flow.fwd_cnt;
	reg_put(&peer->d, R_QUEUE_SEL, TX);
	reg_put(&peer->d, R_QUEUE_RESET, 1);
	ring_place(&peer->d.rings[TX], RX_NUM);
	ring_program(&peer->d.rings[TX]);
	peer_post(peer, out);
	ring_ready(&peer->d.rings[TX], 1);
	host_expect(flow.fd, "early");
	close(flow.fd);
}

static void broken(struct peer *peer)
{
	for (unsigned ms = 0; ms < 5000 && reg_get(&peer->d, R_STATUS) == S_UP; ms++)
		sleep_ms(1);
	assert_int_equal(reg_get(&peer->d, R_STATUS), S_UP | S_NEEDS_RESET);
	assert_false(vhost_serves(peer->d.dev, RX));
	assert_true(left_alone(peer));
	assert_true(echo_serves(&peer->rig->b));
	char *text = rig_errors(peer->rig);

	assert_non_null(strstr(text, "finds a ring or a chain"));
	free(text);
}

/* What the kernel finds costs the device, until a reset. */
static void rules_that_are_broken(void **state)
{
	struct peer *peer = *state;
	struct ring *ring = &peer->d.rings[TX];
	struct flow flow;

	free(rig_errors(peer->rig));
	ring_add(ring, 999); /* a head beyond the ring */
	kick(&peer->d, TX);
	broken(peer);

	peer_up(peer, RX_NUM, 4096);
	ring_desc(ring, 0, RAM_SIZE + 4096, 64, 0, 0); /* outside RAM */
	ring_add(ring, 0);
	kick(&peer->d, TX);
	broken(peer);

	peer_up(peer, RX_NUM, 4096);
	ring_desc(ring, 0, peer->tx_gpa, 20, 0, 0); /* a short header */
	ring_add(ring, 0);
	kick(&peer->d, TX);
	broken(peer);

	peer_up(peer, RX_NUM, 4096);
	connect_guest(&flow, peer, 7);
	both_ways(&flow);
	close(flow.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VHOST_TEST(features),
		VHOST_TEST(the_address_is_taken),
		VHOST_TEST(packets_and_interrupts),
		VHOST_TEST(resets_take_the_rings_back),
		VHOST_TEST(queue_resets),
		VHOST_TEST(rules_that_are_broken),
	};

	if (!vhost_vsock_is_there() || access(VHOST_VSOCK_PATH, R_OK | W_OK)) {
		printf("1..0 # SKIP %s cannot be used here; tests/linux/vsock.t runs this where guests run\n",
		       VHOST_VSOCK_PATH);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
