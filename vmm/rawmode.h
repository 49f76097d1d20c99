/* SPDX-License-Identifier: GPL-2.0-only */
/* The mode of the terminal on standard input: raw while the guest has it, and as it was whatever ends us. */
#ifndef MINIVMM_RAWMODE_H
#define MINIVMM_RAWMODE_H

/* Keeps what the mode was, once, and makes it raw. 0 or -errno. */
int rawmode_enter(void);
/* The mode that was kept, or nothing where there is none. Any thread, also in a signal's handler. */
void rawmode_leave(void);
/* From now on every signal that ends a process, and is not the loop's, first leaves the raw mode. */
void rawmode_guard(void);

#endif
