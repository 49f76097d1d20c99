/* SPDX-License-Identifier: GPL-2.0-only */
/* A network device on a tap of the test's own, and the host's end of that. Needs root, in a namespace or not. */
#ifndef MINIVMM_UNIT_TAPDRIVE_H
#define MINIVMM_UNIT_TAPDRIVE_H

#include <sys/types.h>

#include "tests/unit/netdrive.h"
#include "tests/unit/taps.h"

/* The tap t0, made with `how` ("" or "multi_queue"), up, and a device on it with more options (",key=value" or "").
 * Skips the test where there are no taps. Gone again with tapdrive_teardown(). */
#define tapdrive_make(net, rig, options, how)           \
	do {                                            \
		need_taps();                            \
		tapdrive_make_(net, rig, options, how); \
	} while (0)
void tapdrive_make_(struct netdrive *net, struct rig *rig, const char *options, const char *how);
int tapdrive_teardown(void **state);
#define TAP_TEST(fn) cmocka_unit_test_setup_teardown(fn, rig_setup, tapdrive_teardown)

/* A packet socket on the tap. */
int far_end(void);
/* The next frame that the device sent, without its header; its length, or -1. */
ssize_t far_takes(int fd, uint8_t *got, size_t size);
/* Sends a frame to the device. With NEEDS_CSUM it is a TCP segment with the pseudo header's checksum. */
#define NEEDS_CSUM 1u
#define GSO_TCPV4  1u
#define CSUM_START 34u /* behind Ethernet and IP */
void far_sends(int fd, const uint8_t *frame, size_t len, uint8_t flags, uint8_t gso_type, uint16_t gso_size);

#endif
