// SPDX-License-Identifier: GPL-2.0-only
/* The network device (virtio 1.2, 5.1) with two pairs of queues, on a tap that has two. */
#include <string.h>
#include <unistd.h>

#include "tests/unit/ether.h"
#include "tests/unit/tapdrive.h"

#define RX2  2
#define TX2  3
#define TYPE 0x88b5 /* for experiments: IEEE 802 */

static struct netdrive net;
static uint8_t frame[9000];

/* 2.2.2, checklist 37: a driver that accepts a feature without what that needs (5.1.3.1) does not get FEATURES_OK. */
static void features_that_need_others(void **state)
{
	static const uint64_t wrong[] = { NET_F_GUEST_TSO4, NET_F_GUEST_TSO6, NET_F_GUEST_ECN | NET_F_GUEST_CSUM,
					  NET_F_HOST_TSO4,  NET_F_HOST_TSO6,  NET_F_HOST_ECN | NET_F_CSUM,
					  NET_F_CTRL_RX,    NET_F_CTRL_MAC,   NET_F_MQ };

	tapdrive_make(&net, *state, ",queues=2", "multi_queue");
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (driver_negotiate(&net.d, F_VERSION_1 | wrong[i]))
			fail_msg("features 0x%llx are taken", (unsigned long long)wrong[i]);
}

/* --- two pairs ---------------------------------------------------------------------------------------------------- */

#define MQ(pairs) net_command_of(&net, 4, 4, 0, (const uint8_t[]){ (pairs)&0xff, (pairs) >> 8 }, 2)

/* As net_give(), on the second pair. */
static uint64_t give_second(uint16_t head)
{
	uint64_t gpa = gpa_alloc(net.rig, NET_FRAME, 1);

	memset(gpa_ptr(net.rig, gpa, NET_FRAME), NOT_WRITTEN, NET_FRAME);
	pieces_add(&net.d.rings[RX2], head, &(struct piece){ gpa, NET_FRAME, true }, 1);
	kick(&net.d, RX2);
	return gpa;
}

/* Many flows, of which each pair has some. */
static void send_flows(int far)
{
	for (unsigned i = 0; i < 40; i++) {
		struct tcp_fields tcp = { (uint16_t)(1000 + 77 * i), (uint16_t)(2000 + i), 1, 1, TCP_ACK };

		far_sends(far, frame, ether_tcp(frame, ether_broadcast, 0x0a010001 + i, 0x0a010100 + i, &tcp, "abc", 3),
			  0, 0, 0);
	}
}

static void pairs(void **state)
{
	int far;
	uint8_t got[2000];

	tapdrive_make(&net, *state, ",queues=2", "multi_queue");
	far = far_end();
	assert_true(offered_features(&net.d) & NET_F_MQ);
	assert_int_equal(window_get(&net.d, MAX_PAIRS, 2), 2);
	reg_put(&net.d, R_QUEUE_SEL, 4);
	assert_int_equal(reg_get(&net.d, R_QUEUE_NUM_MAX), 256);
	/* the control queue is behind the pairs that the driver knows of (5.1.2) */
	net_up(&net, NET_F_BASIC);
	assert_int_equal(net_command_of(&net, CONTROL, 0, 0, "\1", 1), 0);
	assert_int_equal(net_command_of(&net, CONTROL, 4, 0, "\2", 2), 1); /* of a feature that was not accepted */
	net_up(&net, NET_F_BASIC | NET_F_MQ);
	assert_int_equal(net_command_of(&net, 4, 0, 0, "\1", 1), 0);
	for (uint16_t i = 0; i < 40; i++)
		net_give(&net, i, NET_FRAME);
	uint64_t second = 0;

	for (uint16_t i = 0; i < 40; i++)
		second = give_second(i);
	send_flows(far);
	assert_true(used_comes(&net.d.rings[RX], 40)); /* the first alone, until the driver asks (5.1.6.5.5) */
	assert_int_equal(ring_used_idx(&net.d.rings[RX2]), 0);
	assert_int_equal(MQ(0), 1);
	assert_int_equal(MQ(3), 1);
	assert_int_equal(MQ(0xffff), 1);
	assert_int_equal(net_command_of(&net, 4, 4, 0, "\2", 1), 1);
	assert_int_equal(MQ(2), 0);
	for (uint16_t i = 0; i < 40; i++)
		net_give(&net, i, NET_FRAME);
	send_flows(far);
	wait_until(ring_used_idx(&net.d.rings[RX]) - 40 + ring_used_idx(&net.d.rings[RX2]) == 40);
	assert_in_range(ring_used_idx(&net.d.rings[RX2]), 1, 39);
	assert_int_equal(*(uint8_t *)gpa_ptr(*state, second + 10, 1), NOT_WRITTEN);
	net_frame(frame, 100, 1);
	frame[6] &= 0xfe;
	put_be16(frame + 12, TYPE);
	uint64_t gpa = gpa_alloc(*state, NET_HEADER + 100, 1);

	memset(gpa_ptr(*state, gpa, NET_HEADER), 0, NET_HEADER);
	memcpy(gpa_ptr(*state, gpa + NET_HEADER, 100), frame, 100);
	pieces_add(&net.d.rings[TX2], 0, &(struct piece){ gpa, NET_HEADER + 100, false }, 1);
	kick(&net.d, TX2);
	assert_int_equal(far_takes(far, got, sizeof(got)), 100);
	assert_memory_equal(got, frame, 100);
	close(far);
}

/* 5.1.6.5.5.2: once the command for one pair is used the second gets nothing, not even what waited for its buffers. */
static void fewer_pairs(void **state)
{
	int far;

	tapdrive_make(&net, *state, ",queues=2", "multi_queue");
	far = far_end();
	net_up(&net, NET_F_BASIC | NET_F_MQ);
	assert_int_equal(MQ(2), 0);
	send_flows(far);
	nap_ms(30);
	assert_int_equal(MQ(1), 0);
	for (uint16_t i = 0; i < 40; i++)
		give_second(i);
	send_flows(far);
	for (uint16_t i = 0; i < 60; i++)
		net_give(&net, i, NET_FRAME);
	wait_until(ring_used_idx(&net.d.rings[RX]) >= 40);
	nap_ms(20);
	assert_int_equal(ring_used_idx(&net.d.rings[RX2]), 0);
	/* a reset means one pair again */
	assert_int_equal(MQ(2), 0);
	net_up(&net, NET_F_BASIC | NET_F_MQ);
	for (uint16_t i = 0; i < 40; i++)
		give_second(i);
	for (uint16_t i = 0; i < 60; i++)
		net_give(&net, i, NET_FRAME);
	send_flows(far);
	wait_until(ring_used_idx(&net.d.rings[RX]) >= 40);
	assert_int_equal(ring_used_idx(&net.d.rings[RX2]), 0);
	close(far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TAP_TEST(pairs),
		TAP_TEST(fewer_pairs),
		TAP_TEST(features_that_need_others),
	};

	taps_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
