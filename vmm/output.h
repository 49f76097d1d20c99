/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Standard output, for the guest's console (bytes) and the devices (lines); a part of the terminal.
 *
 * No thread ever blocks inside write(2): what standard output does not take now waits in a buffer that the loop drains.
 * A vCPU that fills the buffer waits for room, or comes again when there is some; the loop's own thread cannot wait, so
 * its lines are counted and dropped beyond a bound, and the loss is said. Device lines wait for the end of a console
 * line, so neither is torn.
 */
#ifndef MINIVMM_OUTPUT_H
#define MINIVMM_OUTPUT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/tail.h"

#define OUTPUT_CONSOLE_MAX (64u << 10)  /* bytes; a vCPU waits above this */
#define OUTPUT_MAX         (256u << 10) /* bytes; device lines are dropped above this */
#define OUTPUT_LINES_MAX   (16u << 10)  /* bytes of device lines that wait for the console's line to end */

struct loop;
struct loop_source;

struct output {
	int fd; /* standard output, by a description of our own where it could block; see output_start() */
	bool owns_fd;
	bool is_stderr;       /* standard error goes to the same place */
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t room;
	bool stopped;  /* nobody may wait any more */
	bool gone;     /* standard output was closed by its reader */
	bool watched;  /* the loop calls us when standard output takes more */
	bool mid_line; /* the console's last byte was no newline */
	bool awaited;  /* output_try_write() took less than it was given: on_room is owed */
	void (*on_gone)(void *ctx);
	void (*on_room)(void *ctx);
	void *ctx;
	char bytes[OUTPUT_MAX]; /* ring */
	size_t head, len;
	char lines[OUTPUT_LINES_MAX];
	size_t lines_len;
	uint64_t lines_dropped;
	struct tail tail; /* of the console alone */
	struct loop_source *source, *line_timer;
};

/*
 * `on_gone` is called once, on any thread and under the lock, when standard output has no reader any more; `on_room` on
 * the loop's thread, no lock held, when output_try_write() may be called again.
 */
void output_init(struct output *out, void (*on_gone)(void *ctx), void (*on_room)(void *ctx), void *ctx);
/* Lets the loop drain what waits. 0 or -errno. */
int output_start(struct output *out, struct loop *loop);
/* Wakes whoever waits for room. Any thread. */
void output_stop(struct output *out);
/*
 * Once nothing else runs: writes out what is buffered. 0, or -EIO with a message where nothing was taken for a second
 * and bytes of the console are lost.
 */
int output_finish(struct output *out);
void output_release(struct output *out);

/* Console bytes, in order, none lost: waits for room. On a vCPU's thread, no device's lock held. */
void output_write(struct output *out, const void *bytes, size_t len);
/*
 * The same without waiting: takes as many bytes as there is room for, and returns how many. Where that is less than
 * `len`, on_room follows. Any thread, any lock.
 */
size_t output_try_write(struct output *out, const void *bytes, size_t len);
/* One whole line of a device, without its newline. Any thread, any lock; never waits. */
void output_line(struct output *out, const char *line);

#endif
