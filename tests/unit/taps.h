/* SPDX-License-Identifier: GPL-2.0-only */
/* Taps for tests, in a network namespace of the test program's own. */
#ifndef MINIVMM_UNIT_TAPS_H
#define MINIVMM_UNIT_TAPS_H

/* Makes the namespace; once, before the tests. */
void taps_open(void);
/* Why there are none; NULL where there are. */
const char *taps_missing(void);
/* A shell command that must succeed. */
void run_command(const char *command);

/* The calling test is skipped, and says so, where there are no taps. */
#define need_taps()                                                     \
	do {                                                            \
		if (taps_missing()) {                                   \
			print_message("skipped: %s\n", taps_missing()); \
			skip();                                         \
		}                                                       \
	} while (0)

#endif
