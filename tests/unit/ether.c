// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/ether.h"

#include <string.h>

const uint8_t guest_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
const uint8_t ether_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

void put_be32(uint8_t *at, uint32_t value)
{
	put_be16(at, (uint16_t)(value >> 16));
	put_be16(at + 2, (uint16_t)value);
}

uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

uint32_t get_be32(const uint8_t *at)
{
	return (uint32_t)get_be16(at) << 16 | get_be16(at + 2);
}

static uint32_t sum_up(uint32_t sum, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? bytes[i] : (uint32_t)bytes[i] << 8;
	return sum;
}

uint16_t internet_sum(const void *pseudo, size_t pseudo_len, const void *bytes, size_t len)
{
	uint32_t sum = sum_up(sum_up(0, pseudo, pseudo_len), bytes, len);

	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static size_t header(uint8_t *frame, const uint8_t to[6], uint16_t type)
{
	memcpy(frame, to, 6);
	memcpy(frame + 6, guest_mac, 6);
	put_be16(frame + 12, type);
	return ETHER_HEADER;
}

size_t ether_arp(uint8_t *frame, const uint8_t to[6], uint16_t op, uint32_t sender, uint32_t target)
{
	uint8_t *arp = frame + header(frame, to, ETHER_ARP);

	put_be16(arp, 1);
	put_be16(arp + 2, ETHER_IP);
	arp[4] = 6;
	arp[5] = 4;
	put_be16(arp + 6, op);
	memcpy(arp + 8, guest_mac, 6);
	put_be32(arp + 14, sender);
	memset(arp + 18, 0, 6);
	if (op == 2)
		memcpy(arp + 18, to, 6);
	put_be32(arp + 24, target);
	return ETHER_HEADER + 28;
}

size_t ether_ip(uint8_t *frame, const uint8_t to[6], uint32_t from, uint32_t target, uint8_t proto, const void *payload,
		size_t len)
{
	uint8_t *ip = frame + header(frame, to, ETHER_IP), *body = ip + IP_HEADER, pseudo[12];
	size_t sum_at = proto == IP_ICMP ? 2 : proto == IP_TCP ? 16 : 6;

	memset(ip, 0, IP_HEADER);
	ip[0] = 0x45;
	put_be16(ip + 2, (uint16_t)(IP_HEADER + len));
	ip[8] = 64;
	ip[9] = proto;
	put_be32(ip + 12, from);
	put_be32(ip + 16, target);
	put_be16(ip + 10, internet_sum(NULL, 0, ip, IP_HEADER));
	memcpy(body, payload, len);
	memcpy(pseudo, ip + 12, 8);
	put_be16(pseudo + 8, proto);
	put_be16(pseudo + 10, (uint16_t)len);
	put_be16(body + sum_at, 0);
	put_be16(body + sum_at, internet_sum(pseudo, proto == IP_ICMP ? 0 : sizeof(pseudo), body, len));
	return ETHER_HEADER + IP_HEADER + len;
}

size_t ether_udp(uint8_t *frame, const uint8_t to[6], uint32_t from, uint16_t from_port, uint32_t target,
		 uint16_t target_port, const void *payload, size_t len)
{
	uint8_t udp[UDP_HEADER + 1500] = { 0 };

	put_be16(udp, from_port);
	put_be16(udp + 2, target_port);
	put_be16(udp + 4, (uint16_t)(UDP_HEADER + len));
	memcpy(udp + UDP_HEADER, payload, len);
	return ether_ip(frame, to, from, target, IP_UDP, udp, UDP_HEADER + len);
}

size_t ether_tcp(uint8_t *frame, const uint8_t to[6], uint32_t from, uint32_t target, const struct tcp_fields *tcp,
		 const void *payload, size_t len)
{
	uint8_t segment[TCP_HEADER + 1500] = { 0 };

	put_be16(segment, tcp->from_port);
	put_be16(segment + 2, tcp->target_port);
	put_be32(segment + 4, tcp->seq);
	put_be32(segment + 8, tcp->ack);
	segment[12] = TCP_HEADER / 4 << 4;
	segment[13] = tcp->flags;
	put_be16(segment + 14, 65535);
	if (len)
		memcpy(segment + TCP_HEADER, payload, len);
	return ether_ip(frame, to, from, target, IP_TCP, segment, TCP_HEADER + len);
}
