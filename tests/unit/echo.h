/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A virtio device for tests: queue 0 copies the readable part of each buffer into its writable part, queue 1 holds
 * what it pops until it is told to give it back. A byte of configuration space takes commands.
 */
#ifndef TESTS_UNIT_ECHO_H
#define TESTS_UNIT_ECHO_H

#include <stdbool.h>
#include <stdint.h>

#include "devices/virtio/virtio.h"

#define ECHO_ID            0x7e57
#define ECHO_QUEUE_MAX     256
#define ECHO_HOLD          1  /* the queue that holds */
#define ECHO_CONFIG_SIZE   23 /* odd: no register width divides it */
#define ECHO_FEATURE_LOW   3  /* one device-type bit in each of the first two words */
#define ECHO_FEATURE_HIGH  50
#define ECHO_COMMAND       16  /* offset of the command byte */
#define ECHO_CHANGE        'c' /* the device changes its configuration space */
#define ECHO_FAIL          'f' /* it says that the driver broke a rule */
#define ECHO_GIVE_FIRST    'o' /* gives back the buffer that it holds longest */
#define ECHO_GIVE_LAST     'l' /* ... shortest */
#define ECHO_GIVE_TOO_LONG 't' /* the first, with a length beyond its writable part */
#define ECHO_TAKE          'p' /* pops into what it holds, without a kick */
#define ECHO_KEEPER_SIZE   512

struct echo {
	unsigned kicks, pops, resets, config_writes, wrong_config_writes;
	/* of the chain that was popped last */
	unsigned n_readable, n_writable;
	uint64_t readable_len, writable_len;
	uint8_t seen[ECHO_KEEPER_SIZE]; /* the first bytes of its readable part */
	struct virtio_chain held[ECHO_QUEUE_MAX];
	unsigned n_held;
};

struct driver;
struct rig;

struct echo *echo_of(struct driver *driver);
/* n_held, also while the loop is at work on it. */
unsigned echo_held(struct driver *driver);
/* A write of the command byte, as a driver does it. */
void echo_command(struct driver *driver, uint8_t command);
/* Sends bytes through queue 0 with descriptors 0 and 1, and checks what comes back. */
bool echo_serves(struct driver *driver);
/* One buffer of `in` readable and `out` writable bytes (0: no such descriptor) on queue q, descriptors from `head` on.
 */
void echo_add(struct driver *driver, unsigned q, uint16_t head, uint32_t in, uint32_t out);

/* --- hostile drivers (test_hostile.c): the oracle ---
 * The device's answer was to ignore it or to need a reset, loudly; its sibling serves; it serves again after a reset.
 */
void oracle_(struct rig *rig, const char *file, int line);
#define oracle(rig) oracle_(rig, __FILE__, __LINE__)

#endif
