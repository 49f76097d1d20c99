// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/vm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/arch/arch.h"
#include "vmm/file.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/resident.h"
#include "vmm/terminal.h"
#include "vmm/trace/text.h"
#include "vmm/vcpu.h"

#define PAGE 4096u

int vm_create(struct vm **out, const struct vm_config *config)
{
	struct vm *vm = resident_alloc(1, sizeof(*vm)); /* with the flight recorder, which fills by and by */
	int err;

	if (!vm) {
		log_error("cannot set up the machine: %s", strerror(ENOMEM));
		return -ENOMEM;
	}
	vm->config = config;
	vm->discovery = config->discovery == DISCOVERY_AUTO ? DISCOVERY_DT : config->discovery;
	vm->kvm_fd = vm->fd = -1;
	vm->mmio.name = "mmio";
	vm->pio.name = "pio";
	vm->pio.is_pio = true;
	vm->mmio.trace = vm->pio.trace = &vm->trace;
	trace_init(&vm->trace, !config->no_recorder);
	vm->next_mmio = arch_layout.mmio_start;
	irqs_init(&vm->irqs);
	pthread_mutex_init(&vm->gate, NULL);
	err = sandbox_create(&vm->sandbox, config->sandbox);
	if (err)
		goto fail;
	if (config->stats_file)
		sandbox_allow(vm->sandbox, file_replace_calls);
	err = loop_create(&vm->loop);
	if (!err)
		err = terminal_create(&vm->terminal, vm->loop);
	if (err) {
		log_error("cannot set up the event loop: %s", strerror(-err));
		goto fail;
	}
	err = memory_init(&vm->memory, config->mem_size, arch_layout.hole_start, arch_layout.hole_end);
	if (err)
		goto fail;
	*out = vm;
	return 0;
fail:
	vm_destroy(vm);
	return err;
}

/* What minivmm cannot do without. Asked of KVM itself: CPUID says nothing about a KVM that needs no vmx or svm. */
static const struct {
	int cap;
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_IRQCHIP, "KVM_CAP_IRQCHIP" },
	{ KVM_CAP_IRQFD, "KVM_CAP_IRQFD" },
	{ KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD" },
	{ KVM_CAP_PIT2, "KVM_CAP_PIT2" },
	{ KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID" },
	{ KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT" },
};

static int open_kvm(struct vm *vm)
{
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0) {
		int err = errno;

		if (err == EACCES || err == EPERM)
			log_error(
				"/dev/kvm: %s: join the group that owns it (usermod -aG kvm USER) or run scripts/kvmbox ./minivmm ...",
				strerror(err));
		else
			log_error("/dev/kvm: %s: load kvm_intel or kvm_amd, or run scripts/kvmbox ./minivmm ...",
				  strerror(err));
		return -err;
	}
	int version = ioctl(vm->kvm_fd, KVM_GET_API_VERSION, 0);

	if (version != KVM_API_VERSION) {
		log_error("/dev/kvm: answers API version %d, not %d: not a KVM; try scripts/kvmbox ./minivmm ...",
			  version, KVM_API_VERSION);
		return -ENOTSUP;
	}
	for (unsigned i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, needed[i].cap) <= 0) {
			log_error("/dev/kvm: lacks %s: a newer host kernel, or scripts/kvmbox, has it", needed[i].name);
			return -ENOTSUP;
		}
	}
	int most = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);

	if (most > 0 && vm->config->cpus > (unsigned)most) {
		log_error("--cpus %u: this host's KVM takes at most %d", vm->config->cpus, most);
		return -EINVAL;
	}
	return 0;
}

static int attach_memory(struct vm *vm)
{
	for (unsigned i = 0; i < vm->memory.n_regions; i++) {
		const struct memory_region *region = &vm->memory.regions[i];
		struct kvm_userspace_memory_region slot = {
			.slot = i,
			.guest_phys_addr = region->gpa,
			.memory_size = region->size,
			.userspace_addr = (uintptr_t)region->host,
		};

		if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &slot) < 0) {
			int err = errno;

			log_error("/dev/kvm: KVM_SET_USER_MEMORY_REGION of %llu MiB: %s",
				  (unsigned long long)(region->size >> 20), strerror(err));
			return -err;
		}
	}
	return 0;
}

