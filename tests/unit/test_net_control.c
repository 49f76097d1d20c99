// SPDX-License-Identifier: GPL-2.0-only
/* The network device's control queue (virtio 1.2, 5.1.6.5), and how the device starts: at first, and after a reset of
 * it or of a queue. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/echo.h"
#include "tests/unit/netdrive.h"
#include "tests/unit/support.h"

static struct netdrive net;
static uint8_t frame[NET_FRAME];

/* 5.1.6.5 */
enum { CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE, CLASS_MQ, CLASS_OFFLOADS };
enum { ACK_OK, ACK_ERR };
#define PROMISC   0
#define ALLMULTI  1
#define TABLE_SET 0
#define ADDR_SET  1
#define PAIRS_SET 0

static uint64_t mac_now(void)
{
	uint64_t mac = 0;

	for (unsigned i = 0; i < 6; i++)
		mac = mac << 8 | window_get(&net.d, MAC + i, 1);
	return mac;
}

/* --- commands ----------------------------------------------------------------------------------------------------- */

static void sets_the_address(void **state)
{
	uint32_t generation;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	generation = reg_get(&net.d, R_CONFIG_GENERATION);
	assert_int_equal(net_control(&net, CLASS_MAC, ADDR_SET, "\x52\x54\0\x12\x34\x56", 6), ACK_OK);
	assert_int_equal(mac_now(), 0x525400123456); /* before the command is used (5.1.6.5.2.1) */
	/* six bytes are more than one read: another vCPU may have had half of them (2.5.1, 4.2.2.1) */
	assert_int_not_equal(reg_get(&net.d, R_CONFIG_GENERATION), generation);
	for (uint32_t len = 0; len < 6; len++)
		assert_int_equal(net_control(&net, CLASS_MAC, ADDR_SET, "\x99\x99\x99\x99\x99", len), ACK_ERR);
	assert_int_equal(mac_now(), 0x525400123456);
	assert_int_equal(window_get(&net.d, LINK, 2), 1);
	net_works(&net);
}

static void receive_modes(void **state)
{
	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (uint8_t command = PROMISC; command <= ALLMULTI; command++) {
		assert_int_equal(net_control(&net, CLASS_RX, command, "\1", 1), ACK_OK);
		assert_int_equal(net_control(&net, CLASS_RX, command, "\0", 1), ACK_OK);
		assert_int_equal(net_control(&net, CLASS_RX, command, NULL, 0), ACK_ERR); /* on or off? */
	}
	for (unsigned command = ALLMULTI + 1; command < 256; command++) /* of CTRL_RX_EXTRA, or of nobody */
		assert_int_equal(net_control(&net, CLASS_RX, (uint8_t)command, "\1", 1), ACK_ERR);
	net_works(&net);
}

static void address_table(void **state)
{
	uint8_t table[8 + 3 * 6] = { 2 };

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	assert_int_equal(net_control(&net, CLASS_MAC, TABLE_SET, "\0\0\0\0\0\0\0\0", 8), ACK_OK);
	table[4 + 12] = 1; /* two cards and a group */
	assert_int_equal(net_control(&net, CLASS_MAC, TABLE_SET, table, sizeof(table)), ACK_OK);
	for (uint32_t len = 0; len < 8; len++) /* less than two counts */
		assert_int_equal(net_control(&net, CLASS_MAC, TABLE_SET, table, len), ACK_ERR);
	assert_int_equal(net_control(&net, CLASS_RX, PROMISC, "\1", 1), ACK_OK);
	net_works(&net);
}

/* What was not agreed on is not obeyed: pairs, offloads, VLANs, announcements, classes that do not exist. */
static void unknown_commands(void **state)
{
	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (unsigned class = CLASS_VLAN; class < 256; class ++)
		for (unsigned command = 0; command < 5; command++)
			assert_int_equal(net_control(&net, (uint8_t) class, (uint8_t)command, "\1\0\0\0\0\0\0\0", 8),
					 ACK_ERR);
	for (unsigned command = 2; command < 256; command++)
		assert_int_equal(net_control(&net, CLASS_MAC, (uint8_t)command, "\1\0\0\0\0\0\0\0", 8), ACK_ERR);
	assert_int_equal(reg_get(&net.d, R_STATUS), S_UP);
	net_works(&net);
}

/* Command, data and ack in any framing (2.7.4). */
static void commands_in_pieces(void **state)
{
	struct ring *ring = &net.d.rings[CONTROL];
	uint64_t gpa = gpa_alloc(*state, 16, 16);
	struct piece pieces[16];
	uint16_t at = 0;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	for (uint32_t step = 1; step < 9; step++, at++) {
		uint8_t command[] = { CLASS_MAC, ADDR_SET, 2, 0, 0, 0, 0, (uint8_t)step };
		unsigned n = pieces_cut(pieces, 0, gpa, 8, step, false);

		memcpy(gpa_ptr(*state, gpa, 8), command, 8);
		*(uint8_t *)gpa_ptr(*state, gpa + 8, 1) = NOT_WRITTEN;
		pieces_add(ring, 0, pieces, pieces_cut(pieces, n, gpa + 8, 1, 1, true));
		kick(&net.d, CONTROL);
		assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
		assert_int_equal(*(uint8_t *)gpa_ptr(*state, gpa + 8, 1), ACK_OK);
		assert_int_equal(mac_now(), 0x020000000000 | step);
	}
}

