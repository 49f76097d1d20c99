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
#include "vmm/acpi/tables.h"
#include "vmm/arch/arch.h"
#include "vmm/file.h"
#include "vmm/kernel/choice.h"
#include "vmm/kernel/preflight.h"
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

static int build_dt(struct vm *vm)
{
	struct dtb tree;
	int err = machine_describe(vm, &tree);

	if (!err && vm->config->dump_dtb)
		err = machine_dump(&tree, vm->config->dump_dtb);
	else if (!err)
		err = arch_place_dtb(vm, tree.blob, (size_t)tree.size);
	dtb_free(&tree);
	return err;
}

static int build_acpi(struct vm *vm)
{
	struct acpi_area area;
	int err = arch_place_acpi(vm, &area);

	return !err && vm->config->dump_acpi ? acpi_dump(&area, vm->config->dump_acpi) : err;
}

/* What needs no KVM: the kernel, and how it finds its devices. Where that is all that was asked it is written down. */
static int build(struct vm *vm)
{
	int err = vm_describe_cmdline(vm);

	if (!err && vm->config->kernel)
		err = arch_load(vm);
	if (err)
		return err;
	if (vm->boot.path == BOOT_PVH && vm->config->discovery == DISCOVERY_DT) {
		log_error(
			"--discovery dt: the PVH entry has no way to hand over a device tree; use --boot elf, or another --discovery");
		return -EINVAL;
	}
	switch (vm->discovery) {
	case DISCOVERY_ACPI: return build_acpi(vm);
	case DISCOVERY_CMDLINE: arch_place_cpus(vm); return 0;
	default: return build_dt(vm);
	}
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

/* Whether the run ends with something written: how the guest is told of the machine, or what the machine is. */
static bool dumps_tables(const struct vm_config *config)
{
	return config->dump_dtb || config->dump_acpi;
}

static bool dumps_machine(const struct vm_config *config)
{
	return config->dump_map || config->dump_sandbox;
}

static bool is_shown(const char *option, const char *value, const struct vm_config *config, enum discovery way)
{
	if (!value || config->discovery == DISCOVERY_AUTO || config->discovery == way)
		return true;
	log_error("%s %s: with another --discovery the guest is shown none; leave that out", option, value);
	return false;
}

/* Before devices are added. What the user did not choose depends on what is to be written, or on the kernel. */
static int choose_discovery(struct vm *vm, struct discovery_choice *choice)
{
	const struct vm_config *config = vm->config;
	int err = 0;

	*choice = (struct discovery_choice){ .how = config->dump_acpi ? DISCOVERY_ACPI : vm->discovery };
	if (config->discovery == DISCOVERY_AUTO && config->kernel && !dumps_tables(config))
		err = discovery_choose(config->kernel, config->boot == BOOT_PVH, choice);
	vm->discovery = choice->how;
	return err;
}

/* Of a machine that is built. An exit status. */
static int attach_and_run(struct vm *vm, const struct discovery_choice *choice)
{
	if (choice->why[0])
		log_error("%s", choice->why);
	return vm_attach(vm) == 0 ? vm_run(vm) : VM_END_ERROR;
}

static int run(const struct vm_config *config)
{
	struct discovery_choice choice;
	int status = VM_END_ERROR;
	struct vm *vm;

	if (vm_create(&vm, config) < 0)
		return status;
	if (choose_discovery(vm, &choice) < 0) {
		; /* said where it was found */
	} else if (devices_create(vm) < 0) {
		status = VM_END_USAGE; /* they are what the command line says */
	} else if (config->dump_map) {
		status = dump(vm, "--dump-map", config->dump_map, print_map);
	} else if (config->dump_sandbox) {
		status = dump(vm, "--dump-sandbox", config->dump_sandbox, print_sandbox);
	} else if (build(vm) == 0) {
		status = dumps_tables(config) ? VM_END_OK : attach_and_run(vm, &choice);
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
	if (argc > 1 && strcmp(argv[1], "preflight") == 0)
		return preflight_main(argc - 1, argv + 1);
	if (options_read(&options, argc, argv) < 0)
		goto out;
	if (help(&options.config)) {
		status = VM_END_OK;
		goto out;
	}
	if (!options.config.kernel && !dumps_tables(&options.config) && !dumps_machine(&options.config)) {
		log_error(
			"no kernel: name one with --kernel FILE; \"make run\" builds and boots one, --help lists the options");
		goto out;
	}
	if (options.config.dump_dtb && options.config.dump_acpi) {
		log_error(
			"--dump-dtb %s: not with --dump-acpi, since a guest is shown one of them; run minivmm for each",
			options.config.dump_dtb);
		goto out;
	}
	if (!is_shown("--dump-dtb", options.config.dump_dtb, &options.config, DISCOVERY_DT) ||
	    !is_shown("--dump-acpi", options.config.dump_acpi, &options.config, DISCOVERY_ACPI))
		goto out;
	if (options.config.stats_interval_ns && !options.config.stats && !options.config.stats_file) {
		log_error("--stats-interval: of which counts? give --stats too, or --stats=FILE");
		goto out;
	}
	if (options.config.trace_data != TRACE_DATA_DEFAULT && !options.config.n_traces) {
		log_error("--trace-data: of which trace? give --trace FILE too");
		goto out;
	}
	if (options.config.initrd && !options.config.kernel && !dumps_machine(&options.config)) {
		log_error("--initrd %s: belongs to a kernel; name one with --kernel FILE", options.config.initrd);
		goto out;
	}
	status = run(&options.config);
out:
	options_free(&options);
	return status;
}
