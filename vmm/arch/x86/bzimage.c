// SPDX-License-Identifier: GPL-2.0-only
/* The bzImage format, by Documentation/arch/x86/boot.rst: a boot header, real-mode code that we skip, the kernel. */
#include <errno.h>
#include <string.h>

#include "vmm/arch/x86/image.h"
#include "vmm/arch/x86/layout.h"
#include "vmm/log.h"

#define HEADER_OFFSET       0x1f1u /* setup_header in the file; its length byte is at 0x201 and counts from 0x202 */
#define HEADER_MAGIC_OFFSET 0x202u
#define HEADER_MAGIC        0x53726448u /* "HdrS" */
#define BOOT_FLAG           0xaa55u
#define VERSION_NEEDED      0x020cu /* 2.12: xloadflags, hence the 64-bit entry */
#define ENTRY_64_OFFSET     0x200u
#define SECTOR              512u

bool bzimage_is(const struct image *image)
{
	uint32_t magic;

	memcpy(&magic, image->head + HEADER_MAGIC_OFFSET, sizeof(magic));
	return magic == HEADER_MAGIC;
}

/* The header into image->header, zeros where it ends early; and whether it is one that can be used. */
static int read_header(struct image *image)
{
	struct setup_header *header = &image->header;
	size_t end = HEADER_MAGIC_OFFSET + image->head[HEADER_MAGIC_OFFSET - 1];
	size_t len = end - HEADER_OFFSET;

	memset(header, 0, sizeof(*header));
	memcpy(header, image->head + HEADER_OFFSET, len < sizeof(*header) ? len : sizeof(*header));
	if (header->boot_flag != BOOT_FLAG)
		return image_refuse(image, "the boot sector's signature is missing: the file is damaged");
	if (header->version < VERSION_NEEDED) {
		log_error("--kernel %s: boot protocol %u.%02u is too old; minivmm needs 2.12 (Linux 3.8) or newer",
			  image->file.path, header->version >> 8, header->version & 0xff);
		return -EINVAL;
	}
	if (!(header->xloadflags & XLF_KERNEL_64))
		return image_refuse(image, "is a 32-bit kernel; minivmm boots 64-bit ones");
	if (!(header->loadflags & LOADED_HIGH))
		return image_refuse(image, "is a zImage, which loads below 1 MiB; build a bzImage");
	return 0;
}

/*
 * Where the kernel wants to be; it moves itself there from anywhere below, so nothing is won by another place
 * (boot.rst, init_size). One that is relocatable and names no place above 1 MiB goes to the lowest that is aligned. 0:
 * nowhere.
 */
static uint64_t load_address(const struct image *image, uint64_t need)
{
	const struct setup_header *header = &image->header;
	uint64_t align = header->kernel_alignment;
	uint64_t start = header->pref_address;

	if (start < X86_HIGH_RAM) {
		if (!header->relocatable_kernel || align == 0 || (align & (align - 1)))
			return 0;
		start = (X86_HIGH_RAM + align - 1) & ~(align - 1);
	}
	return start < image->ram_end && need <= image->ram_end - start ? start : 0;
}

/* Where the protected-mode part begins in the file. */
static uint64_t body_offset(const struct setup_header *header)
{
	return (uint64_t)((header->setup_sects ? header->setup_sects : 4) + 1) * SECTOR;
}

int bzimage_load(struct image *image)
{
	struct setup_header *header = &image->header;
	int err = read_header(image);

	if (err)
		return err;

	uint64_t setup = body_offset(header);
	uint64_t body = (uint64_t)header->syssize * 16;

	if (body <= ENTRY_64_OFFSET)
		return image_refuse(image, "its header says that it holds no kernel: the file is damaged");
	/* syssize is rounded up to 16 bytes */
	if (setup >= image->size || body - 15 > image->size - setup) {
		log_error("--kernel %s: is truncated: its header promises %llu bytes, the file has %llu; copy it again",
			  image->file.path, (unsigned long long)(setup + body), (unsigned long long)image->size);
		return -EINVAL;
	}
	if (body > image->size - setup)
		body = image->size - setup;

	uint64_t need = header->init_size > body ? header->init_size : body;
	uint64_t start = load_address(image, need);

	if (start == 0) {
		log_error("--kernel %s: needs %llu MiB of RAM from 0x%llx on; raise --mem", image->file.path,
			  (unsigned long long)((need >> 20) + 1), (unsigned long long)header->pref_address);
		return -ENOSPC;
	}
	image->path = BOOT_BZIMAGE;
	image->entry = start + ENTRY_64_OFFSET;
	image->end = start + need;
	return image_read(image, setup, mem_ptr(image->memory, start, body), body);
}

int bzimage_unpack(struct image *image)
{
	const struct setup_header *header = &image->header;
	int err = read_header(image);

	if (err)
		return err;

	uint64_t start = body_offset(header) + header->payload_offset;

	if (header->payload_length == 0)
		return image_refuse(image, "its header names no payload to take an ELF file from; use --boot bzimage");
	if (start > image->size || header->payload_length > image->size - start)
		return image_refuse(image, "is truncated: its payload lies beyond the file's end; copy it again");
	err = image_unpack(image, start, header->payload_length, "its payload is", "use --boot bzimage");
	if (!err && !elf_is(image))
		err = image_refuse(image, "its payload is no ELF file; use --boot bzimage");
	return err;
}
