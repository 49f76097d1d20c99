// SPDX-License-Identifier: GPL-2.0-only
#include "tests/unit/kernelfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define VERSION_AT 0x600u /* in the file: in one of the sectors of the setup code */

struct bytes bytes_copy(const void *from, size_t len)
{
	struct bytes bytes = { malloc(len ? len : 1), len };

	assert_non_null(bytes.at);
	memcpy(bytes.at, from, len);
	return bytes;
}

struct bytes bytes_gzip(const void *from, size_t len)
{
	z_stream stream = { .next_in = (void *)(uintptr_t)from, .avail_in = (unsigned)len };
	struct bytes packed;

	assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	packed.len = deflateBound(&stream, len);
	packed.at = malloc(packed.len);
	assert_non_null(packed.at);
	stream.next_out = packed.at;
	stream.avail_out = (unsigned)packed.len;
	assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
	packed.len = stream.total_out;
	deflateEnd(&stream);
	return packed;
}

struct content content_plain(void)
{
	return (struct content){ .banner = "Linux version " DEBIAN_VERSION "\n",
				 .entry = CONTENT_AT,
				 .note = "Xen",
				 .note_type = VMLINUX_PVH_NOTE,
				 .note_len = 8,
				 .note_align = 4 };
}

/* The one note, behind one of another owner. */
static size_t put_notes(struct vmlinux *vmlinux, const struct content *content)
{
	uint8_t desc[sizeof(vmlinux->notes) / 2] = { 0 };
	size_t at = vmlinux_note(vmlinux, 0, content->note_align, "GNU", VMLINUX_PVH_NOTE, desc, 20);

	memcpy(desc, &content->entry, sizeof(content->entry));
	return vmlinux_note(vmlinux, at, content->note_align, content->note, content->note_type, desc,
			    content->note_len);
}

struct bytes content_make(const struct content *content)
{
	struct bytes file = { calloc(1, sizeof(struct vmlinux) + CONTENT_SIZE), sizeof(struct vmlinux) + CONTENT_SIZE };
	struct vmlinux *vmlinux = (struct vmlinux *)file.at;
	char *text = (char *)(vmlinux + 1);

	assert_non_null(file.at);
	vmlinux_plain(vmlinux);
	vmlinux->header.e_entry = content->entry;
	vmlinux->code_segment.p_offset = sizeof(*vmlinux);
	vmlinux->code_segment.p_paddr = CONTENT_AT;
	vmlinux->code_segment.p_filesz = vmlinux->code_segment.p_memsz = CONTENT_SIZE;
	vmlinux->note_segment.p_align = content->note_align;
	vmlinux->note_segment.p_filesz = content->note ? put_notes(vmlinux, content) : 0;
	if (content->banner)
		memcpy(text + 64, content->banner, strlen(content->banner));
	if (content->config) {
		struct bytes packed = bytes_gzip(content->config, strlen(content->config));

		assert_true(packed.len < CONTENT_SIZE - 2048);
		memcpy(text + 1024, "IKCFG_ST", 8);
		memcpy(text + 1032, packed.at, packed.len);
		memcpy(text + 1032 + packed.len, "IKCFG_ED", 8);
		free(packed.at);
	}
	return file;
}

struct setup_header *bz_header(const struct bytes *image)
{
	return (struct setup_header *)(image->at + 0x1f1);
}

struct bytes bz_with(const char *version, const struct bytes *payload)
{
	struct bz bz = bz_plain();
	size_t setup = bz_setup(&bz);
	struct bytes image = { calloc(1, setup + SECTOR + payload->len), setup + SECTOR + payload->len };

	assert_non_null(image.at);
	bz.header.syssize = (uint32_t)((SECTOR + payload->len + 15) / 16);
	bz.header.payload_offset = SECTOR;
	bz.header.payload_length = (uint32_t)payload->len;
	if (version) {
		bz.header.kernel_version = VERSION_AT - SECTOR;
		strcpy((char *)image.at + VERSION_AT, version);
	}
	memcpy(bz_header(&image), &bz.header, sizeof(bz.header));
	memcpy(image.at + setup + SECTOR, payload->at, payload->len);
	return image;
}

struct bytes bz_debian(const char *version)
{
	struct content content = content_plain();
	struct bytes whole = content_make(&content), packed = bytes_gzip(whole.at, whole.len);
	struct bytes image = bz_with(version, &packed);

	free(whole.at);
	free(packed.at);
	return image;
}
