// SPDX-License-Identifier: GPL-2.0-only
#include "dtb/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dtb/tree.h"
#include "vmm/arch/arch.h"
#include "vmm/log.h"
#include "vmm/vm.h"

static void describe_chosen(const struct vm *vm, struct dtb *tree)
{
	dtb_begin_plain(tree, "chosen");
	dtb_string(tree, "bootargs", vm->config->cmdline);
	if (vm->boot.initrd_size) {
		dtb_u64(tree, "linux,initrd-start", vm->boot.initrd_gpa);
		dtb_u64(tree, "linux,initrd-end", vm->boot.initrd_gpa + vm->boot.initrd_size);
	}
	dtb_end(tree);
}

static void describe_memory(const struct vm *vm, struct dtb *tree)
{
	for (unsigned i = 0; i < vm->memory.n_regions; i++) {
		const struct memory_region *region = &vm->memory.regions[i];

		dtb_begin(tree, "memory", region->gpa);
		dtb_string(tree, "device_type", "memory");
		dtb_reg(tree, region->gpa, region->size);
		dtb_end(tree);
	}
}

int machine_describe(const struct vm *vm, struct dtb *tree)
{
	dtb_start(tree);
	dtb_string(tree, "compatible", "minivmm");
	dtb_string(tree, "model", "minivmm");
	dtb_u32(tree, "#address-cells", 2);
	dtb_u32(tree, "#size-cells", 2);
	dtb_u32(tree, "interrupt-parent", DTB_PHANDLE_IOAPIC);
	describe_chosen(vm, tree);
	describe_memory(vm, tree);
	arch_describe(vm, tree);

	dtb_begin_plain(tree, "soc");
	dtb_string(tree, "compatible", "simple-bus");
	dtb_u32(tree, "#address-cells", 2);
	dtb_u32(tree, "#size-cells", 2);
	dtb_empty(tree, "ranges");
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].ops->describe)
			vm->devices[i].ops->describe(vm->devices[i].ctx, tree);
	dtb_end(tree);
	return dtb_finish(tree);
}

static int write_all(int fd, const uint8_t *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

int machine_dump(const struct dtb *tree, const char *path)
{
	int to_stdout = strcmp(path, "-") == 0;
	int fd = to_stdout ? STDOUT_FILENO : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	int err = fd < 0 ? -errno : write_all(fd, tree->blob, (size_t)tree->size);
	struct stat st;

	if (fd >= 0 && !to_stdout && close(fd) < 0 && !err)
		err = -errno;
	if (err) {
		log_error("--dump-dtb %s: %s", path, strerror(-err));
		/* nothing half-made stays behind, but a device such as /dev/full is not ours to remove */
		if (!to_stdout && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && fd >= 0)
			unlink(path);
	}
	return err;
}
