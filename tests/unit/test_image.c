// SPDX-License-Identifier: GPL-2.0-only
/* Compressed kernel files, and bzImages whose payload is taken out: loaded as what they hold, or refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/unit/image.h"

#define PACKED_MAX (sizeof(struct vmlinux) + 4096)
#define PAYLOAD    0x2c0u /* offset in the protected-mode part, behind the 64-bit entry */
#define FILE_MAX   65536u
#define BEHIND     4u /* the unpacked size, as Linux's build appends it */

static struct guest *guest; /* 64 MiB */
static struct vmlinux kernel;

static int plain(void **state)
{
	(void)state;
	vmlinux_plain(&kernel);
	guest->config.boot = BOOT_AUTO;
	return 0;
}

static size_t gzip(const void *bytes, size_t len, uint8_t *to, size_t room)
{
	z_stream z = {
		.next_in = (z_const Bytef *)bytes, .avail_in = (uInt)len, .next_out = to, .avail_out = (uInt)room
	};

	assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	deflateEnd(&z);
	return room - z.avail_out;
}

static void load(const void *bytes, size_t len, enum boot_path path)
{
	struct temp_file file;

	file_make(&file, bytes, len);
	assert_loaded(guest, file.path);
	file_gone(&file);
	assert_int_equal(guest->vm.boot.path, path);
	if (path == BOOT_BZIMAGE)
		return;
	assert_true(guest->vm.boot.entry == (path == BOOT_PVH ? VMLINUX_PVH_ENTRY : VMLINUX_ENTRY));
	assert_memory_equal(guest->ram + VMLINUX_AT, kernel.code, sizeof(kernel.code));
	for (uint64_t gpa = VMLINUX_AT + sizeof(kernel.code); gpa < VMLINUX_AT + 8192; gpa++)
		assert_int_equal(guest->ram[gpa], 0);
}

static void refuse(const void *bytes, size_t len, const char *part)
{
	struct temp_file file;

	file_make(&file, bytes, len);
	assert_refused(guest, file.path, part);
	file_gone(&file);
}

/* --- a compressed file ----------------------------------------------------------------------------------------------
 */

static void test_compressed_elf(void **state)
{
	uint8_t packed[PACKED_MAX];
	size_t len = gzip(&kernel, sizeof(kernel), packed, sizeof(packed));

	(void)state;
	load(packed, len, BOOT_ELF);
	guest->config.boot = BOOT_ELF;
	load(packed, len, BOOT_ELF);
	guest->config.boot = BOOT_PVH;
	load(packed, len, BOOT_PVH);
	guest->config.boot = BOOT_BZIMAGE;
	refuse(packed, len, "not a bzImage");
}

/* What holds of a plain file holds of what was unpacked: bounds are those of the bytes, not of the file. */
static void test_damaged_inside(void **state)
{
	uint8_t packed[PACKED_MAX];

	(void)state;
	kernel.code_segment.p_offset = sizeof(kernel) - sizeof(kernel.code) + 1;
	refuse(packed, gzip(&kernel, sizeof(kernel), packed, sizeof(packed)), "beyond the file's end");
	plain(NULL);
	kernel.header.e_phoff = sizeof(kernel) - 111;
	refuse(packed, gzip(&kernel, sizeof(kernel), packed, sizeof(packed)), "truncated");
	plain(NULL);
	for (size_t cut = 0; cut < sizeof(kernel) - sizeof(kernel.notes); cut += 1 + cut / 8)
		refuse(packed, gzip(&kernel, cut, packed, sizeof(packed)), "--kernel");
}

static void test_damaged_outside(void **state)
{
	uint8_t packed[PACKED_MAX];
	size_t len = gzip(&kernel, sizeof(kernel), packed, sizeof(packed));

	(void)state;
	for (size_t cut = 2; cut < len; cut += 7)
		refuse(packed, cut, "truncated or damaged (gzip)");
	packed[len - 5] ^= 1; /* in the sum */
	refuse(packed, len, "truncated or damaged (gzip)");
}

static void test_what_is_no_kernel(void **state)
{
	uint8_t packed[PACKED_MAX], twice[PACKED_MAX];
	size_t len = gzip("no kernel", 9, packed, sizeof(packed));

	(void)state;
	refuse(packed, len, "neither a bzImage nor an ELF vmlinux");
	len = gzip(&kernel, sizeof(kernel), packed, sizeof(packed));
	refuse(twice, gzip(packed, len, twice, sizeof(twice)), "neither a bzImage nor an ELF vmlinux");
	refuse("BZh91AY&SY", 10, "compressed by bzip2");
	refuse("\x89LZO\0\r\n\x1a\n", 9, "unpack it first");
}

/* Unpacked in our memory before it goes to the guest's: never more than that has. */
static void test_larger_than_ram(void **state)
{
	const size_t size = 64 * MIB + 1, room = MIB;
	uint8_t *large = calloc(1, size), *packed = malloc(room);

	(void)state;
	assert_true(large && packed);
	memcpy(large, &kernel, sizeof(kernel));
	load(packed, gzip(large, size - 1, packed, room), BOOT_ELF);
	refuse(packed, gzip(large, size, packed, room), "raise --mem");
	/* the file itself: nothing of it is read */
	memcpy(large, packed, 2);
	refuse(large, size, "raise --mem");
	free(large);
	free(packed);
}

