// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel, initrd and command line as files that an input holds, through arch_load(). Guest RAM lies between pages that
 * nobody may touch, so a store outside it is seen. What was accepted lies in RAM, apart from each other.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#include "tests/fuzz/faults.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"
#include "tests/unit/image.h"
#include "vmm/arch/arch.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/arch/x86/pvh.h"

#define RAM        (32 * MIB)
#define BODY_MAX   65536u
#define SEGMENTS   4u
#define ELF_HEADER 64u
#define ELF_ENTRY  56u
#define ELF_SIZE   4096u
#define NOTES      1024u /* where an ELF file has them */
#define PAYLOAD    0x300u

static struct guest *guest;

void fuzz_start(void)
{
	guest = guest_make(RAM);
}

/* --- images whose form is right ----------------------------------------------------------------------------------- */

static void put(uint8_t *at, uint64_t value, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

/* A number as a loader is tempted by it: near a limit, or any. */
static uint64_t tempting(struct input *in)
{
	static const uint64_t limits[] = { 0, MIB, RAM, X86_HOLE_START, 1ull << 32, UINT64_MAX, 16 * MIB, 4096 };
	uint8_t code = input_u8(in);

	return code & 0x80 ? input_u64(in) : limits[code % 8] + (uint64_t)(int64_t)(int8_t)input_u8(in);
}

/* A kernel of today with some fields of its header changed: (offset, value) pairs. */
static size_t make_bzimage(struct input *in, uint8_t *file)
{
	struct bz bz = bz_plain();
	uint8_t *header = (uint8_t *)&bz.header;

	for (unsigned n = input_u8(in) % 8; n; n--) {
		uint8_t at = input_u8(in) % sizeof(bz.header);

		header[at] = input_u8(in);
	}
	if (input_u8(in) & 1)
		bz.header.pref_address = tempting(in);
	for (size_t i = 0; i < bz.size; i++)
		file[i] = bz_byte(i);
	memcpy(file + 0x1f1, &bz.header, sizeof(bz.header));
	return bz.size;
}

static size_t make_elf(struct input *in, uint8_t *file)
{
	uint8_t code = input_u8(in);
	unsigned n = code % (SEGMENTS + 1);
	uint64_t at = ELF_HEADER;

	memset(file, 0, BODY_MAX);
	memcpy(file, "\177ELF\2\1\1", 7);
	put(file + 16, 2, 2);  /* ET_EXEC */
	put(file + 18, 62, 2); /* EM_X86_64 */
	put(file + 24, code & 0x80 ? tempting(in) : 16 * MIB, 8);
	put(file + 32, code & 0x40 ? tempting(in) : at, 8);
	put(file + 54, ELF_ENTRY, 2);
	put(file + 56, n, 2);
	for (; n; n--, at += ELF_ENTRY) {
		put(file + at, code & 0x20 ? input_u8(in) : 1, 4); /* PT_LOAD */
		put(file + at + 8, code & 0x10 ? tempting(in) : ELF_HEADER, 8);
		put(file + at + 24, 16 * MIB + (code & 0x08 ? tempting(in) : 0), 8);
		put(file + at + 32, code & 0x10 ? tempting(in) : 512, 8);
		put(file + at + 40, code & 0x08 ? tempting(in) : 4096, 8);
	}
	for (n = input_u8(in) % 4; n; n--)
		file[input_u8(in) % (ELF_HEADER + SEGMENTS * ELF_ENTRY)] = input_u8(in);
	return ELF_SIZE;
}

/* The last segment becomes one of notes: two of another's, then PVH's. */
static void add_notes(struct input *in, uint8_t *file)
{
	uint8_t code = input_u8(in), *notes = file + NOTES;
	uint8_t *segment = file + ELF_HEADER + (file[56] ? file[56] - 1 : 0) * ELF_ENTRY;

	for (unsigned i = 0; i < 3; i++, notes += 24) {
		put(notes, 4, 4);
		put(notes + 4, 8, 4);
		put(notes + 8, i < 2 ? input_u8(in) : 18, 4);
		memcpy(notes + 12, "Xen", 4);
		put(notes + 16, code & 0x80 ? tempting(in) : 16 * MIB + 8, 8);
	}
	put(segment, 4, 4); /* PT_NOTE */
	put(segment + 8, code & 0x40 ? tempting(in) : NOTES, 8);
	put(segment + 32, code & 0x20 ? tempting(in) : 3 * 24, 8);
	put(segment + 48, code & 0x10 ? 8 : 4, 8);
	for (unsigned n = code % 4; n; n--)
		file[NOTES + input_u8(in) % 72] = input_u8(in);
}

/* gzip's, with some bytes changed. */
static size_t pack(struct input *in, uint8_t *file, size_t len)
{
	static uint8_t packed[BODY_MAX];
	z_stream z = { .next_in = file, .avail_in = (uInt)len, .next_out = packed, .avail_out = sizeof(packed) };

	fuzz_check(deflateInit2(&z, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY) == Z_OK &&
			   deflate(&z, Z_FINISH) == Z_STREAM_END,
		   "deflate");
	deflateEnd(&z);
	len = sizeof(packed) - z.avail_out;
	for (unsigned n = input_u8(in) % 4; n; n--)
		packed[input_u16(in) % len] = input_u8(in);
	memcpy(file, packed, len);
	return len;
}

/* A bzImage with the file as its payload. */
static size_t wrap(struct input *in, uint8_t *file, size_t len)
{
	static uint8_t payload[BODY_MAX];
	struct bz bz = bz_plain();
	uint8_t code = input_u8(in);

	memcpy(payload, file, len);
	bz.header.payload_offset = code & 0x80 ? (uint32_t)tempting(in) : PAYLOAD;
	bz.header.payload_length = code & 0x40 ? (uint32_t)tempting(in) : (uint32_t)len;
	memset(file, 0, bz.size);
	memcpy(file + 0x1f1, &bz.header, sizeof(bz.header));
	if (len > bz.size - bz_setup(&bz) - PAYLOAD)
		len = bz.size - bz_setup(&bz) - PAYLOAD;
	memcpy(file + bz_setup(&bz) + PAYLOAD, payload, len);
	return bz.size;
}

/* --- the input ---------------------------------------------------------------------------------------------------- */

static size_t make_kernel(struct input *in, uint8_t *file)
{
	uint8_t code = input_u8(in);
	size_t len = code % 4 == 0 ? make_bzimage(in, file) : code % 4 == 1 ? make_elf(in, file) : 0;
	uint32_t cut;

	if (!len) /* as it is */
		return input_bytes(in, file, in->left < BODY_MAX ? in->left : BODY_MAX);
	if (code % 4 == 1 && code & 0x10)
		add_notes(in, file);
	if (code & 0x04)
		len = pack(in, file, len);
	if (code & 0x08)
		len = wrap(in, file, len);
	cut = code & 0x80 ? input_u16(in) : code & 0x40 ? (uint32_t)len - input_u8(in) % 32 : (uint32_t)len;
	return cut < len ? cut : len;
}

static void check_start_info(void)
{
	const struct pvh_start_info *info = (const struct pvh_start_info *)(guest->ram + X86_PVH_START_INFO);

	fuzz_check(info->magic == PVH_START_MAGIC && info->cmdline_paddr == X86_CMDLINE &&
			   info->memmap_entries == guest_params(guest)->e820_entries &&
			   info->nr_modules == (guest->config.initrd ? 1 : 0),
		   "the start info is another");
}

static void check_loaded(const char *cmdline)
{
	const struct vm_boot *boot = &guest->vm.boot;
	const struct boot_params *params = guest_params(guest);

	fuzz_check(boot->entry >= X86_HIGH_RAM && boot->entry < RAM, "entry 0x%llx", (unsigned long long)boot->entry);
	fuzz_check(strcmp((const char *)guest->ram + X86_CMDLINE, cmdline) == 0, "the command line is another");
	fuzz_check(boot->path != BOOT_AUTO && (!guest->config.boot || boot->path == guest->config.boot),
		   "it is entered by path %u", boot->path);
	fuzz_check(params->hdr.cmd_line_ptr == X86_CMDLINE, "the command line is not found");
	fuzz_check(params->e820_entries >= 3 && params->e820_entries <= E820_MAX_ENTRIES_ZEROPAGE, "%u entries",
		   params->e820_entries);
	if (boot->path == BOOT_PVH)
		check_start_info();
	if (!guest->config.initrd)
		fuzz_check(!boot->initrd_size && !params->hdr.ramdisk_size, "an initrd from nowhere");
	else
		fuzz_check(boot->initrd_gpa % 4096 == 0 && boot->initrd_gpa > boot->entry &&
				   boot->initrd_size <= RAM - boot->initrd_gpa &&
				   params->hdr.ramdisk_image == boot->initrd_gpa &&
				   params->hdr.ramdisk_size == boot->initrd_size,
			   "the initrd is at 0x%llx", (unsigned long long)boot->initrd_gpa);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static uint8_t file[BODY_MAX];
	static char cmdline[X86_CMDLINE_END];
	struct input in = { data, size };
	struct temp_file kernel, initrd = { .fd = -1 };
	uint8_t code = input_u8(&in);
	size_t cmdline_len = code & 1 ? input_u8(&in) * 300u : input_u8(&in);
	uint32_t initrd_len = code & 2 ? input_u32(&in) % (2 * RAM) : 0;
	uint8_t fault = code & 4 ? input_u8(&in) : 0;

	memset(cmdline, 'x', cmdline_len);
	cmdline[cmdline_len] = '\0';
	guest->config.cmdline = cmdline;
	guest->config.boot = (enum boot_path)(code >> 5 & 3);
	guest->config.initrd = NULL;
	if (code & 2) {
		file_make(&initrd, "initrd", 6);
		fuzz_check(ftruncate(initrd.fd, initrd_len) == 0, "the initrd");
		guest->config.initrd = code & 8 ? "/nowhere" : initrd.path;
	}
	size_t len = make_kernel(&in, file);

	file_make(&kernel, file, len);
	guest->config.kernel = code & 16 ? "/" : kernel.path;
	guest_clear(guest);
	guest->vm.cmdline = (char *)guest->config.cmdline;
	faults_arm(fault);
	int err = arch_load(&guest->vm);

	fuzz_check(err <= 0, "arch_load() says %d", err);
	if (!err)
		check_loaded(cmdline);
	file_gone(&kernel);
	if (initrd.fd >= 0)
		file_gone(&initrd);
}
