// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/arch/x86/pvh.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "vmm/arch/x86/layout.h"

#define NOTE_NAME         "Xen"
#define NOTE_PHYS32_ENTRY 18u    /* XEN_ELFNOTE_PHYS32_ENTRY of Xen's include/public/elfnote.h */
#define NOTES_MAX         16384u /* bytes of a segment's notes that are looked at: some hundred are a kernel's */

/* What is at X86_PVH_START_INFO. */
struct start {
	struct pvh_start_info info;
	struct pvh_module initrd;
	struct pvh_memory map[E820_MAX_ENTRIES_ZEROPAGE];
};

_Static_assert(offsetof(struct pvh_start_info, modlist_paddr) == 16, "start_info.h");
_Static_assert(offsetof(struct pvh_start_info, cmdline_paddr) == 24, "start_info.h");
_Static_assert(offsetof(struct pvh_start_info, rsdp_paddr) == 32, "start_info.h");
_Static_assert(offsetof(struct pvh_start_info, memmap_paddr) == 40, "start_info.h");
_Static_assert(offsetof(struct pvh_start_info, memmap_entries) == 48, "start_info.h");
_Static_assert(sizeof(struct pvh_start_info) == 56, "start_info.h");
_Static_assert(sizeof(struct pvh_module) == 32, "start_info.h");
_Static_assert(sizeof(struct pvh_memory) == 24 && offsetof(struct pvh_memory, type) == 16, "start_info.h");
_Static_assert(sizeof(struct start) <= X86_PVH_START_INFO_END - X86_PVH_START_INFO, "layout.h");

/* The sizes of a note's parts do not count what fills them up to `align`, a power of two. */
static uint64_t padded(uint64_t size, uint64_t align)
{
	return (size + align - 1) & ~(align - 1);
}

/* Xen asks for 32 bits, Linux gives 64. */
static bool read_entry(const uint8_t *desc, uint32_t size, uint64_t *entry)
{
	if (size != sizeof(uint32_t) && size != sizeof(uint64_t))
		return false;
	*entry = 0;
	memcpy(entry, desc, size);
	return true;
}

/* Notes behind each other: a header, the name, the descriptor (System V ABI, "Note Section"). */
static bool find_note(const uint8_t *notes, uint64_t len, uint64_t align, uint64_t *entry)
{
	uint64_t at = 0;

	while (at < len && len - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr note;

		memcpy(&note, notes + at, sizeof(note));
		/* the sizes have 32 bits: no sum overflows */
		uint64_t name = at + sizeof(note);
		uint64_t desc = at + padded(sizeof(note) + note.n_namesz, align);

		if (desc > len || note.n_descsz > len - desc)
			return false;
		if (note.n_type == NOTE_PHYS32_ENTRY && note.n_namesz == sizeof(NOTE_NAME) &&
		    memcmp(notes + name, NOTE_NAME, sizeof(NOTE_NAME)) == 0 &&
		    read_entry(notes + desc, note.n_descsz, entry))
			return true;
		at = padded(desc + note.n_descsz, align);
	}
	return false;
}

int pvh_find_entry(const struct image *image, const Elf64_Phdr *segments, unsigned n, uint64_t *entry)
{
	uint8_t notes[NOTES_MAX];

	for (unsigned i = 0; i < n; i++) {
		const Elf64_Phdr *segment = &segments[i];
		uint64_t len = segment->p_filesz < NOTES_MAX ? segment->p_filesz : NOTES_MAX;

		if (segment->p_type != PT_NOTE || segment->p_offset > image->size ||
		    len > image->size - segment->p_offset)
			continue;
		int err = image_read(image, segment->p_offset, notes, len);

		if (err)
			return err;
		if (find_note(notes, len, segment->p_align == 8 ? 8 : 4, entry))
			return 0;
	}
	return -ENOENT;
}

void pvh_write_start_info(const struct memory *memory, const struct boot_params *params)
{
	struct start *start = mem_ptr(memory, X86_PVH_START_INFO, sizeof(*start));

	start->info = (struct pvh_start_info){
		.magic = PVH_START_MAGIC,
		.version = PVH_START_VERSION,
		.cmdline_paddr = params->hdr.cmd_line_ptr,
		.memmap_paddr = X86_PVH_START_INFO + offsetof(struct start, map),
		.memmap_entries = params->e820_entries,
	};
	for (unsigned i = 0; i < params->e820_entries; i++)
		start->map[i] = (struct pvh_memory){ .addr = params->e820_table[i].addr,
						     .size = params->e820_table[i].size,
						     .type = params->e820_table[i].type };
	if (params->hdr.ramdisk_size) {
		start->initrd = (struct pvh_module){ .paddr = params->hdr.ramdisk_image,
						     .size = params->hdr.ramdisk_size };
		start->info.nr_modules = 1;
		start->info.modlist_paddr = X86_PVH_START_INFO + offsetof(struct start, initrd);
	}
}
