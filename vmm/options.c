// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/options.h"

#include <argp.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/log.h"
#include "vmm/number.h"
#include "vmm/trace/spec.h"

#define MIB         (1ull << 20)
#define MEM_DEFAULT (512 * MIB)
#define MEM_MIN     (32 * MIB)
#define MEM_MAX     (1024 * 1024 * MIB)
#define TIME_MIN    1000000ull        /* 1 ms */
#define TIME_MAX    86400000000000ull /* a day */
/* A sanitizer's runtime makes system calls of its own, whenever it likes. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANDBOX_DEFAULT SANDBOX_OFF
#else
#define SANDBOX_DEFAULT SANDBOX_ON
#endif
#define MEM_UNIT 4096u /* KVM maps whole pages */

#ifndef MINIVMM_VERSION
#error "the Makefile defines MINIVMM_VERSION"
#endif

const char *argp_program_version = "minivmm " MINIVMM_VERSION;

static const char doc[] =
	"Boot a Linux kernel on KVM with virtio-mmio devices, and see what passes between driver and device."
	"\vThe guest's serial console is standard input and output; on a terminal Ctrl-A x quits, Ctrl-A h helps (and lists the other keys).\n\n"
	"Status: 0 the guest powered off or rebooted, or you quit; 1 minivmm, a file or the host failed; 2 wrong command "
	"line; 3 the guest's kernel panicked; 4 a vCPU cannot go on (triple fault, emulation failure); 5 --timeout is over; "
	"128+N signal N.\n\n"
	"  ./minivmm preflight bzImage       what a kernel can use, and what it lacks; \"preflight --help\"\n"
	"  ./minivmm --kernel bzImage\n"
	"  ./minivmm --kernel bzImage --initrd initramfs.cpio --cpus 2 --device test,period=100ms,notify=ioeventfd\n"
	"  ./minivmm --dump-dtb - | dtc -I dtb -O dts";

enum {
	KEY_DUMP_DTB = 256,
	KEY_DUMP_MAP,
	KEY_STATS,
	KEY_STATS_INTERVAL,
	KEY_TRACE_DATA,
	KEY_RECORDER,
	KEY_TIMEOUT,
	KEY_SANDBOX,
	KEY_DUMP_SANDBOX,
	KEY_DISCOVERY,
	KEY_DUMP_ACPI,
	KEY_BOOT,
};

static const struct argp_option argp_options[] = {
	{ "kernel", 'k', "FILE", 0, "bzImage or ELF vmlinux to boot, also compressed (gzip, xz, lzma, zstd, lz4)", 0 },
	{ "boot", KEY_BOOT, "auto|bzimage|elf|pvh", 0,
	  "how it is entered: by the 64-bit entry of a bzImage or of a vmlinux, or by a vmlinux's PVH note; a bzImage's vmlinux is unpacked for the latter two (default auto: what the file is made for, PVH last)",
	  0 },
	{ "initrd", 'i', "FILE", 0, "initial RAM disk", 0 },
	{ "append", 'a', "TEXT", 0,
	  "kernel command line, behind \"" OPTIONS_CMDLINE_BASE "\" unless it names a console= itself", 0 },
	{ "mem", 'm', "SIZE", 0, "guest RAM: MiB, or with K, M, G (default 512M, from 32M)", 0 },
	{ "cpus", 'c', "N", 0, "virtual CPUs, 1 to 16 (default 1)", 0 },
	{ "device", 'd', "NAME[,KEY=VALUE...]", 0,
	  "add a device, any number of times (default: one \"test\"; \"none\" for none); \"help\" lists them, \"NAME,help\" the keys",
	  0 },
	{ "discovery", KEY_DISCOVERY, "WAY", 0,
	  "how the kernel is told which devices there are: dt (a device tree), acpi, cmdline (its command line), or auto (the default), whichever it can",
	  0 },
	{ "dump-acpi", KEY_DUMP_ACPI, "DIR", 0,
	  "write the ACPI tables to DIR, as NAME.dat (iasl -d reads them), and end; needs no KVM", 0 },
	{ "dump-dtb", KEY_DUMP_DTB, "FILE", 0, "write the device tree (\"-\": standard output) and end; needs no KVM",
	  0 },
	{ "dump-map", KEY_DUMP_MAP, "FILE", 0, "write who answers at which address and end; needs no KVM", 0 },
	{ "timeout", KEY_TIMEOUT, "TIME", 0, "end the run after TIME, such as 10s, with status 5", 0 },
	{ "sandbox", KEY_SANDBOX, "on|log|off", 0,
	  "what a thread may do once the guest runs: a system call that it has no need of ends minivmm (default on), is only told, or is as good as any (docs/security.md)",
	  0 },
	{ "dump-sandbox", KEY_DUMP_SANDBOX, "FILE", 0,
	  "write the system calls that each thread may make and end; needs no KVM", 0 },
	{ NULL, 0, NULL, 0, "To see what happens (docs/tracing.md):", 1 },
	{ "stats", KEY_STATS, "FILE", OPTION_ARG_OPTIONAL,
	  "count and time the exits by reason, device and register: a table on standard error at the end and on SIGUSR1; with =FILE as JSON there; both may be given",
	  1 },
	{ "stats-interval", KEY_STATS_INTERVAL, "TIME", 0, "the same every TIME, such as 1s", 1 },
	{ "trace", 't', "FILE[,format=NAME]", 0,
	  "write every event to FILE: a transcript, JSON lines, or for FILE.pftrace.json a timeline for Perfetto and chrome://tracing; up to 4 times; \"help\" lists the events",
	  1 },
	{ "trace-data", KEY_TRACE_DATA, "N", 0, "bytes of each buffer in it, 0 to 4096 (default 16)", 1 },
	{ "recorder", KEY_RECORDER, "on|off", 0,
	  "keep the last 1024 events and show them when a run goes wrong (default on)", 1 },
	{ 0 },
};

