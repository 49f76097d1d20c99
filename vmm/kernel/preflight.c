// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/kernel/preflight.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/file.h"
#include "vmm/kernel/facts.h"
#include "vmm/log.h"

enum { STATUS_WORKS, STATUS_LACKS, STATUS_ERROR };

struct arguments {
	const char *kernel, *config;
};

static const char doc[] =
	"Tell what a kernel can use, and which option of its configuration is missing for the rest: ways to find its "
	"devices, boot paths, devices."
	"\vThe configuration is that of --config; else config-RELEASE beside the kernel; else what CONFIG_IKCONFIG put into "
	"it; else what is known of the distribution that built it. docs/kernels.md tells more.\n\n"
	"Status: 0 it can be booted and will find devices; 1 not as far as is known; 2 that could not be told.";

static const struct argp_option options[] = {
	{ "config", 'c', "FILE", 0, "the kernel's configuration, also compressed as /proc/config.gz", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case 'c': arguments->config = arg; return 0;
	case ARGP_KEY_ARG:
		if (arguments->kernel) {
			log_error("preflight %s: one kernel at a time; there is %s already", arg, arguments->kernel);
			return EINVAL;
		}
		arguments->kernel = arg;
		return 0;
	case ARGP_KEY_NO_ARGS: log_error("preflight: of which kernel? name its file"); return EINVAL;
	default: return ARGP_ERR_UNKNOWN;
	}
}

static int find_out(struct kernel_facts *facts, const char *config)
{
	int err = config ? kconfig_read(&facts->config, "--config", config) : facts_find_config(facts);

	return err ? err : facts_look_inside(facts);
}

/* All of it, or a message. */
static int print(const struct kernel_facts *facts, bool config_given)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool works = out && preflight_print(facts, config_given, out);
	int status = works ? STATUS_WORKS : STATUS_LACKS;

	if (!out || fclose(out) < 0) {
		log_error("preflight %s: %s", facts->file.path, strerror(ENOMEM));
		status = STATUS_ERROR;
	} else if (file_dump("preflight: to", "-", text, len) < 0) {
		status = STATUS_ERROR;
	}
	free(text);
	return status;
}

int preflight_main(int argc, char **argv)
{
	static char program[] = "minivmm preflight";
	static const struct argp argp = { .options = options, .parser = parse, .args_doc = "KERNEL", .doc = doc };
	struct arguments arguments = { NULL, NULL };
	struct kernel_facts facts;
	int status = STATUS_ERROR;

	argp_err_exit_status = STATUS_ERROR;
	argv[0] = program;
	if (argp_parse(&argp, argc, argv, 0, NULL, &arguments) || facts_open(&facts, "preflight", arguments.kernel) < 0)
		return status;
	if (find_out(&facts, arguments.config) == 0)
		status = print(&facts, arguments.config != NULL);
	facts_close(&facts);
	return status;
}
