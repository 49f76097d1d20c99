// SPDX-License-Identifier: GPL-2.0-only
/* Guest RAM as the kernel's 64-bit boot protocol (Documentation/arch/x86/boot.rst), or PVH, wants to find it. */
#include <errno.h>
#include <string.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"
#include "vmm/file.h"
#include "vmm/kernel/unpack.h"
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

/* Flat segments as cpu.c loads them; for PVH, code of 32 bits, and a busy TSS that nothing is read from. */
static void write_gdt(const struct vm *vm)
{
	const uint64_t code64 = 0x00af9b000000ffffu; /* present, ring 0, execute/read, accessed, long mode */
	const uint64_t code32 = 0x00cf9b000000ffffu;
	const uint64_t tss32 = 0x00008b0000000000u | PVH_TSS_LIMIT;
	const bool is_pvh = vm->boot.path == BOOT_PVH;
	const uint64_t gdt[X86_GDT_ENTRIES] = {
		[X86_BOOT_CS / 8] = is_pvh ? code32 : code64,
		[X86_BOOT_DS / 8] = 0x00cf93000000ffffu, /* data: present, ring 0, read/write, accessed */
		[X86_BOOT_TR / 8] = is_pvh ? tss32 : 0,
	};

	memcpy(low_ram(vm, X86_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

/* The first 4 GiB mapped to themselves with 2 MiB pages. */
static void write_page_tables(const struct vm *vm)
{
	uint64_t *pml4 = low_ram(vm, X86_PAGE_TABLES, PAGE);
	uint64_t *pdpt = low_ram(vm, X86_PAGE_TABLES + PAGE, PAGE);
	uint64_t *directories = low_ram(vm, X86_PAGE_TABLES + 2 * PAGE, 4 * PAGE);

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

static int load_image(struct image *image, enum boot_path wanted)
{
	int err = 0;

	if (!bzimage_is(image) && !elf_is(image) && unpack_format(image->head, sizeof(image->head)))
		err = image_unpack(image, 0, image->size, "is", "unpack it first");
	if (!err && bzimage_is(image)) {
		if (wanted == BOOT_AUTO || wanted == BOOT_BZIMAGE)
			return bzimage_load(image);
		err = bzimage_unpack(image);
	}
	if (err)
		return err;
	if (!elf_is(image))
		return image_refuse(image, "is neither a bzImage nor an ELF vmlinux");
	if (wanted == BOOT_BZIMAGE)
		return image_refuse(image, "is an ELF file, not a bzImage; use --boot elf or --boot pvh");
	return elf_load(image, wanted);
}

int arch_load(struct vm *vm)
{
	struct boot_params *params = low_ram(vm, X86_BOOT_PARAMS, sizeof(*params));
	struct image image;
	int err = image_open(&image, vm);

	if (!err)
		err = load_image(&image, vm->config->boot);
	image_close(&image);
	if (err)
		return err;

	memset(params, 0, sizeof(*params));
	params->hdr = image.header;
	params->hdr.type_of_loader = LOADER_UNREGISTERED;
	/* ours to fill, whatever the file says */
	params->hdr.setup_data = 0;
	params->hdr.ramdisk_image = params->hdr.ramdisk_size = 0;
	vm->boot.path = image.path;
	vm->boot.entry = image.entry;
	write_e820(vm, params);
	write_gdt(vm);
	write_page_tables(vm);
	err = write_cmdline(vm, params);
	if (!err && vm->config->initrd)
		err = load_initrd(vm, &image, params);
	if (!err && image.path == BOOT_PVH)
		pvh_write_start_info(&vm->memory, params);
	return err;
}

int arch_place_dtb(struct vm *vm, const void *blob, size_t size)
{
	struct boot_params *params = low_ram(vm, X86_BOOT_PARAMS, sizeof(*params));
	struct setup_data header = { .type = SETUP_DTB, .len = (uint32_t)size };

	if (vm->boot.path == BOOT_PVH) /* there is no way to tell it */
		return 0;
	if (size > X86_DTB_END - X86_DTB - sizeof(header)) {
		log_error("the device tree has %zu bytes, more than fit below 640 KiB; use fewer devices", size);
		return -ENOSPC;
	}
	memcpy(low_ram(vm, X86_DTB, sizeof(header)), &header, sizeof(header));
	memcpy(low_ram(vm, X86_DTB + sizeof(header), size), blob, size);
	params->hdr.setup_data = X86_DTB;
	return 0;
}
