/* SPDX-License-Identifier: GPL-2.0-only */
/* What is told of a guest whose kernel panicked: why, and the last lines of its console. */
#ifndef MINIVMM_PANIC_H
#define MINIVMM_PANIC_H

#include <stdbool.h>

#define PANIC_LINES     64  /* of the console, at most */
#define PANIC_LINES_ANY 20  /* so many in any case: what else there was to say */
#define PANIC_LINE_MAX  240 /* characters of one */

struct tail;

/*
 * On standard error: one line with the reason that Linux gave or, where the console has none, how it is seen; below it,
 * unless the user has them before him (`shown`), the console's last lines, from where the trouble began. A guest wrote
 * them: what is no printable ASCII character appears as \xNN. Waits up to two seconds for a full standard error, and
 * takes no memory.
 */
void panic_tell(const struct tail *tail, bool shown);

#endif
