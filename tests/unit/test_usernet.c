// SPDX-License-Identifier: GPL-2.0-only
/* The user network as a guest meets it: addresses, ports, what is forbidden, frames that are none, and a full socket.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "devices/backend/usernet/usernet.h"
#include "tests/unit/guest.h"
#include "tests/unit/support.h"

#define DHCP_LEN 300

static void arp(void **state)
{
	struct guest guest;

	(void)state;
	guest_open(&guest, NULL, false);
	guest_sync(&guest);
	assert_memory_equal(guest.in, guest_mac, 6);
	assert_int_equal(get_be32(guest.in + ETHER_HEADER + 24), NET_GUEST);
	guest_close(&guest);
}

/* A BOOTREQUEST of a type; the type of the answer, whose body is *reply. */
static uint8_t dhcp(struct guest *guest, uint8_t type, const uint8_t **reply)
{
	static const uint8_t cookie[] = { 99, 130, 83, 99 };
	uint8_t body[DHCP_LEN] = { 1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef };
	uint8_t frame[2000], *option = body + 240;
	const uint8_t *at;

	memcpy(body + 28, guest_mac, 6);
	memcpy(body + 236, cookie, 4);
	memcpy(option, (uint8_t[]){ 53, 1, type, 50, 4 }, 5);
	put_be32(option + 5, NET_GUEST);
	option[9] = 255;
	guest_send(guest, frame, ether_udp(frame, ether_broadcast, 0, 68, 0xffffffff, 67, body, sizeof(body)));
	*reply = guest_await(guest, IP_UDP) + UDP_HEADER;
	assert_memory_equal(*reply + 4, body + 4, 4);
	at = *reply + 240;
	return at[0] == 53 ? at[2] : 0;
}

static void dhcp_gives_the_address(void **state)
{
	struct guest guest;
	const uint8_t *reply;

	(void)state;
	guest_open(&guest, NULL, false);
	assert_int_equal(dhcp(&guest, 1, &reply), 2); /* discover, offer */
	assert_int_equal(get_be32(reply + 16), NET_GUEST);
	assert_int_equal(dhcp(&guest, 3, &reply), 5); /* request, acknowledge */
	assert_int_equal(get_be32(reply + 16), NET_GUEST);
	guest_close(&guest);
}

static void ping(void **state)
{
	uint8_t frame[2000], echo[64] = { 8, 0, 0, 0, 0x12, 0x34, 0, 1, 'h', 'e', 'l', 'l', 'o' };
	const uint8_t *reply;
	struct guest guest;

	(void)state;
	guest_open(&guest, NULL, false);
	guest_send(&guest, frame, ether_ip(frame, guest.host_mac, NET_GUEST, NET_HOST, IP_ICMP, echo, sizeof(echo)));
	reply = guest_await(&guest, IP_ICMP);
	assert_int_equal(reply[0], 0);
	assert_memory_equal(reply + 4, echo + 4, sizeof(echo) - 4);
	guest_close(&guest);
}

/* The next segment with all of `flags` and, if `with_data`, data; what it acknowledges and where it ends in *tcp. */
static const uint8_t *await_segment(struct guest *guest, uint8_t flags, bool with_data, struct tcp_fields *tcp)
{
	const uint8_t *segment, *data;
	size_t ip_len;

	do {
		segment = guest_await(guest, IP_TCP);
		data = segment + (segment[12] >> 4) * 4;
		ip_len = get_be16(guest->in + ETHER_HEADER + 2);
	} while ((segment[13] & flags) != flags || (with_data && data == guest->in + ETHER_HEADER + ip_len));
	*tcp = (struct tcp_fields){
		.from_port = get_be16(segment + 2),
		.target_port = get_be16(segment),
		.seq = get_be32(segment + 8),
		.ack = get_be32(segment + 4) + (uint32_t)(guest->in + ETHER_HEADER + ip_len - data) +
		       (segment[13] & (TCP_SYN | TCP_FIN) ? 1 : 0),
		.flags = TCP_ACK,
	};
	return data;
}

