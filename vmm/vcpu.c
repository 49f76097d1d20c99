// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/arch/arch.h"
#include "vmm/bus.h"
#include "vmm/log.h"
#include "vmm/thread.h"
#include "vmm/vm.h"

/* Takes a vCPU's thread out of KVM_RUN, or out of a system call that it waits in. */
#define KICK_SIGNAL (SIGRTMIN + 1)

static void on_kick(int signo)
{
	(void)signo; /* its only task is to interrupt */
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm, unsigned index)
{
	vcpu->vm = vm;
	vcpu->index = index;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, index);
	if (vcpu->fd < 0) {
		int err = errno;

		log_error("/dev/kvm: KVM_CREATE_VCPU %u: %s", index, strerror(err));
		return -err;
	}
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	void *run = size > 0 ? mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0) : MAP_FAILED;

	if (run == MAP_FAILED) {
		int err = errno;

		log_error("/dev/kvm: cannot map the run page of vCPU %u: %s", index, strerror(err));
		return -err;
	}
	vcpu->run = run;
	vcpu->run_size = (size_t)size;
	return arch_vcpu_init(vcpu);
}

void vcpu_destroy(struct vcpu *vcpu)
{
	stats_destroy(vcpu->stats);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	if (vcpu->vm && vcpu->fd >= 0) /* a vCPU that was never created is all zeros */
		close(vcpu->fd);
}

/* The guest cannot go on: say why in one line, show the state, end the run. */
static void vcpu_crash(struct vcpu *vcpu, const char *what)
{
	log_error("vCPU %u: %s", vcpu->index, what);
	arch_report(vcpu);
	vm_stop(vcpu->vm, VM_END_CRASH);
}

static struct stats_key exit_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool is_out = run->io.direction == KVM_EXIT_IO_OUT;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	const struct bus_range *range = NULL;

	/* rep ins and rep outs come as one exit with `count` items */
	for (uint32_t i = 0; i < run->io.count; i++)
		range = bus_access(&vcpu->vm->pio, run->io.port, run->io.size, is_out, data + (size_t)i * run->io.size);
	return (struct stats_key){ is_out ? "pio write" : "pio read", range, run->io.port };
}

static struct stats_key exit_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const struct bus_range *range = bus_access(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.len,
						   run->mmio.is_write, run->mmio.data);

	return (struct stats_key){ run->mmio.is_write ? "mmio write" : "mmio read", range, run->mmio.phys_addr };
}

/* An exit that is no access. */
static struct stats_key exit_other(struct vcpu *vcpu, const char *reason)
{
	TRACE(&vcpu->vm->trace, exit, NULL, reason);
	return (struct stats_key){ .reason = reason };
}

static void internal_error(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char what[256];

	if (run->internal.suberror != KVM_INTERNAL_ERROR_EMULATION) {
		snprintf(what, sizeof(what),
			 "KVM_EXIT_INTERNAL_ERROR, suberror %u: the host's KVM gave up; try scripts/kvmbox",
			 run->internal.suberror);
		vcpu_crash(vcpu, what);
		return;
	}

	const uint8_t *bytes = run->emulation_failure.insn_bytes;
	size_t len = run->emulation_failure.ndata >= 3 && (run->emulation_failure.flags &
							   KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES) ?
			     run->emulation_failure.insn_size :
			     0;
	const char *name = arch_insn_name(bytes, len < 15 ? len : 15);
	char hex[3 * 15 + 1] = "bytes unknown";

	for (size_t i = 0; i < len && i < 15; i++)
		snprintf(hex + 3 * i, 4, "%02x%s", bytes[i], i + 1 < len && i + 1 < 15 ? " " : "");
	snprintf(what, sizeof(what),
		 "this host's KVM cannot emulate %s (%s): it cannot run this guest; run scripts/kvmbox ./minivmm ...",
		 name ? name : "an instruction", hex);
	vcpu_crash(vcpu, what);
}

/* One exit. The whole list of what can bring a vCPU back to us. */
static struct stats_key vcpu_exit(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	struct stats_key key;
	char what[96];

	switch (run->exit_reason) {
	case KVM_EXIT_IO: return exit_io(vcpu);
	case KVM_EXIT_MMIO: return exit_mmio(vcpu);
	case KVM_EXIT_INTERNAL_ERROR:
		key = exit_other(vcpu, "error");
		internal_error(vcpu);
		return key;
	case KVM_EXIT_SHUTDOWN:
		key = exit_other(vcpu, "shutdown");
		vcpu_crash(vcpu, "triple fault: the guest took an exception that it has no handler for");
		return key;
	case KVM_EXIT_FAIL_ENTRY:
		key = exit_other(vcpu, "fail entry");
		snprintf(what, sizeof(what),
			 "KVM_EXIT_FAIL_ENTRY: the processor refused the guest's state, reason 0x%llx",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		vcpu_crash(vcpu, what);
		return key;
	default:
		key = exit_other(vcpu, "unknown");
		snprintf(what, sizeof(what), "exit reason %u is not known to minivmm", run->exit_reason);
		vcpu_crash(vcpu, what);
		return key;
	}
}

/* KVM_RUN itself failed. A signal, or a start-up message of another vCPU, only interrupts it. */
static struct stats_key vcpu_error(struct vcpu *vcpu, int err)
{
	struct stats_key key = exit_other(vcpu, err == EINTR || err == EAGAIN ? "interrupted" : "error");
	char what[96];

	if (err != EINTR && err != EAGAIN) {
		snprintf(what, sizeof(what), "KVM_RUN: %s", strerror(err));
		vcpu_crash(vcpu, what);
	}
	return key;
}

void vcpu_serve(struct vcpu *vcpu, int err)
{
	struct trace *trace = &vcpu->vm->trace;
	bool timed = vcpu->stats || trace->n_files; /* the clock is not read for nothing */
	uint64_t begin = timed ? trace_now(trace) : 0;
	struct stats_key key = err ? vcpu_error(vcpu, err) : vcpu_exit(vcpu);
	uint64_t ns = timed ? trace_now(trace) - begin : 0;

	vcpu->exits++;
	if (vcpu->stats)
		stats_count(vcpu->stats, &key, ns);
	TRACE_WHERE(false, trace, enter, key.range ? key.range->name : NULL, ns, key.reason, key.range, key.addr);
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL);
	trace_cpu = (int)vcpu->index;
	vm_pass_gate(vcpu->vm);
	while (!atomic_load(&vcpu->vm->stopping))
		vcpu_serve(vcpu, ioctl(vcpu->fd, KVM_RUN, 0) == 0 ? 0 : errno);
	return NULL;
}

int vcpu_start(struct vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = on_kick };
	char name[16];
	int err = sigaction(KICK_SIGNAL, &action, NULL) < 0 ? -errno : 0; /* without it a kick would end the process */

	snprintf(name, sizeof(name), "vcpu%u", vcpu->index);
	if (!err)
		err = thread_start(&vcpu->thread, vcpu->vm->sandbox, BY_VCPU, name, vcpu_thread, vcpu);
	if (err) {
		log_error("cannot start a thread for vCPU %u: %s", vcpu->index, strerror(-err));
		return err;
	}
	vcpu->started = true;
	return 0;
}

void vcpu_join(struct vcpu *vcpu)
{
	if (!vcpu->started)
		return;
	/* immediate_exit closes the gap between the thread's look at `stopping` and its entry into KVM_RUN. */
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	pthread_kill(vcpu->thread, KICK_SIGNAL);
	pthread_join(vcpu->thread, NULL);
	vcpu->started = false;
}
