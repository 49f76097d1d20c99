// SPDX-License-Identifier: GPL-2.0-only
/*
 * threads SECONDS [SEED]: machines one after the other, each with a device of every class, and wild ones beside them
 * (stress.h). Two vCPU threads do what drivers do, the loop's thread runs timers, kicks by eventfd and watches, the
 * disk has threads of its own, and one more plays the host's programs. Each burst of work is followed by a rest, in
 * which nothing may be lost: what was made available is used without another kick, and taken back by interrupts alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "devices/virtio/core.h"
#include "tests/stress/stress.h"
#include "tests/unit/echo.h"
#include "tests/unit/support.h"
#include "vmm/trace/counts.h"
#include "vmm/trace/text.h"

#define BURSTS   100u /* of work on one machine, with a rest behind each */
#define STEPS    200u /* of a vCPU in each */
#define PATIENCE 120  /* seconds without any progress: something is lost */

struct machine {
	struct rig *rig;
	struct host host;
	struct lane lanes[LANES_MAX];
	struct wild wilds[WILD_MAX];
	pthread_barrier_t burst; /* the vCPUs and main() */
};

struct vcpu_thread {
	pthread_t thread;
	struct machine *machine;
	unsigned cpu;
	uint64_t seed;
};

static int report_fd = STDERR_FILENO;
static uint64_t first_seed;

void give_up(const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);

	va_end(args);
	dprintf(report_fd, "threads: %.*s; seed %llu\n", n, text, (unsigned long long)first_seed);
	_exit(1);
}

static uint32_t choose(uint64_t *seed, uint32_t n)
{
	return (uint32_t)(random_next(seed) % n);
}

/* --- a vCPU ------------------------------------------------------------------------------------------------------- */

/* Reads that no lock of the driver's is needed for, and kicks that mean nothing. */
static void meddle(struct lane *lane, uint64_t *seed)
{
	static const uint32_t regs[] = { R_MAGIC,        R_DEVICE_ID,  R_DEVICE_FEATURES, R_QUEUE_NUM_MAX,
					 R_QUEUE_READY,  R_STATUS,     R_SHM_LEN_LOW,     R_CONFIG_GENERATION,
					 R_QUEUE_NOTIFY, R_CONFIG + 3, R_CONFIG + 0xffc,  R_INTERRUPT_STATUS };
	static const unsigned widths[] = { 1, 2, 4, 8 };

	window_get(&lane->d, regs[choose(seed, 12)], 4);
	window_get(&lane->d, R_CONFIG + choose(seed, 16), widths[choose(seed, 4)]);
	give_kick(&lane->d, choose(seed, lane->d.dev->n_queues + 1));
}

/* What other threads of minivmm ask of a device, at any time: counters, and its state in words. */
static void look(struct machine *machine, uint64_t *seed)
{
	const struct vm *vm = machine->rig->vm;
	const struct vm_device *device = &vm->devices[choose(seed, vm->n_devices)];
	struct counts counts = { 0 };
	struct text text = { 0 };

	device->ops->count(device->ctx, &counts);
	device->ops->report(device->ctx, NULL, &text);
	counts_release(&counts);
	text_free(&text);
}

static void step(struct machine *machine, unsigned cpu, uint64_t *seed)
{
	struct lane *lane = &machine->lanes[choose(seed, n_lane_classes)];
	unsigned i = choose(seed, lane->class->n_rings), what = choose(seed, 200);

	if (what < 100) {
		if (lane->class->rings[i].role == SEND)
			lane_send(lane, i, 1 + choose(seed, SLOTS));
	} else if (what < 150) {
		lane_irq(lane);
	} else if (what < 160) {
		meddle(lane, seed);
	} else if (what < 164) {
		look(machine, seed);
	} else if (what < 168 && lane->class->config_write != UINT32_MAX) {
		pthread_rwlock_rdlock(&lane->life);
		window_put(&lane->d, R_CONFIG + lane->class->config_write, 1, ECHO_CHANGE);
		pthread_rwlock_unlock(&lane->life);
	} else if (what == 168) {
		lane_reset_ring(lane, i);
	} else if (what == 169) {
		lane_reset(lane);
	} else {
		wild_step(&machine->wilds[choose(seed, WILD_MAX)], cpu, seed);
	}
}

