// SPDX-License-Identifier: GPL-2.0-only
/* Drivers of a network device that break the rules, checklist h21 and what is like it; test_net_tap.c has those that a
 * tap sees. After each: the machine and the sibling live, and frames go both ways after a reset. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/echo.h"
#include "tests/unit/netdrive.h"
#include "tests/unit/support.h"

static struct netdrive net;
static uint8_t frame[70000];

/* Frames that wait, in the link or at its end, go. */
static void empty_link(void)
{
	uint16_t before;

	while (recv(net.peer, frame, sizeof(frame), MSG_DONTWAIT) > 0)
		;
	net_up(&net, NET_F_BASIC);
	for (uint16_t i = 0; i < NET_RING; i++)
		net_give(&net, i, NET_FRAME);
	do {
		before = ring_used_idx(&net.d.rings[RX]);
		nap_ms(20);
	} while (before != ring_used_idx(&net.d.rings[RX]));
	assert_true(before < NET_RING);
}

static void oracle_of(void)
{
	still_alive(&net.d);
	empty_link();
	net_up(&net, NET_F_BASIC);
	net_works(&net);
	net_up(&net, NET_F_BASIC | NET_F_MRG_RXBUF);
	net_works(&net);
}

/* --- transmission ------------------------------------------------------------------------------------------------- */

/* Sends `len` bytes, header and all, in pieces of `step`; its buffer comes back. */
static void send_raw(uint64_t gpa, uint32_t len, uint32_t step)
{
	struct ring *ring = &net.d.rings[TX];
	struct piece pieces[NET_RING];
	uint16_t at = ring_used_idx(ring);

	pieces_add(ring, 0, pieces, pieces_cut(pieces, 0, gpa, len, step, false));
	kick(&net.d, TX);
	assert_true(used_comes(ring, (uint16_t)(at + 1)));
	assert_int_equal(ring_used_len(ring, at), 0);
}

/* Shorter than the header, or a frame without an Ethernet header of its own: nothing is sent. */
static void h21_short_frames(void **state)
{
	uint64_t gpa = gpa_alloc(*state, 64, 16);

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	memset(gpa_ptr(*state, gpa, 64), 0, 64);
	for (uint32_t len = 1; len < NET_HEADER + 14; len++) {
		send_raw(gpa, len, 64);
		send_raw(gpa, len, 5);
	}
	assert_int_equal(device_count(&net.d, "tx-dropped"), 50);
	assert_int_equal(device_count(&net.d, "tx-frames"), 0);
	peer_expects_none(&net);
	send_raw(gpa, NET_HEADER + 14, 64);
	peer_expects(&net, gpa_ptr(*state, gpa + NET_HEADER, 14), 14);
	oracle_of();
}

static void h21_long_frames(void **state)
{
	static const uint32_t lens[] = { 65536 + 18, 65536 + 4096, 1u << 20, 16u << 20 };
	uint64_t gpa = gpa_alloc(*state, 17u << 20, 16);

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	memset(gpa_ptr(*state, gpa, NET_HEADER), 0, NET_HEADER);
	for (unsigned i = 0; i < 4; i++) {
		send_raw(gpa, NET_HEADER + lens[i], 32u << 20);
		send_raw(gpa, NET_HEADER + lens[i], NET_HEADER + lens[i] / 3);
	}
	struct ring *ring = &net.d.rings[TX];
	struct piece pieces[NET_RING];

	for (unsigned i = 0; i < NET_RING - 1; i++) /* a gigabyte */
		pieces[i] = (struct piece){ gpa, 16u << 20, false };
	pieces_add(ring, 0, pieces, NET_RING - 1);
	kick(&net.d, TX);
	assert_true(used_comes(ring, 9));
	assert_int_equal(device_count(&net.d, "tx-dropped"), 9);
	peer_expects_none(&net);
	net_frame(frame, 65000, 4); /* what a driver may send */
	memcpy(gpa_ptr(*state, gpa + NET_HEADER, 65000), frame, 65000);
	send_raw(gpa, NET_HEADER + 65000, 2000);
	peer_expects(&net, frame, 65000);
	oracle_of();
}

/* Without CSUM and GSO nothing in the header means anything (5.1.6.2.2). */
static void h21_garbage_in_the_header(void **state)
{
	uint64_t gpa = gpa_alloc(*state, NET_HEADER + 200, 16), seed = 21;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (unsigned i = 0; i < 300; i++) {
		uint8_t *header = gpa_ptr(*state, gpa, NET_HEADER);

		for (unsigned j = 0; j < NET_HEADER; j++)
			header[j] = (uint8_t)(i < 3 ? 0xff : random_next(&seed));
		net_frame(frame, 200, i);
		memcpy(gpa_ptr(*state, gpa + NET_HEADER, 200), frame, 200);
		send_raw(gpa, NET_HEADER + 200, 300);
		peer_expects(&net, frame, 200);
	}
	oracle_of();
}

