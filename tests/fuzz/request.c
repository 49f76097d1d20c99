// SPDX-License-Identifier: GPL-2.0-only
/* Requests of each kind of device: their form is right, what is in them the input's. */
#include <linux/virtio_vsock.h>
#include <string.h>

#include "devices/backend/vsock_unix.h"
#include "devices/virtio/core.h"
#include "tests/fuzz/session.h"

/* A length as inputs like it: small ones to the byte, large ones in steps. */
static uint32_t length(struct input *in)
{
	uint8_t code = input_u8(in);

	return code < 0x80 ? code : (uint32_t)(code & 0x7f) << (code & 1 ? 5 : 9);
}

/* A buffer of `len` bytes, of which the first `given` are there. */
static void add(struct session *s, struct request *request, const void *bytes, uint32_t given, uint32_t len,
		bool writable)
{
	if (request->n == REQUEST_PIECES)
		return;
	uint64_t gpa = session_buffer(s, len);

	if (given)
		memcpy(gpa_ptr(&s->rig, gpa, given), bytes, given);
	request->pieces[request->n++] = (struct piece){ gpa, len, writable };
}

/* `len` bytes that the device reads, up to 64 of them the input's. */
static void add_data(struct session *s, struct request *request, uint32_t len)
{
	uint8_t bytes[64];
	uint32_t given = len < sizeof(bytes) ? len : sizeof(bytes);

	input_bytes(&s->in, bytes, given);
	add(s, request, bytes, given, len, false);
}

static void add_room(struct session *s, struct request *request, uint32_t len)
{
	add(s, request, NULL, 0, len, true);
}

static void make_balloon(struct session *s, struct request *request)
{
	struct {
		uint16_t tag;
		uint64_t value;
	} __attribute__((packed)) stats[4];
	uint32_t pfns[16];
	unsigned n = input_u8(&s->in);

	request->queue = n % 5;
	n = n / 5 % 16 + 1;
	switch (request->queue) {
	case 2:
		for (unsigned i = 0; i < 4; i++)
			stats[i].tag = input_u8(&s->in), stats[i].value = input_u16(&s->in);
		add(s, request, stats, sizeof(stats), sizeof(stats) * n / 4, false);
		break;
	case 3:
	case 4:
		pfns[0] = input_u8(&s->in);
		if (n & 1) /* a hint's round; reports have none */
			add(s, request, pfns, 4, 4, false);
		for (unsigned i = 0; i < n / 2; i++)
			add_room(s, request, length(&s->in));
		break;
	default:
		for (unsigned i = 0; i < 16; i++)
			pfns[i] = input_u8(&s->in) & 0x80 ? input_u32(&s->in) : SESSION_DATA / 4096 + i;
		add(s, request, pfns, 4 * n, 4 * n, false);
	}
}

static void make_blk(struct session *s, struct request *request)
{
	static const uint32_t types[] = { 0, 1, 4, 8, 11, 13, 14, 3 };
	uint8_t code = input_u8(&s->in), flags = input_u8(&s->in);
	struct {
		uint32_t type, reserved;
		uint64_t sector;
	} header = { .type = types[code % 8], .sector = flags & 1 ? input_u64(&s->in) : input_u16(&s->in) % 520 };
	struct {
		uint64_t sector;
		uint32_t n, flags;
	} range;

	request->queue = code / 8 % 4;
	add(s, request, &header, sizeof(header), flags & 2 ? length(&s->in) : sizeof(header), false);
	for (unsigned i = 0; i < 1u + code / 64; i++) {
		uint32_t len = (uint32_t)(flags & 4 ? input_u8(&s->in) : input_u8(&s->in) % 64 * 512);

		if (header.type == 11 || header.type == 13) {
			range.sector = input_u16(&s->in) % 520;
			range.n = flags & 8 ? input_u32(&s->in) : input_u8(&s->in);
			range.flags = flags & 16 ? input_u8(&s->in) : 0;
			add(s, request, &range, sizeof(range), sizeof(range), false);
		} else if (header.type == 1) {
			add(s, request, NULL, 0, len, false);
		} else {
			add_room(s, request, len);
		}
	}
	if (!(flags & 32))
		add_room(s, request, 1);
}

static void make_console(struct session *s, struct request *request)
{
	uint8_t code = input_u8(&s->in);
	struct {
		uint32_t id;
		uint16_t event, value;
	} message;

	request->queue = code % DRIVER_RINGS;
	if (request->queue == 3) {
		message.id = input_u8(&s->in) % 10;
		message.event = input_u8(&s->in) % 10;
		message.value = input_u8(&s->in) % 3;
		add(s, request, &message, sizeof(message), code & 0x80 ? length(&s->in) : sizeof(message), false);
	} else if (request->queue % 2) {
		add_data(s, request, length(&s->in));
	} else {
		add_room(s, request, length(&s->in));
	}
}

