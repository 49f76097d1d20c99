// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/vsock.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "devices/backend/vsock_conn.h"
#include "devices/virtio/core.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"

#define WAIT_MS 5000

void sleep_ms(unsigned ms)
{
	nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L }, NULL);
}

void fill(uint8_t *bytes, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)random_next(&seed);
}

/* --- the guest ---------------------------------------------------------------------------------------------------- */

static int setup(void **state, bool vhost)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	char options[128] = "";
	void *rig;

	if (rig_setup(&rig))
		return -1;
	*state = peer;
	peer->rig = rig;
	peer->vhost = vhost;
	strcpy(peer->dir, "/tmp/minivmm-vsock-XXXXXX");
	if (!mkdtemp(peer->dir))
		return -1;
	snprintf(peer->path, sizeof(peer->path), "%s/v", peer->dir);
	if (!vhost)
		snprintf(options, sizeof(options), "socket=%s", peer->path);
	if (driver_add(&peer->d, peer->rig, "vsock", options))
		return -1;
	peer->d.num = RX_NUM;
	peer->tx_gpa = gpa_alloc(peer->rig, HEADER + PACKET_MAX, 8);
	peer->rx_gpa = gpa_alloc(peer->rig, RX_NUM * PACKET_MAX, 8);
	rig_loop_start(peer->rig);
	peer_up(peer, RX_NUM, 4096);
	return 0;
}

int peer_setup(void **state)
{
	return setup(state, false);
}

int peer_setup_vhost(void **state)
{
	return setup(state, true);
}

int peer_teardown(void **state)
{
	struct peer *peer = *state;
	struct stat st;
	char command[64];
	void *rig = peer->rig;

	rig_teardown(&rig);
	int left = stat(peer->path, &st);

	snprintf(command, sizeof(command), "rm -rf %s", peer->dir);
	if (system(command))
		return -1;
	free(peer);
	return left == 0 ? -1 : 0; /* the device removes its socket */
}

/* A kick is served on the loop's thread. */
void peer_kick(struct peer *peer, unsigned q)
{
	struct virtio_dev *dev = peer->d.dev;
	bool waits = !peer->hasty;

	kick(&peer->d, q);
	for (uint64_t end = now_ns() + WAIT_MS * 1000000ull; waits && now_ns() < end; sched_yield()) {
		pthread_mutex_lock(&dev->lock);
		waits = dev->again_queues;
		pthread_mutex_unlock(&dev->lock);
	}
	assert_true(!waits);
}

void peer_add_rx(struct peer *peer, uint16_t head, uint32_t len)
{
	peer->rx_len = len;
	ring_desc(&peer->d.rings[RX], head, peer->rx_gpa + (uint64_t)head * PACKET_MAX, len, D_WRITE, 0);
	ring_add(&peer->d.rings[RX], head);
}

void peer_up(struct peer *peer, uint16_t n, uint32_t len)
{
	assert_true(driver_up(&peer->d, F_VERSION_1 | F_RING_RESET | (peer->vhost ? 0 : F_STREAM)));
	peer->rx_at = 0;
	for (uint16_t head = 0; head < n; head++)
		peer_add_rx(peer, head, len);
	peer_kick(peer, RX);
}

/* The device's own struct begins with its options, then the backend; but the counts are found by their names. */
static uint8_t *field(struct peer *peer, const char *name)
{
	const struct virtio_class *class = peer->d.dev->class;

	for (const struct counter_desc *desc = class->counters; desc->name; desc++)
		if (strcmp(desc->name, name) == 0)
			return (uint8_t *)peer->d.dev->priv + desc->offset;
	fail_msg("no counter %s", name);
	return NULL;
}

void peer_lock(struct peer *peer)
{
	pthread_mutex_lock(&peer->d.dev->lock);
}

void peer_unlock(struct peer *peer)
{
	pthread_mutex_unlock(&peer->d.dev->lock);
}

const struct vsock_counts *peer_counts(struct peer *peer)
{
	static struct vsock_counts counts;

	peer_lock(peer);
	memcpy(&counts, field(peer, "connections") - offsetof(struct vsock_counts, connections), sizeof(counts));
	peer_unlock(peer);
	return &counts;
}

struct vsock_unix *peer_backend(struct peer *peer)
{
	struct vsock_unix *backend;

	memcpy(&backend, (uint8_t *)peer->d.dev->priv + sizeof(uint64_t) + sizeof(char *), sizeof(backend));
	return backend;
}

