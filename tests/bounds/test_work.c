// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much one kick can have a device do: with the longest rings, full of the longest chains. Chains, descriptors,
 * bytes that are copied and calls of the host are counted (Makefile: --wrap); what is left is done later, all of it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/json.h"
#include "tests/unit/pieces.h"
#include "vmm/terminal.h"

#define CHAINS 600u /* that are made available: more than one kick may take */
#define TABLE  1024u
#define CALL   256u /* chains of one call of a device */

static struct {
	unsigned chains, calls, lines;
	uint64_t descs, bytes;
} did;

/* --- what is counted ---------------------------------------------------------------------------------------------- */

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#define COUNTED(type, name, params, args, count) \
	type __real_##name params;               \
	type __wrap_##name params                \
	{                                        \
		count;                           \
		return __real_##name args;       \
	}
COUNTED(size_t, chain_read, (struct virtio_chain * chain, void *to, size_t len), (chain, to, len), did.bytes += len)
COUNTED(size_t, chain_write, (struct virtio_chain * chain, const void *from, size_t len), (chain, from, len),
	did.bytes += len)
COUNTED(uint64_t, mem_discard, (void *host, uint64_t len), (host, len), did.calls++)
COUNTED(ssize_t, getrandom, (void *to, size_t len, unsigned flags), (to, len, flags), did.calls++)
COUNTED(ssize_t, writev, (int fd, const struct iovec *iov, int n), (fd, iov, n), did.calls++)
COUNTED(ssize_t, send, (int fd, const void *bytes, size_t len, int flags), (fd, bytes, len, flags), did.calls++)
COUNTED(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len), did.calls++)
COUNTED(size_t, terminal_try_write, (struct terminal * t, const void *bytes, size_t len), (t, bytes, len), did.calls++)

void __real_terminal_line(struct terminal *t, const char *line);
void __wrap_terminal_line(struct terminal *t, const char *line)
{
	did.lines++;
	__real_terminal_line(t, line);
}

const char *__real_virtq_walk(struct virtq *vq, struct virtio_chain *chain, struct iovec *iov);
const char *__wrap_virtq_walk(struct virtq *vq, struct virtio_chain *chain, struct iovec *iov)
{
	const char *rule = __real_virtq_walk(vq, chain, iov);

	did.chains++;
	did.descs += vq->n_seen;
	return rule;
}

/* --- the worst ---------------------------------------------------------------------------------------------------- */

/* A queue, what each chain of it is, and bounds for one kick; the first of the bytes are `header`. */
struct worst {
	const char *name, *class, *options;
	unsigned queue;
	uint32_t readable, writable; /* bytes of each of the pieces */
	unsigned n_readable, n_writable;
	uint8_t header[48];
	unsigned header_len;
	unsigned chains, calls, lines;
	uint64_t bytes;
	bool all; /* whoever is at the other end takes it all in the end */
};

#define PAGE_NUMBERS 4096u

static const struct worst worst[] = {
	{ .name = "numbers",
	  .class = "test",
	  .readable = 4000,
	  .n_readable = 1023,
	  .chains = CALL,
	  .lines = 1024 + 256,
	  .bytes = 4 * (1024 + 256),
	  .all = true },
	{ .name = "one number each",
	  .class = "test",
	  .readable = 4,
	  .n_readable = 1,
	  .chains = CALL,
	  .lines = CALL,
	  .bytes = 4 * CALL,
	  .all = true },
	{ .name = "random bytes",
	  .class = "rng",
	  .writable = 40000,
	  .n_writable = 1023,
	  .chains = CALL,
	  .calls = CALL,
	  .bytes = CALL * 4096,
	  .all = true },
	{ .name = "pages",
	  .class = "balloon",
	  .readable = 4096,
	  .n_readable = 1023,
	  .chains = 4,
	  .calls = PAGE_NUMBERS,
	  .bytes = 4 * PAGE_NUMBERS,
	  .all = true },
	{ .name = "reports",
	  .class = "balloon",
	  .options = "free-page-reporting=on",
	  .queue = 4,
	  .writable = 8192,
	  .n_writable = 31,
	  .chains = 32,
	  .calls = 32 * 31,
	  .all = true },
	{ .name = "the terminal",
	  .class = "console",
	  .queue = 1,
	  .readable = 60000,
	  .n_readable = 1000,
	  .chains = CALL,
	  .calls = 64,
	  .bytes = 66 * 4096 },
	{ .name = "frames",
	  .class = "net",
	  .queue = 1,
	  .readable = 64,
	  .n_readable = 1000,
	  .chains = CALL,
	  .calls = CALL,
	  .bytes = CALL * 12 },
	{ .name = "commands",
	  .class = "net",
	  .queue = 2,
	  .readable = 40,
	  .n_readable = 1,
	  .writable = 1,
	  .n_writable = 1,
	  .chains = 16,
	  .bytes = 16 * 10,
	  .all = true },
	{ .name = "packets",
	  .class = "vsock",
	  .queue = 1,
	  .readable = 60000,
	  .n_readable = 1000,
	  .chains = CALL,
	  .header = { 3, [8] = 2, [16] = 7, [20] = 9, [28] = 1, [30] = 5 },
	  .header_len = 44,
	  .calls = CALL,
	  .bytes = CALL * (44 + (128ull << 10)) },
	{ .name = "connections",
	  .class = "vsock",
	  .queue = 1,
	  .readable = 44,
	  .n_readable = 1,
	  .chains = CALL,
	  .header = { 3, [8] = 2, [16] = 7, [20] = 9, [28] = 1, [30] = 1 },
	  .header_len = 44,
	  .calls = CALL,
	  .bytes = CALL * (44 + (128ull << 10)) },
	{ .name = "requests",
	  .class = "blk",
	  .readable = 16,
	  .n_readable = 1,
	  .writable = 60000,
	  .n_writable = 1022,
	  .chains = CALL,
	  .bytes = CALL * 16 },
};

