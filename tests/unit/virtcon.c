// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/virtcon.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/unit/support.h"
#include "vmm/terminal.h"

void virtcon_add(struct virtcon *con, struct rig *rig, const char *options)
{
	*con = (struct virtcon){ .rig = rig };
	assert_int_equal(driver_add(&con->d, rig, "console", options), 0);
	con->d.num = VIRTCON_RING;
}

void virtcon_up(struct virtcon *con, uint64_t features)
{
	con->control_seen = 0;
	assert_true(driver_up(&con->d, F_VERSION_1 | features));
}

void virtcon_all_open(struct virtcon *con, unsigned n)
{
	char wanted[256] = "", *at = wanted;

	virtcon_up(con, F_MULTIPORT | F_SIZE);
	give_control(con, 32);
	say(con, UINT32_MAX, DEVICE_READY, 1);
	for (unsigned port = 0; port < n; port++)
		at += sprintf(at, "%u ADD 1;", port);
	expect_control(con, wanted);
	for (unsigned port = 0; port < n; port++) {
		say(con, port, PORT_READY, 1);
		say(con, port, PORT_OPEN, 1);
	}
}

void virtcon_run(struct virtcon *con)
{
	console_open(&con->pipes);
	con->piped = true;
	assert_int_equal(terminal_start(con->rig->vm->terminal), 0);
	rig_loop_start(con->rig);
}

void virtcon_end(struct virtcon *con)
{
	rig_loop_stop(con->rig);
	console_close(&con->pipes);
}

void expect_shown(struct virtcon *con, const char *wanted)
{
	char *text = rig_output(con->rig);

	assert_string_equal(text, wanted);
	free(text);
}

void expect_serial(struct virtcon *con, const char *wanted)
{
	char bytes[64];
	size_t len = 0;

	wait_until((len += terminal_read(con->rig->vm->terminal, bytes + len, sizeof(bytes) - len)) == strlen(wanted));
	assert_memory_equal(bytes, wanted, len);
}

uint64_t counted(struct virtcon *con, const char *name)
{
	uint64_t count = 0;

	pthread_mutex_lock(&con->d.dev->lock);
	for (const struct counter_desc *desc = con->d.dev->class->counters; desc->name; desc++)
		if (strcmp(desc->name, name) == 0)
			memcpy(&count, (const char *)con->d.dev->priv + desc->offset, sizeof(count));
	pthread_mutex_unlock(&con->d.dev->lock);
	return count;
}

uint64_t give(struct virtcon *con, unsigned q, uint16_t head, uint32_t len)
{
	uint64_t gpa = gpa_alloc(con->rig, len, 1);

	ring_desc(&con->d.rings[q], head, gpa, len, D_WRITE, 0);
	ring_add(&con->d.rings[q], head);
	kick(&con->d, q);
	return gpa;
}

void post(struct virtcon *con, unsigned q, uint16_t head, const void *bytes, uint32_t len)
{
	uint64_t gpa = gpa_alloc(con->rig, len, 1);

	memcpy(gpa_ptr(con->rig, gpa, len), bytes, len);
	ring_desc(&con->d.rings[q], head, gpa, len, 0, 0);
	ring_add(&con->d.rings[q], head);
	kick(&con->d, q);
}

uint16_t used(struct virtcon *con, unsigned q)
{
	return ring_used_idx(&con->d.rings[q]);
}

void expect_bytes(struct virtcon *con, unsigned q, uint16_t at, uint64_t gpa, const char *bytes)
{
	wait_until(used(con, q) > at);
	assert_int_equal(ring_used_len(&con->d.rings[q], at), strlen(bytes));
	assert_memory_equal(gpa_ptr(con->rig, gpa, strlen(bytes)), bytes, strlen(bytes));
}

void give_control(struct virtcon *con, unsigned n)
{
	struct ring *ring = &con->d.rings[CONTROL_RX];

	while (n--) {
		uint16_t head = ring->avail_idx % VIRTCON_RING;

		con->control[head] = gpa_alloc(con->rig, VIRTCON_BUFFER, 1);
		ring_desc(ring, head, con->control[head], VIRTCON_BUFFER, D_WRITE, 0);
		ring_add(ring, head);
	}
	kick(&con->d, CONTROL_RX);
}

