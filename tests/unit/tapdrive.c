// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/tapdrive.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void tapdrive_make_(struct netdrive *net, struct rig *rig, const char *options, const char *how)
{
	char text[200];

	snprintf(text, sizeof(text), "ip tuntap add dev t0 mode tap %s && sysctl -qw net.ipv6.conf.t0.disable_ipv6=1",
		 how);
	run_command(text);
	*net = (struct netdrive){ .rig = rig, .peer = -1 };
	snprintf(text, sizeof(text), "tap=t0%s", options);
	assert_int_equal(driver_add(&net->d, rig, "net", text), 0);
	net->d.num = NET_RING;
	/* with its cable in; the kernel begins to send only some time later where that comes after */
	run_command("ip link set t0 up");
	rig_loop_start(rig);
}

int tapdrive_teardown(void **state)
{
	if (!taps_missing())
		(void)!system("ip link del t0 2>/dev/null; ip link del br0 2>/dev/null; ip link del t1 2>/dev/null");
	return rig_teardown(state);
}

/* With a struct virtio_net_hdr of 10 bytes before each frame. */
int far_end(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_ALL),
				       .sll_ifindex = (int)if_nametoindex("t0") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)), one = 1;

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	return fd;
}

ssize_t far_takes(int fd, uint8_t *got, size_t size)
{
	uint8_t bytes[70000];
	struct sockaddr_ll from;

	for (;;) {
		socklen_t len = sizeof(from);
		struct pollfd waits = { .fd = fd, .events = POLLIN };

		if (poll(&waits, 1, 5000) != 1)
			return -1;
		ssize_t n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);

		if (n < 10 || from.sll_pkttype == PACKET_OUTGOING)
			continue;
		memcpy(got, bytes + 10, (size_t)(n - 10) < size ? (size_t)(n - 10) : size);
		return n - 10;
	}
}

void far_sends(int fd, const uint8_t *frame, size_t len, uint8_t flags, uint8_t gso_type, uint16_t gso_size)
{
	uint8_t bytes[9010] = { flags,
				gso_type,
				CSUM_START + 20,
				0,
				(uint8_t)gso_size,
				(uint8_t)(gso_size >> 8),
				flags ? CSUM_START : 0,
				0,
				flags ? 16 : 0,
				0 };

	assert_true(len <= sizeof(bytes) - 10);
	memcpy(bytes + 10, frame, len);
	assert_int_equal(write(fd, bytes, len + 10), len + 10);
}
