// SPDX-License-Identifier: GPL-2.0-only
/*
 * A driver that does as an input says, to a device of each kind: registers, memory, rings, kicks, time, the host's end.
 * docs/fuzzing.md has the input's form. Whatever it did, the device works again after a reset.
 */
#include <stdio.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/fuzz/faults.h"
#include "tests/fuzz/session.h"
#include "tests/unit/echo.h"
#include "vmm/trace/counts.h"
#include "vmm/trace/text.h"

#define OPS_MAX 512

enum op {
	OP_UP,
	OP_REQUEST,
	OP_KICK,
	OP_SETTLE,
	OP_HOST,
	OP_REG_WRITE,
	OP_REG_READ,
	OP_WINDOW_WRITE,
	OP_WINDOW_READ,
	OP_RESET,
	OP_QUEUE_RESET,
	OP_QUEUE_STOP,
	OP_QUEUE_START,
	OP_DESC,
	OP_AVAIL,
	OP_EVENT,
	OP_MEMORY,
	OP_TIME,
	OP_KEY,
	OP_REPORT,
	OP_FAULT,
	OP_ACK,
	OP_MANY,
	OP_CONFIG,
	OP_STATUS,
	OP_FEATURES,
	OPS,
};

void fuzz_start(void)
{
	session_start();
}

static unsigned take_queue(struct session *s)
{
	return input_u8(&s->in) % DRIVER_RINGS;
}

/* Negotiates all that is offered but some, or some that is not; queues of the size that the input says, or the first of
 * them only. */
static void come_up(struct session *s, uint64_t other, unsigned size, unsigned n_queues)
{
	struct driver *d = &s->rig.a;
	uint64_t offered = offered_features(d);

	s->rig.next_gpa = SESSION_RINGS; /* what was there before a reset is nobody's */
	memset(s->next_head, 0, sizeof(s->next_head));
	driver_negotiate(d, offered ^ other);
	for (unsigned q = 0; q < d->dev->n_queues && q < n_queues; q++) {
		unsigned most = virtio_queue_size(d->dev, q);

		ring_place(&d->rings[q], size < most ? size : most);
		ring_program(&d->rings[q]);
		ring_ready(&d->rings[q], 1);
	}
	reg_put(d, R_STATUS, S_UP);
}

/* A kick as a vCPU's: an exit, or a store that KVM turned into an eventfd. */
static void kick_queue(struct session *s, uint32_t q)
{
	const struct vm *vm = s->rig.vm;
	const uint64_t one = 1;
	bool exits = true;

	for (unsigned i = 0; i < vm->n_ioeventfds; i++)
		if (vm->ioeventfds[i].gpa == s->rig.a.base + R_QUEUE_NOTIFY && vm->ioeventfds[i].datamatch == q)
			exits = write(vm->ioeventfds[i].fd, &one, sizeof(one)) < 0;
	if (exits)
		kick(&s->rig.a, q);
}

static void op_up(struct session *s)
{
	uint8_t code = input_u8(&s->in);
	uint64_t other = code & 1 ? input_u64(&s->in) : 0;

	if (code & 2) /* of the device type's features alone */
		other &= BIT(24) - 1;
	come_up(s, other, 1u << (code / 4 % 16 % 12), code & 128 ? input_u8(&s->in) : DRIVER_RINGS);
}

static void op_request(struct session *s, unsigned times)
{
	uint8_t code = input_u8(&s->in);
	struct request request;
	struct piece pieces[2 * REQUEST_PIECES];
	unsigned n = 0;

	request_make(s, &request);
	for (unsigned i = 0; i < request.n; i++) {
		const struct piece *piece = &request.pieces[i];

		if (code & 2 && piece->len > 1) /* in two */
			n = pieces_cut(pieces, n, piece->gpa, piece->len, (piece->len + 1) / 2, piece->writable);
		else
			pieces[n++] = *piece;
	}
	if (times > s->rig.a.rings[request.queue].num) /* as many as a driver may add */
		times = s->rig.a.rings[request.queue].num;
	while (times--)
		session_add(s, request.queue, pieces, n, code & 1);
	if (!(code & 4))
		kick_queue(s, request.queue);
}

static void op_desc(struct session *s)
{
	const struct ring *ring = &s->rig.a.rings[take_queue(s)];
	uint16_t i = input_u8(&s->in), flags = input_u8(&s->in), next = input_u8(&s->in);
	uint8_t code = input_u8(&s->in);
	uint64_t addr = code & 1 ? input_u64(&s->in) : code & 2 ? ring->desc : SESSION_DATA + 16 * input_u16(&s->in);
	uint32_t len = code & 4 ? input_u32(&s->in) : 16u * input_u8(&s->in);

	if (i < ring->num)
		put_desc(&s->rig, ring->desc, i, addr, len, flags, next);
}