/* Less than a command, and no byte for the ack: ignored, or a device that needs a reset. */
static void h21_commands_that_are_none(void **state)
{
	struct ring *ring = &net.d.rings[CONTROL];
	uint64_t gpa = gpa_alloc(*state, 16, 16);
	uint64_t before;

	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	before = mac_now();
	for (uint32_t readable = 0; readable < 3; readable++) {
		for (uint32_t writable = 0; writable < 3; writable++) {
			struct piece pieces[] = { { gpa, readable, false }, { gpa + 8, writable, true } };

			memset(gpa_ptr(*state, gpa, 16), NOT_WRITTEN, 16);
			pieces_add(ring, 0, pieces, 2);
			kick(&net.d, CONTROL);
			if (ring_used_idx(ring) && writable)
				assert_int_equal(*(uint8_t *)gpa_ptr(*state, gpa + 7 + writable, 1), ACK_ERR);
			for (unsigned i = writable; i < 8; i++)
				assert_int_equal(*(uint8_t *)gpa_ptr(*state, gpa + 8 + i, 1), NOT_WRITTEN);
			still_alive(&net.d);
			net_up(&net, NET_F_BASIC);
		}
	}
	uint8_t command[] = { CLASS_MAC, ADDR_SET, 2, 0, 0, 0, 0, 9 };

	memcpy(gpa_ptr(*state, gpa, 8), command, 8);
	pieces_add(ring, 0, &(struct piece){ gpa, 8, false }, 1); /* no ack */
	kick(&net.d, CONTROL);
	still_alive(&net.d);
	assert_memory_equal(gpa_ptr(*state, gpa, 8), command, 8);
	assert_true(mac_now() == before || mac_now() == 0x020000000009);
	net_up(&net, NET_F_BASIC);
	net_works(&net);
}

/* --- resets ------------------------------------------------------------------------------------------------------- */

/* Sends until a frame waits; the number of frames that do not. */
static uint16_t fill_link(void)
{
	uint16_t n = 0;

	do {
		net_frame(frame, 1514, n);
		net_send(&net, n % NET_RING, frame, 1514);
		for (unsigned i = 0; i < 20 && ring_used_idx(&net.d.rings[TX]) != n + 1; i++)
			nap_ms(1);
	} while (ring_used_idx(&net.d.rings[TX]) == ++n);
	return (uint16_t)(n - 1);
}

static void expect_filled(uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		net_frame(frame, 1514, i);
		peer_expects(&net, frame, 1514);
	}
	peer_expects_none(&net);
}

static void assert_buffers_untouched(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *bytes = gpa_ptr(net.rig, net.rx[i], NET_FRAME);

		for (unsigned j = 0; j < NET_FRAME; j++)
			assert_int_equal(bytes[j], NOT_WRITTEN);
	}
}

/* A frame waits to be sent, and buffers to be filled: after a reset neither happens (2.4.1). */
static void reset_while_both_wait(void **state)
{
	uint16_t n, used;

	net_add(&net, *state, NULL);
	for (unsigned round = 0; round < 3; round++) {
		net_up(&net, NET_F_BASIC | (round % 2 ? NET_F_MRG_RXBUF : 0));
		for (uint16_t i = 0; i < 8; i++)
			net_give(&net, i, NET_FRAME);
		n = fill_link();
		reg_put(&net.d, R_STATUS, 0);
		edges(&net.d);
		used = ring_used_idx(&net.d.rings[TX]);
		net_frame(frame, 700, 1);
		peer_sends(&net, frame, 700);
		expect_filled(n);
		nap_ms(20);
		assert_buffers_untouched(8);
		assert_int_equal(ring_used_idx(&net.d.rings[RX]), 0);
		assert_int_equal(ring_used_idx(&net.d.rings[TX]), used);
		assert_int_equal(edges(&net.d), 0);
		net_up(&net, NET_F_BASIC);
		net_give(&net, 0, NET_FRAME);
		net_frame(frame, 700, 1); /* it waited in the link */
		net_expect(&net, frame, 700, 1);
		net_works(&net);
	}
}

static void reset_queue(unsigned q)
{
	struct ring *ring = &net.d.rings[q];

	reg_put(&net.d, R_QUEUE_SEL, q);
	reg_put(&net.d, R_QUEUE_RESET, 1);
	assert_int_equal(reg_get(&net.d, R_QUEUE_RESET), 0);
	assert_int_equal(reg_get(&net.d, R_QUEUE_READY), 0);
	nap_ms(10);
	ring_place(ring, NET_RING);
	ring_program(ring);
	ring_ready(ring, 1);
	net.seen[q] = 0;
}

