/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Standard input and output of minivmm, shared by the guest's console (bytes) and the devices (lines): see output.h.
 *
 * Where standard input is a terminal it is put into raw mode while the machine runs, and Ctrl-A is the escape: x quits,
 * h helps, Ctrl-A again sends one Ctrl-A, other keys are somebody else's. It is restored by terminal_finish(), and by
 * a handler on a fatal signal.
 */
#ifndef MINIVMM_TERMINAL_H
#define MINIVMM_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct tail;
struct terminal;

/* Input waits: take it with terminal_read(). On the loop's thread, no lock held. */
typedef void terminal_input_fn(void *ctx);
/* The user typed Ctrl-A x, or standard output is gone (gone = 1). On any thread; must not call the terminal. */
typedef void terminal_quit_fn(void *ctx, int gone);

/* The user typed Ctrl-A and then `key`, in lower case, that is not the terminal's own; `?` where he wants to know what
 * there is. On the loop's thread, no lock held. */
typedef void terminal_key_fn(void *ctx, char key);

/*
 * A second user of the terminal, who never waits. Each is called on the loop's thread, no lock held, and all are there.
 */
struct terminal_user {
	void (*input)(void *ctx);   /* while it has the input: some waits, take it with terminal_user_read() */
	void (*room)(void *ctx);    /* terminal_try_write() may be called again, after it took less than it was given */
	void (*resized)(void *ctx); /* terminal_size() may have changed */
};

/* 0 or -errno. Touches neither descriptor until terminal_start(). */
int terminal_create(struct terminal **terminal, struct loop *loop);
/* Who takes input, and who ends the run. Before terminal_start(); ctx must outlive the run. */
void terminal_set_input(struct terminal *terminal, terminal_input_fn *fn, void *ctx);
/* NULL takes it back; true where there was room: there can be one. Before terminal_start(). */
bool terminal_set_user(struct terminal *terminal, const struct terminal_user *user, void *ctx);
void terminal_set_quit(struct terminal *terminal, terminal_quit_fn *fn, void *ctx);
/* Who takes the other keys: counts of exits, flight recorder, devices. */
void terminal_set_key(struct terminal *terminal, terminal_key_fn *fn, void *ctx);
/* Raw mode where standard input is a terminal, and input begins. 0 or -errno, with a message. */
int terminal_start(struct terminal *terminal);
/* SIGTSTP: ends raw mode and stops the process. SIGCONT: takes the terminal again, where this is the foreground job. */
void terminal_suspend(struct terminal *terminal);
void terminal_resume(struct terminal *terminal);
/* SIGWINCH: tells the second user. */
void terminal_resized(struct terminal *terminal);
/* Wakes every vCPU that waits for room, so that it can be joined. Any thread. */
void terminal_stop(struct terminal *terminal);
/* Once nothing else runs: writes out what is buffered, as output_finish(), and ends raw mode. */
int terminal_finish(struct terminal *terminal);
/* Then: the last bytes of the guest's console; *shown where they are on standard error already, which is that place. */
const struct tail *terminal_tail(const struct terminal *terminal, bool *shown);
/* NULL is ignored. */
void terminal_destroy(struct terminal *terminal);

/* Console bytes of the guest, in order, none lost: waits for room. On a vCPU's thread, no device's lock held. */
void terminal_write(struct terminal *terminal, const void *bytes, size_t len);
/* The same without waiting: takes what there is room for, and returns how many bytes. Any thread, any lock. */
size_t terminal_try_write(struct terminal *terminal, const void *bytes, size_t len);
/* One whole line of a device, without its newline. Any thread, any lock; never waits. */
void terminal_line(struct terminal *terminal, const char *line);
/* Takes up to `len` bytes of input; 0 where none waits, or the second user has it. Any thread. */
size_t terminal_read(struct terminal *terminal, void *bytes, size_t len);
/* Whether the second user has the input, with all that waits; at first it has not. Any thread, any lock. */
void terminal_claim_input(struct terminal *terminal, bool claimed);
size_t terminal_user_read(struct terminal *terminal, void *bytes, size_t len);
/* Columns and rows, of standard output or else input; false, and 0, where neither is a terminal that knows. */
bool terminal_size(uint16_t *cols, uint16_t *rows);

#endif