/* Buffers of the wrong kind, in both directions: no byte of a readable one changes. */
static void wrong_directions(void **state)
{
	uint64_t gpa = gpa_alloc(*state, 4096, 16);
	struct piece mixed[] = { { gpa, 100, false }, { gpa + 100, 100, true } };

	net_add(&net, *state, NULL);
	for (unsigned mergeable = 0; mergeable < 2; mergeable++) {
		net_up(&net, NET_F_BASIC | (mergeable ? NET_F_MRG_RXBUF : 0));
		memset(gpa_ptr(*state, gpa, 4096), NOT_WRITTEN, 4096);
		pieces_add(&net.d.rings[TX], 0, &(struct piece){ gpa, 200, true }, 1);
		pieces_add(&net.d.rings[TX], 1, mixed, 2);
		kick(&net.d, TX);
		assert_true(used_comes(&net.d.rings[TX], 2));
		for (unsigned i = 0; i < 200; i++)
			assert_int_equal(*(uint8_t *)gpa_ptr(*state, gpa + i, 1), NOT_WRITTEN);
		pieces_add(&net.d.rings[RX], 0, &(struct piece){ gpa + 1000, 3000, false }, 1);
		pieces_add(&net.d.rings[RX], 1, mixed, 2);
		kick(&net.d, RX);
		net_frame(frame, 60, 1);
		for (unsigned i = 0; i < 3; i++)
			peer_sends(&net, frame, 60);
		nap_ms(20);
		for (unsigned i = 0; i < 3000; i++)
			assert_int_equal(*(uint8_t *)gpa_ptr(*state, gpa + 1000 + i, 1), NOT_WRITTEN);
		for (unsigned i = 0; i < 100; i++)
			assert_int_equal(*(uint8_t *)gpa_ptr(*state, gpa + i, 1), NOT_WRITTEN);
		oracle_of();
	}
}

/* --- reception ---------------------------------------------------------------------------------------------------- */

/* Buffers that hold less than a header (5.1.6.3.1 wants 12 bytes), and more frames than they can ever hold. */
static void tiny_buffers(void **state)
{
	net_add(&net, *state, NULL);
	for (uint32_t size = 1; size < 14; size++) {
		net_up(&net, NET_F_BASIC | NET_F_MRG_RXBUF);
		for (uint16_t i = 0; i < NET_RING; i++)
			net_give(&net, i, size);
		net_frame(frame, 1500, size);
		for (unsigned i = 0; i < 5; i++)
			peer_sends(&net, frame, 1500);
		net_frame(frame, 14, size);
		for (unsigned i = 0; i < 2; i++) { /* of what is left each has its share */
			peer_sends(&net, frame, 14);
			net_expect(&net, frame, 14, (uint16_t)((NET_HEADER + 14 + size - 1) / size));
		}
		still_alive(&net.d);
	}
	net_up(&net, NET_F_BASIC);
	for (uint16_t i = 0; i < NET_RING; i++)
		net_give(&net, i, 1 + i % 12u);
	for (unsigned i = 0; i < 5; i++)
		peer_sends(&net, frame, 14);
	nap_ms(5);
	oracle_of();
}

/* Many frames that no buffer holds, in one go, and then one that fits. */
static void misfits_before_a_fit(void **state)
{
	net_add(&net, *state, NULL);
	net_frame(frame, 40, 1);
	for (unsigned i = 0; i < 260; i++)
		peer_sends(&net, frame, 40);
	peer_sends(&net, frame, 30);
	nap_ms(20); /* all was told of before there is a driver */
	assert_true(driver_negotiate(&net.d, NET_F_BASIC));
	ring_place(&net.d.rings[RX], NET_RING);
	ring_program(&net.d.rings[RX]);
	ring_ready(&net.d.rings[RX], 1);
	net.seen[RX] = 0;
	net_give(&net, 0, NET_HEADER + 30);
	reg_put(&net.d, R_STATUS, S_UP);
	net_expect(&net, frame, 30, 1);
	assert_int_equal(device_count(&net.d, "rx-dropped"), 260);
	oracle_of();
}

