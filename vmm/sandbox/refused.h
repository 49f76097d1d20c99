/* SPDX-License-Identifier: GPL-2.0-only */
/* What becomes of a system call that no rule allows. */
#ifndef MINIVMM_SANDBOX_REFUSED_H
#define MINIVMM_SANDBOX_REFUSED_H

/* The calling thread's name in messages. */
#define REFUSED_NAME 16u
extern _Thread_local char refused_name[REFUSED_NAME];

/* From now on a refused call is told and ends the process by SIGSYS, with the terminal restored. 0 or -errno. */
int refused_end(void);

/* Starts a thread, which no filter binds, that tells of refused calls and has them made. 0 and *told_fd, to be closed
 * when no more threads come, or -errno. */
int refused_tell(int *told_fd);
/* Hands it a filter's descriptor. */
int refused_told(int told_fd, int notify_fd);

#endif
