// SPDX-License-Identifier: GPL-2.0-only
/*
 * A kernel file and a configuration that an input holds, through preflight. What it says is text for people; a boot
 * path that it promises is one by which arch_load() takes the file, and the other way round.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/faults.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"
#include "tests/unit/kernelfile.h"
#include "vmm/arch/arch.h"
#include "vmm/kernel/choice.h"
#include "vmm/kernel/facts.h"
#include "vmm/kernel/preflight.h"

#define RAM      (32 * MIB)
#define TEXT_MAX 4096u

static struct guest *guest;

void fuzz_start(void)
{
	guest = guest_make(RAM);
	guest->vm.cmdline = (char *)guest->config.cmdline; /* as vm_describe_cmdline() would */
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

/* Some bytes anywhere, or in the first kilobyte, where headers are. */
static void change(struct input *in, const struct bytes *bytes)
{
	for (unsigned n = input_u8(in) % 8; n; n--) {
		size_t at = input_u16(in);

		bytes->at[at & 0x8000 ? (at & 0x7fff) % bytes->len : at % 0x400 % bytes->len] = input_u8(in);
	}
}

static void replace(struct bytes *bytes, struct bytes by)
{
	free(bytes->at);
	*bytes = by;
}

static struct bytes make_kernel(struct input *in, const char *config)
{
	uint8_t code = input_u8(in);
	struct content content = content_plain();
	char version[64] = { 0 };
	struct bytes bytes;

	if (code & 1)
		content.config = config;
	if (code & 2)
		content.banner = NULL;
	if (code & 4) {
		content.note_align = 8;
		content.note_len = input_u8(in) % 64;
		content.entry = input_u32(in);
	}
	if (code & 8)
		input_bytes(in, version, sizeof(version) - 1);
	bytes = content_make(&content);
	change(in, &bytes);
	if (code & 0x10) {
		replace(&bytes, bytes_gzip(bytes.at, bytes.len));
		change(in, &bytes);
	}
	if (code & 0x20) {
		replace(&bytes, bz_with(code & 8 ? version : DEBIAN_VERSION, &bytes));
		change(in, &bytes);
	}
	if (code & 0x40) /* cut off */
		bytes.len -= input_u16(in) % bytes.len;
	return bytes;
}

static struct bytes make_file(struct input *in, const char *config)
{
	if (input_u8(in) & 1)
		return make_kernel(in, config);
	struct bytes bytes = bytes_copy(in->at, in->left);

	in->left = 0;
	return bytes;
}

/* --- what is said of it ------------------------------------------------------------------------------------------- */

static bool is_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((text[i] < ' ' || text[i] > '~') && text[i] != '\n')
			return false;
	return true;
}

/* "yes" in the row. */
static bool promises(const char *text, const char *name)
{
	char row[32];

	snprintf(row, sizeof(row), "\n  %-9s yes", name);
	return strstr(text, row) != NULL;
}

static void check_boot(const struct kernel_facts *facts, const char *text)
{
	static const struct {
		enum boot_path path;
		const char *name;
	} paths[] = { { BOOT_BZIMAGE, "bzimage" }, { BOOT_ELF, "elf" }, { BOOT_PVH, "pvh" } };

	guest->config.kernel = facts->file.path;
	for (unsigned i = 0; i < 3; i++) {
		guest->config.boot = paths[i].path;
		guest_clear(guest);
		int err = arch_load(&guest->vm);
		bool promised = promises(text, paths[i].name);

		/* what has not enough RAM here is not told of */
		fuzz_check(!promised || !err || err == -ENOSPC || err == -EFBIG || err == -E2BIG,
			   "%s: promised, but %d", paths[i].name, err);
		/* a bzImage that is compressed as a whole is looked for by nobody */
		fuzz_check(promised || err || facts->format == KERNEL_PACKED, "%s: not promised, but it works",
			   paths[i].name);
	}
}

static void check_facts(const struct kernel_facts *facts, const char *text, size_t len)
{
	struct discovery_choice choice;

	fuzz_check(is_text(text, len), "the verdicts are no text");
	fuzz_check(is_text(facts->version, strlen(facts->version)) && !strchr(facts->version, '\n'), "the version");
	fuzz_check(!strchr(facts->release, '/') && strlen(facts->release) < KERNEL_RELEASE_MAX, "the release");
	for (int by_pvh = 0; by_pvh < 2; by_pvh++) {
		discovery_of(facts, by_pvh, &choice);
		fuzz_check(choice.how > DISCOVERY_AUTO && choice.how < DISCOVERY_COUNT &&
				   (!by_pvh || choice.how != DISCOVERY_DT),
			   "chose %u", choice.how);
		fuzz_check(!strchr(choice.why, '\n') && strlen(choice.why) < sizeof(choice.why) - 1, "the reason");
	}
}

static void preflight(const char *path, const char *config, bool faulty)
{
	struct kernel_facts facts;
	char *text = NULL;
	size_t len = 0;

	if (facts_open(&facts, "preflight", path) < 0)
		return;
	int err = config ? kconfig_read(&facts.config, "--config", config) : facts_find_config(&facts);

	if (!err)
		err = facts_look_inside(&facts);
	faults_arm(0);
	fuzz_check(!err || faulty || config, "finding out: %d", err);
	FILE *out = open_memstream(&text, &len);

	fuzz_check(out, "no memory");
	preflight_print(&facts, config != NULL, out);
	fclose(out);
	check_facts(&facts, text, len);
	if (!err && !faulty)
		check_boot(&facts, text);
	free(text);
	facts_close(&facts);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t code = input_u8(&in), fault = code & 1 ? input_u8(&in) : 0;
	struct temp_file kernel, config;
	char text[TEXT_MAX + 1] = { 0 };
	size_t len = code & 2 ? input_bytes(&in, text, input_u16(&in) % TEXT_MAX) : 0;
	struct bytes bytes = make_file(&in, text);

	file_make(&kernel, bytes.at, bytes.len);
	file_make(&config, text, len);
	faults_arm(fault);
	preflight(kernel.path, code & 4 ? config.path : NULL, fault != 0);
	faults_arm(0);
	file_gone(&kernel);
	file_gone(&config);
	free(bytes.at);
}