static void forwarded_tcp(void **state)
{
	uint16_t port = free_port(SOCK_STREAM);
	uint8_t frame[2000];
	char rule[64], got[8] = "";
	struct tcp_fields tcp;
	struct guest guest;
	struct pollfd in;
	int host;

	(void)state;
	snprintf(rule, sizeof(rule), "tcp::%u-:22", port);
	guest_open(&guest, rule, true); /* which `restrict` does not forbid */
	host = host_connect(SOCK_STREAM, port);
	await_segment(&guest, TCP_SYN, false, &tcp);
	assert_int_equal(get_be32(guest.in + ETHER_HEADER + 12), NET_HOST);
	assert_int_equal(get_be32(guest.in + ETHER_HEADER + 16), NET_GUEST);
	assert_int_equal(tcp.from_port, 22);
	tcp.seq = 1000;
	tcp.flags = TCP_SYN | TCP_ACK;
	guest_send(&guest, frame, ether_tcp(frame, guest.host_mac, NET_GUEST, NET_HOST, &tcp, NULL, 0));
	await_segment(&guest, TCP_ACK, false, &tcp);
	assert_int_equal(tcp.seq, 1001);

	assert_int_equal(write(host, "to you", 6), 6);
	assert_memory_equal(await_segment(&guest, TCP_ACK, true, &tcp), "to you", 6);
	guest_send(&guest, frame, ether_tcp(frame, guest.host_mac, NET_GUEST, NET_HOST, &tcp, "to me", 5));
	in = (struct pollfd){ .fd = host, .events = POLLIN };
	assert_int_equal(poll(&in, 1, 10000), 1);
	assert_int_equal(read(host, got, sizeof(got)), 5);
	assert_string_equal(got, "to me");
	close(host);
	await_segment(&guest, TCP_FIN, false, &tcp);
	guest_close(&guest);
}

/* Whether a datagram to 10.0.2.2 arrives on the host's loopback, and what becomes of a connection there. */
static void reach_out(struct guest *guest, bool *udp_arrives, uint8_t *tcp_flags)
{
	uint16_t udp_port, tcp_port;
	int udp = host_bind(SOCK_DGRAM, &udp_port), tcp = host_bind(SOCK_STREAM, &tcp_port);
	struct tcp_fields syn = { .from_port = 4000, .target_port = tcp_port, .seq = 1, .flags = TCP_SYN };
	uint8_t frame[2000];
	char got[8];

	guest_send(guest, frame, ether_udp(frame, guest->host_mac, NET_GUEST, 4000, NET_HOST, udp_port, "hello", 5));
	guest_sync(guest);
	*udp_arrives = recv(udp, got, sizeof(got), MSG_DONTWAIT) == 5;
	guest_send(guest, frame, ether_tcp(frame, guest->host_mac, NET_GUEST, NET_HOST, &syn, NULL, 0));
	*tcp_flags = guest_await(guest, IP_TCP)[13];
	close(udp);
	close(tcp);
}

/* Whether there is IPv6: a router solicitation (RFC 4861, 4.1) is answered before the ARP request behind it. */
static bool has_ipv6(struct guest *guest)
{
	static const uint8_t all_routers[16] = { 0xff, 0x02, [15] = 2 };
	uint8_t frame[ETHER_HEADER + 48] = { 0x33, 0x33, 0, 0, 0, 2 }, pseudo[40] = { 0 };
	uint8_t *ip = frame + ETHER_HEADER, request[2000];

	memcpy(frame + 6, guest_mac, 6);
	put_be16(frame + 12, ETHER_IPV6);
	ip[0] = 0x60;
	put_be16(ip + 4, 8);
	ip[6] = IP_ICMPV6;
	ip[7] = 255;
	memcpy(ip + 24, all_routers, 16);
	ip[40] = 133;
	memcpy(pseudo, ip + 8, 32);
	put_be32(pseudo + 32, 8);
	pseudo[39] = IP_ICMPV6;
	put_be16(ip + 42, internet_sum(pseudo, sizeof(pseudo), ip + 40, 8));
	guest_send(guest, frame, sizeof(frame));
	guest_send(guest, request, ether_arp(request, ether_broadcast, 1, NET_GUEST, NET_HOST));
	for (;;) {
		guest_receive(guest);
		if (get_be16(guest->in + 12) == ETHER_ARP)
			return false;
		if (get_be16(guest->in + 12) == ETHER_IPV6 && guest->in[ETHER_HEADER + 40] == 134) {
			guest_receive(guest); /* the ARP answer */
			return true;
		}
	}
}

