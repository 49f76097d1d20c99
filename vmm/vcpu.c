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

static void exit_io(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	bool is_out = run->io.direction == KVM_EXIT_IO_OUT;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	const struct bus_range *range = NULL;

	/* rep ins and rep outs come as one exit with `count` items */
	for (uint32_t i = 0; i < run->io.count; i++)
		range = bus_access(&vcpu->vm->pio, run->io.port, run->io.size, is_out, data + (size_t)i * run->io.size);
	stats_count(&vcpu->stats, is_out ? "pio write" : "pio read", range, run->io.port);
}

static void exit_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	const struct bus_range *range = bus_access(&vcpu->vm->mmio, run->mmio.phys_addr, run->mmio.len,
						   run->mmio.is_write, run->mmio.data);

	stats_count(&vcpu->stats, run->mmio.is_write ? "mmio write" : "mmio read", range, run->mmio.phys_addr);
}

static void exit_internal_error(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char what[256];

	stats_count(&vcpu->stats, "error", NULL, 0);
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
static void vcpu_exit(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	char what[96];

	switch (run->exit_reason) {
	case KVM_EXIT_IO: exit_io(vcpu); return;
	case KVM_EXIT_MMIO: exit_mmio(vcpu); return;
	case KVM_EXIT_INTERNAL_ERROR: exit_internal_error(vcpu); return;
	case KVM_EXIT_SHUTDOWN:
		stats_count(&vcpu->stats, "shutdown", NULL, 0);
		vcpu_crash(vcpu, "triple fault: the guest took an exception that it has no handler for");
		return;
	case KVM_EXIT_FAIL_ENTRY:
		stats_count(&vcpu->stats, "fail entry", NULL, 0);
		snprintf(what, sizeof(what),
			 "KVM_EXIT_FAIL_ENTRY: the processor refused the guest's state, reason 0x%llx",
			 (unsigned long long)run->fail_entry.hardware_entry_failure_reason);
		vcpu_crash(vcpu, what);
		return;
	default:
		stats_count(&vcpu->stats, "unknown", NULL, 0);
		snprintf(what, sizeof(what), "exit reason %u is not known to minivmm", run->exit_reason);
		vcpu_crash(vcpu, what);
	}
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	sigset_t kick;

	sigemptyset(&kick);
	sigaddset(&kick, KICK_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &kick, NULL); /* a parent may have blocked it */
	while (!atomic_load(&vcpu->vm->stopping)) {
		if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
			vcpu_exit(vcpu);
		} else if (errno != EINTR && errno != EAGAIN) {
			char what[96];

			snprintf(what, sizeof(what), "KVM_RUN: %s", strerror(errno));
			vcpu_crash(vcpu, what);
		}
	}
	return NULL;
}

int vcpu_start(struct vcpu *vcpu)
{
	struct sigaction action = { .sa_handler = on_kick };
	int err;

	sigaction(KICK_SIGNAL, &action, NULL);
	err = pthread_create(&vcpu->thread, NULL, vcpu_thread, vcpu);
	if (err) {
		log_error("cannot start a thread for vCPU %u: %s", vcpu->index, strerror(err));
		return -err;
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
