/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames as a guest's network stack makes them, by hand. Addresses and ports are in host byte order. */
#ifndef MINIVMM_UNIT_ETHER_H
#define MINIVMM_UNIT_ETHER_H

#include <stddef.h>
#include <stdint.h>

#define ETHER_HEADER 14
#define IP_HEADER    20
#define TCP_HEADER   20
#define UDP_HEADER   8

#define ETHER_IP   0x0800
#define ETHER_ARP  0x0806
#define ETHER_IPV6 0x86dd

#define IP_ICMP   1
#define IP_TCP    6
#define IP_UDP    17
#define IP_ICMPV6 58

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

extern const uint8_t guest_mac[6], ether_broadcast[6];

void put_be16(uint8_t *at, uint16_t value);
void put_be32(uint8_t *at, uint32_t value);
uint16_t get_be16(const uint8_t *at);
uint32_t get_be32(const uint8_t *at);

/* The Internet checksum (RFC 1071) over two pieces, the first of even length. */
uint16_t internet_sum(const void *pseudo, size_t pseudo_len, const void *bytes, size_t len);

/* ether_...(): the frame's length. `frame` has room for 2000 bytes. */

/* From guest_mac; `op` 1 asks who has `target`, 2 answers `to`. */
size_t ether_arp(uint8_t *frame, const uint8_t to[6], uint16_t op, uint32_t sender, uint32_t target);
/* An IPv4 packet; the ICMP, TCP or UDP checksum is filled in. */
size_t ether_ip(uint8_t *frame, const uint8_t to[6], uint32_t from, uint32_t target, uint8_t proto, const void *payload,
		size_t len);
size_t ether_udp(uint8_t *frame, const uint8_t to[6], uint32_t from, uint16_t from_port, uint32_t target,
		 uint16_t target_port, const void *payload, size_t len);

struct tcp_fields {
	uint16_t from_port, target_port;
	uint32_t seq, ack;
	uint8_t flags;
};
size_t ether_tcp(uint8_t *frame, const uint8_t to[6], uint32_t from, uint32_t target, const struct tcp_fields *tcp,
		 const void *payload, size_t len);

#endif