static int bad(const char *option, const char *value, const char *takes)
{
	log_error("%s %s: takes %s", option, value, takes);
	return -EINVAL;
}

/* A number alone is in MiB. */
static int parse_mem(const char *text, uint64_t *size)
{
	const char *takes = "a size from 32M to 1T in whole pages, such as 512M or 6G";
	uint64_t number;
	char *end;

	bool known = number_digits(text, &end, &number) && !*end ? !__builtin_mul_overflow(number, MIB, size) :
								   number_size(text, size);

	return known && *size >= MEM_MIN && *size <= MEM_MAX && *size % MEM_UNIT == 0 ? 0 : bad("--mem", text, takes);
}

static int parse_number(const char *option, const char *text, unsigned min, unsigned max, unsigned *number)
{
	uint64_t value;
	char takes[64];

	if (number_parse(text, min, max, &value)) {
		*number = (unsigned)value;
		return 0;
	}
	snprintf(takes, sizeof(takes), "a number from %u to %u", min, max);
	return bad(option, text, takes);
}

static int parse_time(const char *option, const char *text, uint64_t *ns)
{
	return number_duration(text, ns) && *ns >= TIME_MIN && *ns <= TIME_MAX ?
		       0 :
		       bad(option, text, "a time from 1ms to 1440m, such as 10s or 500ms");
}

static int parse_switch(const char *option, const char *text, bool *off)
{
	*off = strcmp(text, "off") == 0;
	return *off || strcmp(text, "on") == 0 ? 0 : bad(option, text, "on or off");
}

/* One of `n` words; its index. */
static int parse_word(const char *option, const char *text, const char *const *words, unsigned n, const char *takes,
		      unsigned *index)
{
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(text, words[i]) == 0) {
			*index = i;
			return 0;
		}
	}
	return bad(option, text, takes);
}

static int parse_sandbox(const char *text, enum sandbox_mode *mode)
{
	static const char *const words[] = { [SANDBOX_OFF] = "off", [SANDBOX_LOG] = "log", [SANDBOX_ON] = "on" };
	unsigned index = *mode;
	int err = parse_word("--sandbox", text, words, sizeof(words) / sizeof(words[0]), "on, log or off", &index);

	*mode = (enum sandbox_mode)index;
	return err;
}

static int parse_boot(const char *text, enum boot_path *path)
{
	static const char *const words[] = {
		[BOOT_AUTO] = "auto", [BOOT_BZIMAGE] = "bzimage", [BOOT_ELF] = "elf", [BOOT_PVH] = "pvh"
	};
	unsigned index = *path;
	int err = parse_word("--boot", text, words, sizeof(words) / sizeof(words[0]), "auto, bzimage, elf or pvh",
			     &index);

	*path = (enum boot_path)index;
	return err;
}

static int parse_discovery(const char *text, enum discovery *discovery)
{
	static const char *const words[] = { [DISCOVERY_AUTO] = "auto",
					     [DISCOVERY_DT] = "dt",
					     [DISCOVERY_ACPI] = "acpi",
					     [DISCOVERY_CMDLINE] = "cmdline" };

	unsigned index = *discovery;
	int err = parse_word("--discovery", text, words, sizeof(words) / sizeof(words[0]), "dt, acpi, cmdline or auto",
			     &index);

	*discovery = (enum discovery)index;
	return err;
}

