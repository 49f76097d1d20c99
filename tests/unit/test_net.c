// SPDX-License-Identifier: GPL-2.0-only
/* The network device (virtio 1.2, 5.1) on a passed socket: frames both ways, its control queue, and the link's end.
 * test_net_tap.c has taps, test_net_hostile.c the drivers that keep no rule. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/echo.h"
#include "tests/unit/netdrive.h"
#include "tests/unit/support.h"

static struct netdrive net;
static uint8_t frame[70000];

/* --- what it says of itself --------------------------------------------------------------------------------------- */

static void identity(void **state)
{
	struct driver *d = &net.d;

	net_add(&net, *state, NULL);
	assert_int_equal(reg_get(d, R_DEVICE_ID), 1);
	/* a socket's frames have no header, so no offloads */
	assert_int_equal(offered_features(d) & 0xffffff,
			 NET_F_MAC | NET_F_STATUS | NET_F_MRG_RXBUF | NET_F_CTRL_VQ | NET_F_CTRL_RX | NET_F_CTRL_MAC);
	for (uint32_t q = 0; q < 4; q++) {
		reg_put(d, R_QUEUE_SEL, q);
		assert_int_equal(reg_get(d, R_QUEUE_NUM_MAX), q < 3 ? 256 : 0);
	}
	assert_int_equal(window_get(d, LINK, 2), 1);
	for (unsigned off = 0; off < 12; off++) { /* all fields are read-only for the driver (5.1.4) */
		uint64_t before = window_get(d, R_CONFIG + off, 1);

		window_put(d, R_CONFIG + off, 1, ~before);
		assert_int_equal(window_get(d, R_CONFIG + off, 1), before);
	}
}

/* The address of a device with these options in a new machine, where it is number `nth`. */
static uint64_t mac_with(const char *options, unsigned nth)
{
	void *state;
	uint64_t mac = 0;

	assert_int_equal(rig_setup(&state), 0);
	for (unsigned i = 0; i <= nth; i++) {
		struct driver d;
		char text[128];
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
		snprintf(text, sizeof(text), "fd=%d%s", pair[0], options);
		assert_int_equal(driver_add(&d, state, "net", text), 0);
		for (unsigned j = 0; j < 6; j++)
			mac = (i == nth ? mac << 8 : 0) | window_get(&d, MAC + j, 1);
		close(pair[1]);
	}
	rig_teardown(&state);
	return mac;
}

static void addresses(void **state)
{
	static const char *const wrong[] = { "",
					     "52:54:00:12:34",
					     "52:54:00:12:34:5",
					     "52:54:00:12:34:567",
					     "52:54:00:12:34:56:78",
					     "52-54-00-12-34-56",
					     "52:54:00:12:34:5g",
					     "525400123456",
					     "01:00:5e:00:00:01",
					     "ff:ff:ff:ff:ff:ff",
					     "00:00:00:00:00:00",
					     "52:54:00:12:34: 5",
					     "52:54:00:12:34:+5",
					     "5:54:00:12:34:56" };
	uint64_t first = mac_with("", 0), second = mac_with("", 1);
	char text[64];

	assert_int_equal(first >> 40 & 3, 2); /* local, and of one card */
	assert_int_equal(second >> 40 & 3, 2);
	assert_int_not_equal(first, second);
	assert_int_equal(mac_with("", 0), first); /* in every run */
	assert_int_equal(mac_with("", 1), second);
	assert_int_equal(mac_with(",mac=52:54:00:12:34:56", 0), 0x525400123456);
	assert_int_equal(mac_with(",mac=AC:de:48:00:00:FF", 0), 0xacde480000ff);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(text, sizeof(text), "mac=%s", wrong[i]);
		refuses_options(*state, "net", text, "mac");
	}
	refuses_options(*state, "net", "fd=2", "fd");
	refuses_options(*state, "net", "fd=900", "900");
	refuses_options(*state, "net", "queues=9", "queues");
	refuses_options(*state, "net", "tap=absent0", "absent0");
}