static const char *options_of(const struct worst *w)
{
	static char text[512];
	int pair[2];

	if (strcmp(w->class, "blk") == 0) {
		int fd = open(scratch_path("image"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		assert_true(fd >= 0 && ftruncate(fd, 128 << 20) == 0 && close(fd) == 0);
		snprintf(text, sizeof(text), "queue-size=32768,path=%s", scratch_path("image"));
	} else if (strcmp(w->class, "net") == 0) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
		snprintf(text, sizeof(text), "queue-size=32768,fd=%d", pair[0]);
	} else if (strcmp(w->class, "vsock") == 0) {
		snprintf(text, sizeof(text), "queue-size=32768,socket=%s", scratch_path("v"));
	} else {
		snprintf(text, sizeof(text), "queue-size=32768%s%s", w->options ? "," : "",
			 w->options ? w->options : "");
	}
	return text;
}

/* All heads are the same table: it costs the driver nothing. */
static void fill(struct ring *ring, const struct worst *w, unsigned chains)
{
	struct rig *rig = ring->driver->rig;
	uint64_t table = gpa_alloc(rig, 16 * TABLE, 16), bytes = gpa_alloc(rig, 1 << 16, 4096);
	unsigned n = w->n_readable + w->n_writable;

	memcpy(gpa_ptr(rig, bytes, w->header_len + 1), w->header, w->header_len);
	for (unsigned i = 0; i < n; i++)
		put_desc(rig, table, (uint16_t)i, i < w->n_readable && w->header_len == 0 ? RAM_SIZE / 2 : bytes,
			 i < w->n_readable ? w->readable : w->writable,
			 (uint16_t)((i < w->n_readable ? 0 : D_WRITE) | (i + 1 < n ? D_NEXT : 0)), (uint16_t)(i + 1));
	for (uint16_t head = 0; head < chains && head < ring->num; head++) {
		ring_desc(ring, head, table, 16 * n, D_INDIRECT, 0);
		ring_add(ring, head);
	}
}

struct test {
	const struct worst *worst;
	struct rig *rig;
};

static void at_worst(void **state)
{
	const struct test *test = *state;
	const struct worst *w = test->worst;
	struct driver d;

	assert_int_equal(driver_add(&d, test->rig, w->class, options_of(w)), 0);
	assert_true(driver_negotiate(&d, offered_features(&d) & ~F_EVENT_IDX));
	for (unsigned q = 0; q < d.dev->n_queues; q++) {
		ring_place(&d.rings[q], q == w->queue ? virtio_queue_size(d.dev, q) : 16);
		ring_program(&d.rings[q]);
		ring_ready(&d.rings[q], 1);
	}
	reg_put(&d, R_STATUS, S_UP);
	fill(&d.rings[w->queue], w, CHAINS);
	memset(&did, 0, sizeof(did));
	kick(&d, w->queue);
	if (reg_get(&d, R_STATUS) != S_UP)
		test_fail("the device failed");
	if (!did.chains || did.chains > w->chains || did.descs > (uint64_t)w->chains * 2 * TABLE ||
	    did.calls > w->calls || did.lines > w->lines || did.bytes > w->bytes)
		test_fail("one kick: %u chains, %llu descriptors, %llu bytes, %u calls, %u lines", did.chains,
			  (unsigned long long)did.descs, (unsigned long long)did.bytes, did.calls, did.lines);
	dprintf(test->rig->saved_err, "# %s: %u chains, %llu descriptors, %llu bytes, %u calls, %u lines\n", w->name,
		did.chains, (unsigned long long)did.descs, (unsigned long long)did.bytes, did.calls, did.lines);
	if (!w->all)
		return;
	rig_loop_start(test->rig);
	assert_true(used_comes(&d.rings[w->queue], d.rings[w->queue].avail_idx));
	rig_loop_stop(test->rig);
}

/* --- chains that a device keeps ----------------------------------------------------------------------------------- */

struct keeper {
	struct virtio_chain kept[1024];
	unsigned n, pops;
};

static void keeper_kick(struct virtio_dev *dev, unsigned q)
{
	struct keeper *keeper = virtio_priv(dev);

	while (vq_pop(dev, q, &keeper->kept[keeper->n]) > 0) {
		keeper->n++;
		keeper->pops++;
	}
}

/* Gives back as many as the byte says. */
static void keeper_write(struct virtio_dev *dev, size_t off, size_t len, const void *bytes)
{
	struct keeper *keeper = virtio_priv(dev);

	(void)off;
	(void)len;
	for (unsigned n = *(const uint8_t *)bytes; n && keeper->n; n--)
		vq_push(dev, 0, &keeper->kept[--keeper->n], 0);
}

#define KEEPER(keeper_name, keeper_chains)                                                           \
	static const struct virtio_class keeper_name##_class = { .name = #keeper_name,               \
								 .help = "keeps what it gets",       \
								 .id = 0x7e58,                       \
								 .n_queues = 1,                      \
								 .queue_size = 256,                  \
								 .config_size = 1,                   \
								 .priv_size = sizeof(struct keeper), \
								 .chains = keeper_chains,            \
								 .kick = keeper_kick,                \
								 .config_write = keeper_write };     \
	VIRTIO_DEVICE(keeper_name##_class)
KEEPER(three, 3);
KEEPER(all, 0);

/* No more chains are out than there is memory for; each that comes back lets another one out, without a kick. */
static void keeps(struct rig *rig, const char *class, unsigned most)
{
	static const struct worst empty = { .readable = 1, .n_readable = 1 };
	const struct keeper *keeper;
	struct driver d;

	assert_int_equal(driver_add(&d, rig, class, "queue-size=32768"), 0);
	keeper = virtio_priv(d.dev);
	d.num = 1024;
	for (unsigned event_idx = 0; event_idx < 2; event_idx++) {
		((struct keeper *)virtio_priv(d.dev))->n = ((struct keeper *)virtio_priv(d.dev))->pops = 0;
		assert_true(driver_up(&d, F_VERSION_1 | F_INDIRECT | (event_idx ? F_EVENT_IDX : 0)));
		fill(&d.rings[0], &empty, CHAINS);
		kick(&d, 0);
		wait_until(keeper->pops == most);
		kick(&d, 0);
		assert_int_equal(keeper->pops, most);
		for (unsigned n = 1; n <= 2; n++) {
			unsigned before = keeper->pops;

			window_put(&d, R_CONFIG, 1, n);
			wait_until(keeper->pops == before + n);
		}
		/* and all in the end */
		while (ring_used_idx(&d.rings[0]) != CHAINS)
			window_put(&d, R_CONFIG, 1, 255);
		assert_int_equal(keeper->pops, CHAINS);
		assert_int_equal(reg_get(&d, R_STATUS), S_UP);
	}
}

static void chains_that_are_kept(void **state)
{
	struct test *test = *state;

	rig_loop_start(test->rig);
	keeps(test->rig, "three", 3);
	keeps(test->rig, "all", 256);
}

static int setup(void **state)
{
	static struct test test;
	void *rig;

	test.worst = *state;
	if (rig_setup(&rig))
		return -1;
	test.rig = rig;
	*state = &test;
	return 0;
}

static int teardown(void **state)
{
	void *rig = ((struct test *)*state)->rig;

	return rig_teardown(&rig);
}

#define N_WORST (sizeof(worst) / sizeof(worst[0]))

int main(void)
{
	struct CMUnitTest tests[N_WORST + 1];

	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; i < N_WORST; i++)
		tests[i] = (struct CMUnitTest){ worst[i].name, at_worst, setup, teardown, (void *)&worst[i] };
	tests[N_WORST] = (struct CMUnitTest){ "chains that are kept", chains_that_are_kept, setup, teardown, NULL };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
