/* SPDX-License-Identifier: GPL-2.0-only */
/* A machine with a device of one kind, made as an input says, its driver, and what is at the host's end of it. */
#ifndef TESTS_FUZZ_SESSION_H
#define TESTS_FUZZ_SESSION_H

#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"
#include "tests/unit/pieces.h"

enum kind { TEST, RNG, BALLOON, BLK, CONSOLE, NET, TAP, VSOCK, VHOST, ECHO, KINDS };

#define SESSION_RAM     (16ull << 20)
#define SESSION_RINGS   (2ull << 20) /* gpa: rings and tables, up to ... */
#define SESSION_DATA    (8ull << 20) /* buffers, up to the RAM's end */
#define SESSION_DISK    (256u << 10) /* bytes of the image */
#define SESSION_SOCKETS 16

struct session {
	struct input in;
	enum kind kind;
	struct rig rig; /* rig.a: the device; rig.b: an echo that has to serve all the time */
	uint8_t *fence; /* unmapped pages around guest RAM */
	uint16_t next_head[DRIVER_RINGS];
	uint64_t data;                /* gpa: the next buffer */
	int sockets[SESSION_SOCKETS]; /* the host's programs, or -1 */
	int listeners[2];             /* at vsock's ports 1 and 2 */
	int disk;
	bool quiet; /* no flight recorder: events go nowhere */
};

/* Once a process. */
void session_start(void);
/* Takes the first bytes of the input. False where there is no such machine, which then is no more. */
bool session_open(struct session *s, struct input *in);
void session_close(struct session *s);

/* Rounds of the event loop until nothing is left to do there. */
void session_settle(struct session *s);
/* The next `len` bytes of buffers' memory, not above 256 KiB. */
uint64_t session_buffer(struct session *s, uint32_t len);
/* Makes a chain available on queue q as the driver would: its descriptors after those of the chain before. `table`: in
 * an indirect table. False where the queue cannot hold it. */
bool session_add(struct session *s, unsigned q, const struct piece *pieces, unsigned n, bool table);

/* host.c: something happens at the host's end, as the input says. */
void host_acts(struct session *s);
/* All that the device sent is taken, so that it has room for more. */
void host_takes(struct session *s);
void host_open(struct session *s);
void host_close(struct session *s);

/* request.c: a request of the device's kind, as its driver would make it, or nearly so. */
#define REQUEST_PIECES 24
struct request {
	unsigned queue, n;
	struct piece pieces[REQUEST_PIECES];
};
void request_make(struct session *s, struct request *request);
/* One that has to work on a device that came up with all its features. */
void request_plain(struct session *s, struct request *request);

#endif
