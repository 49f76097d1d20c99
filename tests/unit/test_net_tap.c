// SPDX-License-Identifier: GPL-2.0-only
/* The network device (virtio 1.2, 5.1) on a tap: frames, and offloads. test_net_pairs.c has several queues. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/unit/ether.h"
#include "tests/unit/support.h"
#include "tests/unit/tapdrive.h"

#define TYPE 0x88b5 /* for experiments: IEEE 802 */

static struct netdrive net;
static uint8_t frame[9000];

static void put_pseudo(uint8_t pseudo[12], const uint8_t *bytes, size_t len)
{
	memcpy(pseudo, bytes + ETHER_HEADER + 12, 8);
	pseudo[8] = 0;
	pseudo[9] = IP_TCP;
	put_be16(pseudo + 10, (uint16_t)(len - CSUM_START));
}

/* A TCP segment of `len` bytes of data; with `partial` the checksum is that of the pseudo header alone. */
static size_t segment(size_t len, bool partial)
{
	uint8_t tcp[TCP_HEADER + 8000] = { 3, 0, 4, 0, 0, 0, 0, 1, 0, 0, 0, 1, TCP_HEADER / 4 << 4, TCP_ACK, 255, 255 };
	uint8_t pseudo[12];
	size_t n;

	memset(tcp + TCP_HEADER, 0x5a, len);
	n = ether_ip(frame, ether_broadcast, 0x0a010001, 0x0a010002, IP_TCP, tcp, TCP_HEADER + len);
	put_pseudo(pseudo, frame, n);
	if (partial)
		put_be16(frame + CSUM_START + 16, (uint16_t)~internet_sum(NULL, 0, pseudo, 12));
	return n;
}

static bool checksum_is_right(const uint8_t *bytes, size_t len)
{
	uint8_t pseudo[12];

	put_pseudo(pseudo, bytes, len);
	return internet_sum(pseudo, 12, bytes + CSUM_START, len - CSUM_START) == 0;
}

/* --- one pair ----------------------------------------------------------------------------------------------------- */

static void frames_both_ways(void **state)
{
	uint8_t got[2000];
	int far;

	tapdrive_make(&net, *state, "", "");
	assert_int_equal(offered_features(&net.d) & 0xffffff,
			 NET_F_CSUM | NET_F_GUEST_CSUM | NET_F_OFFLOADS | NET_F_MAC | NET_F_GUEST_TSO4 |
				 NET_F_GUEST_TSO6 | NET_F_GUEST_ECN | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 |
				 NET_F_HOST_ECN | NET_F_MRG_RXBUF | NET_F_STATUS | NET_F_CTRL_VQ | NET_F_CTRL_RX |
				 NET_F_CTRL_MAC);
	far = far_end();
	net_up(&net, NET_F_BASIC);
	for (uint16_t i = 0; i < 50; i++) {
		net_frame(frame, 60 + i * 20, i);
		put_be16(frame + 12, TYPE);
		frame[6] &= 0xfe;
		net_give(&net, i, NET_FRAME);
		far_sends(far, frame, 60 + i * 20, 0, 0, 0);
		net_expect(&net, frame, 60 + i * 20, 1);
		net_send(&net, i, frame, 60 + i * 20);
		assert_int_equal(far_takes(far, got, sizeof(got)), 60 + i * 20);
		assert_memory_equal(got, frame, 60 + i * 20);
		assert_true(used_comes(&net.d.rings[TX], (uint16_t)(i + 1)));
	}
	close(far);
}

/* The header before what comes next, and whether its checksum is right. */
static size_t received(uint16_t at, uint8_t header[NET_HEADER], bool *summed)
{
	struct ring *ring = &net.d.rings[RX];

	wait_until((int16_t)(ring_used_idx(ring) - at) > 0);
	uint32_t id = ring_used_id(ring, at), len = ring_used_len(ring, at);

	memcpy(header, gpa_ptr(net.rig, net.rx[id], NET_HEADER), NET_HEADER);
	*summed = checksum_is_right(gpa_ptr(net.rig, net.rx[id] + NET_HEADER, len - NET_HEADER), len - NET_HEADER);
	return len - NET_HEADER;
}

