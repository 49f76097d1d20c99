// SPDX-License-Identifier: GPL-2.0-only
/* The host's end of each kind of device. None of it waits. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/fuzz/faults.h"
#include "tests/fuzz/session.h"
#include "vmm/terminal.h"

#define BYTES_MAX 4096

static struct sockaddr_un address(const char *fmt, unsigned n)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int used = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/", fuzz_dir);

	snprintf(addr.sun_path + used, sizeof(addr.sun_path) - (size_t)used, fmt, n);
	return addr;
}

static int make_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* Programs that listen for the guest's ports 1 and 2. */
static void listen_for_guest(struct session *s)
{
	for (unsigned i = 0; i < 2; i++) {
		struct sockaddr_un addr = address("v_%u", i + 1);
		int fd = make_socket();

		s->listeners[i] = fd;
		fuzz_check(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 2) == 0,
			   "%s: %s", addr.sun_path, strerror(errno));
	}
}

void host_open(struct session *s)
{
	if (s->kind == VSOCK)
		listen_for_guest(s);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void host_close(struct session *s)
{
	for (unsigned i = 0; i < SESSION_SOCKETS; i++)
		close_fd(&s->sockets[i]);
	for (unsigned i = 0; i < 2; i++) {
		struct sockaddr_un addr = address("v_%u", i + 1);

		if (s->listeners[i] >= 0)
			unlink(addr.sun_path);
		close_fd(&s->listeners[i]);
	}
}

/* Some bytes, up to 64 of them the input's. */
static size_t take_bytes(struct session *s, uint8_t *bytes)
{
	uint8_t code = input_u8(&s->in);
	size_t len = code < 0x80 ? code : (size_t)(code & 0x7f) * 33 % BYTES_MAX;

	memset(bytes, code, len);
	input_bytes(&s->in, bytes, len < 64 ? len : 64);
	return len;
}

static void send_bytes(struct session *s, int fd)
{
	uint8_t bytes[BYTES_MAX];
	size_t len = take_bytes(s, bytes);
	ssize_t n = fd >= 0 && len ? send(fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	(void)n; /* a program that cannot send has nothing to do */
}

static void receive_bytes(int fd, unsigned times)
{
	uint8_t bytes[BYTES_MAX];

	while (times-- && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

static void connect_to(int *fd, const struct sockaddr_un *addr)
{
	close_fd(fd);
	*fd = make_socket();
	if (*fd >= 0 && connect(*fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0)
		close_fd(fd);
}

/* What a program does with its socket. */
static void act(struct session *s, int *fd, unsigned what)
{
	switch (what) {
	case 0:
	case 1: send_bytes(s, *fd); break;
	case 2: receive_bytes(*fd, 1); break;
	case 3: receive_bytes(*fd, 1000); break;
	case 4: shutdown(*fd, SHUT_WR); break;
	case 5: shutdown(*fd, SHUT_RD); break;
	default: close_fd(fd);
	}
}

static void console(struct session *s, unsigned code)
{
	struct sockaddr_un addr = address("p%u", code / 8 % 8);
	uint8_t bytes[BYTES_MAX];
	ssize_t n;

	switch (code % 8) {
	case 0: connect_to(&s->sockets[code / 8 % 8], &addr); break;
	case 1: /* typed; Ctrl-A is Ctrl-A only on a terminal */
		n = (ssize_t)take_bytes(s, bytes);
		n = write(fuzz_typed, bytes, (size_t)n);
		break;
	case 2: n = read(fuzz_shown, bytes, sizeof(bytes)); break;
	case 3:
		faults_terminal_size(input_u8(&s->in), input_u8(&s->in));
		terminal_resized(s->rig.vm->terminal);
		break;
	case 4: fuzz_drain(); break;
	default: act(s, &s->sockets[code / 8 % 8], input_u8(&s->in) % 7);
	}
}

/* Programs of number 0 to 11 connect to the guest, 12 to 15 are called by it. */
static void vsock(struct session *s, unsigned code)
{
	struct sockaddr_un addr = address("v", 0);
	unsigned n = code / 4 % 16;
	char text[32];

	switch (code % 4) {
	case 0:
		if (n >= 12) {
			close_fd(&s->sockets[n]);
			s->sockets[n] = accept4(s->listeners[n % 2], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			break;
		}
		connect_to(&s->sockets[n], &addr);
		int len = snprintf(text, sizeof(text), "CONNECT %u\n", 1000 + n % 4);

		if (s->sockets[n] >= 0)
			send(s->sockets[n], text, (size_t)len, MSG_NOSIGNAL);
		break;
	case 1:
		if (n < 12) /* and says something of its own */
			connect_to(&s->sockets[n], &addr);
		send_bytes(s, s->sockets[n]);
		break;
	default: act(s, &s->sockets[n], input_u8(&s->in) % 7);
	}
}

void host_takes(struct session *s)
{
	fuzz_drain();
	for (unsigned i = 0; i < SESSION_SOCKETS; i++)
		receive_bytes(s->sockets[i], 1000);
	for (unsigned i = 0; i < FAULTS_TAPS_MAX; i++)
		receive_bytes(faults_tap(i), 1000);
}

void host_acts(struct session *s)
{
	unsigned code = input_u8(&s->in);
	int fd;

	switch (s->kind) {
	case BLK: /* somebody cuts the image, and makes it whole again */
		fuzz_check(ftruncate(s->disk, code & 1 ? (off_t)code * 1024 : SESSION_DISK) == 0, "the image");
		break;
	case CONSOLE: console(s, code); break;
	case NET: act(s, &s->sockets[0], code % 32 ? code % 4 : 6); break;
	case TAP:
		fd = faults_tap(code / 4 % 8);
		act(s, &fd, code % 4);
		break;
	case VSOCK: vsock(s, code); break;
	case VHOST: code & 1 ? faults_vhost_call() : faults_vhost_error(); break;
	default: break;
	}
}