static void *vcpu_thread(void *ctx)
{
	struct vcpu_thread *vcpu = ctx;

	for (unsigned burst = 0; burst < BURSTS; burst++) {
		for (unsigned i = 0; i < STEPS; i++)
			step(vcpu->machine, vcpu->cpu, &vcpu->seed);
		pthread_barrier_wait(&vcpu->machine->burst); /* until the other is through, too ... */
		pthread_barrier_wait(&vcpu->machine->burst); /* ... and nothing is lost */
	}
	return NULL;
}

/* --- a machine ---------------------------------------------------------------------------------------------------- */

static void lane_open(struct machine *machine, unsigned i, unsigned number)
{
	struct lane *lane = &machine->lanes[i];
	const struct lane_class *class = &lane_classes[i];
	const char *part = machine->host.images[i & 1], *at = strstr(class->options, "%s");
	char options[160], fd[12];

	*lane = (struct lane){ .class = class, .event_idx = (i + number) & 2 };
	pthread_rwlock_init(&lane->life, NULL);
	pthread_mutex_init(&lane->irq, NULL);
	snprintf(fd, sizeof(fd), "%d", machine->host.net[1]);
	if (strcmp(class->name, "net") == 0)
		part = fd;
	else if (strcmp(class->name, "console") == 0)
		part = machine->host.port;
	else if (strcmp(class->name, "vsock") == 0)
		part = machine->host.vsock;
	snprintf(options, sizeof(options), "notify=%s%s%.*s%s", (i + number) & 1 ? "ioeventfd" : "exit",
		 *class->options ? "," : "", at ? (int)(at - class->options) : 99, class->options, at ? part : "");
	if (driver_add(&lane->d, machine->rig, class->name, options))
		give_up("%s: %s", class->name, options);
	for (unsigned r = 0; r < class->n_rings; r++) {
		struct lane_ring *ring = &lane->rings[r];

		ring->lane = lane;
		ring->class = &class->rings[r];
		ring->ring = (struct ring){ .driver = &lane->d, .q = ring->class->q };
		pthread_mutex_init(&ring->lock, NULL);
		reg_put(&lane->d, R_QUEUE_SEL, ring->class->q);
		uint32_t num = reg_get(&lane->d, R_QUEUE_NUM_MAX);

		ring_place(&ring->ring, num < RING_NUM ? num : RING_NUM);
		ring->n_slots = ring->ring.num / SLOT_DESCS;
		ring->slots_gpa = gpa_alloc(machine->rig, SLOTS * SLOT_SIZE, SLOT_SIZE);
		ring->slots = gpa_ptr(machine->rig, ring->slots_gpa, SLOTS * SLOT_SIZE);
		for (unsigned slot = 0; slot < SLOTS; slot++)
			ring->seed[slot] = number * 1000 + i * 100 + slot + 1;
	}
}

/* No kick is given any more, but by a driver that has an interrupt: what is out comes back, or a kick or an interrupt
 * was lost. */
static void settle(struct machine *machine)
{
	unsigned busy = 1, before = 0;
	const char *who = "";
	time_t moved = time(NULL);

	while (busy) {
		busy = 0;
		for (unsigned i = 0; i < n_lane_classes; i++) {
			lane_irq(&machine->lanes[i]);
			if (lane_busy(&machine->lanes[i]))
				who = machine->lanes[i].class->name;
			busy += lane_busy(&machine->lanes[i]);
		}
		if (busy != before)
			moved = time(NULL);
		else if (time(NULL) > moved + PATIENCE)
			give_up("%s sleeps, with buffers to serve", who);
		before = busy;
		sched_yield();
	}
}

