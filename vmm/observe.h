/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user asked to see of a run: counts of exits, trace files, and the flight recorder when something went wrong.
 */
#ifndef MINIVMM_OBSERVE_H
#define MINIVMM_OBSERVE_H

struct observer;
struct vm;

/* Makes the files, and the timers that the loop calls. Before the vCPUs run. 0 or -errno, with a message; then nothing
 * of it is left. */
int observe_start(struct observer **observer, struct vm *vm);
/* The vCPUs have ended, the terminal is restored: writes what is left, and the recorder where `status` tells of an
 * accident. NULL is ignored. Frees the observer. */
void observe_end(struct observer *observer, int status);

/* SIGUSR1, Ctrl-A s: the counts as they are now. On the loop's thread. */
void observe_now(struct observer *observer);
/* Ctrl-A r: the flight recorder as it is now. On the loop's thread. */
void observe_recorder(struct observer *observer);
/* Device `name` failed: the loop shows what the recorder has of it, once a device. Any thread, any lock; never waits.
 */
void observe_failure(struct observer *observer, const char *name);

#endif
