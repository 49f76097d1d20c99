// SPDX-License-Identifier: GPL-2.0-only
/*
 * notify SINKS ROUNDS
 *
 * ROUNDS times a driver in plain memory makes a number available and a vCPU's exit on QueueNotify is served: all that
 * lies between KVM_RUN's return and the next is one call of vcpu_serve(). notify.sh counts its instructions. SINKS is
 * none, recorder, stats or FILE, a transcript.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/driver.h"
#include "vmm/trace/file.h"
#include "vmm/vcpu.h"

#define CAN_PRINT BIT(0)

static void listen(struct vcpu *vcpu, const char *sinks)
{
	struct trace *trace = &vcpu->vm->trace;

	trace->recorder = strcmp(sinks, "none") != 0;
	trace->data_max = TRACE_DATA_DEFAULT;
	if (strcmp(sinks, "stats") == 0)
		vcpu->stats = stats_create();
	else if (trace->recorder && strcmp(sinks, "recorder") != 0)
		trace->n_files = trace_file_open(&trace->files[0], sinks, NULL, NULL) == 0;
	trace->on = trace->recorder || trace->n_files;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc == 3 ? (unsigned)strtoul(argv[2], NULL, 10) : 0;
	struct kvm_run run = { .exit_reason = KVM_EXIT_MMIO };
	struct driver driver;
	void *state;

	if (!rounds || rig_setup(&state))
		return 2;
	struct rig *rig = state;
	struct vcpu vcpu = { .vm = rig->vm, .run = &run, .fd = -1 };

	if (driver_add(&driver, rig, "test", "delay=1m,period=1m"))
		return 2;
	driver.num = 128;
	if (!driver_up(&driver, F_VERSION_1 | F_EVENT_IDX | CAN_PRINT))
		return 2;
	struct ring *ring = &driver.rings[0];
	uint64_t number = gpa_alloc(rig, 4, 4);

	ring_desc(ring, 0, number, 4, 0, 0);
	listen(&vcpu, argv[1]);
	trace_cpu = 0;
	run.mmio.phys_addr = driver.base + R_QUEUE_NOTIFY;
	run.mmio.len = 4;
	run.mmio.is_write = 1;
	for (unsigned i = 0; i < rounds; i++) {
		put32(rig, number, i);
		ring_add(ring, 0);
		ring_set_used_event(ring, (uint16_t)i); /* each is answered by an interrupt, as Linux asks for */
		vcpu_serve(&vcpu, 0);
		reg_put(&driver, R_INTERRUPT_ACK, ISR_USED);
	}
	int status = ring_used_idx(ring) == (uint16_t)rounds && edges(&driver) == rounds ? 0 : 1;

	if (rig->vm->trace.n_files)
		trace_file_close(rig->vm->trace.files[0]);
	rig->vm->trace.n_files = 0;
	stats_destroy(vcpu.stats);
	rig_teardown(&state);
	return status;
}
