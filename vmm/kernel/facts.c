// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kernel/facts.h"

#include <asm/bootparam.h>
#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/kernel/unpack.h"
#include "vmm/log.h"

#define HEAD_SIZE     1024u
#define HEADER_OFFSET 0x1f1u      /* of setup_header */
#define HEADER_END    0x202u      /* and as many bytes as the one before says */
#define HEADER_MAGIC  0x53726448u /* "HdrS" */
#define BOOT_FLAG     0xaa55u
#define SECTOR        512u
#define BANNER        "Linux version " /* init/version-timestamp.c */

/* --- the head ----------------------------------------------------------------------------------------------------- */

/* The version string at `text`, as far as it is printable, and the release in it. */
static void take_version(struct kernel_facts *facts, const uint8_t *text, size_t len)
{
	size_t n = 0;

	while (n < len && n < sizeof(facts->version) - 1 && text[n] >= ' ' && text[n] <= '~') {
		facts->version[n] = (char)text[n];
		n++;
	}
	while (n && facts->version[n - 1] == ' ')
		n--;
	facts->version[n] = '\0';

	size_t word = strcspn(facts->version, " ");

	if (word < sizeof(facts->release) && !memchr(facts->version, '/', word)) {
		memcpy(facts->release, facts->version, word);
		facts->release[word] = '\0';
	}
}

/* Whether the boot protocol finds its 64-bit entry, and the file is as long as it says; see bzimage_load(). */
static void check_bzimage(struct kernel_facts *facts, const struct setup_header *header, uint64_t setup)
{
	uint64_t body = (uint64_t)header->syssize * 16, size = facts->file.size;

	facts->entry_64 = header->boot_flag == BOOT_FLAG && header->version >= 0x020c &&
			  header->xloadflags & XLF_KERNEL_64 && header->loadflags & LOADED_HIGH;
	/* syssize is rounded up to 16 bytes */
	facts->whole = body > SECTOR && setup < size && body - 15 <= size - setup;
}

static int read_bzimage(struct kernel_facts *facts, const struct setup_header *header)
{
	uint64_t setup = (uint64_t)((header->setup_sects ? header->setup_sects : 4) + 1) * SECTOR;
	uint64_t version = header->kernel_version + (uint64_t)SECTOR, size = facts->file.size;
	uint8_t bytes[KERNEL_VERSION_MAX];
	int err = 0;

	facts->format = KERNEL_BZIMAGE;
	facts->protocol = header->version;
	check_bzimage(facts, header, setup);
	if (header->kernel_version && version < setup && version < size) {
		uint64_t len = size - version < sizeof(bytes) ? size - version : sizeof(bytes);

		err = file_read(&facts->file, version, bytes, len);
		if (!err)
			take_version(facts, bytes, (size_t)len);
	}
	/* 2.08: payload_offset, from the start of the protected-mode code, and payload_length */
	if (err || header->version < 0x0208 || setup >= size || header->payload_offset >= size - setup)
		return err;
	facts->payload = setup + header->payload_offset;
	if (header->payload_length <= size - facts->payload)
		facts->payload_len = header->payload_length;
	size_t len = facts->payload_len < sizeof(bytes) ? (size_t)facts->payload_len : sizeof(bytes);

	err = file_read(&facts->file, facts->payload, bytes, len);
	if (!err)
		facts->packing = unpack_format(bytes, len);
	return err;
}

static int read_head(struct kernel_facts *facts)
{
	uint8_t head[HEAD_SIZE] = { 0 };
	struct setup_header header;
	size_t len = facts->file.size < HEAD_SIZE ? (size_t)facts->file.size : HEAD_SIZE;
	int err = file_read(&facts->file, 0, head, len);

	if (err)
		return err;
	memcpy(&header, head + HEADER_OFFSET, sizeof(header));
	if (header.header == HEADER_MAGIC) {
		size_t end = HEADER_END + head[HEADER_END - 1] - HEADER_OFFSET; /* a short one of an old kernel */

		if (end < sizeof(header))
			memset((uint8_t *)&header + end, 0, sizeof(header) - end);
		return read_bzimage(facts, &header);
	}
	if (memcmp(head, ELFMAG, SELFMAG) == 0) {
		facts->format = KERNEL_ELF;
		return 0;
	}
	facts->packing = unpack_format(head, len);
	if (facts->packing)
		facts->format = KERNEL_PACKED;
	return 0;
}

int facts_open(struct kernel_facts *facts, const char *option, const char *path)
{
	*facts = (struct kernel_facts){ .file.fd = -1 };
	int err = file_open(&facts->file, option, path);

	if (!err)
		err = read_head(facts);
	if (err)
		facts_close(facts);
	return err;
}

void facts_close(struct kernel_facts *facts)
{
	file_close(&facts->file);
	kconfig_free(&facts->config);
}

/* --- inside ------------------------------------------------------------------------------------------------------- */

static int no_memory(const struct kernel_facts *facts)
{
	log_error("%s %s: %s", facts->file.option, facts->file.path, strerror(ENOMEM));
	return -ENOMEM;
}

