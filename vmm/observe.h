/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user asked to see of a run: counts of exits, trace files, and the flight recorder when something went wrong.
 * The main thread shows it, which has nothing else to do while the machine runs. */
#ifndef MINIVMM_OBSERVE_H
#define MINIVMM_OBSERVE_H

/* How long a standard error that is full is waited for. */
#define OBSERVE_LIVE_MS 100
#define OBSERVE_END_MS  2000

struct observer;
struct vm;

/* Makes the files and timers. Before the vCPUs run. 0 or -errno, with a message; then nothing of it is left. */
int observe_start(struct observer **observer, struct vm *vm);
/* Shows what is to be shown until observe_stop(). NULL is ignored: it returns at once. */
void observe_run(struct observer *observer);
/* Any thread, also before observe_run(). NULL is ignored. */
void observe_stop(struct observer *observer);
/* The vCPUs have ended, the terminal is restored: writes what is left, and the recorder where `status` tells of an
 * accident. NULL is ignored. Frees the observer. */
void observe_end(struct observer *observer, int status);

/* The vCPUs could not start: takes back what observe_start() made. NULL is ignored. Frees the observer. */
void observe_cancel(struct observer *observer);

/* The rest is for any thread, with any lock, and never waits. */

/* SIGUSR1, Ctrl-A s: the counts as they are now. */
void observe_now(struct observer *observer);
/* Ctrl-A r: the flight recorder as it is now. */
void observe_recorder(struct observer *observer);
/* Device `name` failed: what the recorder has of it is shown, once a device. */
void observe_failure(struct observer *observer, const char *name);

#endif
