// SPDX-License-Identifier: GPL-2.0-only
/* Options, build, run, unwind. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/devices.h"
#include "dtb/machine.h"
#include "dtb/tree.h"
#include "vmm/arch/arch.h"
#include "vmm/file.h"
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

static void print_map(const struct vm *vm, FILE *out)
{
	bus_print(&vm->mmio, out);
	bus_print(&vm->pio, out);
}

static void print_sandbox(const struct vm *vm, FILE *out)
{
	sandbox_print(vm->sandbox, out);
}

/* What the command line makes of the machine. An exit status. */
static int dump(const struct vm *vm, const char *option, const char *path, void (*print)(const struct vm *, FILE *))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out)
		print(vm, out);
	bool done = out && fclose(out) == 0;
	int err = done ? file_dump(option, path, text, len) : -ENOMEM;

	if (!done)
		log_error("%s %s: %s", option, path, strerror(-err));
	free(text);
	return err ? VM_END_ERROR : VM_END_OK;
}

static int run(const struct vm_config *config)
{
	int status = VM_END_ERROR;
	struct vm *vm;

	if (vm_create(&vm, config) < 0)
		return status;
	if (devices_create(vm) < 0) {
		status = VM_END_USAGE; /* they are what the command line says */
	} else if (config->dump_map) {
		status = dump(vm, "--dump-map", config->dump_map, print_map);
	} else if (config->dump_sandbox) {
		status = dump(vm, "--dump-sandbox", config->dump_sandbox, print_sandbox);
	} else if (build(vm) == 0) {
		if (config->dump_dtb)
			status = VM_END_OK;
		else if (vm_attach(vm) == 0)
			status = vm_run(vm);
	}
	vm_destroy(vm);
	return status;
}

/* "--device help", "--device NAME,help", "--trace help". True where one was asked for, and given. */
static bool help(const struct vm_config *config)
{
	for (unsigned i = 0; i < config->n_devices; i++)
		if (devices_help(config->devices[i]))
			return true;
	for (unsigned i = 0; i < config->n_traces; i++) {
		if (strcmp(config->traces[i], "help") == 0) {
			trace_list(stdout);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	struct options options;
	int status = VM_END_USAGE;

	open_standard_fds();
	if (options_read(&options, argc, argv) < 0)
		goto out;
	if (help(&options.config)) {
		status = VM_END_OK;
		goto out;
	}
	if (!options.config.kernel && !options.config.dump_dtb && !options.config.dump_map &&
	    !options.config.dump_sandbox) {
		log_error(
			"no kernel: name one with --kernel FILE; \"make run\" builds and boots one, --help lists the options");
		goto out;
	}
	if (options.config.stats_interval_ns && !options.config.stats && !options.config.stats_file) {
		log_error("--stats-interval: of which counts? give --stats too, or --stats=FILE");
		goto out;
	}
	if (options.config.trace_data != TRACE_DATA_DEFAULT && !options.config.n_traces) {
		log_error("--trace-data: of which trace? give --trace FILE too");
		goto out;
	}
	if (options.config.initrd && !options.config.kernel && !options.config.dump_map &&
	    !options.config.dump_sandbox) {
		log_error("--initrd %s: belongs to a kernel; name one with --kernel FILE", options.config.initrd);
		goto out;
	}
	status = run(&options.config);
out:
	options_free(&options);
	return status;
}
