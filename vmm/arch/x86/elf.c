// SPDX-License-Identifier: GPL-2.0-only
/* An ELF kernel (vmlinux), or a bare-metal payload: loaded at its physical addresses, entered at e_entry or by PVH. */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/arch/x86/image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"
#include "vmm/log.h"

#define SEGMENTS_MAX 64u

/* Limits of a vmlinux that a bzImage's header would tell. */
#define CMDLINE_MAX     2047u
#define INITRD_ADDR_MAX 0x7fffffffu
#define BOOT_PROTOCOL   0x020fu
#define BOOT_FLAG       0xaa55u
#define HEADER_MAGIC    0x53726448u

bool elf_is(const struct image *image)
{
	return memcmp(image->head, ELFMAG, SELFMAG) == 0;
}

static int load_segment(struct image *image, const Elf64_Phdr *segment)
{
	if (segment->p_filesz > segment->p_memsz || segment->p_offset > image->size ||
	    segment->p_filesz > image->size - segment->p_offset)
		return image_refuse(image,
				    "is truncated or damaged: a segment lies beyond the file's end; copy it again");
	if (segment->p_paddr < X86_HIGH_RAM)
		return image_refuse(image,
				    "a segment wants to be below 1 MiB, where minivmm keeps the boot parameters");
	if (segment->p_paddr >= image->ram_end || segment->p_memsz > image->ram_end - segment->p_paddr) {
		log_error("--kernel %s: a segment of %llu KiB at 0x%llx lies beyond the guest's RAM; raise --mem",
			  image->file.path, (unsigned long long)(segment->p_memsz >> 10),
			  (unsigned long long)segment->p_paddr);
		return -ENOSPC;
	}
	if (segment->p_paddr + segment->p_memsz > image->end)
		image->end = segment->p_paddr + segment->p_memsz;
	return image_read(image, segment->p_offset, mem_ptr(image->memory, segment->p_paddr, segment->p_memsz),
			  segment->p_filesz);
}

bool elf_is_loaded(const Elf64_Phdr *segments, unsigned n, uint64_t gpa)
{
	for (unsigned i = 0; i < n; i++)
		if (segments[i].p_type == PT_LOAD && gpa >= segments[i].p_paddr &&
		    gpa - segments[i].p_paddr < segments[i].p_memsz)
			return true;
	return false;
}

/* A Linux that is entered by PVH alone has a virtual address for e_entry, as if it were anybody's executable. */
static int find_entry(struct image *image, const Elf64_Ehdr *elf, const Elf64_Phdr *segments, enum boot_path wanted)
{
	bool is_native = elf_is_loaded(segments, elf->e_phnum, elf->e_entry);
	int err;

	if (wanted == BOOT_ELF || (wanted == BOOT_AUTO && is_native)) {
		image->path = BOOT_ELF;
		image->entry = elf->e_entry;
		return is_native ? 0 : image_refuse(image, "its ELF entry point is in none of its segments");
	}
	image->path = BOOT_PVH;
	err = pvh_find_entry(image, segments, elf->e_phnum, &image->entry);
	if (err == -ENOENT)
		return image_refuse(image,
				    wanted == BOOT_PVH ?
					    "has no PVH note (Linux: CONFIG_PVH); use --boot elf" :
					    "its ELF entry point is in none of its segments, and it has no PVH note");
	if (!err && !elf_is_loaded(segments, elf->e_phnum, image->entry))
		return image_refuse(image, "its PVH entry point is in none of its segments");
	return err;
}

int elf_load(struct image *image, enum boot_path wanted)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Ehdr elf;
	int err;

	memcpy(&elf, image->head, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
		return image_refuse(image, "is an ELF file, but not for 64-bit x86");
	if (elf.e_type != ET_EXEC)
		return image_refuse(image, "is an ELF file, but not an executable at a fixed address (vmlinux is one)");
	if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum == 0 || elf.e_phnum > SEGMENTS_MAX)
		return image_refuse(image, "has no usable ELF program headers");
	if (elf.e_phoff > image->size || elf.e_phnum * sizeof(Elf64_Phdr) > image->size - elf.e_phoff)
		return image_refuse(image, "is truncated: its ELF program headers are missing; copy it again");
	err = image_read(image, elf.e_phoff, segments, elf.e_phnum * sizeof(Elf64_Phdr));
	for (unsigned i = 0; i < elf.e_phnum && !err; i++)
		if (segments[i].p_type == PT_LOAD && segments[i].p_memsz != 0)
			err = load_segment(image, &segments[i]);
	if (!err)
		err = find_entry(image, &elf, segments, wanted);
	if (err)
		return err;

	image->header = (struct setup_header){
		.boot_flag = BOOT_FLAG,
		.header = HEADER_MAGIC,
		.version = BOOT_PROTOCOL,
		.loadflags = LOADED_HIGH,
		.xloadflags = XLF_KERNEL_64,
		.initrd_addr_max = INITRD_ADDR_MAX,
		.cmdline_size = CMDLINE_MAX,
	};
	return 0;
}