/* What went round, by class. */
struct totals {
	uint64_t used, edges, configs, resets;
};

static void account(struct machine *machine, struct totals *totals)
{
	for (unsigned i = 0; i < n_lane_classes; i++) {
		struct lane *lane = &machine->lanes[i];

		lane_account(lane);
		for (unsigned r = 0; r < lane_classes[i].n_rings; r++)
			totals[i].used += lane->rings[r].got;
		totals[i].edges += lane->edges;
		totals[i].configs += lane->configs;
		totals[i].resets += lane->resets;
	}
}

/* `number` of the machine: decides how kicks go, and what is negotiated. */
static void machine_run(unsigned number, uint64_t seed, struct totals *totals)
{
	struct machine *machine = calloc(1, sizeof(*machine));
	struct vcpu_thread vcpus[VCPUS];
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	void *rig;

	if (!machine || rig_setup(&rig))
		give_up("no machine");
	machine->rig = rig;
	report_fd = machine->rig->saved_err;
	dup2(null, STDOUT_FILENO); /* what the test device prints would be a lot */
	close(null);
	host_open(&machine->host);
	for (unsigned i = 0; i < n_lane_classes; i++)
		lane_open(machine, i, number);
	for (unsigned i = 0; i < WILD_MAX; i++)
		wild_open(&machine->wilds[i], machine->rig, i, &machine->host);
	for (unsigned i = 0; i < n_lane_classes; i++)
		lane_up(&machine->lanes[i]);
	rig_loop_start(machine->rig);
	host_run(&machine->host);
	pthread_barrier_init(&machine->burst, NULL, VCPUS + 1);
	for (unsigned i = 0; i < VCPUS; i++) {
		vcpus[i] = (struct vcpu_thread){ .machine = machine, .cpu = i, .seed = seed + i };
		if (pthread_create(&vcpus[i].thread, NULL, vcpu_thread, &vcpus[i]))
			give_up("no thread");
	}
	for (unsigned burst = 0; burst < BURSTS; burst++) {
		pthread_barrier_wait(&machine->burst);
		settle(machine);
		pthread_barrier_wait(&machine->burst);
	}
	for (unsigned i = 0; i < VCPUS; i++)
		pthread_join(vcpus[i].thread, NULL);
	host_end(&machine->host);
	rig_loop_stop(machine->rig);
	account(machine, totals);
	if (!echo_serves(&machine->rig->b))
		give_up("the sibling does not serve");
	rig_teardown(&rig);
	for (unsigned i = 0; i < WILD_MAX; i++)
		wild_close(&machine->wilds[i]);
	report_fd = STDERR_FILENO;
	host_close(&machine->host);
	pthread_barrier_destroy(&machine->burst);
	free(machine);
}

int main(int argc, char **argv)
{
	time_t end = time(NULL) + (argc > 1 ? atoi(argv[1]) : 10);
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t)time(NULL);
	struct totals totals[LANES_MAX] = { 0 };
	unsigned n = 0;

	first_seed = seed;
	signal(SIGPIPE, SIG_IGN); /* as minivmm does */
	do {
		machine_run(n, seed + 1000 * n, totals);
		n++;
	} while (time(NULL) < end || n < 4); /* both ways to kick, with EVENT_IDX and without */
	printf("%u machines, seed %llu\n", n, (unsigned long long)seed);
	for (unsigned i = 0; i < n_lane_classes; i++) {
		printf("%-8s %9llu used, %8llu edges, %7llu of them tell of a change, %6llu resets\n",
		       lane_classes[i].name, (unsigned long long)totals[i].used, (unsigned long long)totals[i].edges,
		       (unsigned long long)totals[i].configs, (unsigned long long)totals[i].resets);
		if (!totals[i].used || !totals[i].edges || !totals[i].resets)
			give_up("%s was not at work", lane_classes[i].name);
	}
	return 0;
}
