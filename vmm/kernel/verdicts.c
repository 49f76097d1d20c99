// SPDX-License-Identifier: GPL-2.0-only
/* What preflight says of a kernel. */
#include <ctype.h>
#include <stdarg.h>
#include <string.h>

#include "devices/devices.h"
#include "vmm/kernel/choice.h"
#include "vmm/kernel/facts.h"
#include "vmm/kernel/preflight.h"

#define IN_INITRAMFS "must be in the initramfs"
#define BUILT_IN     "built in"
#define NO_64_BITS   "its header has no 64-bit entry: a 32-bit kernel, older than Linux 3.8, or damaged"

static void row(FILE *out, const char *name, const char *verdict, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* "  NAME VERDICT TEXT" in columns. */
static void row(FILE *out, const char *name, const char *verdict, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(out, "  %-9s %-8s", name, verdict);
	vfprintf(out, fmt, args);
	fputc('\n', out);
	va_end(args);
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static const char *format_name(const struct kernel_facts *facts)
{
	switch (facts->format) {
	case KERNEL_BZIMAGE: return "bzImage";
	case KERNEL_ELF: return "ELF file";
	case KERNEL_PACKED: return "compressed file";
	default: return "neither a bzImage nor an ELF file";
	}
}

static void print_kernel(const struct kernel_facts *facts, FILE *out)
{
	const struct kconfig *config = &facts->config;

	fprintf(out, "kernel     %s\nformat     %s", facts->file.path, format_name(facts));
	if (facts->format == KERNEL_BZIMAGE)
		fprintf(out, ", boot protocol %u.%02u", facts->protocol >> 8, facts->protocol & 0xff);
	if (facts->packing)
		fprintf(out, ", %s", facts->packing);
	fprintf(out, "\nversion    %s\nconfig     ", facts->version[0] ? facts->version : "none: no Linux");
	switch (config->source) {
	case KCONFIG_FILE: fprintf(out, "%s\n", config->path); break;
	case KCONFIG_EMBEDDED: fputs("embedded in the kernel\n", out); break;
	case KCONFIG_VENDOR:
		fprintf(out,
			"not found; assumed, by the version string: what %s's kernels have in common (--config FILE names it)\n",
			config->vendor);
		break;
	default: fputs("not found, neither beside the kernel nor in it; --config FILE names it\n", out); break;
	}
}

/* --- ways of discovery -------------------------------------------------------------------------------------------- */

/* NULL: the transport is built in. */
static const char *transport_modules(const struct kconfig *config)
{
	if (kconfig_value(config, "CONFIG_VIRTIO_MMIO") != 'm')
		return NULL;
	return kconfig_value(config, "CONFIG_VIRTIO") == 'm' ?
		       "virtio_mmio.ko, virtio.ko, virtio_ring.ko " IN_INITRAMFS :
		       "virtio_mmio.ko " IN_INITRAMFS;
}

/* Whether there is a way, where the one by a device tree counts or not. */
static bool print_discovery(const struct kernel_facts *facts, bool with_dt, FILE *out)
{
	const char *modules = transport_modules(&facts->config);
	bool any = false, sure;

	fputs("\nhow it can be told of its devices (--discovery)\n", out);
	for (enum discovery how = DISCOVERY_DT; how < DISCOVERY_COUNT; how++) {
		const char *missing = discovery_missing(&facts->config, how, &sure);

		if (missing) {
			row(out, discovery_names[how], "no", "%s is not set", missing);
		} else if (!sure) {
			row(out, discovery_names[how], "unknown", "without its configuration");
		} else {
			row(out, discovery_names[how], "yes", "%s", modules ? modules : BUILT_IN);
			any |= with_dt || how != DISCOVERY_DT;
		}
	}
	return any;
}

/* --- boot paths --------------------------------------------------------------------------------------------------- */

static const char *no_bzimage(const struct kernel_facts *facts)
{
	if (facts->format != KERNEL_BZIMAGE)
		return "the file is no bzImage";
	if (!facts->entry_64)
		return NO_64_BITS;
	return facts->whole ? NULL : "the file is not whole: damaged or cut off";
}

static const char *no_vmlinux(const struct kernel_facts *facts)
{
	if (facts->format == KERNEL_BZIMAGE && !facts->entry_64)
		return NO_64_BITS;
	switch (facts->inside) {
	case INSIDE_DAMAGED: return "the kernel in it is not whole: damaged or cut off";
	case INSIDE_UNKNOWN: return "the kernel in it is compressed in a way that minivmm does not unpack";
	case INSIDE_VMLINUX: return NULL;
	default: return "there is no ELF executable for 64-bit x86 in it";
	}
}

static const char *no_elf(const struct kernel_facts *facts)
{
	const char *no = no_vmlinux(facts);

	return no || facts->elf_entry ? no : "its ELF entry point is in none of its segments";
}

static const char *no_pvh(const struct kernel_facts *facts)
{
	const char *no = no_vmlinux(facts);

	if (no || facts->pvh_entry)
		return no;
	return kconfig_value(&facts->config, "CONFIG_PVH") == 'n' ? "CONFIG_PVH is not set" : "it has no PVH note";
}

static void print_boot(const struct kernel_facts *facts, FILE *out)
{
	const char *where = facts->format == KERNEL_ELF ? "" : ", unpacked first", *no = no_bzimage(facts);

	fputs("\nhow it can be booted (--boot)\n", out);
	row(out, "bzimage", no ? "no" : "yes", "%s", no ? no : "by the 64-bit boot protocol");
	no = no_elf(facts);
	row(out, "elf", no ? "no" : "yes", "%s%s", no ? no : "by its 64-bit entry point", no ? "" : where);
	no = no_pvh(facts);
	row(out, "pvh", no ? "no" : "yes", "%s%s", no ? no : "by its PVH note; with acpi or cmdline", no ? "" : where);
}

/* --- devices and what else is of use ------------------------------------------------------------------------------ */

/* CONFIG_VIRTIO_BLK is virtio_blk.ko, unless the class says otherwise. */
static const char *module_name(const struct device_driver *driver, char *name, size_t size)
{
	const char *option = driver->option + sizeof("CONFIG_") - 1;
	size_t n = 0;

	if (driver->module)
		return driver->module;
	for (; n < size - 1 && option[n]; n++)
		name[n] = (char)tolower((unsigned char)option[n]);
	name[n] = '\0';
	return name;
}

/* A driver that may be a module. */
static void print_driver(const struct kconfig *config, const char *name, const char *option, const char *module,
			 FILE *out)
{
	switch (kconfig_value(config, option)) {
	case 'y': row(out, name, "yes", BUILT_IN); break;
	case 'm': row(out, name, "module", "%s.ko " IN_INITRAMFS, module); break;
	case 'n': row(out, name, "no", "%s is not set", option); break;
	default: row(out, name, "unknown", "whether %s is set", option); break;
	}
}

static void print_devices(const struct kconfig *config, FILE *out)
{
	struct device_driver driver;
	char name[64];

	fputs("\nwhich devices it has drivers for (--device)\n", out);
	for (unsigned i = 0; devices_driver(i, &driver); i++) {
		if (driver.option)
			print_driver(config, driver.device, driver.option, module_name(&driver, name, sizeof(name)),
				     out);
		else if (!driver.module)
			row(out, driver.device, "no", "Linux has no driver for it");
		else if (kconfig_value(config, "CONFIG_MODULES") == 'n')
			row(out, driver.device, "no", "CONFIG_MODULES is not set, and %s.ko is a module",
			    driver.module);
		else
			row(out, driver.device, "module", "%s.ko, built against it: scripts/build-module",
			    driver.module);
	}
}

static bool can_be_told(const struct kconfig *config, enum discovery how)
{
	bool sure;

	return !discovery_missing(config, how, &sure);
}

/* What a guest can do without, at a price. */
static void print_rest(const struct kconfig *config, FILE *out)
{
	static const struct hint {
		const char *name, *option, *with, *without;
	} hints[] = {
		{ "console", "CONFIG_SERIAL_8250_CONSOLE", "console=ttyS0", "nothing is seen of its boot" },
		{ "initrd", "CONFIG_BLK_DEV_INITRD", "--initrd", "there is no use for --initrd" },
		{ "clock", "CONFIG_KVM_GUEST", "kvm-clock", "it measures the TSC against the PIT at each boot" },
		{ "cpus", "CONFIG_SMP", "--cpus", "one CPU, whatever --cpus says" },
	};

	fputs("\nwhat else is of use\n", out);
	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		char value = kconfig_value(config, hints[i].option);

		if (value == 'y')
			row(out, hints[i].name, "yes", "%s", hints[i].with);
		else if (value == '?')
			row(out, hints[i].name, "unknown", "whether %s is set", hints[i].option);
		else /* as a module it comes too late */
			row(out, hints[i].name, "no", "%s is not set: %s", hints[i].option, hints[i].without);
	}
	if (can_be_told(config, DISCOVERY_CMDLINE) && kconfig_value(config, "CONFIG_X86_MPPARSE") == 'n')
		row(out, "mptable", "no", "CONFIG_X86_MPPARSE is not set: one CPU by --discovery cmdline");
	if (can_be_told(config, DISCOVERY_DT) && kconfig_value(config, "CONFIG_POWER_RESET_SYSCON_POWEROFF") == 'n')
		row(out, "poweroff", "no", "CONFIG_POWER_RESET_SYSCON_POWEROFF is not set: none by --discovery dt");
	print_driver(config, "panic", "CONFIG_PVPANIC_MMIO", "pvpanic-mmio", out);
}

/* --- all ---------------------------------------------------------------------------------------------------------- */

/* What --boot is to say: "" where auto does it, or NULL where nothing does. */
static const char *boot_option(const struct kernel_facts *facts, bool *by_pvh)
{
	*by_pvh = false;
	if (!no_bzimage(facts))
		return "";
	if (!no_elf(facts))
		return facts->format == KERNEL_BZIMAGE ? " --boot elf" : "";
	*by_pvh = !no_pvh(facts);
	if (!*by_pvh)
		return NULL;
	return facts->format == KERNEL_BZIMAGE ? " --boot pvh" : "";
}

/* The last lines: what "auto" makes of it, and a command line, where one is known to serve. */
static void print_choice(const struct kernel_facts *facts, bool config_given, const char *boot, bool by_pvh, bool works,
			 FILE *out)
{
	struct discovery_choice choice;
	const char *how, *why;

	discovery_of(facts, by_pvh, &choice);
	how = discovery_names[choice.how];
	why = strchr(choice.why, ',');
	/* a boot knows nothing of --config */
	fprintf(out, "\n%s %s%s\n", config_given ? "it is best told by" : "auto takes", how, why ? why : "");
	if (works)
		fprintf(out, "  ./minivmm --kernel %s%s --discovery %s%s\n", facts->file.path, boot, how,
			transport_modules(&facts->config) ? " --initrd INITRAMFS" : "");
}

bool preflight_print(const struct kernel_facts *facts, bool config_given, FILE *out)
{
	bool by_pvh, told;
	const char *boot = boot_option(facts, &by_pvh);

	print_kernel(facts, out);
	told = print_discovery(facts, !by_pvh, out);
	print_boot(facts, out);
	print_devices(&facts->config, out);
	print_rest(&facts->config, out);
	if (boot)
		print_choice(facts, config_given, boot, by_pvh, told, out);
	else
		fputs("\nminivmm cannot boot it\n", out);
	return boot && told;
}
