/* SPDX-License-Identifier: GPL-2.0-only */
/* A virtual CPU: one thread that enters the guest with KVM_RUN and serves its exits. */
#ifndef MINIVMM_VCPU_H
#define MINIVMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "vmm/trace/stats.h"

struct vm;

struct vcpu {
	struct vm *vm;
	unsigned index; /* from 0; vCPU 0 boots, the others wait for it to start them */
	int fd;
	struct kvm_run *run; /* shared with KVM; only the vCPU's thread and KVM touch it, but for immediate_exit */
	size_t run_size;
	pthread_t thread;
	bool started;
	uint64_t exits;      /* returns of KVM_RUN; the vCPU's thread alone writes it */
	struct stats *stats; /* NULL where nobody asked for counts */
};

/* Creates the vCPU in KVM and sets its first state (arch_vcpu_init). 0 or -errno, with a message. */
int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned index);
void vcpu_destroy(struct vcpu *vcpu);

/* Starts the thread. 0 or -errno, with a message. */
int vcpu_start(struct vcpu *vcpu);
/* After vm->stopping is set: takes the thread out of the guest, wherever it is, and joins it. */
void vcpu_join(struct vcpu *vcpu);

/* All that lies between KVM_RUN's return, with errno `err` or 0, and the next. On the vCPU's thread. */
void vcpu_serve(struct vcpu *vcpu, int err);

#endif
