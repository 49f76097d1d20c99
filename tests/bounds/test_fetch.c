// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a driver can change while it is looked at is loaded once, so that what was checked is what is used: descriptors,
 * slots of the available ring, and each byte of a buffer that a device looks at itself. Of every device, and of chains
 * of every shape.
 */
#include "tests/bounds/loads.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/json.h"

#define NUM     128u /* entries of each ring */
#define ROUNDS  3u   /* kicks */
#define PARTS   4u
#define KERNEL  0u /* loads of what only the kernel reads */
#define SKIPPED 0u

/* A request, and the device and queue that it is for. */
struct request {
	const char *name, *class, *options;
	uint64_t features; /* beside those of the ring */
	unsigned queue;
	struct part parts[PARTS];              /* up to one without a length */
	uint32_t cuts[3];                      /* lengths of pieces; 0 at the end */
	void (*before)(struct driver *driver); /* or NULL; not counted */
	void (*then)(struct driver *driver);   /* or NULL: for each chain, after the kick */
};

#define READABLE(n, times, ...)                                                       \
	{                                                                             \
		.bytes = (const uint8_t[n]){ __VA_ARGS__ }, .len = n, .loads = times, \
	}
#define WRITABLE(n)                     \
	{                               \
		.len = n, .writable = 1 \
	}
#define ZEROS(n, times)                   \
	{                                 \
		.len = n, .loads = times, \
	}

/* --- what a device must have been told before --------------------------------------------------------------------- */

static void one(struct driver *driver, unsigned q, const void *bytes, uint32_t len)
{
	struct ring *ring = &driver->rings[q];
	uint64_t gpa = gpa_alloc(driver->rig, len, 1);
	uint16_t at = ring_used_idx(ring);

	memcpy(gpa_ptr(driver->rig, gpa, len), bytes, len);
	pieces_add(ring, (uint16_t)(ring->num - 1), &(struct piece){ gpa, len, false }, 1);
	kick(driver, q);
	assert_true(used_comes(ring, (uint16_t)(at + 1)));
}

static void open_port(struct driver *driver)
{
	/* it is told of both: port 0 is a console, and open; the name of port 1, and that its client is there */
	for (uint16_t head = 0; head < 4; head++)
		pieces_add(&driver->rings[2], head, &(struct piece){ gpa_alloc(driver->rig, 128, 1), 128, true }, 1);
	kick(driver, 2);
	one(driver, 3, (const uint8_t[]){ 0, 0, 0, 0, 3, 0, 1, 0 }, 8); /* PORT_READY of port 0 */
	one(driver, 3, (const uint8_t[]){ 0, 0, 0, 0, 6, 0, 1, 0 }, 8); /* PORT_OPEN */
	one(driver, 3, (const uint8_t[]){ 1, 0, 0, 0, 3, 0, 1, 0 }, 8); /* of port 1, whose client waits */
	one(driver, 3, (const uint8_t[]){ 1, 0, 0, 0, 6, 0, 1, 0 }, 8);
	assert_true(used_comes(&driver->rings[2], 4));
}

/* What a device is to receive; one message each time. */
static int peer = -1;

static void peer_sends(struct driver *driver)
{
	const char frame[60] = "to all";

	(void)driver;
	assert_int_equal(send(peer, frame, sizeof(frame), MSG_NOSIGNAL), sizeof(frame));
}

/* virtio 1.2, 5.10.6: from the guest's port 7 to the host's 9, where nobody is */
#define VSOCK_HEADER(op, n)                                                                                          \
	3, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, n, 0, 0, 0, 1, 0, op, 0, 0, 0, 0, 0, \
		0, 0, 1, 0, 0, 0, 0, 0

/* It is answered. */
static void connect_nowhere(struct driver *driver)
{
	loads_chain(&driver->rings[1], DIRECT, 44, &(struct part)READABLE(44, 1, VSOCK_HEADER(1, 0)), 1);
	kick(driver, 1);
}