/* Reception over the rings themselves. */
static void receives_over_its_own(void **state)
{
	net_add(&net, *state, NULL);
	net_frame(frame, 1500, 9);
	for (unsigned i = 0; i < 9; i++) {
		struct ring *rx = &net.d.rings[RX], *target = &net.d.rings[i % 3];

		net_up(&net, NET_F_BASIC | (i % 2 ? NET_F_MRG_RXBUF : 0));
		uint64_t gpa = i / 3 == 0 ? target->desc : i / 3 == 1 ? target->avail : target->used;

		for (uint16_t head = 0; head < 8; head++)
			pieces_add(rx, head, &(struct piece){ gpa, NET_FRAME, true }, 1);
		kick(&net.d, RX);
		for (unsigned j = 0; j < 10; j++)
			peer_sends(&net, frame, 1500);
		nap_ms(5);
		for (unsigned q = 0; q < 4; q++)
			kick(&net.d, q);
		nap_ms(5);
		still_alive(&net.d);
	}
	oracle_of();
}

/* --- floods ------------------------------------------------------------------------------------------------------- */

static void *flood(void *arg)
{
	int fd = *(int *)arg;
	uint8_t bytes[64] = { 0 };

	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	return NULL;
}

/* Gives the buffers back that were used; how many. */
static unsigned give_again(uint16_t *seen, uint64_t gpa)
{
	struct ring *ring = &net.d.rings[RX];
	unsigned n = 0;

	for (; *seen != ring_used_idx(ring); ++*seen, n++)
		pieces_add(ring, (uint16_t)ring_used_id(ring, *seen), &(struct piece){ gpa, NET_FRAME, true }, 1);
	kick(&net.d, RX);
	return n;
}

/* A link that never has enough, and a driver that always has room: others have their turn. */
static void endless_frames(void **state)
{
	struct rig *rig = *state;
	struct ring *ring = &net.d.rings[RX];
	pthread_t thread;
	uint64_t gpa = gpa_alloc(rig, NET_FRAME, 16), end;
	uint16_t seen = 0;
	unsigned n = 0;

	net_add(&net, rig, NULL);
	net_up(&net, NET_F_BASIC);
	for (uint16_t i = 0; i < NET_RING; i++)
		pieces_add(ring, i, &(struct piece){ gpa, NET_FRAME, true }, 1);
	kick(&net.d, RX);
	assert_int_equal(pthread_create(&thread, NULL, flood, &net.peer), 0);
	for (end = now_ns() + 400000000; now_ns() < end;) {
		n += give_again(&seen, gpa);
		uint64_t start = now_ns();

		assert_true(echo_serves(&rig->b));
		assert_true(now_ns() - start < 2000000000u);
		rig->next_gpa -= 14; /* what echo_serves() took */
	}
	assert_true(n > 100);
	still_alive(&net.d);
	shutdown(net.peer, SHUT_RDWR);
	pthread_join(thread, NULL);
	for (end = now_ns() + 20000000000u; window_get(&net.d, LINK, 2) && now_ns() < end;)
		give_again(&seen, gpa); /* its end comes behind the last frame */
	assert_int_equal(window_get(&net.d, LINK, 2), 0);
	still_alive(&net.d);
}

/* Bytes of any value as descriptors on all queues. */
static void noise(void **state)
{
	uint64_t seed = 4, base = gpa_alloc(*state, 65536, 4096);
	uint8_t drain[70000];

	net_add(&net, *state, NULL);
	for (unsigned round = 0; round < 200; round++) {
		net_up(&net, NET_F_BASIC | (round % 2 ? NET_F_MRG_RXBUF : 0));
		for (unsigned i = 0; i < 60; i++) {
			struct ring *ring = &net.d.rings[i % 3];

			for (uint16_t j = 0; j < 3; j++)
				ring_desc(ring, (uint16_t)(i / 3 * 3 + j), base + random_next(&seed) % 32768,
					  (uint32_t)(random_next(&seed) % 3 ? random_next(&seed) % 64 :
									      random_next(&seed) % 32768),
					  (uint16_t)((j < 2 ? D_NEXT : 0) |
						     (random_next(&seed) % 4 == 0 || j == 2 ? D_WRITE : 0)),
					  (uint16_t)(i / 3 * 3 + j + 1));
			ring_add(ring, (uint16_t)(i / 3 * 3));
			kick(&net.d, i % 3);
			if (i % 7 == 0)
				send(net.peer, frame, 14 + random_next(&seed) % 1500, MSG_DONTWAIT);
			while (i % 5 == 0 && recv(net.peer, drain, sizeof(drain), MSG_DONTWAIT) > 0)
				;
		}
		if (round % 3 == 0) {
			reg_put(&net.d, R_QUEUE_SEL, round % 2);
			reg_put(&net.d, R_QUEUE_RESET, 1);
		}
	}
	oracle_of();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(h21_short_frames),      RIG_TEST(h21_long_frames), RIG_TEST(h21_garbage_in_the_header),
		RIG_TEST(wrong_directions),      RIG_TEST(tiny_buffers),    RIG_TEST(misfits_before_a_fit),
		RIG_TEST(receives_over_its_own), RIG_TEST(endless_frames),  RIG_TEST(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
