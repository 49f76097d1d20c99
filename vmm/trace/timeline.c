// SPDX-License-Identifier: GPL-2.0-only
/*
 * The timeline: the trace-event format of Chrome, in its array form, which a reader takes also without its end.
 *
 * A track a vCPU: "guest" and its exits, one behind the other. A track a device: from the kick to the use of a buffer,
 * from there to the interrupt, from the interrupt to its acknowledgement; what overlaps goes to a lane of its own
 * below. An arrow leads from a kick to the interrupt that answers it. Slices are written when they end, so that only
 * the lanes' ends have to be remembered.
 */
#include <string.h>

#include "vmm/bus.h"
#include "vmm/trace/chrome.h"
#include "vmm/trace/decode.h"
#include "vmm/trace/format.h"
#include "vmm/vm.h"

#define ALL_QUEUES UINT64_MAX
#define LANES      8u
#define QUEUES     16u  /* of a device; kicks of others are not drawn */
#define REQUESTS   256u /* chains of a device that are out at once; more are not drawn */
#define CAUSES     2u   /* bits of InterruptStatus */
#define TID_CPU    1u
#define TID_DEV    100u
#define NO_LANE    LANES

struct lane {
	uint64_t end; /* of its last slice, ns */
	bool taken;   /* by one that has begun */
	bool named;
};

/* A slice of a device that has begun. */
struct slice {
	uint64_t begin;
	unsigned lane;
	uint32_t queue, head;
	bool open, by_kick; /* by_kick: it begins there, and not when it was popped */
};

/* The last kick of a queue. */
struct kick {
	uint64_t ns;
	int cpu;
	unsigned lane;   /* of the first request that it led to */
	bool unanswered; /* by an interrupt */
	bool fresh;      /* what is popped now, it led to */
};

struct device {
	const char *name; /* NULL: this entry is free */
	struct lane lanes[LANES];
	struct slice requests[REQUESTS], interrupts[CAUSES];
	uint64_t last_used;  /* 0: none since the last interrupt */
	uint32_t used_queue; /* whose it was */
	struct kick kicks[QUEUES];
};

struct timeline {
	uint64_t now, last_flow;
	struct {
		uint64_t entered, first; /* first: its first event since; 0: none */
		bool named;
	} cpus[VM_CPUS_MAX];
	struct device devices[VM_DEVICES_MAX];
};

/* --- vCPUs -------------------------------------------------------------------------------------------------------- */

