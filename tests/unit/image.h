/* SPDX-License-Identifier: GPL-2.0-only */
/* Kernel images made to measure, and guest RAM with a fence around it to load them into. */
#ifndef MINIVMM_UNIT_IMAGE_H
#define MINIVMM_UNIT_IMAGE_H

#include <asm/bootparam.h>
#include <elf.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/support.h"
#include "vmm/vm.h"

#define SECTOR  512u
#define MIB     (1ull << 20)
#define BZ_BODY 8192u /* bytes of protected-mode code in the plain image */

/* A bzImage: its header, and how long the file is (what lies behind the header is a pattern). */
struct bz {
	struct setup_header header;
	size_t size;
};

/* What a valid, small, relocatable kernel of today has. */
struct bz bz_plain(void);
void bz_file(struct temp_file *file, const struct bz *bz);
/* The byte at an offset of such a file, where the header does not cover it. */
uint8_t bz_byte(size_t offset);
/* Where the protected-mode part begins in the file. */
size_t bz_setup(const struct bz *bz);

/* An ELF file with one segment to load and one of notes: by its header it is entered at VMLINUX_ENTRY, by its note at
 * VMLINUX_PVH_ENTRY. */
#define VMLINUX_AT        (2 * MIB)
#define VMLINUX_ENTRY     (VMLINUX_AT + 0x10)
#define VMLINUX_PVH_ENTRY (VMLINUX_AT + 0x20)
struct vmlinux {
	Elf64_Ehdr header;
	Elf64_Phdr code_segment, note_segment;
	uint8_t code[1024];
	uint8_t notes[256]; /* up to the end of the file */
};
void vmlinux_plain(struct vmlinux *vmlinux);
/* Appends a note at `at`, padded to `align`; where the next one goes. */
size_t vmlinux_note(struct vmlinux *vmlinux, size_t at, size_t align, const char *name, uint32_t type, const void *desc,
		    uint32_t desc_len);
#define VMLINUX_PVH_NOTE 18u

/* A machine of nothing but RAM from gpa 0, with inaccessible pages on both sides, so that a stray store is seen. */
struct guest {
	struct vm_config config;
	struct vm vm;
	uint8_t *ram;
	size_t size;
};
struct guest *guest_make(size_t size);
void guest_free(struct guest *guest);
/* As new: all zeros. */
void guest_clear(struct guest *guest);
struct boot_params *guest_params(const struct guest *guest);

/* arch_load() with its messages caught: 0 and silence, or -errno and one message. Returns the message, "" for success.
 */
const char *guest_load(struct guest *guest, const char *kernel);

/* Loading must fail with one message that holds `part`. */
#define assert_refused(guest, path, part)                                     \
	do {                                                                  \
		const char *said_ = guest_load(guest, path);                  \
		if (!*said_)                                                  \
			fail_msg("was accepted; wanted a refusal: %s", part); \
		assert_one_message(said_, part);                              \
	} while (0)
#define assert_loaded(guest, path)                           \
	do {                                                 \
		const char *said_ = guest_load(guest, path); \
		if (*said_)                                  \
			fail_msg("was refused: %s", said_);  \
	} while (0)

#endif
