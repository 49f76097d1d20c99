// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kernel/vmlinux.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "vmm/arch/x86/image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"

#define SEGMENTS_MAX 64u

/* The program headers' place, where it is a usable one. */
static bool headers_of(const Elf64_Ehdr *elf, uint64_t size, uint64_t *len)
{
	if (memcmp(elf->e_ident, ELFMAG, SELFMAG) || elf->e_ident[EI_CLASS] != ELFCLASS64 ||
	    elf->e_phentsize != sizeof(Elf64_Phdr) || elf->e_phnum == 0 || elf->e_phnum > SEGMENTS_MAX)
		return false;
	*len = elf->e_phnum * sizeof(Elf64_Phdr);
	return elf->e_phoff <= size && *len <= size - elf->e_phoff;
}

int vmlinux_loaded(const struct file *file, uint64_t *len)
{
	Elf64_Phdr segments[SEGMENTS_MAX];
	uint64_t headers;
	Elf64_Ehdr elf;
	int err;

	*len = 0;
	if (file->size < sizeof(elf))
		return 0;
	err = file_read(file, 0, &elf, sizeof(elf));
	if (err || !headers_of(&elf, file->size, &headers))
		return err;
	err = file_read(file, elf.e_phoff, segments, headers);
	if (err)
		return err;
	*len = elf.e_phoff + headers;
	for (unsigned i = 0; i < elf.e_phnum; i++) {
		uint64_t end;

		if (segments[i].p_type != PT_LOAD && segments[i].p_type != PT_NOTE)
			continue;
		if (__builtin_add_overflow(segments[i].p_offset, segments[i].p_filesz, &end) || end > file->size)
			end = file->size;
		if (end > *len)
			*len = end;
	}
	return 0;
}

/* As arch_load() loads it, and refuses to. */
static bool is_loadable(const Elf64_Phdr *segment, uint64_t size)
{
	return segment->p_filesz <= segment->p_memsz && segment->p_offset <= size &&
	       segment->p_filesz <= size - segment->p_offset && segment->p_paddr >= X86_HIGH_RAM;
}

enum kernel_inside vmlinux_look(const struct unpacked *bytes, bool *elf_entry, bool *pvh_entry)
{
	const struct image image = { .bytes = bytes->bytes, .size = bytes->size };
	Elf64_Phdr segments[SEGMENTS_MAX];
	uint64_t headers, pvh;
	Elf64_Ehdr elf;

	*elf_entry = *pvh_entry = false;
	if (bytes->size < sizeof(elf))
		return INSIDE_OTHER;
	memcpy(&elf, bytes->bytes, sizeof(elf));
	if (!headers_of(&elf, bytes->size, &headers) || elf.e_machine != EM_X86_64 || elf.e_type != ET_EXEC)
		return INSIDE_OTHER;
	memcpy(segments, bytes->bytes + elf.e_phoff, headers);
	for (unsigned i = 0; i < elf.e_phnum; i++)
		if (segments[i].p_type == PT_LOAD && segments[i].p_memsz && !is_loadable(&segments[i], bytes->size))
			return INSIDE_DAMAGED;
	*elf_entry = elf_is_loaded(segments, elf.e_phnum, elf.e_entry);
	*pvh_entry = pvh_find_entry(&image, segments, elf.e_phnum, &pvh) == 0 &&
		     elf_is_loaded(segments, elf.e_phnum, pvh);
	return INSIDE_VMLINUX;
}
