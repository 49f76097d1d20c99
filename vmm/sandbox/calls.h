/* SPDX-License-Identifier: GPL-2.0-only */
/* How a part of minivmm says which system calls its threads make once the guest runs: all others are refused. */
#ifndef MINIVMM_SANDBOX_CALLS_H
#define MINIVMM_SANDBOX_CALLS_H

#include <stdint.h>
#include <sys/syscall.h>

/* Kinds of threads: bits of call_rule.threads. */
#define BY_MAIN   1u  /* starts and ends the machine, shows what is to be seen */
#define BY_LOOP   2u  /* the event loop */
#define BY_VCPU   4u  /* in KVM_RUN, and in what a guest's accesses cause */
#define BY_DISK   8u  /* a disk image's, with io=threads */
#define BY_WRITER 16u /* a trace file's */
#define BY_KINDS  5u
/* Whoever runs a device's functions. */
#define BY_DEVICE (BY_LOOP | BY_VCPU)

/* A call that may be made; where there are several rules for one call, by any of them. */
struct call_rule {
	int nr;               /* SYS_...; -1 ends a list */
	unsigned threads;     /* BY_... */
	unsigned arg;         /* its number, from 0 */
	uint64_t mask, value; /* (argument & mask) == value; mask 0: whatever the arguments are */
};

#define ALLOW(name, threads)                 \
	{                                    \
		SYS_##name, threads, 0, 0, 0 \
	}
#define ALLOW_IF(name, threads, arg, mask, value)     \
	{                                             \
		SYS_##name, threads, arg, mask, value \
	}
#define ALLOW_IOCTL(request, threads) ALLOW_IF(ioctl, threads, 1, 0xffffffffu, (uint32_t)(request))
#define ALLOW_END        \
	{                \
		.nr = -1 \
	}

#endif
