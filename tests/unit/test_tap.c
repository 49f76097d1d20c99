// SPDX-License-Identifier: GPL-2.0-only
/* Links to taps: frames, queues, offloads, and the message for each that cannot be had. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/link.h"
#include "tests/unit/support.h"
#include "tests/unit/taps.h"

#define WHO    "--device net"
#define HEADER sizeof(struct virtio_net_hdr_v1)

static void assert_tap_refused(const char *name, unsigned pairs, const char *must_say)
{
	struct link link;
	const char *text;
	char begin[80];
	int err;

	catch_stderr();
	err = link_open_tap(&link, WHO, name, pairs);
	text = caught_stderr();
	assert_true(err < 0);
	assert_one_message(text, must_say);
	snprintf(begin, sizeof(begin), "minivmm: " WHO ": tap=%s: ", name);
	assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
	assert_int_equal(link.n_fds, 0);
	link_close(&link);
}

/* A packet socket: the kernel's side of the cable. */
static int open_far_end(const char *name)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(0x88b5)); /* for experiments: IEEE 802 */

	address.sll_ifindex = (int)if_nametoindex(name);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static void make_frame(uint8_t frame[HEADER + 100], uint8_t tag)
{
	memset(frame, 0, HEADER);
	memset(frame + HEADER, 0xff, 12);
	frame[HEADER + 12] = 0x88;
	frame[HEADER + 13] = 0xb5;
	memset(frame + HEADER + 14, tag, 86);
}