/* 5.1.6.4.1: what the driver did not agree on it is not given: partial checksums, large segments, and what was in the
 * tap for a driver before it that did. */
static void offloads_as_agreed(void **state)
{
	static const uint8_t plain[NET_HEADER] = { [10] = 1 };
	uint8_t header[NET_HEADER];
	bool summed;
	size_t len;
	int far;

	tapdrive_make(&net, *state, "", "");
	far = far_end();
	for (unsigned round = 0; round < 3; round++) {
		net_up(&net, NET_F_BASIC | NET_F_GUEST_CSUM | NET_F_GUEST_TSO4 | NET_F_OFFLOADS);
		for (uint16_t i = 0; i < 4; i++)
			net_give(&net, i, 9000);
		len = segment(500, true);
		far_sends(far, frame, len, NEEDS_CSUM, 0, 0);
		assert_int_equal(received(0, header, &summed), len);
		assert_int_equal(header[0] & NEEDS_CSUM, NEEDS_CSUM);
		assert_int_equal(header[6] | header[7] << 8, CSUM_START);
		assert_int_equal(header[8], 16);
		len = segment(5000, true);
		far_sends(far, frame, len, NEEDS_CSUM, GSO_TCPV4, 1000);
		assert_int_equal(received(1, header, &summed), len);
		assert_int_equal(header[1], GSO_TCPV4);
		assert_int_equal(header[4] | header[5] << 8, 1000);
		/* both once more, but the driver is gone before it has them */
		if (round)
			reg_put(&net.d, R_STATUS, 0);
		else if (net_control(&net, 5, 0, "\0\0\0\0\0\0\0\0", 8) != 0) /* GUEST_OFFLOADS_SET: none */
			fail();
		far_sends(far, frame, len, NEEDS_CSUM, GSO_TCPV4, 1000);
		far_sends(far, frame, segment(500, true), NEEDS_CSUM, 0, 0);
		if (round)
			net_up(&net, NET_F_BASIC | (round > 1 ? NET_F_GUEST_CSUM : 0));
		for (uint16_t i = 4; i < 30; i++)
			net_give(&net, i, 9000);
		far_sends(far, frame, segment(700, true), NEEDS_CSUM, 0, 0); /* the last of them */
		uint16_t at = round ? 0 : 2;

		do {
			len = received(at++, header, &summed);
			assert_int_equal(header[1], 0); /* no gso_type */
			if (round < 2) {
				assert_memory_equal(header, plain, NET_HEADER);
				assert_true(summed);
			} else if (header[0] == 0) {
				assert_true(summed);
			}
		} while (len != CSUM_START + TCP_HEADER + 700);
	}
	close(far);
}

/* "The checksum was looked at" is a flag as well, and for whoever agreed on GUEST_CSUM. */
static void no_data_valid_unasked(void **state)
{
	static const uint8_t plain[NET_HEADER] = { [10] = 1 };
	struct ifreq ifr = { .ifr_name = "t1", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_NAPI };
	uint8_t header[NET_HEADER];
	bool summed;
	int fd;

	need_taps();
	if (system("ip link add br0 type bridge 2>/dev/null"))
		skip();
	tapdrive_make(&net, *state, "", "");
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		close(fd);
		skip();
	}
	run_command(
		"sysctl -qw net.ipv6.conf.t1.disable_ipv6=1 net.ipv6.conf.br0.disable_ipv6=1 && ip link set t0 master br0 "
		"&& ip link set t1 master br0 && ip link set br0 up && ip link set t1 up");
	net_up(&net, NET_F_BASIC);
	for (uint16_t i = 0; i < 20; i++)
		net_give(&net, i, NET_FRAME);
	/* a segment with a right checksum, which the kernel looks at on its way to us; others come as well */
	uint16_t at = 0;
	size_t len = segment(300, false), got = 0;

	for (unsigned i = 0; i < 200 && got != len; i++) {
		assert_int_equal(write(fd, frame, len), len);
		nap_ms(20);
		while (at != ring_used_idx(&net.d.rings[RX]) && got != len)
			got = received(at++, header, &summed);
	}
	assert_int_equal(got, len);
	assert_true(summed);
	assert_memory_equal(header, plain, NET_HEADER);
	close(fd);
}

