// SPDX-License-Identifier: GPL-2.0-only
/* Links of descriptors that are passed: which are taken, and what a socket says at its end. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/link.h"
#include "tests/unit/support.h"
#include "tests/unit/taps.h"

#define WHO    "--device net"
#define HEADER sizeof(struct virtio_net_hdr_v1)

static void assert_fd_refused(int fd, const char *must_say)
{
	int flags = fcntl(fd, F_GETFL);
	struct link link;
	const char *text;
	int err;

	catch_stderr();
	err = link_open_fd(&link, WHO, (unsigned)fd);
	text = caught_stderr();
	assert_true(err < 0);
	assert_one_message(text, must_say);
	assert_int_equal(link.n_fds, 0);
	link_close(&link);
	assert_int_equal(fcntl(fd, F_GETFL), flags); /* as it was */
	if (fd > STDERR_FILENO)
		close(fd);
}

static void fd_refused(void **state)
{
	int pair[2], fd = open("/dev/null", O_RDWR);

	(void)state;
	assert_fd_refused(fd, "neither a tap nor a Unix socket");
	assert_fd_refused(900, "is not open");
	assert_fd_refused(open("/proc/self/status", O_RDONLY), "neither a tap nor a Unix socket");
	assert_fd_refused(STDIN_FILENO, "standard files");
	assert_fd_refused(STDERR_FILENO, "standard files");
	assert_fd_refused(-1, "is not open");
	assert_fd_refused(socket(AF_INET, SOCK_DGRAM, 0), "of a kind");
	assert_fd_refused(socket(AF_UNIX, SOCK_STREAM, 0), "of a kind");
	assert_fd_refused(socket(AF_UNIX, SOCK_SEQPACKET, 0), "not connected");
	assert_fd_refused(socket(AF_UNIX, SOCK_DGRAM, 0), "not connected");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_fd_refused(pair[0], "was not passed");
	close(pair[1]);
}

/* A link of one end of a pair, through which frames go; the other end is closed then. */
static void open_socket(struct link *link, int type)
{
	uint8_t frame[100];
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
	assert_int_equal(link_open_fd(link, WHO, (unsigned)pair[0]), 0);
	assert_int_equal(link->fds[0], pair[0]);
	assert_false(link->vnet_hdr);
	assert_int_equal(link_set_offloads(link, TUN_F_CSUM), 0);
	assert_true(fcntl(pair[0], F_GETFD) & FD_CLOEXEC);
	assert_int_equal(read(link->fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(pair[1], "ab", 2), 2);
	assert_int_equal(write(pair[1], "cde", 3), 3);
	assert_int_equal(read(link->fds[0], frame, sizeof(frame)), 2);
	assert_int_equal(read(link->fds[0], frame, sizeof(frame)), 3);
	close(pair[1]);
}

static void fd_sockets(void **state)
{
	struct link link;
	struct pollfd in;
	char frame[60] = "";

	(void)state;
	open_socket(&link, SOCK_SEQPACKET);
	in = (struct pollfd){ .fd = link.fds[0], .events = POLLIN };
	assert_int_equal(poll(&in, 1, 0), 1);
	assert_int_equal(in.revents, POLLIN | POLLHUP);
	assert_int_equal(read(link.fds[0], frame, sizeof(frame)), 0);
	assert_int_equal(write(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, EPIPE);
	link_close(&link);
	assert_int_equal(fcntl(in.fd, F_GETFD), -1);

	open_socket(&link, SOCK_DGRAM);
	in = (struct pollfd){ .fd = link.fds[0], .events = POLLIN };
	assert_int_equal(poll(&in, 1, 0), 0);
	assert_int_equal(read(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(write(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(write(link.fds[0], frame, sizeof(frame)), -1);
	assert_int_equal(errno, ENOTCONN);
	link_close(&link);
}

static int open_tun(const char *name, short flags)
{
	struct ifreq ifr = { .ifr_flags = flags };
	int fd = open("/dev/net/tun", O_RDWR);

	assert_true(fd >= 0);
	if (name) {
		strcpy(ifr.ifr_name, name);
		assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	}
	return fd;
}

static void fd_taps(void **state)
{
	struct link link;
	int size = 0;

	(void)state;
	need_taps();
	assert_fd_refused(open_tun(NULL, 0), "without an interface");
	assert_fd_refused(open_tun("p0", IFF_TUN | IFF_NO_PI), "IFF_TAP");
	assert_int_equal(link_open_fd(&link, WHO, (unsigned)open_tun("p0", IFF_TAP | IFF_NO_PI)), 0);
	assert_false(link.vnet_hdr);
	link_close(&link);
	assert_int_equal(link_open_fd(&link, WHO, (unsigned)open_tun("p0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)), 0);
	assert_true(link.vnet_hdr);
	assert_int_equal(ioctl(link.fds[0], TUNGETVNETHDRSZ, &size), 0);
	assert_int_equal(size, HEADER);
	assert_true(fcntl(link.fds[0], F_GETFL) & O_NONBLOCK);
	link_close(&link);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(fd_refused),
		cmocka_unit_test(fd_sockets),
		cmocka_unit_test(fd_taps),
	};

	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	taps_open();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
