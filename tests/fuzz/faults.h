/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host does to a machine under test, by the linker's --wrap: time that stands still until an input moves it,
 * calls that fail when an input says so, and the device nodes of taps and vhost, which need privileges or are not
 * there.
 */
#ifndef TESTS_FUZZ_FAULTS_H
#define TESTS_FUZZ_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

/* From now on, the nth call (from 1) of those that may fail does so; 0: none. */
void faults_arm(unsigned nth);
/* True where one failed since the last faults_arm(). */
bool faults_struck(void);
/* As at first: nothing fails, nothing is faked, no timer is known. */
void faults_end(void);

/* Lets each timer that is armed run out. */
void faults_expire_timers(void);

/* Columns and rows that standard output claims to have; 0: it is no terminal. */
void faults_terminal_size(uint16_t cols, uint16_t rows);

#define FAULTS_TAPS_MAX 8
/* The other end of the nth queue of a tap, non-blocking, or -1 where none was opened. */
int faults_tap(unsigned n);

/* The kernel's side of a vhost: tells of used buffers, or of a broken ring; false where nobody listens. */
bool faults_vhost_call(void);
bool faults_vhost_error(void);
/* Kicks that reached it since the last time. */
uint64_t faults_vhost_kicks(void);

#endif
