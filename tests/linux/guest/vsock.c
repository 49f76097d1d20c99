// SPDX-License-Identifier: GPL-2.0-only
/*
 * vsock listen ADDRESS [TIMES]   gives back all that comes, TIMES connections one after another (1); says how many
 *                                bytes, and their sum
 * vsock connect ADDRESS BYTES [SECONDS]
 *                                sends BYTES, reads them back and compares; tries for SECONDS (0) to be let in
 *
 * ADDRESS is vsock:PORT or vsock:CID:PORT, unix:PATH, or unix:PATH:PORT, where minivmm is asked for that port of its
 * guest. The same program in the guest and on the host, static, since the guest has no libraries.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#define WAIT_MS 20000

static void die(const char *what)
{
	printf("vsock: %s: %s\n", what, strerror(errno));
	exit(1);
}

struct address {
	union {
		struct sockaddr any;
		struct sockaddr_vm vm;
		struct sockaddr_un un;
	};
	socklen_t len;
	const char *port; /* to ask minivmm for, or NULL */
};

static struct address parse(char *text)
{
	struct address address = { .len = 0 };
	char *first = strchr(text, ':'), *second = first ? strchr(first + 1, ':') : NULL;

	if (!first) {
		errno = EINVAL;
		die(text);
	}
	if (second)
		*second++ = '\0';
	if (strncmp(text, "unix:", 5) == 0) {
		address.un.sun_family = AF_UNIX;
		strncpy(address.un.sun_path, first + 1, sizeof(address.un.sun_path) - 1);
		address.len = sizeof(address.un);
		address.port = second;
	} else {
		address.vm.svm_family = AF_VSOCK;
		address.vm.svm_cid = second ? (unsigned)strtoul(first + 1, NULL, 10) : VMADDR_CID_ANY;
		address.vm.svm_port = (unsigned)strtoul(second ? second : first + 1, NULL, 10);
		address.len = sizeof(address.vm);
	}
	return address;
}

static uint64_t sum_up(uint64_t sum, const uint8_t *bytes, size_t len)
{
	while (len--)
		sum = (sum ^ *bytes++) * 0x100000001b3u;
	return sum;
}

static void wait_for(int fd, short events, short *got)
{
	struct pollfd pollfd = { .fd = fd, .events = events };

	if (poll(&pollfd, 1, WAIT_MS) != 1) {
		errno = ETIMEDOUT;
		die("poll");
	}
	*got = pollfd.revents;
}

static void serve(int fd)
{
	static uint8_t bytes[50000];
	uint64_t n = 0, sum = 0;
	ssize_t got;
	short events;

	while ((got = read(fd, bytes, sizeof(bytes))) > 0) {
		n += (uint64_t)got;
		sum = sum_up(sum, bytes, (size_t)got);
		for (ssize_t done = 0, now; done < got; done += now) {
			wait_for(fd, POLLOUT, &events);
			now = write(fd, bytes + done, (size_t)(got - done));
			if (now < 0)
				die("write");
		}
	}
	if (got < 0)
		die("read");
	close(fd);
	printf("served %llu %016llx\n", (unsigned long long)n, (unsigned long long)sum);
}

static void serve_at(char *text, int times)
{
	struct address address = parse(text);
	int fd = socket(address.any.sa_family, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, &address.any, address.len) < 0 || listen(fd, 8) < 0)
		die("listen");
	while (times--) {
		int one = accept(fd, NULL, NULL);

		if (one < 0)
			die("accept");
		serve(one);
		fflush(stdout);
	}
}

/* A connected socket, or -1: nobody is there. */
static int try_connect(const struct address *address)
{
	int fd = socket(address->any.sa_family, SOCK_STREAM, 0);
	char line[32] = "";

	if (fd < 0)
		die("socket");
	if (connect(fd, &address->any, address->len) == 0) {
		if (!address->port)
			return fd;
		dprintf(fd, "CONNECT %s\n", address->port);
		for (size_t n = 0; n < sizeof(line) - 1 && read(fd, line + n, 1) == 1 && line[n] != '\n';)
			n++;
		if (strncmp(line, "OK ", 3) == 0)
			return fd;
	}
	int err = errno;

	close(fd);
	errno = err;
	return -1;
}

static void exchange(int fd, uint64_t total)
{
	static uint8_t out[30011], in[70001], want;
	uint64_t sent = 0, got = 0, sum_sent = 0, sum_got = 0;
	uint32_t out_state = 1, in_state = 1;
	size_t ready = 0, at = 0;

	for (bool ended = false; !ended;) {
		short events;

		if (at == ready && sent < total) { /* numbers that no buffer's length divides */
			at = 0;
			ready = total - sent < sizeof(out) ? (size_t)(total - sent) : sizeof(out);
			for (size_t i = 0; i < ready; i++)
				out[i] = (uint8_t)((out_state = out_state * 1664525 + 1013904223) >> 24);
			sum_sent = sum_up(sum_sent, out, ready);
		}
		wait_for(fd, (short)(POLLIN | (sent < total ? POLLOUT : 0)), &events);
		if ((events & POLLOUT) && sent < total) {
			ssize_t n = send(fd, out + at, ready - at, MSG_DONTWAIT | MSG_NOSIGNAL);

			if (n < 0 && errno != EAGAIN)
				die("send");
			at += n > 0 ? (size_t)n : 0;
			sent += n > 0 ? (uint64_t)n : 0;
			if (sent == total && shutdown(fd, SHUT_WR) < 0)
				die("shutdown");
		}
		if (events & (POLLIN | POLLHUP)) {
			ssize_t n = recv(fd, in, sizeof(in), MSG_DONTWAIT);

			if (n < 0 && errno != EAGAIN)
				die("recv");
			ended = n == 0;
			for (ssize_t i = 0; i < n; i++) {
				want = (uint8_t)((in_state = in_state * 1664525 + 1013904223) >> 24);
				if (in[i] != want) {
					printf("byte %llu is not what was sent\n",
					       (unsigned long long)got + (uint64_t)i);
					exit(1);
				}
			}
			sum_got = sum_up(sum_got, in, n > 0 ? (size_t)n : 0);
			got += n > 0 ? (uint64_t)n : 0;
		}
	}
	printf("exchanged %llu %llu %016llx %s\n", (unsigned long long)sent, (unsigned long long)got,
	       (unsigned long long)sum_sent, sum_sent == sum_got ? "same" : "differs");
	close(fd);
}

int main(int argc, char **argv)
{
	alarm(60);
	signal(SIGPIPE, SIG_IGN); /* who is sent away at once tries again */
	if (argc >= 3 && strcmp(argv[1], "listen") == 0) {
		serve_at(argv[2], argc > 3 ? atoi(argv[3]) : 1);
		return 0;
	}
	if (argc < 4 || strcmp(argv[1], "connect") != 0) {
		printf("vsock: see the head of its source\n");
		return 2;
	}
	struct address address = parse(argv[2]);
	time_t end = time(NULL) + (argc > 4 ? atoi(argv[4]) : 0);
	int fd;

	while ((fd = try_connect(&address)) < 0 && time(NULL) < end)
		nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
	if (fd < 0)
		die("connect");
	exchange(fd, strtoull(argv[3], NULL, 10));
	return 0;
}
