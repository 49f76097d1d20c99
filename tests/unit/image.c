// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/image.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"

#define FENCE         (1u << 20)
#define HEADER_OFFSET 0x1f1u

struct bz bz_plain(void)
{
	return (struct bz){
		.header = {
			.setup_sects = 4,
			.syssize = BZ_BODY / 16,
			.boot_flag = 0xaa55,
			.jump = 0x6aeb, /* jumps behind the header, which so ends at 0x202 + 0x6a */
			.header = 0x53726448,
			.version = 0x020f,
			.loadflags = LOADED_HIGH,
			.initrd_addr_max = 0x7fffffff,
			.kernel_alignment = 0x200000,
			.relocatable_kernel = 1,
			.xloadflags = XLF_KERNEL_64,
			.cmdline_size = 2047,
			.pref_address = 16 * MIB,
			.init_size = 4 * MIB,
		},
		.size = 5 * SECTOR + BZ_BODY,
	};
}

uint8_t bz_byte(size_t offset)
{
	return (uint8_t)(offset * 31 + (offset >> 8) + 7);
}

size_t bz_setup(const struct bz *bz)
{
	return ((bz->header.setup_sects ? bz->header.setup_sects : 4u) + 1u) * SECTOR;
}

void bz_file(struct temp_file *file, const struct bz *bz)
{
	size_t room = bz->size > 1024 ? bz->size : 1024;
	uint8_t *bytes = malloc(room);

	assert_non_null(bytes);
	for (size_t i = 0; i < room; i++)
		bytes[i] = bz_byte(i);
	memcpy(bytes + HEADER_OFFSET, &bz->header, sizeof(bz->header));
	file_make(file, bytes, bz->size);
	free(bytes);
}

size_t vmlinux_note(struct vmlinux *vmlinux, size_t at, size_t align, const char *name, uint32_t type, const void *desc,
		    uint32_t desc_len)
{
	const Elf64_Nhdr note = { .n_namesz = (uint32_t)strlen(name) + 1, .n_descsz = desc_len, .n_type = type };
	size_t desc_at = at + (sizeof(note) + note.n_namesz + align - 1) / align * align;

	assert_true(desc_at + desc_len <= sizeof(vmlinux->notes));
	memcpy(vmlinux->notes + at, &note, sizeof(note));
	memcpy(vmlinux->notes + at + sizeof(note), name, note.n_namesz);
	memcpy(vmlinux->notes + desc_at, desc, desc_len);
	return (desc_at + desc_len + align - 1) / align * align;
}

void vmlinux_plain(struct vmlinux *vmlinux)
{
	const uint64_t entry = VMLINUX_PVH_ENTRY;

	*vmlinux = (struct vmlinux){
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = VMLINUX_ENTRY,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = 2,
		},
		.code_segment = { .p_type = PT_LOAD,
				  .p_offset = offsetof(struct vmlinux, code),
				  .p_paddr = VMLINUX_AT,
				  .p_filesz = sizeof(vmlinux->code),
				  .p_memsz = 8192 },
		.note_segment = { .p_type = PT_NOTE,
				  .p_offset = offsetof(struct vmlinux, notes),
				  .p_align = 4,
				  .p_filesz = sizeof(vmlinux->notes) },
	};
	for (size_t i = 0; i < sizeof(vmlinux->code); i++)
		vmlinux->code[i] = bz_byte(i);
	vmlinux_note(vmlinux, 0, 4, "Xen", VMLINUX_PVH_NOTE, &entry, sizeof(entry));
}

struct guest *guest_make(size_t size)
{
	struct guest *guest = calloc(1, sizeof(*guest));
	uint8_t *all = mmap(NULL, size + 2 * FENCE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	assert_non_null(guest);
	assert_true(all != MAP_FAILED);
	assert_int_equal(mprotect(all + FENCE, size, PROT_READ | PROT_WRITE), 0);
	guest->ram = all + FENCE;
	guest->size = size;
	guest->config = plain_config();
	guest->config.mem_size = size;
	guest->vm.config = &guest->config;
	guest->vm.memory = (struct memory){ .regions = { { .gpa = 0, .size = size, .host = guest->ram } },
					    .n_regions = 1,
					    .mapping = guest->ram,
					    .size = size };
	return guest;
}

void guest_free(struct guest *guest)
{
	munmap(guest->ram - FENCE, guest->size + 2 * FENCE);
	free(guest);
}

void guest_clear(struct guest *guest)
{
	madvise(guest->ram, guest->size, MADV_DONTNEED);
	guest->vm.boot = (struct vm_boot){ 0 };
}

struct boot_params *guest_params(const struct guest *guest)
{
	return (struct boot_params *)(guest->ram + X86_BOOT_PARAMS);
}

const char *guest_load(struct guest *guest, const char *kernel)
{
	guest_clear(guest);
	guest->config.kernel = kernel;
	guest->vm.cmdline = (char *)guest->config.cmdline; /* as vm_describe_cmdline() would */
	catch_stderr();
	int err = arch_load(&guest->vm);
	const char *said = caught_stderr();

	assert_true(err <= 0);
	if (err == 0)
		assert_string_equal(said, "");
	else if (!is_one_message(said))
		fail_msg("refused with %d, but not with one message: '%s'", err, said);
	return said;
}