void say(struct virtcon *con, uint32_t port, uint16_t event, uint16_t value)
{
	uint64_t gpa = gpa_alloc(con->rig, 8, 1);
	struct ring *ring = &con->d.rings[CONTROL_TX];
	uint16_t head = ring->avail_idx % VIRTCON_RING, before = used(con, CONTROL_TX);

	put32(con->rig, gpa, port);
	put16(con->rig, gpa + 4, event);
	put16(con->rig, gpa + 6, value);
	ring_desc(ring, head, gpa, 8, 0, 0);
	ring_add(ring, head);
	kick(&con->d, CONTROL_TX);
	wait_until(used(con, CONTROL_TX) == (uint16_t)(before + 1)); /* Linux spins until then */
}

/* The next message in words, to `at`; returns its end. */
static char *describe_message(struct virtcon *con, char *at)
{
	static const char *const events[] = { "DEVICE_READY", "ADD",    "REMOVE", "PORT_READY",
					      "CONSOLE",      "RESIZE", "OPEN",   "NAME" };
	struct ring *ring = &con->d.rings[CONTROL_RX];
	uint32_t len = ring_used_len(ring, con->control_seen);
	uint64_t gpa = con->control[ring_used_id(ring, con->control_seen++)];

	assert_in_range(len, 8, VIRTCON_BUFFER);
	uint16_t event = get16(con->rig, gpa + 4);

	assert_in_range(event, 0, 7);
	at += sprintf(at, "%u %s %u", get32(con->rig, gpa), events[event], get16(con->rig, gpa + 6));
	if (event == RESIZE) {
		assert_int_equal(len, 12);
		at += sprintf(at, " %ux%u", get16(con->rig, gpa + 8), get16(con->rig, gpa + 10));
	} else if (event == PORT_NAME) {
		at += sprintf(at, " %.*s", (int)(len - 8), (const char *)gpa_ptr(con->rig, gpa + 8, len - 8));
	} else {
		assert_int_equal(len, 8);
	}
	return at + sprintf(at, ";");
}

void expect_control_(struct virtcon *con, const char *wanted, const char *file, int line)
{
	char got[1024] = "", *at = got;

	for (unsigned n = count_of(wanted, ";"); n; n--) {
		uint64_t end = now_ns() + 10000000000u;

		while (used(con, CONTROL_RX) == con->control_seen && now_ns() < end)
			usleep(200);
		if (used(con, CONTROL_RX) == con->control_seen)
			break;
		at = describe_message(con, at);
	}
	if (strcmp(got, wanted) != 0) {
		dprintf(con->rig->saved_err, "# the device says '%s', not '%s'\n", got, wanted);
		_fail(file, line);
	}
}

/* --- ports that are sockets --------------------------------------------------------------------------------------- */

char socket_dir[64];

int socket_setup(void **state)
{
	strcpy(socket_dir, "/tmp/console-XXXXXX");
	assert_non_null(mkdtemp(socket_dir));
	return rig_setup(state);
}

/* Whatever a test made, minivmm has taken its sockets away by then. */
int socket_teardown(void **state)
{
	rig_teardown(state);
	return rmdir(socket_dir);
}

const char *socket_path(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", socket_dir, name);
	return path;
}

static struct sockaddr_un address(const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, socket_path(name));
	return addr;
}

int socket_client(const char *name)
{
	struct sockaddr_un addr = address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

int socket_listener(const char *name)
{
	struct sockaddr_un addr = address(name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 1), 0);
	return fd;
}

void expect_heard(int fd, const char *bytes, size_t len)
{
	struct console reading = { .out = fd };

	console_expect(&reading, bytes, len);
}

void virtcon_add_ports(struct virtcon *con, struct rig *rig, const char *letters)
{
	char options[1024] = "", *at = options;

	for (; *letters; letters++)
		at += sprintf(at, "%sport=%c:%s", at == options ? "" : ",", *letters,
			      socket_path((char[]){ *letters, '\0' }));
	virtcon_add(con, rig, options);
}
