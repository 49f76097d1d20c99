// SPDX-License-Identifier: GPL-2.0-only
/*
 * A command line, its words divided by newlines, through options_read() and what reads the texts that it leaves: trace
 * specs and the options of each device. Nothing is opened that a word names.
 */
#include <argp.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices/devices.h"
#include "devices/virtio/core.h"
#include "tests/fuzz/faults.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/input.h"
#include "vmm/options.h"
#include "vmm/trace/spec.h"
#include "vmm/vm.h"

#define WORDS_MAX 64
#define TEXT_MAX  8192

void fuzz_start(void)
{
	fuzz_check(fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK) == 0, "standard output"); /* nobody reads all that help */
}

/* Where a message or --help ends minivmm, the process goes on here. */
error_t __real_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index, void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index, void *input);
error_t __wrap_argp_parse(const struct argp *argp, int argc, char **argv, unsigned flags, int *index, void *input)
{
	return __real_argp_parse(argp, argc, argv, flags | ARGP_NO_EXIT, index, input);
}

/*
 * The class as it is, or as somebody might write it; what a device of it would do outside is left out, so that options
 * are read and nothing is opened. True where the core should have it.
 */
static bool change_class(struct virtio_class *class, unsigned how)
{
	class->create = NULL;
	class->destroy = NULL;
	switch (how) {
	case 1: class->queue_size = 3; return class->n_queues == 0;
	case 2: class->n_queues = VIRTIO_QUEUES_MAX + 1; return false;
	case 3: class->config_size = VIRTIO_CONFIG_MAX + 1; return false;
	case 4: class->priv_size = 0; return !class->counters && !class->state;
	case 5: class->n_queues = 0; return true;
	default: return true;
	}
}

static void make_device(struct vm *vm, const char *spec, unsigned how)
{
	size_t len = strcspn(spec, ",");
	const struct virtio_class *found = virtio_class_find(spec, len);
	struct virtio_dev *dev;

	devices_help(spec);
	if (!found)
		return;
	struct virtio_class class = *found;
	bool good = change_class(&class, how);

	if (how == 4)
		class.options = NULL; /* they would have no place */
	if (virtio_create(&dev, vm, &class, 0, spec[len] ? spec + len + 1 : NULL))
		return;
	fuzz_check(good, "a wrong class makes a device");
	virtio_destroy(dev);
}

static void check(const struct vm_config *config)
{
	size_t len;

	fuzz_check(config->cpus >= 1 && config->cpus <= VM_CPUS_MAX, "%u CPUs", config->cpus);
	fuzz_check(config->mem_size >= 32ull << 20 && config->mem_size <= 1ull << 40 && config->mem_size % 4096 == 0,
		   "%llu bytes of RAM", (unsigned long long)config->mem_size);
	fuzz_check(config->trace_data <= 4096 && config->n_traces <= TRACE_FILES_MAX, "%u bytes of data",
		   config->trace_data);
	fuzz_check(config->timeout_ns <= 86400000000000ull && config->stats_interval_ns <= 86400000000000ull, "a time");
	fuzz_check(strstr(config->cmdline, "console="), "no console");
	for (unsigned i = 0; i < config->n_traces; i++)
		fuzz_check(strcmp(config->traces[i], "help") == 0 || trace_spec(config->traces[i], &len),
			   "a trace's spec");
}

static void make_devices(const struct vm_config *config, unsigned how)
{
	const struct vm_config machine = { .cmdline = "", .mem_size = 32u << 20, .cpus = 1 };
	struct vm *vm;

	if (!config->n_devices || vm_create(&vm, &machine))
		return;
	for (unsigned i = 0; i < config->n_devices; i++)
		make_device(vm, config->devices[i], how);
	vm_destroy(vm);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	static char text[TEXT_MAX + 1];
	char *words[WORDS_MAX + 2] = { (char *)(uintptr_t) "fuzz" };
	struct input in = { data, size };
	struct options options;
	int n = 1;

	uint8_t code = input_u8(&in);

	faults_arm(code / 8);
	text[input_bytes(&in, text, TEXT_MAX)] = '\0';
	for (char *word = strtok(text, "\n"); word && n <= WORDS_MAX; word = strtok(NULL, "\n")) {
		if (strncmp(word, "--H", 3) != 0) /* argp's own --HANG, which waits */
			words[n++] = word;
	}
	if (options_read(&options, n, words) == 0) {
		check(&options.config);
		make_devices(&options.config, code % 8);
	}
	options_free(&options);
}
