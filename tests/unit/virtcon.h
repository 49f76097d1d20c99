/* SPDX-License-Identifier: GPL-2.0-only */
/* The driver of a virtio console, played in plain memory (driver.h): buffers, bytes and control messages. */
#ifndef MINIVMM_UNIT_VIRTCON_H
#define MINIVMM_UNIT_VIRTCON_H

#include "tests/unit/console.h"
#include "tests/unit/driver.h"

#define F_SIZE      BIT(0)
#define F_MULTIPORT BIT(1)
#define F_EMERG     BIT(2)

#define COLS      (R_CONFIG + 0)
#define ROWS      (R_CONFIG + 2)
#define MAX_PORTS (R_CONFIG + 4)
#define EMERG_WR  (R_CONFIG + 8)

/* virtio 1.2, 5.3.2 */
#define RX(port)   ((port) ? 2 * (port) + 2u : 0u)
#define TX(port)   (RX(port) + 1)
#define CONTROL_RX 2
#define CONTROL_TX 3

/* virtio 1.2, 5.3.6.2 */
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };

#define VIRTCON_RING   64
#define VIRTCON_BUFFER 128 /* bytes of a control buffer */

struct virtcon {
	struct driver d;
	struct rig *rig;
	uint16_t control_seen;          /* messages of the device's that were looked at */
	uint64_t control[VIRTCON_RING]; /* gpa of the buffers for them, by head */
	bool piped;
	struct console pipes;
};

/* A console device with `options`; not up. */
void virtcon_add(struct virtcon *con, struct rig *rig, const char *options);
/* The driver is up, with fresh rings; MULTIPORT or not. No buffer is given. */
void virtcon_up(struct virtcon *con, uint64_t features);
/* ... and it knows `n` ports, has them open and has been told all: as Linux with its ports open. */
void virtcon_all_open(struct virtcon *con, unsigned n);

/* Standard input and output as pipes that the loop serves, in its thread, from now on; ends with virtcon_end(). */
void virtcon_run(struct virtcon *con);
void virtcon_end(struct virtcon *con);

/* What came out since the last time; of a test that has no pipes. */
void expect_shown(struct virtcon *con, const char *wanted);
/* Waits until the serial port could read just that. */
void expect_serial(struct virtcon *con, const char *wanted);
/* A count of the device's, by its name in --stats. */
uint64_t counted(struct virtcon *con, const char *name);

/* Adds a buffer of one descriptor, which is its head; returns its gpa. Kicks. */
uint64_t give(struct virtcon *con, unsigned q, uint16_t head, uint32_t len);
/* Sends bytes in a buffer of one descriptor. Kicks. */
void post(struct virtcon *con, unsigned q, uint16_t head, const void *bytes, uint32_t len);
uint16_t used(struct virtcon *con, unsigned q);
/* Waits for the next used buffer of q, number `at`, which holds these bytes from `gpa` on. */
void expect_bytes(struct virtcon *con, unsigned q, uint16_t at, uint64_t gpa, const char *bytes);

/* Control messages: buffers for `n` of the device's, and one of the driver's. */
void give_control(struct virtcon *con, unsigned n);
void say(struct virtcon *con, uint32_t port, uint16_t event, uint16_t value);
/* Waits for as many messages as `wanted` lists, "PORT EVENT VALUE[ TEXT];...": they are these. */
void expect_control_(struct virtcon *con, const char *wanted, const char *file, int line);
#define expect_control(con, wanted) expect_control_(con, wanted, __FILE__, __LINE__)

/* --- ports that are sockets, in a directory of the test's own --- */

/* A rig and its directory, which minivmm must leave empty. */
int socket_setup(void **state);
int socket_teardown(void **state);
#define SOCKET_TEST(fn) cmocka_unit_test_setup_teardown(fn, socket_setup, socket_teardown)
extern char socket_dir[64];

/* The path of a socket there; overwritten by the next call. */
const char *socket_path(const char *name);
/* Connected to it, and listening at it. */
int socket_client(const char *name);
int socket_listener(const char *name);
/* Exactly these bytes come out of it, within ten seconds. */
void expect_heard(int fd, const char *bytes, size_t len);
/* A console with a port for each letter, called so and at the socket of that name. */
void virtcon_add_ports(struct virtcon *con, struct rig *rig, const char *letters);

#endif