/* --- the requests ------------------------------------------------------------------------------------------------- */

static const struct request requests[] = {
	{ "numbers",
	  "test",
	  NULL,
	  BIT(0),
	  0,
	  { READABLE(8, 1, 1, 0, 0, 0, 2), ZEROS(3, SKIPPED), WRITABLE(9) },
	  .cuts = { 9, 5, 3 } },
	{ "random bytes", "rng", NULL, 0, 0, { ZEROS(5, SKIPPED), WRITABLE(5000) }, .cuts = { 5000, 700 } },
	/* 5.2.6: type, reserved, sector */
	{ "a read", "blk", "", 0, 0, { ZEROS(16, 1), WRITABLE(4097) }, .cuts = { 4097, 512, 200 } },
	{ "a read, by threads", "blk", "io=threads", 0, 0, { ZEROS(16, 1), WRITABLE(4097) }, .cuts = { 4097, 512 } },
	{ "a write",
	  "blk",
	  "",
	  0,
	  0,
	  { READABLE(16, 1, 1), ZEROS(4096, KERNEL), WRITABLE(1) },
	  .cuts = { 4096, 512, 200 } },
	{ "a write, by threads",
	  "blk",
	  "io=threads",
	  0,
	  0,
	  { READABLE(16, 1, 1), ZEROS(4096, KERNEL), WRITABLE(1) },
	  .cuts = { 4096, 1000 } },
	{ "a flush", "blk", "", BIT(9), 0, { READABLE(16, 1, 4), WRITABLE(1) }, .cuts = { 16, 1 } },
	{ "its name", "blk", "", 0, 0, { READABLE(16, 1, 8), WRITABLE(21) }, .cuts = { 21, 3 } },
	{ "write zeroes",
	  "blk",
	  "",
	  BIT(14),
	  0,
	  { READABLE(16, 1, 13), READABLE(16, 1, 0, 0, 0, 0, 0, 0, 0, 0, 8), WRITABLE(1) },
	  .cuts = { 16, 5, 1 } },
	{ "no such request",
	  "blk",
	  "",
	  0,
	  0,
	  { READABLE(16, 1, 99), ZEROS(40, SKIPPED), WRITABLE(1) },
	  .cuts = { 40, 7 } },
	/* 5.5.6: numbers of pages; those beyond RAM and the last one of it */
	{ "pages",
	  "balloon",
	  NULL,
	  0,
	  0,
	  { READABLE(8, 1, 0xff, 0x3f, 0, 0, 0, 0, 0xff), ZEROS(2, SKIPPED), WRITABLE(4) },
	  .cuts = { 8, 4, 3 } },
	{ "pages back", "balloon", NULL, 0, 1, { READABLE(8, 1, 0xff, 0x3f, 0, 0, 1), WRITABLE(4) }, .cuts = { 8, 3 } },
	{ "statistics", "balloon", NULL, BIT(1), 2, { ZEROS(25, 1) }, .cuts = { 25, 10, 7 } },
	{ "hints",
	  "balloon",
	  "free-page-hint=on",
	  BIT(3),
	  3,
	  { READABLE(4, 1, 2), WRITABLE(9000) },
	  .cuts = { 9000, 3 << 10, 100 } },
	{ "reports", "balloon", "free-page-reporting=on", BIT(5), 4, { WRITABLE(9000) }, .cuts = { 9000, 3 << 10 } },
	/* 5.3.6 */
	{ "the terminal's bytes", "console", "", 0, 1, { ZEROS(300, 1), WRITABLE(3) }, .cuts = { 300, 50, 7 } },
	{ "a port's bytes",
	  "console",
	  "",
	  BIT(1),
	  5,
	  { ZEROS(300, 1), WRITABLE(3) },
	  .cuts = { 300, 50, 7 },
	  .before = open_port },
	{ "control", "console", "", BIT(1), 3, { ZEROS(8, 1), ZEROS(5, SKIPPED) }, .cuts = { 8, 4, 3 } },
	/* 5.1.6: the header says nothing where no offload was offered; the frame is the kernel's */
	{ "a frame", "net", "", 0, 1, { ZEROS(12, 1), ZEROS(100, KERNEL), WRITABLE(4) }, .cuts = { 112, 12, 5 } },
	{ "too short a frame", "net", "", 0, 1, { ZEROS(20, SKIPPED) }, .cuts = { 20, 5 } },
	{ "an address",
	  "net",
	  "",
	  BIT(17) | BIT(23),
	  2,
	  { READABLE(2, 1, 1, 1), ZEROS(6, 1), WRITABLE(1) },
	  .cuts = { 8, 3, 1 } },
	{ "filters",
	  "net",
	  "",
	  BIT(17) | BIT(18),
	  2,
	  { READABLE(2, 1, 1, 0), ZEROS(8, 1), ZEROS(90, SKIPPED), WRITABLE(1) },
	  .cuts = { 90, 9 } },
	{ "a connection",
	  "vsock",
	  "",
	  BIT(0),
	  1,
	  { READABLE(44, 1, VSOCK_HEADER(1, 0)), WRITABLE(4) },
	  .cuts = { 44, 9, 3 } },
	{ "a connection's data",
	  "vsock",
	  "",
	  BIT(0),
	  1,
	  { READABLE(44, 1, VSOCK_HEADER(5, 200)), ZEROS(200, 1), WRITABLE(4) },
	  .cuts = { 244, 50, 9 } },
	{ "a frame for the guest", "net", "", 0, 0, { WRITABLE(100) }, .cuts = { 100, 9 }, .then = peer_sends },
	{ "bytes for a port",
	  "console",
	  "",
	  BIT(1),
	  4,
	  { ZEROS(9, SKIPPED), WRITABLE(100) },
	  { 100, 9 },
	  open_port,
	  peer_sends },
	{ "an answer", "vsock", "", BIT(0), 0, { WRITABLE(100) }, .cuts = { 100, 9 }, .then = connect_nowhere },
	{ "half a header", "vsock", "", BIT(0), 1, { ZEROS(30, 1) }, .cuts = { 30, 9 } },
};

