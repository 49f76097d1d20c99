// SPDX-License-Identifier: GPL-2.0-only
/* Guest RAM as the kernel's 64-bit boot protocol wants to find it (Documentation/arch/x86/boot.rst). */
#include <errno.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/file.h"
#include "vmm/log.h"
#include "vmm/vm.h"

#define LOADER_UNREGISTERED 0xffu
#define PAGE                4096u
#define ENTRIES_PER_TABLE   512u
#define LARGE_PAGE          0x200000u
#define PTE_PRESENT         0x1u
#define PTE_WRITABLE        0x2u
#define PTE_LARGE           0x80u

const struct arch_layout arch_layout = {
	.hole_start = X86_HOLE_START,
	.hole_end = X86_HOLE_END,
	.mmio_start = X86_MMIO_START,
	.mmio_end = X86_MMIO_END,
};

/* The low megabyte is ours: memory_init() maps more than that, or --mem is refused. */
static void *low_ram(const struct vm *vm, uint64_t gpa, uint64_t len)
{
	return mem_ptr(&vm->memory, gpa, len);
}

/* Flat segments, and the first 4 GiB mapped to themselves with 2 MiB pages. */
static void write_cpu_tables(const struct vm *vm)
{
	static const uint64_t gdt[4] = {
		[X86_BOOT_CS / 8] = 0x00af9b000000ffffu, /* code: present, ring 0, execute/read, accessed, long mode */
		[X86_BOOT_DS / 8] = 0x00cf93000000ffffu, /* data: present, ring 0, read/write, accessed */
	};
	uint64_t *pml4 = low_ram(vm, X86_PAGE_TABLES, PAGE);
	uint64_t *pdpt = low_ram(vm, X86_PAGE_TABLES + PAGE, PAGE);
	uint64_t *directories = low_ram(vm, X86_PAGE_TABLES + 2 * PAGE, 4 * PAGE);

	memcpy(low_ram(vm, X86_GDT, sizeof(gdt)), gdt, sizeof(gdt));
	pml4[0] = (X86_PAGE_TABLES + PAGE) | PTE_PRESENT | PTE_WRITABLE;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (X86_PAGE_TABLES + (2 + i) * PAGE) | PTE_PRESENT | PTE_WRITABLE;
	for (uint64_t i = 0; i < 4 * ENTRIES_PER_TABLE; i++)
		directories[i] = i * LARGE_PAGE | PTE_PRESENT | PTE_WRITABLE | PTE_LARGE;
}

static void add_e820(struct boot_params *params, uint64_t start, uint64_t end, uint32_t type)
{
	params->e820_table[params->e820_entries++] =
		(struct boot_e820_entry){ .addr = start, .size = end - start, .type = type };
}

static void write_e820(const struct vm *vm, struct boot_params *params)
{
	const uint32_t ram = 1, reserved = 2;

	add_e820(params, 0, X86_LOW_RAM_END, ram);
	add_e820(params, X86_LOW_RAM_END, X86_HIGH_RAM, reserved);
	for (unsigned i = 0; i < vm->memory.n_regions; i++) {
		const struct memory_region *region = &vm->memory.regions[i];
		uint64_t start = region->gpa ? region->gpa : X86_HIGH_RAM;

		add_e820(params, start, region->gpa + region->size, ram);
	}
}

/* As high as the kernel can reach, so that the kernel's own growth does not meet it. */
static int load_initrd(struct vm *vm, const struct image *image, struct boot_params *params)
{
	struct file file;
	int err = file_open(&file, "--initrd", vm->config->initrd);

	if (err)
		return err;
	uint64_t limit = (uint64_t)image->header.initrd_addr_max + 1;

	if (limit > image->ram_end)
		limit = image->ram_end;
	uint64_t gpa = file.size <= limit ? (limit - file.size) & ~(uint64_t)(PAGE - 1) : 0;

	if (gpa < image->end) {
		log_error(
			"--initrd %s: its %llu KiB do not fit between the kernel's end at 0x%llx and 0x%llx; raise --mem or make it smaller",
			file.path, (unsigned long long)((file.size + 1023) >> 10), (unsigned long long)image->end,
			(unsigned long long)limit);
		err = -ENOSPC;
	} else {
		err = file_read(&file, 0, mem_ptr(&vm->memory, gpa, file.size), file.size);
		vm->boot.initrd_gpa = gpa;
		vm->boot.initrd_size = file.size;
		params->hdr.ramdisk_image = (uint32_t)gpa;
		params->hdr.ramdisk_size = (uint32_t)file.size;
	}
	file_close(&file);
	return err;
}

static int write_cmdline(const struct vm *vm, struct boot_params *params)
{
	size_t len = strlen(vm->cmdline);
	size_t max = params->hdr.cmdline_size;

	if (max > X86_CMDLINE_END - X86_CMDLINE - 1)
		max = X86_CMDLINE_END - X86_CMDLINE - 1;
	if (len > max) {
		log_error("--append: the command line has %zu bytes, this kernel takes at most %zu; shorten it", len,
			  max);
		return -E2BIG;
	}
	memcpy(low_ram(vm, X86_CMDLINE, len + 1), vm->cmdline, len + 1);
	params->hdr.cmd_line_ptr = X86_CMDLINE;
	return 0;
}

static int open_image(struct image *image, const struct vm *vm)
{
	int err = file_open(&image->file, "--kernel", vm->config->kernel);

	if (err)
		return err;
	image->memory = &vm->memory;
	image->ram_end = vm->memory.regions[0].size;
	memset(image->head, 0, sizeof(image->head));
	return file_read(&image->file, 0, image->head,
			 image->file.size < IMAGE_HEAD_SIZE ? image->file.size : IMAGE_HEAD_SIZE);
}

static int load_image(struct image *image)
{
	if (bzimage_is(image))
		return bzimage_load(image);
	if (elf_is(image))
		return elf_load(image);
	log_error("--kernel %s: is neither a bzImage nor an ELF vmlinux", image->file.path);
	return -EINVAL;
}

int arch_load(struct vm *vm)
{
	struct boot_params *params = low_ram(vm, X86_BOOT_PARAMS, sizeof(*params));
	struct image image = { .file.fd = -1 };
	int err = open_image(&image, vm);

	if (!err)
		err = load_image(&image);
	file_close(&image.file);
	if (err)
		return err;

	memset(params, 0, sizeof(*params));
	params->hdr = image.header;
	params->hdr.type_of_loader = LOADER_UNREGISTERED;
	/* ours to fill, whatever the file says */
	params->hdr.setup_data = 0;
	params->hdr.ramdisk_image = params->hdr.ramdisk_size = 0;
	write_e820(vm, params);
	write_cpu_tables(vm);
	vm->boot.entry = image.entry;
	err = write_cmdline(vm, params);
	if (!err && vm->config->initrd)
		err = load_initrd(vm, &image, params);
	return err;
}

int arch_place_dtb(struct vm *vm, const void *blob, size_t size)
{
	struct boot_params *params = low_ram(vm, X86_BOOT_PARAMS, sizeof(*params));
	struct setup_data header = { .type = SETUP_DTB, .len = (uint32_t)size };

	if (size > X86_DTB_END - X86_DTB - sizeof(header)) {
		log_error("the device tree has %zu bytes, more than fit below 640 KiB; use fewer devices", size);
		return -ENOSPC;
	}
	memcpy(low_ram(vm, X86_DTB, sizeof(header)), &header, sizeof(header));
	memcpy(low_ram(vm, X86_DTB + sizeof(header), size), blob, size);
	params->hdr.setup_data = X86_DTB;
	return 0;
}