static int set_stats(struct vm_config *config, const char *file)
{
	if (file && !*file)
		return bad("--stats", "=", "a file's name behind the =, or nothing at all");
	if (file && config->stats_file) {
		log_error("--stats=%s: the counts go to %s already; one file is all", file, config->stats_file);
		return -EINVAL;
	}
	if (file)
		config->stats_file = file;
	else
		config->stats = true;
	return 0;
}

static int add_trace(struct vm_config *config, const char *spec)
{
	size_t path_len;

	if (config->n_traces == TRACE_FILES_MAX) {
		log_error("--trace %s: there are %u already, the most that can be", spec, TRACE_FILES_MAX);
		return -EINVAL;
	}
	config->traces[config->n_traces++] = spec;
	/* "help" is main.c's */
	return strcmp(spec, "help") == 0 || trace_spec(spec, &path_len) ? 0 : -EINVAL;
}

static int add_device(struct vm_config *config, char *spec)
{
	char **devices = realloc(config->devices, (config->n_devices + 1) * sizeof(*devices));

	if (!devices)
		return -ENOMEM;
	config->devices = devices;
	config->devices[config->n_devices++] = spec;
	return 0;
}

/* A parameter "console=", as the kernel divides its command line. */
static bool names_console(const char *text)
{
	static const char name[] = "console=";
	bool quoted = false;

	for (const char *at = text; *at; at++) {
		quoted ^= *at == '"';
		if (!quoted && strncmp(at, name, sizeof(name) - 1) == 0 &&
		    (at == text || isspace((unsigned char)at[-1])))
			return true;
	}
	return false;
}

/* Of two consoles on the one terminal each would show every line. */
static int set_append(struct options *options, const char *text)
{
	const char *base = names_console(text) ? "" : OPTIONS_CMDLINE_BASE " ";

	free(options->cmdline);
	if (asprintf(&options->cmdline, "%s%s", base, text) < 0) {
		options->cmdline = NULL;
		return -ENOMEM;
	}
	options->config.cmdline = options->cmdline;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *options = state->input;
	struct vm_config *config = &options->config;

	switch (key) {
	case 'k': config->kernel = arg; return 0;
	case 'i': config->initrd = arg; return 0;
	case 'a': return set_append(options, arg);
	case 'm': return parse_mem(arg, &config->mem_size);
	case 'c': return parse_number("--cpus", arg, 1, VM_CPUS_MAX, &config->cpus);
	case 'd': return add_device(config, arg);
	case KEY_DISCOVERY: return parse_discovery(arg, &config->discovery);
	case KEY_DUMP_ACPI: config->dump_acpi = arg; return 0;
	case KEY_DUMP_DTB: config->dump_dtb = arg; return 0;
	case KEY_DUMP_MAP: config->dump_map = arg; return 0;
	case KEY_STATS: return set_stats(config, arg);
	case KEY_STATS_INTERVAL: return parse_time("--stats-interval", arg, &config->stats_interval_ns);
	case 't': return add_trace(config, arg);
	case KEY_TRACE_DATA: return parse_number("--trace-data", arg, 0, TRACE_DATA_MAX, &config->trace_data);
	case KEY_RECORDER: return parse_switch("--recorder", arg, &config->no_recorder);
	case KEY_SANDBOX: return parse_sandbox(arg, &config->sandbox);
	case KEY_BOOT: return parse_boot(arg, &config->boot);
	case KEY_DUMP_SANDBOX: config->dump_sandbox = arg; return 0;
	case KEY_TIMEOUT: return parse_time("--timeout", arg, &config->timeout_ns);
	case ARGP_KEY_ARG:
		log_error(
			"'%s': no option takes this; a kernel is named by --kernel FILE, its command line by --append",
			arg);
		return -EINVAL;
	default: return ARGP_ERR_UNKNOWN;
	}
}

int options_read(struct options *options, int argc, char **argv)
{
	static char program[] = "minivmm";
	static const struct argp argp = { .options = argp_options, .parser = parse, .doc = doc };

	*options = (struct options){ .config = { .cpus = 1,
						 .mem_size = MEM_DEFAULT,
						 .cmdline = OPTIONS_CMDLINE_BASE,
						 .trace_data = TRACE_DATA_DEFAULT,
						 .sandbox = SANDBOX_DEFAULT } };
	argp_err_exit_status = VM_END_USAGE;
	if (argc > 0)
		argv[0] = program; /* messages of getopt begin as ours do */
	int err = argp_parse(&argp, argc, argv, 0, NULL, options);

	if (err == ENOMEM || err == -ENOMEM) /* all else was said where it was found */
		log_error("command line: %s", strerror(ENOMEM));
	return err ? -EINVAL : 0;
}

void options_free(struct options *options)
{
	free(options->config.devices);
	free(options->cmdline);
}