struct packet *peer_packet(struct peer *peer, enum op op, uint32_t guest_port, uint32_t host_port)
{
	struct packet *out = &peer->out;

	out->src_cid = GUEST_CID;
	out->dst_cid = HOST_CID;
	out->src_port = guest_port;
	out->dst_port = host_port;
	out->type = STREAM;
	out->op = op;
	out->len = out->flags = out->fwd_cnt = out->n = 0;
	out->buf_alloc = 65536;
	return out;
}

void peer_post(struct peer *peer, const struct packet *packet)
{
	struct rig *rig = peer->rig;
	uint64_t at = peer->tx_gpa;

	put64(rig, at, packet->src_cid);
	put64(rig, at + 8, packet->dst_cid);
	put32(rig, at + 16, packet->src_port);
	put32(rig, at + 20, packet->dst_port);
	put32(rig, at + 24, packet->len);
	put16(rig, at + 28, packet->type);
	put16(rig, at + 30, packet->op);
	put32(rig, at + 32, packet->flags);
	put32(rig, at + 36, packet->buf_alloc);
	put32(rig, at + 40, packet->fwd_cnt);
	memcpy(gpa_ptr(rig, at + HEADER, PACKET_MAX), packet->data, packet->n);
	ring_desc(&peer->d.rings[TX], 0, at, HEADER, packet->n ? D_NEXT : 0, 1);
	ring_desc(&peer->d.rings[TX], 1, at + HEADER, packet->n, 0, 0);
	ring_add(&peer->d.rings[TX], 0);
	peer_kick(peer, TX);
}

void peer_send(struct peer *peer, const struct packet *packet)
{
	uint16_t used = ring_used_idx(&peer->d.rings[TX]);

	peer_post(peer, packet);
	for (unsigned ms = 0; peer->vhost && ms < WAIT_MS && ring_used_idx(&peer->d.rings[TX]) == used; ms++)
		sleep_ms(1);
	assert_int_equal(ring_used_idx(&peer->d.rings[TX]), (uint16_t)(used + 1));
	assert_int_equal(ring_used_len(&peer->d.rings[TX], used), 0);
}

static bool something_came(struct peer *peer, unsigned ms)
{
	for (uint64_t end = now_ns() + ms * 1000000ull; ring_used_idx(&peer->d.rings[RX]) == peer->rx_at;) {
		if (now_ns() > end)
			return false;
		sleep_ms(1);
	}
	return true;
}

const struct packet *peer_receive(struct peer *peer)
{
	struct rig *rig = peer->rig;
	struct packet *in = &peer->in;

	if (!something_came(peer, WAIT_MS))
		fail_msg("no packet came");
	uint16_t head = (uint16_t)ring_used_id(&peer->d.rings[RX], peer->rx_at);
	uint32_t len = ring_used_len(&peer->d.rings[RX], peer->rx_at++);
	uint64_t at = peer->rx_gpa + (uint64_t)head * PACKET_MAX;

	assert_true(len >= HEADER);
	memcpy(&in->src_cid, gpa_ptr(rig, at, 8), 8);
	memcpy(&in->dst_cid, gpa_ptr(rig, at + 8, 8), 8);
	in->src_port = get32(rig, at + 16);
	in->dst_port = get32(rig, at + 20);
	in->len = get32(rig, at + 24);
	in->type = get16(rig, at + 28);
	in->op = get16(rig, at + 30);
	in->flags = get32(rig, at + 32);
	in->buf_alloc = get32(rig, at + 36);
	in->fwd_cnt = get32(rig, at + 40);
	in->n = len - HEADER;
	assert_int_equal(in->len, in->n);
	memcpy(in->data, gpa_ptr(rig, at + HEADER, in->n + 1), in->n);
	assert_int_equal(in->dst_cid, GUEST_CID);
	peer_add_rx(peer, head, peer->rx_len);
	peer_kick(peer, RX);
	return in;
}

void peer_silent(struct peer *peer)
{
	if (something_came(peer, 30))
		fail_msg("op %u came", peer_receive(peer)->op);
}

void peer_expect_rst(struct peer *peer, uint32_t guest_port, uint32_t host_port)
{
	const struct packet *in = peer_receive(peer);

	assert_int_equal(in->op, RST);
	assert_int_equal(in->dst_port, guest_port);
	assert_int_equal(in->src_port, host_port);
	assert_int_equal(in->n, 0);
}

