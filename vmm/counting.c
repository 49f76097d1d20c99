// SPDX-License-Identifier: GPL-2.0-only
#include "vmm/counting.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/file.h"
#include "vmm/log.h"
#include "vmm/loop.h"
#include "vmm/observe.h"
#include "vmm/trace/stats_show.h"
#include "vmm/vcpu.h"
#include "vmm/vm.h"

struct counting {
	struct vm *vm;
	struct stats_series *series; /* for the JSON */
	bool json_failed;            /* said once */
	struct loop_source *interval, *sampler;
};

/* All vCPUs' counts in one, to be destroyed; NULL where there is no memory. */
static struct stats *sum_up(const struct vm *vm)
{
	struct stats *sum = stats_create();

	for (unsigned i = 0; sum && i < vm->config->cpus; i++)
		stats_add(sum, vm->vcpus[i].stats);
	return sum;
}

static void write_json(struct counting *counting, const struct text *json)
{
	const char *path = counting->vm->config->stats_file;
	int err = json->failed ? -ENOMEM : file_replace(path, json->bytes, json->len);

	if (err && !counting->json_failed)
		log_error("--stats=%s: %s: the counts are not in it", path, strerror(-err));
	counting->json_failed = err;
}

static void count_devices(const struct vm *vm, struct counts *counts)
{
	for (unsigned i = 0; i < vm->n_devices; i++)
		if (vm->devices[i].ops->count)
			vm->devices[i].ops->count(vm->devices[i].ctx, counts);
}

void counting_show(struct counting *counting, uint64_t exits)
{
	uint64_t now = trace_now(&counting->vm->trace);
	bool last = exits;
	const struct vm_config *config = counting->vm->config;
	struct stats *sum = sum_up(counting->vm);
	struct counts counts = { 0 };
	struct text out = { 0 };

	if (!sum) {
		log_error("--stats: %s: the counts are not shown", strerror(ENOMEM));
		return;
	}
	count_devices(counting->vm, &counts);
	out.failed = counts.failed;
	if (!exits)
		exits = stats_sum(sum);
	if (config->stats) {
		if (!last)
			text_printf(&out, "the first %.3f s:\n", 1e-9 * (double)now);
		stats_table(sum, exits, &out);
		counts_table(&counts, &out);
		if (out.failed)
			log_error("--stats: %s: the counts are not shown", strerror(ENOMEM));
		else
			log_block(last ? OBSERVE_END_MS : OBSERVE_LIVE_MS, "", out.bytes, out.len);
		out.len = 0;
		out.failed = counts.failed;
	}
	if (counting->series) {
		series_add(counting->series, sum, now, last);
		stats_json(sum, exits, now, &counts, counting->series, &out);
		write_json(counting, &out);
	}
	text_free(&out);
	counts_release(&counts);
	stats_destroy(sum);
}

static void on_interval(void *ctx, uint64_t expirations)
{
	(void)expirations;
	counting_show(ctx, 0);
}

static void on_sample(void *ctx, uint64_t expirations)
{
	struct counting *counting = ctx;
	struct stats *sum = sum_up(counting->vm);

	(void)expirations;
	if (sum)
		series_add(counting->series, sum, trace_now(&counting->vm->trace), false);
	stats_destroy(sum);
}

static int start(struct counting *counting, struct loop *loop)
{
	const struct vm *vm = counting->vm;
	const struct vm_config *config = vm->config;
	int err = 0;

	for (unsigned i = 0; i < config->cpus; i++) {
		vm->vcpus[i].stats = stats_create();
		if (!vm->vcpus[i].stats)
			return -ENOMEM;
	}
	if (config->stats_interval_ns) {
		err = loop_add_timer(loop, on_interval, counting, &counting->interval);
		if (!err)
			loop_set_timer(counting->interval, config->stats_interval_ns, config->stats_interval_ns);
	}
	if (err || !config->stats_file)
		return err;
	counting->series = calloc(1, sizeof(*counting->series));
	err = counting->series ? loop_add_timer(loop, on_sample, counting, &counting->sampler) : -ENOMEM;
	if (!err)
		loop_set_timer(counting->sampler, SERIES_FIRST, SERIES_FIRST);
	return err;
}

int counting_start(struct counting **out, struct vm *vm, struct loop *loop)
{
	struct counting *counting;
	int err;

	*out = NULL;
	if (!vm->config->stats && !vm->config->stats_file)
		return 0;
	counting = calloc(1, sizeof(*counting));
	if (!counting)
		return -ENOMEM;
	counting->vm = vm;
	err = start(counting, loop);
	if (err)
		counting_free(counting);
	else
		*out = counting;
	return err;
}

void counting_free(struct counting *counting)
{
	if (counting)
		free(counting->series);
	free(counting);
}
