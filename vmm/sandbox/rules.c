// SPDX-License-Identifier: GPL-2.0-only
/* The system calls of every machine, by thread. What only some machines need stands where that need is. */
#include "vmm/sandbox/rules.h"

#include <linux/kvm.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>

#define BY_ALL  (BY_MAIN | BY_LOOP | BY_VCPU | BY_DISK | BY_WRITER)
#define BY_HEAP (BY_MAIN | BY_WRITER) /* nobody else allocates while a guest runs */

/* glibc hands TCGETS and TCSETS to the kernel by these numbers */
const struct call_rule sandbox_base[] = {
	/* the guest; where it cannot go on, its registers */
	ALLOW_IOCTL(KVM_RUN, BY_VCPU),
	ALLOW_IOCTL(KVM_GET_REGS, BY_VCPU),
	ALLOW_IOCTL(KVM_GET_SREGS, BY_VCPU),
	ALLOW_IOCTL(KVM_TRANSLATE, BY_VCPU),
	/* of the signal that takes it out of KVM_RUN; of the one that tells of a crash */
	ALLOW(rt_sigreturn, BY_ALL),

	/* events: interrupts and wake-ups are writes to eventfds */
	ALLOW(epoll_wait, BY_MAIN | BY_LOOP),
	ALLOW(epoll_ctl, BY_MAIN | BY_LOOP | BY_VCPU),
	ALLOW(timerfd_settime, BY_LOOP | BY_VCPU),
	ALLOW(read, BY_MAIN | BY_LOOP),
	ALLOW(write, BY_ALL),

	/* messages wait for a full standard error */
	ALLOW(ppoll, BY_MAIN | BY_LOOP | BY_VCPU | BY_WRITER),
	ALLOW(writev, BY_MAIN),

	/* the terminal: its size, its mode while the job is in the foreground, and after a crash */
	ALLOW_IOCTL(TIOCGWINSZ, BY_LOOP),
	ALLOW_IOCTL(TCGETS, BY_ALL),
	ALLOW_IOCTL(TIOCGPGRP, BY_LOOP),
	ALLOW_IOCTL(TCSETS, BY_ALL),
	ALLOW(getpgrp, BY_LOOP),
	/* raise(SIGSTOP) for Ctrl-Z; the main thread takes the vCPUs out of KVM_RUN */
	ALLOW(getpid, BY_MAIN | BY_LOOP),
	ALLOW(gettid, BY_LOOP),
	ALLOW(tgkill, BY_MAIN | BY_LOOP),

	/* threads, and their end */
	ALLOW(futex, BY_ALL),
	ALLOW(rt_sigprocmask, BY_ALL),
	ALLOW(madvise, BY_LOOP | BY_VCPU | BY_DISK | BY_WRITER), /* the stack; guest RAM that a balloon takes */
	ALLOW(exit, BY_LOOP | BY_VCPU | BY_DISK | BY_WRITER),
	ALLOW(exit_group, BY_MAIN),
	/* where the processor's counter is no clock, the kernel is asked */
	ALLOW(clock_gettime, BY_MAIN | BY_LOOP | BY_VCPU | BY_WRITER),

	/* a trace file that cannot grow ends with its last whole line; its thread sleeps for a time, also across Ctrl-Z
	 */
	ALLOW(ftruncate, BY_WRITER),
	ALLOW(lseek, BY_WRITER),
	ALLOW(restart_syscall, BY_WRITER),

	/* memory that is not for programs */
	ALLOW(brk, BY_HEAP),
	ALLOW_IF(mmap, BY_HEAP, 2, PROT_EXEC, 0),
	ALLOW_IF(mprotect, BY_WRITER, 2, PROT_EXEC, 0), /* its heap is not the first one, which brk() makes larger */
	ALLOW(munmap, BY_HEAP),
	ALLOW(sysinfo, BY_MAIN), /* qsort() asks how much memory there is */

	/* the end of the machine */
	ALLOW(close, BY_MAIN),
	ALLOW_END,
};

static const char *const names[] = {
#include "syscall_names.inc"
};

const char *call_name(int nr)
{
	const char *name = nr >= 0 && (unsigned)nr < sizeof(names) / sizeof(names[0]) ? names[nr] : NULL;

	return name ? name : "?";
}
