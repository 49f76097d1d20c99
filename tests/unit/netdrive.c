// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/netdrive.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/support.h"

void net_add(struct netdrive *net, struct rig *rig, const char *options)
{
	char text[256];
	int pair[2];

	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	snprintf(text, sizeof(text), "fd=%d%s%s", pair[0], options ? "," : "", options ? options : "");
	*net = (struct netdrive){ .rig = rig, .peer = pair[1] };
	assert_int_equal(driver_add(&net->d, rig, "net", text), 0);
	net->d.num = NET_RING;
	rig_loop_start(rig);
}

void net_up(struct netdrive *net, uint64_t features)
{
	memset(net->seen, 0, sizeof(net->seen));
	assert_true(driver_up(&net->d, features));
}

void net_frame(uint8_t *frame, uint32_t len, uint32_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u + 7;

	for (uint32_t i = 0; i < len; i++)
		frame[i] = (uint8_t)random_next(&state);
	memset(frame, 0xff, 6); /* to all */
}

void net_give(struct netdrive *net, uint16_t head, uint32_t len)
{
	net->rx[head] = gpa_alloc(net->rig, len, 1);
	memset(gpa_ptr(net->rig, net->rx[head], len), NOT_WRITTEN, len);
	pieces_add(&net->d.rings[RX], head, &(struct piece){ net->rx[head], len, true }, 1);
	kick(&net->d, RX);
}

void net_expect(struct netdrive *net, const uint8_t *frame, uint32_t len, uint16_t num_buffers)
{
	struct ring *ring = &net->d.rings[RX];
	uint8_t got[NET_HEADER + 70000], header[NET_HEADER] = { [10] = num_buffers & 0xff, [11] = num_buffers >> 8 };
	uint32_t total = 0;

	wait_until(ring_used_idx(ring) != net->seen[RX]);
	/* all buffers of a frame are seen at once (5.1.6.4.1) */
	assert_true((uint16_t)(ring_used_idx(ring) - net->seen[RX]) >= num_buffers);
	for (unsigned i = 0; i < num_buffers; i++, net->seen[RX]++) {
		uint32_t id = ring_used_id(ring, net->seen[RX]), part = ring_used_len(ring, net->seen[RX]);

		assert_true(id < NET_RING && total + part <= sizeof(got));
		memcpy(got + total, gpa_ptr(net->rig, net->rx[id], part), part);
		total += part;
		if (i + 1 < num_buffers) /* used to the full (5.1.6.4.1) */
			assert_int_equal(part, get32(net->rig, ring->desc + 16 * id + 8));
	}
	assert_int_equal(total, NET_HEADER + len);
	assert_memory_equal(got, header, NET_HEADER);
	assert_memory_equal(got + NET_HEADER, frame, len);
}

void net_send(struct netdrive *net, uint16_t head, const uint8_t *frame, uint32_t len)
{
	uint64_t gpa = gpa_alloc(net->rig, NET_HEADER + len, 1);

	memset(gpa_ptr(net->rig, gpa, NET_HEADER), 0, NET_HEADER);
	memcpy(gpa_ptr(net->rig, gpa + NET_HEADER, len), frame, len);
	pieces_add(&net->d.rings[TX], head, &(struct piece){ gpa, NET_HEADER + len, false }, 1);
	kick(&net->d, TX);
}

int net_command_of(struct netdrive *net, unsigned q, uint8_t class, uint8_t command, const void *data, uint32_t len)
{
	struct ring *ring = &net->d.rings[q];
	uint64_t gpa = gpa_alloc(net->rig, len + 3, 1);
	uint16_t at = ring_used_idx(ring);
	uint8_t *bytes = gpa_ptr(net->rig, gpa, len + 3);
	struct piece pieces[] = { { gpa, 2, false }, { gpa + 2, len, false }, { gpa + 2 + len, 1, true } };

	bytes[0] = class;
	bytes[1] = command;
	if (len)
		memcpy(bytes + 2, data, len);
	bytes[2 + len] = NOT_WRITTEN;
	pieces_add(ring, 0, pieces, 3);
	kick(&net->d, q);
	if (ring_used_idx(ring) == at)
		return -1;
	assert_int_equal(ring_used_idx(ring), (uint16_t)(at + 1));
	assert_int_equal(ring_used_len(ring, at), 1);
	return bytes[2 + len];
}

void net_works(struct netdrive *net)
{
	uint8_t frame[600];

	net_frame(frame, 600, 31337);
	uint16_t at = ring_used_idx(&net->d.rings[TX]);

	net_send(net, NET_RING - 1, frame, 600);
	if (net->peer >= 0)
		peer_expects(net, frame, 600);
	assert_true(used_comes(&net->d.rings[TX], (uint16_t)(at + 1)));
	assert_int_equal(ring_used_len(&net->d.rings[TX], at), 0);
	if (net->peer < 0)
		return;
	net_give(net, NET_RING - 1, NET_FRAME);
	frame[7]++;
	peer_sends(net, frame, 600);
	net_expect(net, frame, 600, 1);
}

void peer_sends(struct netdrive *net, const uint8_t *frame, uint32_t len)
{
	assert_int_equal(send(net->peer, frame, len, 0), len);
}

static ssize_t peer_takes(struct netdrive *net, uint8_t *frame, size_t size, int wait_ms)
{
	struct pollfd waits = { .fd = net->peer, .events = POLLIN };

	return poll(&waits, 1, wait_ms) == 1 ? recv(net->peer, frame, size, 0) : -1;
}

void peer_expects(struct netdrive *net, const uint8_t *frame, uint32_t len)
{
	static uint8_t got[70000];

	assert_int_equal(peer_takes(net, got, sizeof(got), 20000), len);
	assert_memory_equal(got, frame, len);
}

void peer_expects_none(struct netdrive *net)
{
	uint8_t got[64];

	assert_int_equal(peer_takes(net, got, sizeof(got), 30), -1);
}

void peer_closes(struct netdrive *net)
{
	close(net->peer);
	net->peer = -1;
}