/* What the driver leaves to us: a checksum, and a segment of several (5.1.6.2). */
static void sends_unfinished(void **state)
{
	uint8_t got[9000];
	size_t len;
	int far;

	tapdrive_make(&net, *state, "", "");
	far = far_end();
	net_up(&net, NET_F_BASIC | NET_F_CSUM | NET_F_HOST_TSO4);
	for (unsigned large = 0; large < 2; large++) {
		len = segment(large ? 5000 : 500, true);
		uint8_t header[NET_HEADER] = { NEEDS_CSUM,
					       large ? GSO_TCPV4 : 0,
					       CSUM_START + TCP_HEADER,
					       0,
					       large ? 0xe8 : 0,
					       large ? 3 : 0,
					       CSUM_START,
					       0,
					       16,
					       0 };
		uint64_t gpa = gpa_alloc(*state, NET_HEADER + len, 1);

		memcpy(gpa_ptr(*state, gpa, NET_HEADER), header, NET_HEADER);
		memcpy(gpa_ptr(*state, gpa + NET_HEADER, len), frame, len);
		pieces_add(&net.d.rings[TX], 0, &(struct piece){ gpa, NET_HEADER + (uint32_t)len, false }, 1);
		kick(&net.d, TX);
		assert_true(used_comes(&net.d.rings[TX], (uint16_t)(large + 1)));
		/* which may still be unfinished: the host takes it so */
		assert_int_equal(far_takes(far, got, sizeof(got)), len);
	}
	assert_int_equal(device_count(&net.d, "tx-dropped"), 0);
	close(far);
}

/* h21: any header that says something of checksums and segments, and any length. The kernel takes it or does not; the
 * device goes on. */
static void h21_garbage_in_the_header(void **state)
{
	struct ring *ring = &net.d.rings[TX];
	uint64_t gpa = gpa_alloc(*state, 70000, 16), seed = 22;
	uint16_t sent = 0;

	tapdrive_make(&net, *state, "", "");
	net_up(&net, NET_F_BASIC | NET_F_CSUM | NET_F_HOST_TSO4 | NET_F_HOST_TSO6 | NET_F_HOST_ECN);
	segment(1000, true);
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t *bytes = gpa_ptr(*state, gpa, 70000);
		uint32_t len = (uint32_t)(random_next(&seed) % (i % 50 ? 1500 : 65600));

		for (unsigned j = 0; j < NET_HEADER; j++)
			bytes[j] = (uint8_t)(i % 4 == 1 ? 0xff : random_next(&seed));
		if (i % 2)
			bytes[0] = NEEDS_CSUM, bytes[1] = (uint8_t)(random_next(&seed) % 6);
		memcpy(bytes + NET_HEADER, frame, 1054);
		pieces_add(ring, 0, &(struct piece){ gpa, NET_HEADER + len, false }, 1);
		kick(&net.d, TX);
		assert_true(used_comes(ring, ++sent));
		assert_int_equal(ring_used_len(ring, (uint16_t)(sent - 1)), 0);
	}
	assert_true(device_count(&net.d, "tx-dropped") > 100);
	assert_int_equal(device_count(&net.d, "tx-dropped") + device_count(&net.d, "tx-frames"), 2000);
	assert_int_equal(window_get(&net.d, LINK, 2), 1);
	still_alive(&net.d);
	net_up(&net, NET_F_BASIC);
	net_works(&net);
}

static void tap_vanishes(void **state)
{
	tapdrive_make(&net, *state, "", "");
	net_up(&net, NET_F_BASIC);
	run_command("ip link del t0");
	wait_until(window_get(&net.d, LINK, 2) == 0);
	assert_true(reg_get(&net.d, R_INTERRUPT_STATUS) & ISR_CONFIG);
	net_works(&net);
	still_alive(&net.d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TAP_TEST(frames_both_ways), TAP_TEST(offloads_as_agreed),        TAP_TEST(no_data_valid_unasked),
		TAP_TEST(sends_unfinished), TAP_TEST(h21_garbage_in_the_header), TAP_TEST(tap_vanishes),
	};

	taps_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