void peer_expect_open(struct peer *peer, uint32_t open)
{
	for (unsigned ms = 0; ms < WAIT_MS && peer_counts(peer)->open != open; ms++)
		sleep_ms(1);
	assert_int_equal(peer_counts(peer)->open, open);
}

void peer_conn(struct peer *peer, enum conn_state *state, unsigned *age)
{
	const struct vsock_conn *conn = peer_backend(peer)->conns;

	peer_lock(peer);
	for (unsigned i = 0; i < VSOCK_CONNS - 1 && conn->state == CONN_FREE; i++)
		conn++;
	*state = conn->state;
	*age = conn->age;
	peer_unlock(peer);
}

/* --- connections -------------------------------------------------------------------------------------------------- */

void flow_send(struct flow *flow, enum op op, uint32_t flags, const void *data, uint32_t n)
{
	struct packet *out = peer_packet(flow->peer, op, flow->guest_port, flow->host_port);

	out->flags = flags;
	out->buf_alloc = flow->buf_alloc;
	out->fwd_cnt = flow->fwd_cnt;
	out->len = out->n = n;
	if (n)
		memcpy(out->data, data, n);
	flow->tx_cnt += n;
	peer_send(flow->peer, out);
}

const struct packet *flow_expect(struct flow *flow, enum op op)
{
	const struct packet *in = peer_receive(flow->peer);

	if (in->op != op || in->src_port != flow->host_port || in->dst_port != flow->guest_port)
		fail_msg("op %u of %u to %u, not %u", in->op, in->src_port, in->dst_port, op);
	assert_int_equal(in->src_cid, HOST_CID);
	assert_int_equal(in->type, STREAM);
	flow->peer_buf = in->buf_alloc;
	flow->peer_fwd = in->fwd_cnt;
	return in;
}

uint32_t flow_credit(const struct flow *flow)
{
	return flow->peer_buf - (flow->tx_cnt - flow->peer_fwd);
}

uint32_t flow_ask(struct flow *flow)
{
	struct peer *peer = flow->peer;

	flow_send(flow, CREDIT_REQUEST, 0, NULL, 0);
	while (ring_used_idx(&peer->d.rings[RX]) != peer->rx_at)
		flow_expect(flow, CREDIT_UPDATE);
	return flow_credit(flow);
}

void flow_from_host(struct flow *flow, struct peer *peer, uint32_t guest_port)
{
	char line[32];

	snprintf(line, sizeof(line), "CONNECT %u\n", guest_port);
	*flow = (struct flow){ .peer = peer, .guest_port = guest_port, .buf_alloc = 65536 };
	flow->fd = host_dial(peer, line);
	flow->host_port = peer_receive(peer)->src_port;
	assert_int_equal(peer->in.op, REQUEST);
	assert_int_equal(peer->in.src_cid, HOST_CID);
	assert_int_equal(peer->in.dst_port, guest_port);
	assert_int_equal(peer->in.type, STREAM);
	flow->peer_buf = peer->in.buf_alloc;
	flow_send(flow, RESPONSE, 0, NULL, 0);
	snprintf(line, sizeof(line), "OK %u\n", flow->host_port);
	host_expect(flow->fd, line);
}

void flow_from_guest(struct flow *flow, struct peer *peer, uint32_t guest_port, uint32_t host_port)
{
	int listener = host_listen(peer, host_port);

	*flow = (struct flow){ .peer = peer, .guest_port = guest_port, .host_port = host_port, .buf_alloc = 65536 };
	flow_send(flow, REQUEST, 0, NULL, 0);
	flow_expect(flow, RESPONSE);
	flow->fd = host_accept(listener);
	close(listener);
}

void flow_works(struct flow *flow)
{
	flow_send(flow, RW, 0, "to the host", 11);
	host_expect(flow->fd, "to the host");
	host_write(flow->fd, "to the guest", 12);
	const struct packet *in = flow_expect(flow, RW);

	assert_int_equal(in->n, 12);
	assert_memory_equal(in->data, "to the guest", 12);
	flow->fwd_cnt += 12;
}

void peer_is_well(struct peer *peer)
{
	struct flow flow;

	assert_int_equal(reg_get(&peer->d, R_STATUS), S_UP);
	assert_true(echo_serves(&peer->rig->b));
	peer_up(peer, RX_NUM, 4096);
	assert_int_equal(peer_counts(peer)->open, 0);
	flow_from_host(&flow, peer, 70);
	flow_works(&flow);
	close(flow.fd);
}