/* --- devices, and who is at their other end ----------------------------------------------------------------------- */

static char text[512];

static int connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(addr.sun_path, path, sizeof(addr.sun_path) - 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* What each class needs besides what the request asks for. */
static const char *options_of(const struct request *request)
{
	const char *more = request->options && *request->options ? "," : "";
	int pair[2];

	if (strcmp(request->class, "blk") == 0) {
		int fd = open(scratch_path("image"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		assert_true(fd >= 0 && ftruncate(fd, 1 << 20) == 0 && close(fd) == 0);
		snprintf(text, sizeof(text), "path=%s%s%s", scratch_path("image"), more, request->options);
	} else if (strcmp(request->class, "net") == 0) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
		peer = pair[1];
		snprintf(text, sizeof(text), "fd=%d", pair[0]);
	} else if (strcmp(request->class, "vsock") == 0) {
		snprintf(text, sizeof(text), "socket=%s", scratch_path("v"));
	} else if (strcmp(request->class, "console") == 0) {
		snprintf(text, sizeof(text), "port=p:%s", scratch_path("p"));
	} else {
		return request->options;
	}
	return text;
}

static void add(struct driver *driver, struct rig *rig, const struct request *request)
{
	assert_int_equal(driver_add(driver, rig, request->class, options_of(request)), 0);
	if (strcmp(request->class, "console") == 0)
		peer = connect_to(scratch_path("p"));
	driver->num = NUM;
	rig_loop_start(rig);
}

static void up(struct driver *driver, uint64_t features)
{
	assert_true(driver_negotiate(driver, F_VERSION_1 | F_INDIRECT | features));
	for (unsigned q = 0; q < driver->dev->n_queues; q++) {
		unsigned most = virtio_queue_size(driver->dev, q);

		ring_place(&driver->rings[q], NUM < most ? NUM : most);
		ring_program(&driver->rings[q]);
		ring_ready(&driver->rings[q], 1);
	}
	reg_put(driver, R_STATUS, S_UP);
}

/* --- the tests ---------------------------------------------------------------------------------------------------- */

static void drain(void)
{
	char bytes[4096];

	while (peer >= 0 && recv(peer, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

/* Adds a round's chains; how many. */
static unsigned add_chains(struct ring *ring, const struct request *request, enum shape shape, uint32_t cut)
{
	unsigned n = 0;

	while (n < PARTS && request->parts[n].len)
		n++;
	loads_chain(ring, shape, cut, request->parts, n);
	if (shape == DIRECT)
		return 1;
	loads_chain(ring, INDIRECT, request->cuts[0], request->parts, n);
	return 2;
}

static void loaded_once(struct driver *driver, const struct request *request, enum shape shape, uint32_t cut,
			bool event_idx)
{
	struct ring *ring = &driver->rings[request->queue];
	unsigned kept = request->queue == 2 && strcmp(request->class, "balloon") == 0; /* until the next one comes */
	const char *wrong = NULL;

	up(driver, request->features | (event_idx ? F_EVENT_IDX : 0));
	if (request->before)
		request->before(driver);
	loads_begin(driver);
	for (unsigned round = 0; round < ROUNDS && !wrong; round++) {
		uint16_t idx = ring_used_idx(ring);
		unsigned n = add_chains(ring, request, shape, cut);

		kick(driver, request->queue);
		for (unsigned i = 1; i <= n && request->then; i++) { /* a message each, of which none goes together */
			request->then(driver);
			used_comes(ring, (uint16_t)(idx + i));
		}
		if (!used_comes(ring, (uint16_t)(ring->avail_idx - kept)))
			wrong = "not all chains are used";
		drain();
		if (shape != INDIRECT && cut != request->cuts[0])
			break; /* the ring's own table is used up */
	}
	if (!wrong)
		wrong = loads_wrong(driver, event_idx);
	if (wrong)
		test_fail("%s: %s, %s, pieces of %u%s: %s", request->class, request->name, shape_names[shape], cut,
			  event_idx ? ", EVENT_IDX" : "", wrong);
}

struct test {
	const struct request *request;
	struct rig *rig;
};

static int setup(void **state)
{
	static struct test test;
	void *rig;

	test.request = *state;
	if (rig_setup(&rig))
		return -1;
	test.rig = rig;
	*state = &test;
	return 0;
}

static int teardown(void **state)
{
	void *rig = ((struct test *)*state)->rig;

	if (peer >= 0)
		close(peer);
	peer = -1;
	return rig_teardown(&rig);
}

static void a_request(void **state)
{
	const struct test *test = *state;
	const struct request *request = test->request;
	struct driver driver;

	add(&driver, test->rig, request);
	for (unsigned shape = 0; shape < SHAPES; shape++)
		for (unsigned i = 0; i < 3 && request->cuts[i]; i++)
			for (unsigned event_idx = 0; event_idx < 2; event_idx++)
				loaded_once(&driver, request, shape, request->cuts[i], event_idx);
}

#define N_REQUESTS (sizeof(requests) / sizeof(requests[0]))

int main(void)
{
	struct CMUnitTest tests[N_REQUESTS];
	char names[N_REQUESTS][64];

	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	for (unsigned i = 0; i < N_REQUESTS; i++) {
		snprintf(names[i], sizeof(names[i]), "%s: %s", requests[i].class, requests[i].name);
		tests[i] = (struct CMUnitTest){ names[i], a_request, setup, teardown, (void *)&requests[i] };
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