static int attach_ioeventfds(struct vm *vm)
{
	for (unsigned i = 0; i < vm->n_ioeventfds; i++) {
		const struct vm_ioeventfd *wanted = &vm->ioeventfds[i];
		struct kvm_ioeventfd ioeventfd = {
			.datamatch = wanted->datamatch,
			.addr = wanted->gpa,
			.len = wanted->len,
			.fd = wanted->fd,
			.flags = KVM_IOEVENTFD_FLAG_DATAMATCH,
		};

		if (ioctl(vm->fd, KVM_IOEVENTFD, &ioeventfd) < 0) {
			int err = errno;

			log_error("/dev/kvm: KVM_IOEVENTFD at 0x%llx: %s: try notify=exit",
				  (unsigned long long)wanted->gpa, strerror(err));
			return -err;
		}
	}
	return 0;
}

int vm_attach(struct vm *vm)
{
	int err = open_kvm(vm);

	if (err)
		return err;
	do {
		vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	} while (vm->fd < 0 && errno == EINTR);
	if (vm->fd < 0) {
		err = errno;
		log_error("/dev/kvm: KVM_CREATE_VM: %s", strerror(err));
		return -err;
	}
	err = attach_memory(vm);
	if (!err)
		err = arch_vm_init(vm);
	if (!err)
		err = irqs_attach(&vm->irqs, vm->fd);
	if (!err)
		err = attach_ioeventfds(vm);
	if (err)
		return err;

	vm->vcpus = calloc(vm->config->cpus, sizeof(*vm->vcpus));
	if (!vm->vcpus) {
		log_error("no memory for %u vCPUs", vm->config->cpus);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < vm->config->cpus && !err; i++)
		err = vcpu_create(&vm->vcpus[i], vm, i);
	return err;
}

void vm_destroy(struct vm *vm)
{
	if (!vm)
		return;
	for (unsigned i = vm->n_devices; i > 0; i--)
		vm->devices[i - 1].ops->destroy(vm->devices[i - 1].ctx);
	terminal_destroy(vm->terminal);
	for (unsigned i = 0; vm->vcpus && i < vm->config->cpus; i++)
		vcpu_destroy(&vm->vcpus[i]);
	free(vm->vcpus);
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	irqs_release(&vm->irqs);
	memory_release(&vm->memory);
	loop_destroy(vm->loop);
	sandbox_destroy(vm->sandbox);
	pthread_mutex_destroy(&vm->gate);
	free(vm->cmdline);
	free(vm);
}

int vm_add_device(struct vm *vm, const struct vm_device_ops *ops, void *ctx)
{
	if (vm->n_devices == VM_DEVICES_MAX)
		return -ENOSPC;
	vm->devices[vm->n_devices++] = (struct vm_device){ .ops = ops, .ctx = ctx };
	return 0;
}

int vm_add_ioeventfd(struct vm *vm, const struct vm_ioeventfd *ioeventfd)
{
	if (vm->n_ioeventfds == VM_IOEVENTFDS_MAX)
		return -ENOSPC;
	vm->ioeventfds[vm->n_ioeventfds++] = *ioeventfd;
	return 0;
}

int vm_describe_cmdline(struct vm *vm)
{
	struct text words = { 0 };

	text_str(&words, vm->config->cmdline);
	for (unsigned i = 0; i < vm->n_devices && vm->discovery == DISCOVERY_CMDLINE; i++)
		if (vm->devices[i].ops->describe_cmdline)
			vm->devices[i].ops->describe_cmdline(vm->devices[i].ctx, &words);
	text_bytes(&words, "", 1);
	if (words.failed) {
		log_error("the kernel's command line: %s", strerror(ENOMEM));
		text_free(&words);
		return -ENOMEM;
	}
	free(vm->cmdline);
	vm->cmdline = words.bytes;
	return 0;
}

int vm_alloc_mmio(struct vm *vm, uint64_t len, uint64_t *gpa)
{
	len = (len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	if (len == 0 || len > arch_layout.mmio_end - vm->next_mmio)
		return -ENOSPC;
	*gpa = vm->next_mmio;
	vm->next_mmio += len;
	return 0;
}