static void op_avail(struct session *s)
{
	struct ring *ring = &s->rig.a.rings[take_queue(s)];
	uint8_t code = input_u8(&s->in);
	uint16_t value = input_u16(&s->in);

	if (!ring->num)
		return;
	if (code & 1)
		put16(&s->rig, ring->avail + 2, value);
	else
		ring_add(ring, code & 2 ? value : value % ring->num);
}

static void op_event(struct session *s)
{
	struct ring *ring = &s->rig.a.rings[take_queue(s)];
	uint16_t value = input_u16(&s->in);

	if (!ring->num)
		return;
	if (value & 1)
		ring_set_avail_flags(ring, value / 2);
	else
		ring_set_used_event(ring, (uint16_t)(ring_used_idx(ring) + value / 2));
}

/* Up to 16 bytes of guest memory: of the rings, of the buffers, or before the RAM's end. */
static void op_memory(struct session *s)
{
	uint8_t code = input_u8(&s->in);
	uint16_t off = input_u16(&s->in);
	uint64_t gpa = code & 2 ? SESSION_RAM - 16 - off : (code & 1 ? SESSION_RINGS : SESSION_DATA) + off;

	input_bytes(&s->in, gpa_ptr(&s->rig, gpa, 16), 16);
}

static void op_report(struct session *s)
{
	const char *name = input_u8(&s->in) & 1 ? s->rig.a.dev->name : NULL;
	const struct vm *vm = s->rig.vm;
	FILE *null = fopen("/dev/null", "we");
	struct text text = { .bytes = NULL };
	struct counts counts = { .items = NULL };

	for (unsigned i = 0; i < vm->n_devices; i++) {
		if (vm->devices[i].ops->report)
			vm->devices[i].ops->report(vm->devices[i].ctx, name, &text);
		if (vm->devices[i].ops->count)
			vm->devices[i].ops->count(vm->devices[i].ctx, &counts);
	}
	counts_table(&counts, &text);
	counts_json(&counts, &text);
	counts_release(&counts);
	text_free(&text);
	bus_print(&vm->mmio, null);
	fclose(null);
}

static void op_window(struct session *s, bool write)
{
	uint16_t off = input_u16(&s->in) % 0x200;
	unsigned len = 1u << input_u8(&s->in) % 4;

	if (write)
		window_put(&s->rig.a, off, len, input_number(&s->in, len));
	else
		window_get(&s->rig.a, off, len);
}

static void select_queue(struct session *s, uint32_t reg, uint32_t value)
{
	reg_put(&s->rig.a, R_QUEUE_SEL, take_queue(s));
	reg_put(&s->rig.a, reg, value);
}

static void press_key(const struct session *s, char key)
{
	const struct vm *vm = s->rig.vm;

	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].ops->key)
			vm->devices[i].ops->key(vm->devices[i].ctx, key);
}