/* --- transmission (5.1.6.2) --------------------------------------------------------------------------------------- */

static void transmit(void **state)
{
	struct ring *ring = &net.d.rings[TX];
	uint16_t n = 0;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (uint32_t len = 14; len < 9000; len = len * 5 / 4, n++) {
		net_frame(frame, len, len);
		net_send(&net, n % NET_RING, frame, len);
		peer_expects(&net, frame, len);
		assert_true(used_comes(ring, (uint16_t)(n + 1)));
		assert_int_equal(ring_used_id(ring, n), n % NET_RING);
		assert_int_equal(ring_used_len(ring, n), 0);
	}
	assert_int_equal(device_count(&net.d, "tx-frames"), n);
	assert_int_equal(device_count(&net.d, "tx-dropped"), 0);
	peer_expects_none(&net);
}

/* Header and frame in any framing (2.7.4.2). */
static void transmit_in_pieces(void **state)
{
	struct ring *ring = &net.d.rings[TX];
	uint64_t gpa = gpa_alloc(*state, NET_HEADER + 600, 16);
	struct piece pieces[NET_RING];
	uint16_t sent = 0;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	net_frame(frame, 600, 3);
	memset(gpa_ptr(*state, gpa, NET_HEADER), 0, NET_HEADER);
	memcpy(gpa_ptr(*state, gpa + NET_HEADER, 600), frame, 600);
	for (uint32_t first = 0; first < 30; first++) {
		for (uint32_t step = 11; step < 700; step += 61) {
			unsigned n = pieces_cut(pieces, 0, gpa, first, first ? first : 1, false);

			n = pieces_cut(pieces, n, gpa + first, NET_HEADER + 600 - first, step, false);
			pieces_add(ring, 0, pieces, n);
			kick(&net.d, TX);
			peer_expects(&net, frame, 600);
			assert_true(used_comes(ring, ++sent));
		}
	}
	for (uint32_t i = 0; i < 12; i++) /* the header byte by byte */
		pieces[i] = (struct piece){ gpa + i, 1, false };
	pieces[12] = (struct piece){ gpa + 12, 600, false };
	pieces_add(ring, 0, pieces, 13);
	kick(&net.d, TX);
	peer_expects(&net, frame, 600);
}

/* More than the socket takes: it waits in order, nothing is lost, and reception goes on meanwhile. */
static void transmit_waits_for_the_link(void **state)
{
	struct ring *ring = &net.d.rings[TX];
	uint16_t n = 0, at;
	unsigned received = 0;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (unsigned round = 0; round < 3; round++) {
		uint16_t first = n;

		do { /* until a frame waits */
			net_frame(frame, 1514, n);
			net_send(&net, n % NET_RING, frame, 1514);
			n++;
			for (unsigned i = 0; i < 20 && ring_used_idx(ring) != n; i++)
				nap_ms(1);
		} while (ring_used_idx(ring) == n && n - first < 5000);
		assert_true(n - first < 5000);
		for (unsigned i = 0; i < 30; i++, n++) {
			net_frame(frame, 1514, n);
			net_send(&net, n % NET_RING, frame, 1514);
		}
		at = ring_used_idx(ring);
		nap_ms(20);
		assert_int_equal(ring_used_idx(ring), at);
		for (unsigned i = 0; i < 20; i++) {
			net_give(&net, (uint16_t)(received++ % NET_RING), NET_FRAME);
			net_frame(frame, 900, 77 + i);
			peer_sends(&net, frame, 900);
			net_expect(&net, frame, 900, 1);
		}
		for (uint16_t i = first; i != n; i++) {
			net_frame(frame, 1514, i);
			peer_expects(&net, frame, 1514);
		}
		assert_true(used_comes(ring, n));
		for (uint16_t i = first; i != n; i++)
			if ((uint16_t)(n - i) <= NET_RING)
				assert_int_equal(ring_used_id(ring, i), i % NET_RING);
	}
	peer_expects_none(&net);
	assert_int_equal(device_count(&net.d, "tx-dropped"), 0);
}

