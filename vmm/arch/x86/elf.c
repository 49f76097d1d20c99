// SPDX-License-Identifier: GPL-2.0-only
/* An uncompressed ELF kernel (vmlinux), or a bare-metal payload: loaded at its physical addresses, entered at e_entry.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/arch/x86/image.h"
#include "vmm/arch/x86/layout.h"
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

static int refuse(const struct image *image, const char *why)
{
	log_error("--kernel %s: %s", image->file.path, why);
	return -EINVAL;
}

static int load_segment(struct image *image, const Elf64_Phdr *segment)
{
	if (segment->p_filesz > segment->p_memsz || segment->p_offset > image->file.size ||
	    segment->p_filesz > image->file.size - segment->p_offset)
		return refuse(image, "is truncated or damaged: a segment lies beyond the file's end; copy it again");
	if (segment->p_paddr < X86_HIGH_RAM)
		return refuse(image, "a segment wants to be below 1 MiB, where minivmm keeps the boot parameters");
	if (segment->p_paddr >= image->ram_end || segment->p_memsz > image->ram_end - segment->p_paddr) {
		log_error("--kernel %s: a segment of %llu KiB at 0x%llx lies beyond the guest's RAM; raise --mem",
			  image->file.path, (unsigned long long)(segment->p_memsz >> 10),
			  (unsigned long long)segment->p_paddr);
		return -ENOSPC;
	}
	if (segment->p_paddr + segment->p_memsz > image->end)
		image->end = segment->p_paddr + segment->p_memsz;
	return file_read(&image->file, segment->p_offset, mem_ptr(image->memory, segment->p_paddr, segment->p_memsz),
			 segment->p_filesz);
}

int elf_load(struct image *image)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Ehdr elf;
	bool entry_found = false;
	int err;

	memcpy(&elf, image->head, sizeof(elf));
	if (elf.e_ident[EI_CLASS] != ELFCLASS64 || elf.e_machine != EM_X86_64)
		return refuse(image, "is an ELF file, but not for 64-bit x86");
	if (elf.e_type != ET_EXEC)
		return refuse(image, "is an ELF file, but not an executable at a fixed address (vmlinux is one)");
	if (elf.e_phentsize != sizeof(Elf64_Phdr) || elf.e_phnum == 0 || elf.e_phnum > SEGMENTS_MAX)
		return refuse(image, "has no usable ELF program headers");
	if (elf.e_phoff > image->file.size || elf.e_phnum * sizeof(Elf64_Phdr) > image->file.size - elf.e_phoff)
		return refuse(image, "is truncated: its ELF program headers are missing; copy it again");
	err = file_read(&image->file, elf.e_phoff, segments, elf.e_phnum * sizeof(Elf64_Phdr));
	for (unsigned i = 0; i < elf.e_phnum && !err; i++) {
		if (segments[i].p_type != PT_LOAD || segments[i].p_memsz == 0)
			continue;
		err = load_segment(image, &segments[i]);
		entry_found |= elf.e_entry >= segments[i].p_paddr &&
			       elf.e_entry - segments[i].p_paddr < segments[i].p_memsz;
	}
	if (err)
		return err;
	if (!entry_found)
		return refuse(image, "its ELF entry point is in none of its segments");

	image->entry = elf.e_entry;
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