/* Where in the file it is. Of an ELF file only what is loaded: debugging information may be ten times as much. */
static int find_inside(const struct kernel_facts *facts, uint64_t *offset, uint64_t *len)
{
	*offset = 0;
	*len = facts->file.size;
	if (facts->format == KERNEL_BZIMAGE) {
		*offset = facts->payload;
		*len = facts->payload_len;
	} else if (facts->format == KERNEL_ELF) {
		return vmlinux_loaded(&facts->file, len);
	}
	return 0;
}

static int read_part(const struct kernel_facts *facts, uint64_t offset, uint64_t len, struct unpacked *part)
{
	*part = (struct unpacked){ .bytes = malloc((size_t)len), .size = (size_t)len };
	if (!part->bytes)
		return no_memory(facts);
	int err = file_read(&facts->file, offset, part->bytes, len);

	if (err)
		free(part->bytes);
	return err;
}

/* The bytes that are inside, for the caller to free; or facts->inside says what is wrong with them. */
static int get_inside(struct kernel_facts *facts, struct unpacked *whole)
{
	struct unpacked packed;
	uint64_t offset, len;
	int err = find_inside(facts, &offset, &len);

	if (err)
		return err;
	if (len == 0 || len > KERNEL_INSIDE_MAX)
		facts->inside = INSIDE_DAMAGED;
	else if (facts->format == KERNEL_ELF)
		return read_part(facts, offset, len, whole);
	else if (!facts->packing)
		facts->inside = INSIDE_UNKNOWN;
	if (facts->inside != INSIDE_UNSEEN)
		return 0;
	err = read_part(facts, offset, len, &packed);
	if (err)
		return err;
	err = unpack(packed.bytes, packed.size, KERNEL_INSIDE_MAX, whole);
	free(packed.bytes);
	if (err == -ENOMEM)
		return no_memory(facts);
	if (err)
		facts->inside = err == -ENOTSUP ? INSIDE_UNKNOWN : INSIDE_DAMAGED;
	return 0;
}

/* Linux's banner is a string with a number behind "version"; the same words are in other strings, too. */
static void find_banner(struct kernel_facts *facts, const uint8_t *bytes, size_t len)
{
	const uint8_t *end = bytes + len;

	while ((bytes = memmem(bytes, (size_t)(end - bytes), BANNER, sizeof(BANNER) - 1))) {
		bytes += sizeof(BANNER) - 1;
		if (bytes < end && *bytes >= '0' && *bytes <= '9') {
			take_version(facts, bytes, (size_t)(end - bytes));
			return;
		}
	}
}

int facts_look_inside(struct kernel_facts *facts)
{
	struct unpacked whole = { NULL, 0 };

	if (facts->inside != INSIDE_UNSEEN)
		return 0;
	if (facts->format == KERNEL_OTHER) {
		facts->inside = INSIDE_OTHER;
		return 0;
	}
	int err = get_inside(facts, &whole);

	if (err || facts->inside != INSIDE_UNSEEN)
		return err;
	facts->inside = vmlinux_look(&whole, &facts->elf_entry, &facts->pvh_entry);
	if (!facts->version[0])
		find_banner(facts, whole.bytes, whole.size);
	if (facts->config.source == KCONFIG_NONE && kconfig_extract(&facts->config, whole.bytes, whole.size) == -ENOMEM)
		err = no_memory(facts);
	free(whole.bytes);
	return err;
}

bool facts_only_pvh(const struct kernel_facts *facts)
{
	return facts->format != KERNEL_BZIMAGE && !facts->elf_entry && facts->pvh_entry;
}

/* --- the configuration -------------------------------------------------------------------------------------------- */

/* config-RELEASE in the directory of `path`. 0; -ENOENT without a message; or -errno with one. */
static int read_beside(struct kernel_facts *facts, const char *path)
{
	const char *slash = strrchr(path, '/');
	int err = -ENOENT;
	struct stat st;
	char *name;

	if (asprintf(&name, "%.*sconfig-%s", slash ? (int)(slash + 1 - path) : 0, path, facts->release) < 0)
		return no_memory(facts);
	if (stat(name, &st) == 0 && S_ISREG(st.st_mode) && st.st_size && access(name, R_OK) == 0)
		err = kconfig_read(&facts->config, "configuration", name);
	free(name);
	return err;
}

/* That there is none is no error, nor that it is none: it was told, and the kernel may well boot. */
static int find_beside(struct kernel_facts *facts)
{
	int err = read_beside(facts, facts->file.path);

	if (err == -ENOENT) { /* /vmlinuz is a link into /boot */
		char *real = realpath(facts->file.path, NULL);

		if (real)
			err = read_beside(facts, real);
		free(real);
	}
	return err == -ENOMEM ? err : 0;
}

int facts_find_config(struct kernel_facts *facts)
{
	int err = facts->version[0] ? 0 : facts_look_inside(facts); /* for the version */

	if (!err && facts->config.source == KCONFIG_NONE && facts->release[0])
		err = find_beside(facts);
	if (!err && facts->config.source == KCONFIG_NONE)
		err = facts_look_inside(facts);
	if (!err && facts->config.source == KCONFIG_NONE && kconfig_guess(&facts->config, facts->version) == -ENOMEM)
		err = no_memory(facts);
	return err;
}
