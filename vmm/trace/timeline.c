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
	bool open;
};

struct device {
	const char *name; /* NULL: this entry is free */
	struct lane lanes[LANES];
	struct slice requests[REQUESTS], interrupts[CAUSES];
	uint64_t last_used; /* 0: none since the last interrupt */
	struct {
		uint64_t ns;
		int cpu;
		unsigned lane; /* of the first request that it led to */
		bool unanswered, fresh;
	} kick;
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

static void on_pop(const struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct slice *slice = &dev->requests[i];

		if (slice->open)
			continue;
		*slice = (struct slice){ .begin = dev->kick.fresh ? dev->kick.ns : event->ns,
					 .queue = (uint32_t)event->args[0],
					 .head = (uint32_t)event->args[1],
					 .open = true };
		slice->lane = lane_take(tl, out, dev, slice->begin);
		if (dev->kick.fresh)
			dev->kick.lane = slice->lane;
		dev->kick.fresh = false;
		return;
	}
}

static void on_used(const struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	dev->last_used = event->ns;
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct slice *slice = &dev->requests[i];

		if (slice->open && slice->queue == event->args[0] && slice->head == event->args[1]) {
			draw_request(tl, out, dev, slice, event->ns, "kick to used");
			return;
		}
	}
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
	if (cause == 0 && dev->kick.unanswered && slice->lane != NO_LANE &&
	    (dev->kick.cpu >= 0 || dev->kick.lane != NO_LANE)) {
		tl->last_flow++;
		chrome_flow(out, "s",
			    dev->kick.cpu >= 0 ? TID_CPU + (unsigned)dev->kick.cpu : lane_tid(tl, dev, dev->kick.lane),
			    dev->kick.ns, tl->last_flow);
		chrome_flow(out, "f", lane_tid(tl, dev, slice->lane), event->ns, tl->last_flow);
		dev->kick.unanswered = false;
	}
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
	dev->kick.unanswered = dev->kick.fresh = false;
}

static void on_device(struct timeline *tl, struct text *out, struct device *dev, const struct trace_event *event)
{
	switch (event->kind) {
	case TRACE_kick:
		dev->kick.ns = event->ns;
		dev->kick.cpu = event->cpu;
		dev->kick.lane = NO_LANE;
		dev->kick.unanswered = dev->kick.fresh = true;
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
	case TRACE_status:
	case TRACE_tick:
	case TRACE_config:
	case TRACE_pending:
	case TRACE_suppressed:
	case TRACE_ignored:
	case TRACE_fail:
		lane_name(tl, out, dev, 0);
		chrome_instant(out, lane_tid(tl, dev, 0), event->ns, event);
		break;
	default: break;
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
	if (event->kind == TRACE_dropped) {
		chrome_instant(out, TID_CPU, event->ns, event);
		return;
	}
	if (event->cpu >= 0 && event->kind == TRACE_enter)
		on_enter(tl, out, event);
	else if (event->cpu >= 0 && !tl->cpus[event->cpu].first)
		tl->cpus[event->cpu].first = event->ns;
	struct device *dev = event->dev && event->kind >= TRACE_status && event->kind <= TRACE_fail ?
				     find_device(tl, event->dev) :
				     NULL;

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