/* --- reception (5.1.6.3, 5.1.6.4) --------------------------------------------------------------------------------- */

static void receive(void **state)
{
	uint16_t n = 0;

	net_add(&net, *state, NULL);
	for (unsigned mergeable = 0; mergeable < 2; mergeable++) {
		net_up(&net, NET_F_BASIC | (mergeable ? NET_F_MRG_RXBUF : 0));
		n = 0;
		for (uint32_t len = 14; len < 1900; len = len * 9 / 8, n++) {
			net_frame(frame, len, len);
			net_give(&net, n % NET_RING, NET_HEADER + len + n % 3);
			peer_sends(&net, frame, len);
			net_expect(&net, frame, len, 1);
			/* nothing behind it */
			for (unsigned i = 0; i < n % 3u; i++)
				assert_int_equal(
					*(uint8_t *)gpa_ptr(*state, net.rx[n % NET_RING] + NET_HEADER + len + i, 1),
					NOT_WRITTEN);
		}
	}
	assert_int_equal(device_count(&net.d, "rx-frames"), 2 * n);
	assert_int_equal(device_count(&net.d, "rx-dropped"), 0);
}

/* A buffer of many descriptors, the header's end anywhere. */
static void receive_into_pieces(void **state)
{
	uint64_t gpa = gpa_alloc(*state, NET_FRAME, 16);
	struct piece pieces[NET_RING];
	uint16_t at = 0;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (uint32_t step = 5; step < 40; step++, at++) {
		net_frame(frame, 280, step);
		pieces_add(&net.d.rings[RX], 0, pieces, pieces_cut(pieces, 0, gpa, 300, step, true));
		kick(&net.d, RX);
		peer_sends(&net, frame, 280);
		assert_true(used_comes(&net.d.rings[RX], (uint16_t)(at + 1)));
		assert_int_equal(ring_used_len(&net.d.rings[RX], at), NET_HEADER + 280);
		assert_memory_equal(gpa_ptr(*state, gpa + NET_HEADER, 280), frame, 280);
	}
}

static void receive_merged(void **state)
{
	uint16_t head = 0;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC | NET_F_MRG_RXBUF);
	for (uint32_t len = 14; len < 1600; len += 53) {
		uint16_t buffers = (uint16_t)((NET_HEADER + len + 99) / 100);

		for (uint16_t i = 0; i < buffers; i++)
			net_give(&net, head++ % NET_RING, 100);
		net_frame(frame, len, len);
		peer_sends(&net, frame, len);
		net_expect(&net, frame, len, buffers);
	}
	for (uint16_t i = 0; i < 60; i++) /* one at a time, and only then the last that it needs */
		net_give(&net, head++ % NET_RING, 1000);
	net_frame(frame, 60000, 1);
	peer_sends(&net, frame, 60000);
	nap_ms(20);
	assert_int_equal(ring_used_idx(&net.d.rings[RX]), net.seen[RX]);
	net_give(&net, head++ % NET_RING, 1000);
	net_expect(&net, frame, 60000, 61);
	net_give(&net, head % NET_RING, NET_FRAME);
	net_frame(frame, 64, 2);
	peer_sends(&net, frame, 64);
	net_expect(&net, frame, 64, 1);
}

