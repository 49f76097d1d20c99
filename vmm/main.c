// SPDX-License-Identifier: GPL-2.0-only
/* Options, build, run, unwind. */
#include <fcntl.h>
#include <unistd.h>

#include "devices/devices.h"
#include "dtb/machine.h"
#include "dtb/tree.h"
#include "vmm/arch/arch.h"
#include "vmm/log.h"
#include "vmm/options.h"
#include "vmm/vm.h"

/* A descriptor of ours must not end up as standard input or output because those were closed. */
static void open_standard_fds(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* What needs no KVM: kernel and device tree. Ends with the tree written where that is all that was asked. */
static int build(struct vm *vm)
{
	struct dtb tree;
	int err = vm->config->kernel ? arch_load(vm) : 0;

	if (err)
		return err;
	err = machine_describe(vm, &tree);
	if (!err && vm->config->dump_dtb)
		err = machine_dump(&tree, vm->config->dump_dtb);
	else if (!err)
		err = arch_place_dtb(vm, tree.blob, (size_t)tree.size);
	dtb_free(&tree);
	return err;
}

static int run(const struct vm_config *config)
{
	int status = VM_END_ERROR;
	struct vm *vm;

	if (vm_create(&vm, config) < 0)
		return status;
	if (devices_create(vm) < 0) {
		status = VM_END_USAGE; /* they are what the command line says */
	} else if (build(vm) == 0) {
		if (config->dump_dtb)
			status = VM_END_OK;
		else if (vm_attach(vm) == 0)
			status = vm_run(vm);
	}
	vm_destroy(vm);
	return status;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = VM_END_USAGE;

	open_standard_fds();
	if (options_read(&options, argc, argv) < 0)
		goto out;
	for (unsigned i = 0; i < options.config.n_devices; i++) {
		if (devices_help(options.config.devices[i])) {
			status = VM_END_OK;
			goto out;
		}
	}
	if (!options.config.kernel && !options.config.dump_dtb) {
		log_error(
			"no kernel: name one with --kernel FILE; \"make run\" builds and boots one, --help lists the options");
		goto out;
	}
	if (options.config.initrd && !options.config.kernel) {
		log_error("--initrd %s: belongs to a kernel; name one with --kernel FILE", options.config.initrd);
		goto out;
	}
	status = run(&options.config);
out:
	options_free(&options);
	return status;
}
