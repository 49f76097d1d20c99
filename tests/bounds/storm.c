// SPDX-License-Identifier: GPL-2.0-only
#include "tests/bounds/storm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/json.h"
#include "tests/unit/support.h"

#define SERVE_NS  1000000000ull
#define BUFFERS   (1u << 20) /* bytes, in which all buffers and tables lie */
#define IMAGE     (1u << 20)
#define HOST_PORT 9 /* where somebody listens */
#define CHAIN_MAX 12u

const char *const storm_classes[] = {
	"test", "rng", "blk", "blk io=threads", "balloon", "console", "net", "vsock", NULL
};

static uint32_t pick(struct storm *storm, uint32_t n)
{
	return (uint32_t)(random_next(&storm->random) >> 32) % n;
}

/* --- who is at the other end -------------------------------------------------------------------------------------- */

static int unix_socket(const char *name, struct sockaddr_un *addr)
{
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	strncpy(addr->sun_path, scratch_path(name), sizeof(addr->sun_path) - 1);
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static const char *make_options(struct storm *storm)
{
	static char text[512];
	struct sockaddr_un addr;
	int fd, pair[2];

	if (strncmp(storm->class, "blk", 3) == 0) {
		fd = open(scratch_path(storm->class), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0 && ftruncate(fd, IMAGE) == 0 && close(fd) == 0);
		snprintf(text, sizeof(text), "path=%s,queues=2%s%s", scratch_path(storm->class),
			 storm->class[3] ? "," : "", storm->class[3] ? storm->class + 4 : "");
	} else if (strcmp(storm->class, "net") == 0) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
		storm->peer = pair[1];
		fcntl(storm->peer, F_SETFD, FD_CLOEXEC);
		snprintf(text, sizeof(text), "fd=%d", pair[0]);
	} else if (strcmp(storm->class, "vsock") == 0) {
		snprintf(text, sizeof(text), "v_%u", HOST_PORT);
		storm->listener = unix_socket(text, &addr);
		assert_int_equal(bind(storm->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
		assert_int_equal(listen(storm->listener, 256), 0);
		snprintf(text, sizeof(text), "socket=%s", scratch_path("v"));
	} else if (strcmp(storm->class, "console") == 0) {
		snprintf(text, sizeof(text), "port=p:%s", scratch_path("p"));
	} else {
		return strcmp(storm->class, "balloon") ? NULL :
							 "free-page-hint=on,free-page-reporting=on,stats-interval=10ms";
	}
	return text;
}

void storm_add(struct storm *storm, struct rig *rig, const char *class, uint64_t seed)
{
	char name[16];

	*storm = (struct storm){ .class = class, .random = seed * 0x9e3779b97f4a7c15u + 1, .peer = -1, .listener = -1 };
	memset(storm->taken, -1, sizeof(storm->taken));
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(class, " "), class);
	assert_int_equal(driver_add(&storm->d, rig, name, make_options(storm)), 0);
	if (strcmp(class, "console") == 0) {
		struct sockaddr_un addr;

		storm->peer = unix_socket("p", &addr);
		assert_int_equal(connect(storm->peer, (struct sockaddr *)&addr, sizeof(addr)), 0);
		storm->accepts = 1;
	}
	for (unsigned q = 0; q < storm->d.dev->n_queues; q++) {
		unsigned most = virtio_queue_size(storm->d.dev, q);

		ring_place(&storm->d.rings[q], STORM_NUM < most ? STORM_NUM : most);
	}
	storm->buffers = gpa_alloc(rig, BUFFERS, 4096);
}

/* The host's programs take something, say something, or go. */
static void other_end(struct storm *storm)
{
	static char bytes[65536];
	int *fd = storm->listener >= 0 ? &storm->taken[pick(storm, 4)] : &storm->peer;

	if (storm->listener >= 0 && *fd < 0)
		*fd = accept4(storm->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (*fd < 0)
		return;
	while (recv(*fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
	send(*fd, bytes, 1 + pick(storm, 2000), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (storm->listener >= 0 && pick(storm, 4) == 0) {
		close(*fd);
		*fd = -1;
	}
}

void storm_end(struct storm *storm)
{
	reg_put(&storm->d, R_STATUS, 0);
	for (unsigned i = 0; i < 4; i++)
		if (storm->taken[i] >= 0)
			close(storm->taken[i]);
	/* those that nobody has accepted yet */
	for (int fd; storm->listener >= 0 && (fd = accept4(storm->listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;)
		close(fd);
	memset(storm->taken, -1, sizeof(storm->taken));
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* What the device of that class would read first; nonsense now and then. */
static void put_header(struct storm *storm, unsigned q, uint64_t gpa)
{
	static const uint32_t blk_types[] = { 0, 0, 1, 1, 4, 8, 11, 13, 99 };
	struct rig *rig = storm->d.rig;
	const char *class = storm->class;

	for (unsigned i = 0; i < 64; i += 8)
		put64(rig, gpa + i, random_next(&storm->random));
	if (pick(storm, 10) == 0)
		return;
	if (strncmp(class, "blk", 3) == 0) {
		put32(rig, gpa, blk_types[pick(storm, 9)]);
		put64(rig, gpa + 8, pick(storm, 10) ? pick(storm, IMAGE / 512) : random_next(&storm->random));
		put64(rig, gpa + 16, pick(storm, IMAGE / 512)); /* a segment, where it is for one */
		put64(rig, gpa + 24, pick(storm, 64));
	} else if (strcmp(class, "balloon") == 0) {
		for (unsigned i = 0; i < 64; i += 4) /* the upper half of RAM, where nothing lies */
			put32(rig, gpa + i, 8192 + pick(storm, 8192));
		if (q == 3)
			put32(rig, gpa, pick(storm, 8));
	} else if (strcmp(class, "console") == 0) {
		put32(rig, gpa, pick(storm, 3));
		put32(rig, gpa + 4, pick(storm, 9) | pick(storm, 2) << 16);
	} else if (strcmp(class, "net") == 0 && q == 2) {
		put16(rig, gpa, (uint16_t)(pick(storm, 6) | pick(storm, 3) << 8));
	} else if (strcmp(class, "vsock") == 0) {
		put64(rig, gpa, 3);
		put64(rig, gpa + 8, 2);
		put32(rig, gpa + 16, pick(storm, 200));
		put32(rig, gpa + 20, pick(storm, 8) ? HOST_PORT : 10);
		put32(rig, gpa + 24, pick(storm, 300));
		put32(rig, gpa + 28, 1 | (pick(storm, 2) ? 1 + 4 * pick(storm, 2) : pick(storm, 9)) << 16);
		put32(rig, gpa + 32, pick(storm, 4));
		put64(rig, gpa + 36, pick(storm, 1u << 20));
	}
}

/* Whether the device reads or writes what is in this queue, where that is all the same to it. */
static bool is_read(struct storm *storm, unsigned q)
{
	if (strcmp(storm->class, "balloon") == 0)
		return q < 3;
	if (strcmp(storm->class, "console") == 0 || strcmp(storm->class, "net") == 0 ||
	    strcmp(storm->class, "vsock") == 0)
		return q % 2;
	return true;
}

static void add_chain(struct storm *storm, unsigned q, bool broken)
{
	struct ring *ring = &storm->d.rings[q];
	struct rig *rig = storm->d.rig;
	unsigned n = 2 + pick(storm, pick(storm, 4) ? 2 : CHAIN_MAX - 1),
		 readable = is_read(storm, q) ? 1 + pick(storm, n - 1) : 0;
	uint64_t header = storm->buffers + pick(storm, 1000) * 64, table = ring->desc;
	uint16_t head = (uint16_t)(ring->avail_idx * CHAIN_MAX % ring->num), at = head;

	put_header(storm, q, header);
	if (pick(storm, 2) || head + n > ring->num) {
		table = storm->buffers + 65536 + 4096ull * pick(storm, 16);
		at = 0;
		ring_desc(ring, head, table, 16 * n, D_INDIRECT, 0);
	}
	for (unsigned i = 0; i < n; i++) {
		uint64_t gpa = i ? storm->buffers + 131072 + pick(storm, BUFFERS - 131072 - 65536) : header;
		uint32_t len = i == 0 && readable ? 64 : pick(storm, 8) ? 512 * pick(storm, 9) : pick(storm, 65536);
		uint16_t flags = (uint16_t)((i >= readable ? D_WRITE : 0) | (i + 1 < n ? D_NEXT : 0));

		if (i == 0 && strncmp(storm->class, "blk", 3) == 0)
			len = pick(storm, 3) ? 16 : 32;
		if (i + 1 == n && strncmp(storm->class, "blk", 3) == 0)
			len = 1;
		if (broken && pick(storm, 3) == 0)
			put_desc(rig, table, at, random_next(&storm->random) >> pick(storm, 64), len,
				 (uint16_t)pick(storm, 8), (uint16_t)pick(storm, ring->num + 2));
		else
			put_desc(rig, table, at, gpa, len, flags, (uint16_t)(at + 1));
		at++;
	}
	ring_add(ring, head);
}

/* --- what it does ------------------------------------------------------------------------------------------------- */

static void come_up(struct storm *storm)
{
	struct driver *d = &storm->d;
	uint64_t features = offered_features(d);

	if (pick(storm, 8) == 0)
		features &= random_next(&storm->random) | F_VERSION_1;
	if (pick(storm, 2))
		features &= ~F_EVENT_IDX;
	storm->failures += (reg_get(d, R_STATUS) & S_NEEDS_RESET) != 0;
	driver_negotiate(d, features);
	for (unsigned q = 0; q < d->dev->n_queues; q++) {
		struct ring *ring = &d->rings[q];

		memset(gpa_ptr(d->rig, ring->avail, 6 + 2 * ring->num), 0, 6 + 2 * ring->num);
		memset(gpa_ptr(d->rig, ring->used, 6 + 8 * ring->num), 0, 6 + 8 * ring->num);
		ring->avail_idx = 0;
		ring_program(ring);
		ring_ready(ring, 1);
	}
	reg_put(d, R_STATUS, S_UP);
	storm->ups += reg_get(d, R_STATUS) == S_UP;
}

static void shake_queue(struct storm *storm, unsigned q)
{
	struct driver *d = &storm->d;

	reg_put(d, R_QUEUE_SEL, q);
	reg_put(d, pick(storm, 2) ? R_QUEUE_RESET : R_QUEUE_READY, pick(storm, 2));
	if (pick(storm, 2)) {
		d->rings[q].avail_idx = 0;
		memset(gpa_ptr(d->rig, d->rings[q].avail, 4), 0, 4);
		ring_program(&d->rings[q]);
		ring_ready(&d->rings[q], 1);
	}
}

static void poke(struct storm *storm)
{
	static const uint8_t widths[] = { 1, 2, 4, 8 };
	uint32_t off = pick(storm, 4) ? pick(storm, 0x44) * 4 : pick(storm, 0x140), width = widths[pick(storm, 4)];
	uint64_t value = random_next(&storm->random) >> pick(storm, 64);

	if (pick(storm, 2))
		window_get(&storm->d, off, width);
	else
		window_put(&storm->d, off, width, value);
}

/* A device whose kicks are the loop's has its turn, or the storm would be over before it. */
static void let_serve(struct driver *d)
{
	bool waits = true;

	for (uint64_t end = now_ns() + SERVE_NS; waits && now_ns() < end; sched_yield()) {
		pthread_mutex_lock(&d->dev->lock);
		waits = d->dev->again_queues;
		pthread_mutex_unlock(&d->dev->lock);
	}
}

void storm_step(struct storm *storm)
{
	struct driver *d = &storm->d;
	unsigned q = pick(storm, d->dev->n_queues), what = pick(storm, 100);

	if ((reg_get(d, R_STATUS) != S_UP && pick(storm, 4) == 0) || what == 0)
		come_up(storm);
	else if (what < 4)
		shake_queue(storm, q);
	else if (what < 12)
		poke(storm);
	else if (what < 20)
		other_end(storm);
	else if (what < 22)
		put16(d->rig, d->rings[q].avail + 2, (uint16_t)pick(storm, 65536)); /* avail.idx */
	else if (what < 25)
		kick(d, pick(storm, 20));
	else if (what < 30)
		reg_put(d, R_INTERRUPT_ACK, pick(storm, 4));
	else
		add_chain(storm, q, what < 34);
	if (pick(storm, 3))
		kick(d, q);
	if (d->dev->class->on_loop)
		let_serve(d);
}