/* Without MRG_RXBUF a frame has one buffer or none (5.1.6.3.2): it is dropped, and the buffer is for the next. */
static void receive_too_big(void **state)
{
	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	net_give(&net, 0, 200);
	net_give(&net, 1, NET_FRAME);
	net_frame(frame, 1514, 1);
	peer_sends(&net, frame, 1514);
	wait_until(device_count(&net.d, "rx-dropped") == 1);
	peer_sends(&net, frame, 189);
	wait_until(device_count(&net.d, "rx-dropped") == 2);
	assert_int_equal(ring_used_idx(&net.d.rings[RX]), 0);
	peer_sends(&net, frame, 188);
	net_expect(&net, frame, 188, 1);
	assert_int_equal(ring_used_id(&net.d.rings[RX], 0), 0);
	peer_sends(&net, frame, 1514);
	net_expect(&net, frame, 1514, 1);
}

static void receive_waits_for_buffers(void **state)
{
	net_add(&net, *state, NULL);
	for (uint32_t i = 0; i < 10; i++) { /* before there is a driver */
		net_frame(frame, 500, i);
		peer_sends(&net, frame, 500);
	}
	net_up(&net, NET_F_BASIC);
	nap_ms(20);
	assert_int_equal(edges(&net.d), 0);
	for (uint32_t i = 10; i < 40; i++) { /* before there are buffers */
		net_frame(frame, 500, i);
		peer_sends(&net, frame, 500);
	}
	for (uint32_t i = 0; i < 40; i++) {
		net_give(&net, (uint16_t)i, NET_FRAME);
		net_frame(frame, 500, i);
		net_expect(&net, frame, 500, 1);
	}
	assert_int_equal(device_count(&net.d, "rx-dropped"), 0);
	for (uint16_t i = 0; i < 40; i++) /* and buffers that wait for frames */
		net_give(&net, i, NET_FRAME);
	for (uint32_t i = 0; i < 40; i++) {
		net_frame(frame, 500, 100 + i);
		peer_sends(&net, frame, 500);
	}
	for (uint32_t i = 0; i < 40; i++) {
		net_frame(frame, 500, 100 + i);
		net_expect(&net, frame, 500, 1);
	}
}

/* --- the link's end ----------------------------------------------------------------------------------------------- */

static void link_goes_down(void **state)
{
	uint32_t generation;
	char *text;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	net_works(&net);
	reg_put(&net.d, R_INTERRUPT_ACK, ISR_USED);
	edges(&net.d);
	generation = reg_get(&net.d, R_CONFIG_GENERATION);
	free(rig_errors(*state));
	peer_closes(&net);
	wait_until(reg_get(&net.d, R_INTERRUPT_STATUS) == ISR_CONFIG);
	assert_int_equal(window_get(&net.d, LINK, 2), 0);
	assert_int_not_equal(reg_get(&net.d, R_CONFIG_GENERATION), generation);
	assert_int_equal(edges(&net.d), 1);
	text = rig_errors(*state);
	assert_int_equal(count_of(text, "\n"), 1);
	free(text);
	net_works(&net); /* what is sent is gone, and its buffer comes back */
	net_up(&net, NET_F_BASIC);
	assert_int_equal(window_get(&net.d, LINK, 2), 0);
	net_works(&net);
	still_alive(&net.d);
}

/* The same while frames wait. */
static void link_goes_down_full(void **state)
{
	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	uint16_t n = 0;

	do {
		net_frame(frame, 1514, n);
		net_send(&net, n % NET_RING, frame, 1514);
		nap_ms(1);
	} while (ring_used_idx(&net.d.rings[TX]) == ++n);
	peer_closes(&net);
	assert_true(used_comes(&net.d.rings[TX], n));
	wait_until(window_get(&net.d, LINK, 2) == 0);
	net_works(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(identity),
		RIG_TEST(addresses),
		RIG_TEST(transmit),
		RIG_TEST(transmit_in_pieces),
		RIG_TEST(transmit_waits_for_the_link),
		RIG_TEST(receive),
		RIG_TEST(receive_into_pieces),
		RIG_TEST(receive_merged),
		RIG_TEST(receive_too_big),
		RIG_TEST(receive_waits_for_buffers),
		RIG_TEST(link_goes_down),
		RIG_TEST(link_goes_down_full),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