static void operate(struct session *s)
{
	static const uint32_t registers[] = {
		R_MAGIC,
		R_VERSION,
		R_DEVICE_ID,
		R_VENDOR_ID,
		R_DEVICE_FEATURES,
		R_SHM_SEL,
		R_DRIVER_FEATURES,
		R_QUEUE_SEL,
		R_QUEUE_NUM_MAX,
		R_QUEUE_NUM,
		R_QUEUE_READY,
		R_QUEUE_NOTIFY,
		R_INTERRUPT_STATUS,
		R_INTERRUPT_ACK,
		R_STATUS,
		R_QUEUE_DESC_LOW,
		R_QUEUE_DESC_HIGH,
		R_QUEUE_DRIVER_LOW,
		R_QUEUE_DRIVER_HIGH,
		R_QUEUE_DEVICE_LOW,
		R_SHM_LEN_LOW,
		R_QUEUE_DEVICE_HIGH,
		R_QUEUE_RESET,
		R_CONFIG_GENERATION,
		R_DRIVER_FEATURES_SEL,
		R_SHM_BASE_LOW,
		R_SHM_BASE_HIGH,
		R_DEVICE_FEATURES_SEL,
		R_SHM_LEN_HIGH,
	};
	const unsigned n_registers = sizeof(registers) / sizeof(registers[0]);
	struct driver *d = &s->rig.a;
	uint32_t reg;

	switch (input_u8(&s->in) % OPS) {
	case OP_UP: op_up(s); break;
	case OP_REQUEST: op_request(s, 1); break;
	case OP_MANY: op_request(s, 2u * input_u8(&s->in)); break;
	case OP_KICK: kick_queue(s, input_u8(&s->in)); break;
	case OP_SETTLE: session_settle(s); break;
	case OP_HOST: host_acts(s); break;
	case OP_REG_WRITE:
		reg = registers[input_u8(&s->in) % n_registers];
		reg_put(d, reg, input_u32(&s->in));
		break;
	case OP_REG_READ: reg_get(d, registers[input_u8(&s->in) % n_registers]); break;
	case OP_WINDOW_WRITE: op_window(s, true); break;
	case OP_WINDOW_READ: op_window(s, false); break;
	case OP_RESET: reg_put(d, R_STATUS, 0); break;
	case OP_QUEUE_RESET: select_queue(s, R_QUEUE_RESET, 1); break;
	case OP_QUEUE_STOP: select_queue(s, R_QUEUE_READY, 0); break;
	case OP_QUEUE_START: select_queue(s, R_QUEUE_READY, 1); break;
	case OP_DESC: op_desc(s); break;
	case OP_AVAIL: op_avail(s); break;
	case OP_EVENT: op_event(s); break;
	case OP_MEMORY: op_memory(s); break;
	case OP_TIME:
		faults_expire_timers();
		session_settle(s);
		break;
	case OP_KEY: press_key(s, (char)input_u8(&s->in)); break;
	case OP_REPORT: op_report(s); break;
	case OP_FAULT: faults_arm(input_u8(&s->in)); break;
	case OP_ACK: reg_put(d, R_INTERRUPT_ACK, input_u8(&s->in)); break;
	case OP_STATUS: reg_put(d, R_STATUS, input_u8(&s->in)); break;
	case OP_FEATURES:
		reg_put(d, R_DRIVER_FEATURES_SEL, input_u8(&s->in) % 6);
		reg_put(d, R_DRIVER_FEATURES, input_u32(&s->in));
		break;
	case OP_CONFIG: window_put(d, R_CONFIG + input_u8(&s->in), 1, input_u8(&s->in)); break;
	}
}

/* --- the oracle --------------------------------------------------------------------------------------------------- */

/* What is owed is done, and then there is nothing more to do. */
static void rest(struct session *s)
{
	for (unsigned i = 0; i < 3; i++) {
		host_takes(s);
		faults_expire_timers();
		session_settle(s);
	}
}

static void check_status(struct session *s)
{
	uint32_t status = reg_get(&s->rig.a, R_STATUS);

	fuzz_check(!(status & ~(S_UP | S_NEEDS_RESET | S_FAILED)), "status 0x%x", status);
	/* virtio 1.2, 2.1.2: what the driver acknowledged since, it was told */
	if ((status & S_NEEDS_RESET) && (status & S_DRIVER_OK))
		fuzz_check(edges(&s->rig.a) > 0, "nobody was told of status 0x%x", status);
}

/* The device comes up and answers a request as if nothing had been. */
static void check_works(struct session *s)
{
	struct driver *d = &s->rig.a;
	struct request request;

	come_up(s, 0, 16, DRIVER_RINGS);
	fuzz_check(reg_get(d, R_STATUS) == S_UP, "the device does not come up: status 0x%x", reg_get(d, R_STATUS));
	request_plain(s, &request);
	faults_vhost_kicks();
	if (!session_add(s, request.queue, request.pieces, request.n, false))
		return; /* the queue is too small */
	kick_queue(s, request.queue);
	rest(s);
	fuzz_check(reg_get(d, R_STATUS) == S_UP, "the device fails: status 0x%x", reg_get(d, R_STATUS));
	if (s->kind == VHOST)
		fuzz_check(faults_vhost_kicks() > 0, "the kernel was not kicked");
	else
		fuzz_check(ring_used_idx(&d->rings[request.queue]) == 1, "the request was not answered");
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct session s;

	if (!session_open(&s, &in))
		return;
	for (unsigned i = 0; i < OPS_MAX && s.in.left; i++)
		operate(&s);
	faults_arm(0);
	rest(&s);
	check_status(&s);
	fuzz_check(reg_get(&s.rig.b, R_STATUS) == S_UP && echo_serves(&s.rig.b), "the other device does not serve");
	if (s.kind == BLK)
		fuzz_check(ftruncate(s.disk, SESSION_DISK) == 0, "the image");
	check_works(&s);
	session_close(&s);
}