/* --- a bzImage's payload --------------------------------------------------------------------------------------------
 */

/* A bzImage around `payload`; its length. */
static size_t wrap(struct bz *bz, const void *payload, size_t len, uint8_t *file)
{
	const size_t body = (PAYLOAD + len + BEHIND + 15) / 16 * 16;

	bz->header.syssize = (uint32_t)(body / 16);
	bz->header.payload_offset = PAYLOAD;
	bz->header.payload_length = (uint32_t)(len + BEHIND);
	bz->size = bz_setup(bz) + body;
	assert_true(bz->size <= FILE_MAX);
	for (size_t i = 0; i < bz->size; i++)
		file[i] = bz_byte(i);
	memcpy(file + 0x1f1, &bz->header, sizeof(bz->header));
	memcpy(file + bz_setup(bz) + PAYLOAD, payload, len);
	return bz->size;
}

static void test_payload(void **state)
{
	uint8_t packed[PACKED_MAX], file[FILE_MAX], again[FILE_MAX];
	struct bz bz = bz_plain();
	size_t len = wrap(&bz, packed, gzip(&kernel, sizeof(kernel), packed, sizeof(packed)), file);

	(void)state;
	load(file, len, BOOT_BZIMAGE);
	guest->config.boot = BOOT_BZIMAGE;
	load(file, len, BOOT_BZIMAGE);
	guest->config.boot = BOOT_ELF;
	load(file, len, BOOT_ELF);
	guest->config.boot = BOOT_PVH;
	load(file, len, BOOT_PVH);
	/* and in a compressed bzImage */
	load(again, gzip(file, len, again, sizeof(again)), BOOT_PVH);
	guest->config.boot = BOOT_AUTO;
	load(again, gzip(file, len, again, sizeof(again)), BOOT_BZIMAGE);
}

static void test_payload_place(void **state)
{
	static const uint32_t beyond[] = { 1, 16, FILE_MAX, 0x7fffffff, 0x80000000, UINT32_MAX };
	uint8_t packed[PACKED_MAX], file[FILE_MAX];
	struct bz bz = bz_plain();
	size_t packed_len = gzip(&kernel, sizeof(kernel), packed, sizeof(packed));
	size_t len = wrap(&bz, packed, packed_len, file);
	struct setup_header header = bz.header;
	uint32_t rest = (uint32_t)(len - bz_setup(&bz) - PAYLOAD);

	(void)state;
	guest->config.boot = BOOT_ELF;
	header.payload_length = rest; /* to the last byte */
	memcpy(file + 0x1f1, &header, sizeof(header));
	load(file, len, BOOT_ELF);
	for (unsigned i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		header = bz.header;
		header.payload_length = beyond[i] > UINT32_MAX - rest ? beyond[i] : rest + beyond[i];
		memcpy(file + 0x1f1, &header, sizeof(header));
		refuse(file, len, "its payload lies beyond");
		header = bz.header;
		header.payload_offset = beyond[i] > 16 ? beyond[i] : PAYLOAD + rest + beyond[i];
		memcpy(file + 0x1f1, &header, sizeof(header));
		refuse(file, len, "its payload lies beyond");
	}
	header = bz.header;
	header.payload_length = 0;
	memcpy(file + 0x1f1, &header, sizeof(header));
	refuse(file, len, "names no payload");
	header = bz.header;
	header.payload_length = (uint32_t)packed_len - 1;
	memcpy(file + 0x1f1, &header, sizeof(header));
	refuse(file, len, "its payload is truncated or damaged");
	guest->config.boot = BOOT_BZIMAGE; /* which does not look at it */
	load(file, len, BOOT_BZIMAGE);
}

static void test_payload_of_no_use(void **state)
{
	uint8_t packed[PACKED_MAX], file[FILE_MAX];
	struct bz bz = bz_plain();

	(void)state;
	guest->config.boot = BOOT_PVH;
	refuse(file, wrap(&bz, "\x89LZO\0\r\n\x1a\n", 9, file), "compressed by lzo");
	refuse(file, wrap(&bz, &kernel, sizeof(kernel), file), "no way that minivmm knows; use --boot bzimage");
	refuse(file, wrap(&bz, packed, gzip("text", 4, packed, sizeof(packed)), file), "no ELF file");
	memset(kernel.notes, 0, sizeof(kernel.notes));
	refuse(file, wrap(&bz, packed, gzip(&kernel, sizeof(kernel), packed, sizeof(packed)), file), "no PVH note");
	plain(NULL);
	guest->config.boot = BOOT_PVH;
	bz.header.version = 0x020b;
	refuse(file, wrap(&bz, packed, gzip(&kernel, sizeof(kernel), packed, sizeof(packed)), file), "too old");
}

static int setup(void **state)
{
	(void)state;
	guest = guest_make(64 * MIB);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guest_free(guest);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_compressed_elf, plain),
		cmocka_unit_test_setup(test_damaged_inside, plain),
		cmocka_unit_test_setup(test_damaged_outside, plain),
		cmocka_unit_test_setup(test_what_is_no_kernel, plain),
		cmocka_unit_test_setup(test_larger_than_ram, plain),
		cmocka_unit_test_setup(test_payload, plain),
		cmocka_unit_test_setup(test_payload_place, plain),
		cmocka_unit_test_setup(test_payload_of_no_use, plain),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
