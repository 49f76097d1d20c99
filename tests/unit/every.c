// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/every.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/json.h"

#define RANGE(from, to) ((BIT((to) - (from)) * 2 - 1) << (from))
#define EVERY_RING      8u

/* virtio 1.2, 5.1 to 5.10; "test" is our own. */
static const struct every kinds[EVERY_N] = {
	{ .name = "net",
	  .type = 1,
	  .features = RANGE(0, 3) | BIT(5) | RANGE(7, 19) | RANGE(21, 23) | BIT(57) | RANGE(59, 63) },
	{ .name = "blk", .type = 2, .features = RANGE(1, 2) | RANGE(4, 6) | RANGE(9, 16) },
	{ .name = "console", .type = 3, .features = RANGE(0, 2) },
	{ .name = "rng", .type = 4 },
	{ .name = "balloon", .type = 5, .features = RANGE(0, 5) },
	{ .name = "vsock", .type = 19, .features = RANGE(0, 1) },
	{ .name = "test", .type = 21, .features = BIT(0) },
};

static int peer = -1; /* of the network card */

static const char *options_of(const char *name)
{
	static char text[512];
	int pair[2];

	text[0] = '\0';
	if (strcmp(name, "net") == 0) {
		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0)
			snprintf(text, sizeof(text), "fd=%d", pair[0]);
		peer = pair[1];
	} else if (strcmp(name, "blk") == 0) {
		const char *path = scratch_path("every-image");
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

		if (fd >= 0 && ftruncate(fd, 1 << 20) == 0)
			snprintf(text, sizeof(text), "path=%s,io=threads", path);
		close(fd);
	} else if (strcmp(name, "vsock") == 0) {
		unlink(scratch_path("every-socket"));
		snprintf(text, sizeof(text), "socket=%s", scratch_path("every-socket"));
	} else if (strcmp(name, "test") == 0) {
		snprintf(text, sizeof(text), "delay=60m,period=60m"); /* only what a test causes happens */
	}
	return text[0] ? text : NULL;
}

int every_setup(void **state)
{
	struct every *list = calloc(EVERY_N, sizeof(*list));
	void *rig;

	if (rig_setup(&rig))
		return -1;
	for (unsigned i = 0; i < EVERY_N; i++) {
		list[i] = kinds[i];
		if (driver_add(&list[i].d, rig, kinds[i].name, options_of(kinds[i].name))) {
			char *why = rig_errors(rig);

			rig_teardown(&rig);
			print_error("%s", why);
			return -1;
		}
		list[i].d.num = EVERY_RING;
	}
	*state = list;
	return 0;
}

int every_teardown(void **state)
{
	struct every *list = *state;
	void *rig = list[0].d.rig;

	rig_teardown(&rig);
	close(peer);
	free(list);
	return 0;
}

void every_up(struct every *every, uint64_t without)
{
	assert_true(driver_up(&every->d, offered_features(&every->d) & ~without));
	reg_put(&every->d, R_INTERRUPT_ACK, ISR_USED | ISR_CONFIG); /* what a device says as soon as it may */
	edges(&every->d);
}

void every_kick(struct every *every, uint32_t in, uint32_t out)
{
	struct driver *d = &every->d;

	for (unsigned q = 0; q < d->dev->n_queues; q++) {
		struct ring *ring = &d->rings[q];

		if (in)
			ring_desc(ring, 0, gpa_alloc(d->rig, in, 1), in, out ? D_NEXT : 0, 1);
		if (out)
			ring_desc(ring, in ? 1 : 0, gpa_alloc(d->rig, out, 1), out, D_WRITE, 0);
		ring_add(ring, 0);
		kick(d, q);
	}
}