static void make_net(struct session *s, struct request *request)
{
	uint8_t code = input_u8(&s->in), bytes[12];
	unsigned n = s->rig.a.dev->n_queues, q = code % 32 < n ? code % 32 : n - 1;

	request->queue = q;
	if (q == n - 1 || code & 0x80) { /* a command; the last queue but for a driver without MQ */
		request->queue = code & 0x80 ? 2 : q;
		input_bytes(&s->in, bytes, 2);
		bytes[0] %= 6;
		bytes[1] %= 3;
		add(s, request, bytes, 2, 2, false);
		add_data(s, request, length(&s->in) % 64);
		add_room(s, request, code & 0x40 ? 1 : length(&s->in));
	} else if (q % 2) {
		input_bytes(&s->in, bytes, sizeof(bytes));
		add(s, request, bytes, sizeof(bytes), code & 0x40 ? length(&s->in) : sizeof(bytes), false);
		add_data(s, request, length(&s->in));
		if (code & 0x20)
			add_data(s, request, length(&s->in));
	} else {
		add_room(s, request, code & 0x40 ? 2000 : length(&s->in));
		if (code & 0x20)
			add_room(s, request, length(&s->in));
	}
}

/* The port that the device gave to the last program which connected. */
static uint32_t last_port(struct session *s)
{
	const struct virtio_dev *dev = s->rig.a.dev;
	uint32_t port = 0;

	for (const struct state_desc *desc = dev->class->state; desc->name; desc++)
		if (strstr(desc->name, "next_port"))
			memcpy(&port, (const uint8_t *)dev->priv + desc->offset, sizeof(port));
	return port - 1;
}

static void make_vsock(struct session *s, struct request *request)
{
	uint8_t code = input_u8(&s->in), ports = input_u8(&s->in), flags = input_u8(&s->in);
	uint32_t len = length(&s->in);
	struct vsock_hdr hdr = {
		.src_cid = le64_from(flags & 1 ? input_u8(&s->in) : 3),
		.dst_cid = le64_from(flags & 2 ? input_u8(&s->in) : 2),
		.src_port = le32_from(1000u + ports % 4),
		.dst_port = le32_from(ports & 0x80 ? last_port(s) - ports / 4 % 8 : ports / 4u % 4),
		.len = le32_from(flags & 4 ? input_u32(&s->in) : len),
		.type = le16_from(flags & 8 ? input_u8(&s->in) : 1),
		.op = le16_from(code / 8 % 16),
		.flags = le32_from(flags / 16 % 4),
		.buf_alloc = le32_from(flags & 0x40 ? input_u32(&s->in) : 65536),
		.fwd_cnt = le32_from(flags & 0x80 ? input_u32(&s->in) : 0),
	};

	request->queue = code % 8 == 0 ? 0 : code % 8 == 1 ? 2 : 1;
	if (request->queue != 1) {
		add_room(s, request, code & 0x80 ? 4096 : 44);
		add_room(s, request, len);
		return;
	}
	add(s, request, &hdr, sizeof(hdr), code & 0x80 ? len : sizeof(hdr), false);
	if (len)
		add_data(s, request, len);
}

void request_make(struct session *s, struct request *request)
{
	*request = (struct request){ .n = 0 };
	switch (s->kind) {
	case TEST: add_data(s, request, length(&s->in)); break;
	case RNG: add_room(s, request, length(&s->in)); break;
	case BALLOON: make_balloon(s, request); break;
	case BLK: make_blk(s, request); break;
	case CONSOLE: make_console(s, request); break;
	case NET:
	case TAP: make_net(s, request); break;
	case VSOCK:
	case VHOST: make_vsock(s, request); break;
	default:
		request->queue = input_u8(&s->in) % 2;
		add_data(s, request, length(&s->in));
		add_room(s, request, length(&s->in));
	}
}

void request_plain(struct session *s, struct request *request)
{
	static const uint8_t zeros[64];
	struct vsock_hdr hdr = { .src_cid = le64_from(3),
				 .dst_cid = le64_from(2),
				 .src_port = le32_from(77),
				 .dst_port = le32_from(77),
				 .type = le16_from(1),
				 .op = le16_from(VIRTIO_VSOCK_OP_REQUEST) };

	*request = (struct request){ .queue = s->kind == CONSOLE || s->kind == NET || s->kind == TAP ||
					      s->kind == VSOCK || s->kind == VHOST };
	switch (s->kind) {
	case RNG: add_room(s, request, 16); break;
	case BLK: /* reads the first sector */
		add(s, request, zeros, 16, 16, false);
		add_room(s, request, 512);
		add_room(s, request, 1);
		break;
	case VSOCK:
	case VHOST: add(s, request, &hdr, sizeof(hdr), sizeof(hdr), false); break;
	default: add(s, request, zeros, sizeof(zeros), sizeof(zeros), false);
	}
}