static void the_host_is_reached(void **state)
{
	struct guest guest;
	uint8_t flags;
	bool udp;

	(void)state;
	guest_open(&guest, NULL, false);
	reach_out(&guest, &udp, &flags);
	assert_true(udp);
	assert_int_equal(flags, TCP_SYN | TCP_ACK);
	assert_true(has_ipv6(&guest));
	guest_close(&guest);
}

static void nothing_is_reached_if_restricted(void **state)
{
	const uint8_t *reply;
	struct guest guest;
	uint8_t flags;
	bool udp;

	(void)state;
	guest_open(&guest, NULL, true);
	reach_out(&guest, &udp, &flags);
	assert_false(udp);
	assert_true(flags & TCP_RST);
	assert_false(has_ipv6(&guest));
	assert_int_equal(dhcp(&guest, 1, &reply), 2);
	guest_close(&guest);
}

static void garbage(void **state)
{
	static uint8_t frame[70000];
	uint64_t seed = 1;
	struct guest guest;

	(void)state;
	guest_open(&guest, NULL, true); /* what it makes up must not go out */
	for (size_t len = 0; len < sizeof(frame); len += len < 1600 ? 1 : 997) {
		for (size_t i = 0; i < len; i++)
			frame[i] = (uint8_t)random_next(&seed);
		if (len >= ETHER_HEADER && len % 4) /* some that are looked into */
			put_be16(frame + 12, (uint16_t[]){ ETHER_IP, ETHER_ARP, ETHER_IPV6 }[len % 4 - 1]);
		guest_send(&guest, frame, len);
		while (recv(guest.link.fds[0], guest.in, sizeof(guest.in), MSG_DONTWAIT) > 0)
			;
	}
	guest_sync(&guest);
	/* almost right: some bytes of frames that are understood are wrong */
	for (unsigned i = 0; i < 20000; i++) {
		struct tcp_fields syn = { .from_port = 4000, .target_port = 9, .flags = (uint8_t)random_next(&seed) };
		uint8_t body[DHCP_LEN] = { 1, 1, 6 };
		size_t len = i % 4 == 0 ? ether_arp(frame, ether_broadcast, 1, NET_GUEST, NET_HOST) :
			     i % 4 == 1 ? ether_udp(frame, ether_broadcast, 0, 68, 0xffffffff, 67, body, DHCP_LEN) :
			     i % 4 == 2 ? ether_tcp(frame, guest.host_mac, NET_GUEST, NET_HOST, &syn, body, 100) :
					  ether_ip(frame, guest.host_mac, NET_GUEST, NET_HOST, IP_ICMP, body, 64);

		for (unsigned k = 0; k < 3; k++)
			frame[random_next(&seed) % len] = (uint8_t)random_next(&seed);
		guest_send(&guest, frame, random_next(&seed) % 4 ? len : random_next(&seed) % len);
		while (recv(guest.link.fds[0], guest.in, sizeof(guest.in), MSG_DONTWAIT) > 0)
			;
	}
	guest_sync(&guest);
	guest_close(&guest);
}

/* --- a socket that is full ---------------------------------------------------------------------------------------- */