static void reset_of_the_transmit_queue(void **state)
{
	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC);
	net_give(&net, 0, NET_FRAME);
	uint16_t n = fill_link();

	reset_queue(TX);
	expect_filled(n); /* the frame that waited is gone, as its buffer is */
	assert_int_equal(ring_used_idx(&net.d.rings[TX]), 0);
	net_frame(frame, 99, 5);
	peer_sends(&net, frame, 99); /* the other queue has what it had */
	net_expect(&net, frame, 99, 1);
	net_works(&net);
}

static void reset_of_the_receive_queue(void **state)
{
	net_add(&net, *state, NULL);
	for (unsigned mergeable = 0; mergeable < 2; mergeable++) {
		net_up(&net, NET_F_BASIC | (mergeable ? NET_F_MRG_RXBUF : 0));
		for (uint16_t i = 0; i < 8; i++)
			net_give(&net, i, NET_FRAME);
		net_frame(frame, 50, 1); /* that the device holds some of them */
		peer_sends(&net, frame, 50);
		net_expect(&net, frame, 50, 1);
		memset(gpa_ptr(net.rig, net.rx[0], NET_FRAME), NOT_WRITTEN, NET_FRAME);
		reset_queue(RX);
		net_frame(frame, 51, 2);
		peer_sends(&net, frame, 51);
		nap_ms(20);
		assert_buffers_untouched(8);
		assert_int_equal(ring_used_idx(&net.d.rings[RX]), 0);
		net_give(&net, 20, NET_FRAME);
		net_expect(&net, frame, 51, 1);
		net_works(&net);
	}
	reset_queue(CONTROL);
	assert_int_equal(net_control(&net, CLASS_RX, PROMISC, "\1", 1), ACK_OK);
}

/* A driver fills the receive queue before DRIVER_OK (5.1.5), when its kick is void (3.1.1); what waits in the link
 * comes all the same. */
static void buffers_before_driver_ok(void **state)
{
	net_add(&net, *state, NULL);
	net_frame(frame, 333, 1);
	for (unsigned round = 0; round < 2; round++) {
		reg_put(&net.d, R_STATUS, 0);
		peer_sends(&net, frame, 333);
		nap_ms(20); /* the device was told of it, and had no use for it */
		assert_true(driver_negotiate(&net.d, NET_F_BASIC));
		for (unsigned q = RX; q <= CONTROL; q++) {
			ring_place(&net.d.rings[q], NET_RING);
			ring_program(&net.d.rings[q]);
			ring_ready(&net.d.rings[q], 1);
			net.seen[q] = 0;
		}
		net_give(&net, 3, NET_FRAME);
		nap_ms(10);
		assert_int_equal(ring_used_idx(&net.d.rings[RX]), 0);
		reg_put(&net.d, R_STATUS, S_UP);
		net_expect(&net, frame, 333, 1);
	}
}

/* The queues stopped by QueueReady (4.2.2.2) and started anew, while the device holds buffers of both. */
static void queues_stopped_while_both_wait(void **state)
{
	net_add(&net, *state, NULL);
	net_up(&net, NET_F_BASIC | NET_F_MRG_RXBUF);
	for (uint16_t i = 0; i < 4; i++)
		net_give(&net, i, 300);
	for (uint16_t i = 4; i < 8; i++)
		net_give(&net, i, NET_FRAME);
	net_frame(frame, 1400, 1); /* wants 5 of them, and holds some more */
	peer_sends(&net, frame, 1400);
	net_expect(&net, frame, 1400, 5);
	uint16_t n = fill_link();

	for (unsigned q = RX; q <= TX; q++) {
		ring_ready(&net.d.rings[q], 0);
		assert_int_equal(reg_get(&net.d, R_QUEUE_READY), 0);
		ring_place(&net.d.rings[q], NET_RING);
		ring_program(&net.d.rings[q]);
		ring_ready(&net.d.rings[q], 1);
		net.seen[q] = 0;
	}
	net_give(&net, 30, NET_FRAME);
	net_frame(frame, 60, 2);
	peer_sends(&net, frame, 60);
	net_expect(&net, frame, 60, 1);
	for (unsigned i = 5; i < 8; i++)
		assert_int_equal(*(uint8_t *)gpa_ptr(net.rig, net.rx[i], 1), NOT_WRITTEN);
	expect_filled(n);
	net_works(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(sets_the_address),
		RIG_TEST(receive_modes),
		RIG_TEST(address_table),
		RIG_TEST(unknown_commands),
		RIG_TEST(commands_in_pieces),
		RIG_TEST(h21_commands_that_are_none),
		RIG_TEST(buffers_before_driver_ok),
		RIG_TEST(reset_while_both_wait),
		RIG_TEST(reset_of_the_transmit_queue),
		RIG_TEST(reset_of_the_receive_queue),
		RIG_TEST(queues_stopped_while_both_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