static void tap_frames(void **state)
{
	uint8_t frame[HEADER + 100], got[LINK_FRAME_MAX];
	int size = 0, le = 0, far;
	struct link link;
	ssize_t n;

	(void)state;
	need_taps();
	run_command("ip tuntap add dev t0 mode tap && ip link set t0 up");
	assert_int_equal(link_open_tap(&link, WHO, "t0", 1), 0);
	assert_int_equal(link.n_fds, 1);
	assert_true(link.vnet_hdr);
	assert_true(fcntl(link.fds[0], F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(link.fds[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ioctl(link.fds[0], TUNGETVNETHDRSZ, &size), 0);
	assert_int_equal(size, HEADER);
	assert_int_equal(ioctl(link.fds[0], TUNGETVNETLE, &le), 0);
	assert_int_equal(le, 1);

	far = open_far_end("t0");
	make_frame(frame, 1);
	assert_int_equal(write(link.fds[0], frame, sizeof(frame)), sizeof(frame));
	assert_int_equal(read(far, got, sizeof(got)), 100);
	assert_memory_equal(got, frame + HEADER, 100);
	make_frame(frame, 2);
	assert_int_equal(write(far, frame + HEADER, 100), 100);
	do /* the kernel itself sends as well: IPv6 looks for neighbours */
		n = read(link.fds[0], got, sizeof(got));
	while (n > 0 && memcmp(got + HEADER + 12, frame + HEADER + 12, 2) != 0);
	assert_int_equal(n, sizeof(frame));
	assert_memory_equal(got + HEADER, frame + HEADER, 100);

	run_command("ip link set t0 down");
	assert_int_equal(write(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, EIO);
	do
		n = read(link.fds[0], got, sizeof(got));
	while (n > 0);
	assert_int_equal(errno, EAGAIN);
	close(far);
	link_close(&link);
	run_command("ip tuntap del dev t0 mode tap");
}

static uint32_t tx_checksum(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GTXCSUM };
	struct ifreq ifr = { .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strcpy(ifr.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCETHTOOL, &ifr), 0);
	close(fd);
	return value.data;
}

static void tap_offloads(void **state)
{
	struct link link;

	(void)state;
	need_taps();
	run_command("ip tuntap add dev t0 mode tap && ip link set t0 up");
	assert_int_equal(link_open_tap(&link, WHO, "t0", 1), 0);
	assert_int_equal(tx_checksum("t0"), 0);
	assert_int_equal(link_set_offloads(&link, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6), 0);
	assert_int_equal(tx_checksum("t0"), 1);
	link_close(&link);
	/* the next one finds nothing of that */
	assert_int_equal(link_open_tap(&link, WHO, "t0", 1), 0);
	assert_int_equal(tx_checksum("t0"), 0);
	assert_int_equal(link_set_offloads(&link, 1u << 31), -EINVAL);
	link_close(&link);
	run_command("ip tuntap del dev t0 mode tap");
}

static void tap_removed(void **state)
{
	uint8_t frame[HEADER + 100];
	struct link link;
	struct pollfd in;

	(void)state;
	need_taps();
	run_command("ip tuntap add dev t0 mode tap && ip link set t0 up");
	assert_int_equal(link_open_tap(&link, WHO, "t0", 1), 0);
	run_command("ip link del t0");
	make_frame(frame, 0);
	in = (struct pollfd){ .fd = link.fds[0], .events = POLLIN };
	assert_int_equal(poll(&in, 1, 0), 1);
	assert_int_equal(in.revents, POLLERR);
	assert_int_equal(read(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, EBADFD);
	assert_int_equal(write(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, EBADFD);
	assert_int_equal(link_set_offloads(&link, TUN_F_CSUM), -EBADFD);
	link_close(&link);
}

static void tap_queues(void **state)
{
	uint8_t frame[HEADER + 100], got[LINK_FRAME_MAX];
	struct link link;
	int far;

	(void)state;
	need_taps();
	/* no address: nothing comes but what this test sends */
	run_command(
		"ip tuntap add dev t8 mode tap multi_queue && ip link set t8 addrgenmode none && ip link set t8 up");
	assert_int_equal(link_open_tap(&link, WHO, "t8", LINK_PAIRS_MAX), 0);
	assert_int_equal(link.n_fds, LINK_PAIRS_MAX);
	assert_int_equal(link_set_queue(&link, LINK_PAIRS_MAX, true), -EINVAL);
	far = open_far_end("t8");
	make_frame(frame, 0);
	for (unsigned i = 0; i < LINK_PAIRS_MAX; i++) {
		assert_int_equal(link_set_queue(&link, i, true), 0); /* as it is */
		assert_int_equal(link_set_queue(&link, i, false), 0);
		assert_int_equal(link_set_queue(&link, i, false), 0);
	}
	/* the one that is attached gets all, whichever it is; the others still send */
	for (unsigned i = 0; i < LINK_PAIRS_MAX; i++) {
		assert_int_equal(link_set_queue(&link, i, true), 0);
		assert_int_equal(write(far, frame + HEADER, 100), 100);
		for (unsigned k = 0; k < LINK_PAIRS_MAX; k++)
			assert_int_equal(read(link.fds[k], got, sizeof(got)), k == i ? (int)sizeof(frame) : -1);
		assert_int_equal(write(link.fds[0], frame, sizeof(frame)), sizeof(frame));
		assert_int_equal(read(far, got, sizeof(got)), 100);
		assert_int_equal(link_set_offloads(&link, TUN_F_CSUM), 0);
		assert_int_equal(link_set_queue(&link, i, false), 0);
	}
	close(far);
	link_close(&link);
	assert_int_equal(link_open_tap(&link, WHO, "t8", 2), 0);
	link_close(&link);
	assert_tap_refused("t8", 1, "multi_queue");
	run_command("ip link del t8");
	run_command("ip tuntap add dev t0 mode tap");
	assert_tap_refused("t0", 2, "has one queue, and 2 pairs are asked for");
	assert_int_equal(link_open_tap(&link, WHO, "t0", 1), 0);
	assert_int_equal(link_set_queue(&link, 0, true), 0);
	assert_int_equal(link_set_queue(&link, 0, false), -EOPNOTSUPP);
	link_close(&link);
	run_command("ip link del t0");
}

static void tap_messages(void **state)
{
	struct link link;
	int status;
	pid_t pid;

	(void)state;
	assert_tap_refused("", 1, "1 to 15 characters");
	assert_tap_refused("sixteen-letters-", 1, "1 to 15 characters");
	assert_tap_refused("t0", 0, "1 to 8");
	assert_tap_refused("t0", LINK_PAIRS_MAX + 1, "1 to 8");
	assert_tap_refused("nothere0", 1, "'ip tuntap add dev nothere0 mode tap user USER'");
	assert_tap_refused("nothere0", 1, "'ip link set nothere0 up'");
	assert_tap_refused("nothere0", 2, "mode tap multi_queue user");
	assert_int_equal(if_nametoindex("nothere0"), 0);
	assert_tap_refused("tap%d", 1, "no such interface");
	need_taps();
	assert_tap_refused("lo", 1, "another kind");
	run_command("ip tuntap add dev tun0 mode tun");
	assert_tap_refused("tun0", 1, "another kind");
	run_command("ip tuntap add dev t0 mode tap user 0");
	assert_int_equal(link_open_tap(&link, WHO, "t0", 1), 0);
	assert_tap_refused("t0", 1, "in use");
	link_close(&link);
	pid = fork();
	if (pid == 0) { /* in a user namespace there may be no other user to be */
		if (setresuid(65534, 65534, 65534) == 0)
			assert_tap_refused("t0", 1, "'ip tuntap add dev t0 mode tap user USER'");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	run_command("ip link del t0 && ip link del tun0");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(tap_frames), cmocka_unit_test(tap_offloads), cmocka_unit_test(tap_removed),
		cmocka_unit_test(tap_queues), cmocka_unit_test(tap_messages),
	};

	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	taps_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