/* A vCPU goes back to the guest: what it did since the last time is the guest, then one exit. */
static void on_enter(struct timeline *tl, struct text *out, const struct trace_event *event)
{
	const struct bus_range *range = (const void *)(uintptr_t)event->args[2];
	unsigned cpu = (unsigned)event->cpu, tid = TID_CPU + cpu;
	uint64_t left = event->ns > event->args[0] ? event->ns - event->args[0] : 0;

	if (tl->cpus[cpu].first && tl->cpus[cpu].first < left)
		left = tl->cpus[cpu].first; /* the clock was read between the two */
	if (left < tl->cpus[cpu].entered)
		left = tl->cpus[cpu].entered;
	if (!tl->cpus[cpu].named)
		chrome_track(out, tid, "vCPU", event->cpu);
	tl->cpus[cpu].named = true;
	chrome_begin(out, tid, tl->cpus[cpu].entered, "guest");
	text_str(out, "guest\"}");
	chrome_end(out, tid, left);
	chrome_begin(out, tid, left, "exit");
	text_str(out, (const char *)(uintptr_t)event->args[1]);
	if (range) {
		text_str(out, " ");
		text_str(out, range->name);
		text_str(out, " ");
		decode_reg(out, range, event->args[3]);
	}
	text_str(out, "\"}");
	chrome_end(out, tid, event->ns);
	tl->cpus[cpu].entered = event->ns;
	tl->cpus[cpu].first = 0;
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

static struct device *find_device(struct timeline *tl, const char *name)
{
	for (unsigned i = 0; i < VM_DEVICES_MAX; i++) {
		if (!tl->devices[i].name)
			tl->devices[i].name = name;
		if (tl->devices[i].name == name)
			return &tl->devices[i];
	}
	return NULL;
}

static unsigned lane_tid(const struct timeline *tl, const struct device *dev, unsigned lane)
{
	return TID_DEV + (unsigned)(dev - tl->devices) * LANES + lane;
}

static void lane_name(const struct timeline *tl, struct text *out, struct device *dev, unsigned lane)
{
	if (!dev->lanes[lane].named)
		chrome_track(out, lane_tid(tl, dev, lane), dev->name, lane ? (int)lane + 1 : -1);
	dev->lanes[lane].named = true;
}

/* The first lane that is free from `begin` on, taken; NO_LANE where there is none. */
static unsigned lane_take(const struct timeline *tl, struct text *out, struct device *dev, uint64_t begin)
{
	for (unsigned i = 0; i < LANES; i++) {
		struct lane *lane = &dev->lanes[i];

		if (lane->taken || lane->end > begin)
			continue;
		lane->taken = true;
		lane_name(tl, out, dev, i);
		return i;
	}
	return NO_LANE;
}

static void lane_release(struct device *dev, unsigned lane, uint64_t end)
{
	if (lane == NO_LANE)
		return;
	dev->lanes[lane].taken = false;
	dev->lanes[lane].end = end;
}

static void draw_request(const struct timeline *tl, struct text *out, struct device *dev, struct slice *slice,
			 uint64_t end, const char *how)
{
	unsigned tid = lane_tid(tl, dev, slice->lane);

	slice->open = false;
	if (slice->lane == NO_LANE)
		return;
	chrome_begin(out, tid, slice->begin, "request");
	text_printf(out, "queue %u: %s\",\"args\":{\"head\":%u}}", slice->queue, how, slice->head);
	chrome_end(out, tid, end);
	lane_release(dev, slice->lane, end);
}

static struct kick *kick_of(struct device *dev, uint64_t queue)
{
	return queue < QUEUES ? &dev->kicks[queue] : NULL;
}

/* Whoever was kicked has looked at its queue: later pops have another reason. */
static void age_kicks(struct device *dev, int cpu)
{
	for (unsigned q = 0; q < QUEUES; q++)
		if (dev->kicks[q].cpu == cpu)
			dev->kicks[q].fresh = false;
}

/* The request of a head that is out, or else a free place for one; NULL where there is none. */
static struct slice *find_request(struct device *dev, const struct trace_event *event)
{
	struct slice *free_one = NULL;

	for (unsigned i = 0; i < REQUESTS; i++) {
		struct slice *slice = &dev->requests[i];

		if (slice->open && slice->queue == event->args[0] && slice->head == event->args[1])
			return slice;
		if (!slice->open && !free_one)
			free_one = slice;
	}
	return free_one;
}

static void on_pop(const struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	struct slice *slice = find_request(dev, event);
	struct kick *kick = kick_of(dev, event->args[0]);
	bool by_kick = kick && kick->fresh;

	if (!slice)
		return;
	if (slice->open) /* its end is among the events that are missing */
		draw_request(tl, out, dev, slice, event->ns, "not seen to end");
	*slice = (struct slice){ .begin = by_kick ? kick->ns : event->ns,
				 .queue = (uint32_t)event->args[0],
				 .head = (uint32_t)event->args[1],
				 .open = true,
				 .by_kick = by_kick };
	slice->lane = lane_take(tl, out, dev, slice->begin);
	if (!by_kick)
		return;
	kick->lane = slice->lane;
	kick->fresh = false; /* the next of the same kick would lie over this one */
}

static void on_used(const struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	struct slice *slice = find_request(dev, event);

	dev->last_used = event->ns;
	dev->used_queue = (uint32_t)event->args[0];
	if (slice && slice->open)
		draw_request(tl, out, dev, slice, event->ns, slice->by_kick ? "kick to used" : "pop to used");
}

static void end_interrupt(const struct timeline *tl, struct text *out, struct device *dev, unsigned cause, uint64_t end,
			  const char *how)
{
	static const char *const names[CAUSES] = { "used buffers", "configuration" };
	struct slice *slice = &dev->interrupts[cause];

	if (!slice->open)
		return;
	slice->open = false;
	if (slice->lane == NO_LANE)
		return;
	chrome_begin(out, lane_tid(tl, dev, slice->lane), slice->begin, "interrupt");
	text_printf(out, "%s: %s\"}", names[cause], how);
	chrome_end(out, lane_tid(tl, dev, slice->lane), end);
	lane_release(dev, slice->lane, end);
}

static void on_interrupt(struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	unsigned cause = event->args[0] & 1 ? 0 : 1;
	struct slice *slice = &dev->interrupts[cause];

	if (cause == 0 && dev->last_used) {
		unsigned lane = lane_take(tl, out, dev, dev->last_used);

		if (lane != NO_LANE) {
			chrome_begin(out, lane_tid(tl, dev, lane), dev->last_used, "notify");
			text_str(out, "used to interrupt\"}");
			chrome_end(out, lane_tid(tl, dev, lane), event->ns);
			lane_release(dev, lane, event->ns);
		}
		dev->last_used = 0;
	}
	end_interrupt(tl, out, dev, cause, event->ns, "until the next");
	*slice = (struct slice){ .begin = event->ns, .open = true };
	slice->lane = lane_take(tl, out, dev, event->ns);
	struct kick *kick = cause == 0 ? kick_of(dev, dev->used_queue) : NULL;

	if (!kick || !kick->unanswered || slice->lane == NO_LANE || (kick->cpu < 0 && kick->lane == NO_LANE))
		return;
	kick->unanswered = false;
	tl->last_flow++;
	chrome_flow(out, "s", kick->cpu >= 0 ? TID_CPU + (unsigned)kick->cpu : lane_tid(tl, dev, kick->lane), kick->ns,
		    tl->last_flow);
	chrome_flow(out, "f", lane_tid(tl, dev, slice->lane), event->ns, tl->last_flow);
}

/* What the device holds of a queue, or of all (ALL_QUEUES), it will not give back. */
static void end_requests(const struct timeline *tl, struct text *out, struct device *dev, uint64_t queue, uint64_t now,
			 const char *how)
{
	for (unsigned i = 0; i < REQUESTS; i++)
		if (dev->requests[i].open && (queue == ALL_QUEUES || dev->requests[i].queue == queue))
			draw_request(tl, out, dev, &dev->requests[i], now, how);
}

/* Nothing that is open will end by itself. */
static void end_all(const struct timeline *tl, struct text *out, struct device *dev, uint64_t now, const char *how)
{
	end_requests(tl, out, dev, ALL_QUEUES, now, how);
	for (unsigned cause = 0; cause < CAUSES; cause++)
		end_interrupt(tl, out, dev, cause, now, how);
	dev->last_used = 0;
	memset(dev->kicks, 0, sizeof(dev->kicks));
}

static void mark(const struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	lane_name(tl, out, dev, 0);
	chrome_instant(out, lane_tid(tl, dev, 0), event->ns, event);
}

static void on_device(struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	switch (event->kind) {
	case TRACE_kick:
		if (kick_of(dev, event->args[0]))
			*kick_of(dev, event->args[0]) = (struct kick){
				.ns = event->ns, .cpu = event->cpu, .lane = NO_LANE, .unanswered = true, .fresh = true
			};
		break;
	case TRACE_pop: on_pop(tl, out, dev, event); break;
	case TRACE_used: on_used(tl, out, dev, event); break;
	case TRACE_interrupt: on_interrupt(tl, out, dev, event); break;
	case TRACE_ack:
		for (unsigned cause = 0; cause < CAUSES; cause++)
			if (event->args[0] & (1u << cause))
				end_interrupt(tl, out, dev, cause, event->ns, "interrupt to acknowledged");
		break;
	case TRACE_queue_stop:
	case TRACE_queue_reset: end_requests(tl, out, dev, event->args[0], event->ns, "until the reset"); break;
	case TRACE_reset: end_all(tl, out, dev, event->ns, "until the reset"); break;
	case TRACE_tick:
		age_kicks(dev, event->cpu);
		mark(tl, out, dev, event);
		break;
	case TRACE_status:
	case TRACE_config:
	case TRACE_pending:
	case TRACE_suppressed:
	case TRACE_ignored:
	case TRACE_fail: mark(tl, out, dev, event); break;
	default: break;
	}
}

/* Whether an event is a step in a virtio device's life; others name devices too. */
static bool is_step(enum trace_kind kind)
{
	switch (kind) {
	case TRACE_start:
	case TRACE_mmio_read:
	case TRACE_mmio_write:
	case TRACE_pio_read:
	case TRACE_pio_write:
	case TRACE_exit:
	case TRACE_enter:
	case TRACE_end:
	case TRACE_dropped:
	case TRACE_KINDS: return false;
	default: return true;
	}
}

static void timeline_begin(void *state, struct text *out)
{
	(void)state;
	text_str(out, "[\n{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"minivmm\"}}");
}

static void timeline_event(void *state, struct text *out, const struct trace_event *event)
{
	struct timeline *tl = state;

	tl->now = event->ns;
	for (unsigned i = 0; event->kind == TRACE_start && i < VM_CPUS_MAX; i++)
		tl->cpus[i].entered = event->ns;
	if (event->kind == TRACE_dropped)
		chrome_instant(out, TID_CPU, event->ns, event);
	if (event->cpu >= 0 && event->kind == TRACE_enter) {
		on_enter(tl, out, event);
		for (unsigned i = 0; i < VM_DEVICES_MAX && tl->devices[i].name; i++)
			age_kicks(&tl->devices[i], event->cpu);
	} else if (event->cpu >= 0 && !tl->cpus[event->cpu].first) {
		tl->cpus[event->cpu].first = event->ns;
	}
	struct device *dev = event->dev && is_step(event->kind) ? find_device(tl, event->dev) : NULL;

	if (dev)
		on_device(tl, out, dev, event);
}

static void timeline_end(void *state, struct text *out)
{
	struct timeline *tl = state;

	for (unsigned i = 0; i < VM_DEVICES_MAX && tl->devices[i].name; i++)
		end_all(tl, out, &tl->devices[i], tl->now, "until the end");
	text_str(out, "\n]\n");
}

const struct trace_format trace_timeline = {
	.name = "timeline",
	.ending = ".pftrace.json",
	.state_size = sizeof(struct timeline),
	.begin = timeline_begin,
	.event = timeline_event,
	.end = timeline_end,
};