/* Like guest_open(), by hand: a socket that takes only a few frames. */
static void open_narrow(struct guest *guest, const char *rule)
{
	int pair[2], size = 4096;
	pid_t pid;

	*guest = (struct guest){ .link.n_fds = 1 };
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	pid = fork();
	if (pid == 0) {
		if (pair[1] == USERNET_FD)
			pair[1] = dup(pair[1]);
		dup2(pair[1], USERNET_FD);
		execlp("minivmm-usernet", "minivmm-usernet", "--hostfwd", rule, NULL);
		_exit(1);
	}
	close(pair[1]);
	guest->link.fds[0] = pair[0];
	guest->link.helper = pid;
	guest_receive(guest);
	assert_int_equal(guest->len, strlen(USERNET_READY));
	guest_sync(guest);
	memcpy(guest->host_mac, guest->in + 6, 6);
}

static void no_frame_is_lost(void **state)
{
	enum { N = 50, LEN = 1000 }; /* fewer than the host keeps for a socket (net.core.rmem_default) */
	uint16_t port = free_port(SOCK_DGRAM);
	uint8_t datagram[LEN] = { 0 };
	struct guest guest;
	char rule[64];
	int host;

	(void)state;
	snprintf(rule, sizeof(rule), "udp::%u-:53", port);
	open_narrow(&guest, rule);
	host = host_connect(SOCK_DGRAM, port);
	/* the first one makes the helper ask who we are: answer, so that the others do not wait for that */
	assert_int_equal(send(host, datagram, LEN, 0), LEN);
	assert_int_equal(guest_await(&guest, IP_UDP)[UDP_HEADER], 0);
	for (unsigned i = 1; i <= N; i++) {
		datagram[0] = (uint8_t)i;
		assert_int_equal(send(host, datagram, LEN, 0), LEN);
	}
	usleep(100000); /* time to fill the socket; if it is too short, there is less to see */
	for (unsigned i = 1; i <= N; i++)
		assert_int_equal(guest_await(&guest, IP_UDP)[UDP_HEADER], i);
	close(host);
	guest_close(&guest);
}

/* Takes all answers, until nothing comes for a second; each must be whole. */
static size_t take_echoes(struct guest *guest, size_t len)
{
	struct pollfd in = { .fd = guest->link.fds[0], .events = POLLIN };
	size_t n = 0;

	while (poll(&in, 1, 1000) > 0) {
		guest_receive(guest);
		if (get_be16(guest->in + 12) != ETHER_IP)
			continue;
		assert_int_equal(guest->len, len);
		assert_int_equal(guest->in[ETHER_HEADER + IP_HEADER], 0);
		assert_int_equal(guest->in[len - 1], (uint8_t)(len - 1));
		n++;
	}
	return n;
}

static void a_guest_that_does_not_receive_can_send(void **state)
{
	enum { N = 20000, LEN = 1400 };
	uint8_t frame[2000], echo[LEN] = { 8 };
	struct guest guest;
	size_t len;
	char rule[64];

	(void)state;
	snprintf(rule, sizeof(rule), "udp::%u-:53", free_port(SOCK_DGRAM));
	open_narrow(&guest, rule);
	echo[LEN - 1] = (uint8_t)(ETHER_HEADER + IP_HEADER + LEN - 1);
	len = ether_ip(frame, guest.host_mac, NET_GUEST, NET_HOST, IP_ICMP, echo, LEN);
	for (unsigned round = 0; round < 2; round++) { /* the second one goes over the ring's end */
		/* more answers than the helper keeps (OUTBOX_BYTES) */
		for (unsigned i = 0; i < N; i++)
			guest_send(&guest, frame, len);
		assert_in_range(take_echoes(&guest, len), 1000, N - 1000);
		/* and on it goes as if nothing had been */
		guest_sync(&guest);
	}
	guest_close(&guest);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp),
		cmocka_unit_test(dhcp_gives_the_address),
		cmocka_unit_test(ping),
		cmocka_unit_test(forwarded_tcp),
		cmocka_unit_test(the_host_is_reached),
		cmocka_unit_test(nothing_is_reached_if_restricted),
		cmocka_unit_test(garbage),
		cmocka_unit_test(no_frame_is_lost),
		cmocka_unit_test(a_guest_that_does_not_receive_can_send),
	};

	guest_find_program();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
