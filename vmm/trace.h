/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happens between vmexit and interrupt, as events: one list, and all that is shown comes from it. TRACE() hands an
 * event to
 *
 *   the USDT probe minivmm:KIND   a nop until somebody attaches (perf, bpftrace, gdb)
 *   the flight recorder           the last TRACE_RECORDS events in memory; recorder.h
 *   the files of --trace          a transcript or a timeline; file.h
 *
 * Counts and times of exits are kept beside it, where exits are served: stats.h.
 *
 * Any thread emits, under any lock; nothing waits for a disk or a reader, and nothing is allocated. What an event
 * points to must live as long as the machine: names of devices, ranges of a bus, string constants.
 */
#ifndef MINIVMM_TRACE_H
#define MINIVMM_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#endif
#endif
#ifdef STAP_PROBE6
#define TRACE_PROBE_(kind, dev, a, b, c, d, e) STAP_PROBE6(minivmm, kind, dev, a, b, c, d, e)
#else
#define TRACE_PROBE_(kind, dev, a, b, c, d, e) ((void)0)
#endif

#include "vmm/arch/cycles.h"

/* --- the list ----------------------------------------------------------------------------------------------------- */

/* How a field is written; a register's value is written as its bus_ops.reg_type() says. */
enum trace_type {
	TRACE_DEC,
	TRACE_HEX,
	TRACE_NS,       /* a duration in nanoseconds */
	TRACE_WORD,     /* const char *: a string constant */
	TRACE_REG,      /* const struct bus_range *, or NULL where nobody answers; the next field is the address */
	TRACE_VALUE,    /* of the register named by the fields before: range, address, length, value */
	TRACE_STATUS,   /* device status (virtio 1.2, 2.1) */
	TRACE_ISR,      /* InterruptStatus (virtio 1.2, 4.2.2) */
	TRACE_FEATURES, /* feature bits 0 to 63 (virtio 1.2, 2.2, 6) */
	TRACE_TEXT,     /* const char *, for the probe alone; sinks get the text that comes with the event */
};

struct trace_field {
	const char *name; /* NULL: an event without fields */
	enum trace_type type;
};

#define TRACE_ARGS_MAX 5

/* clang-format off */
#define TRACE_ACCESS {"reg", TRACE_REG}, {"addr", TRACE_HEX}, {"len", TRACE_DEC}, {"val", TRACE_VALUE}
#define TRACE_QUEUE  {"queue", TRACE_DEC}

/* E(kind, what it says, its fields...). The order is that of the manual, docs/events.md, which is made from it. */
#define TRACE_EVENTS(E) \
	E(start, "the machine starts; t counts from `mono`, in nanoseconds of CLOCK_MONOTONIC", {"mono", TRACE_NS}) \
	E(mmio_read, "a vCPU reads memory that is no RAM; `val` is the answer", TRACE_ACCESS) \
	E(mmio_write, "a vCPU writes memory that is no RAM; what the device does about it comes next", TRACE_ACCESS) \
	E(pio_read, "a vCPU reads an I/O port", TRACE_ACCESS) \
	E(pio_write, "a vCPU writes an I/O port", TRACE_ACCESS) \
	E(exit, "a vCPU leaves the guest for another reason", {"reason", TRACE_WORD}) \
	E(enter, "an exit is served, and the vCPU goes back to the guest where the run goes on: `ns` after it left it for `reason` (0 where neither --stats nor --trace has the time taken)", \
		{"ns", TRACE_NS}, {"reason", TRACE_WORD}, {"reg", TRACE_REG}, {"addr", TRACE_HEX}) \
	E(status, "device status changes", {"old", TRACE_STATUS}, {"new", TRACE_STATUS}) \
	E(features, "FEATURES_OK is set: what driver and device agreed on", {"bits", TRACE_FEATURES}) \
	E(reset, "the driver resets the device", {NULL, TRACE_DEC}) \
	E(queue_ready, "the driver enables a queue: its size and where its three areas are", \
		TRACE_QUEUE, {"size", TRACE_DEC}, {"desc", TRACE_HEX}, {"avail", TRACE_HEX}, {"used", TRACE_HEX}) \
	E(queue_stop, "the driver disables a queue: QueueReady is 0", TRACE_QUEUE) \
	E(queue_reset, "the driver resets a queue", TRACE_QUEUE) \
	E(kick, "the driver says that buffers wait; `via` exit, ioeventfd, or again: the loop goes on with what was left", \
		TRACE_QUEUE, {"via", TRACE_WORD}) \
	E(pop, "the device takes a chain: `in` bytes to read, `out` bytes to write", \
		TRACE_QUEUE, {"head", TRACE_DEC}, {"n", TRACE_DEC}, {"in", TRACE_DEC}, {"out", TRACE_DEC}) \
	E(used, "the device gives a chain back with `len` bytes written; used.idx becomes `idx`", \
		TRACE_QUEUE, {"head", TRACE_DEC}, {"len", TRACE_DEC}, {"idx", TRACE_DEC}) \
	E(interrupt, "an edge on the device's line, for `cause`; InterruptStatus becomes `isr`", \
		{"cause", TRACE_ISR}, {"isr", TRACE_ISR}, {"gsi", TRACE_DEC}) \
	E(pending, "no edge: the driver has not acknowledged the last interrupt of this `cause`", \
		{"cause", TRACE_ISR}, {"isr", TRACE_ISR}) \
	E(suppressed, "no interrupt: the driver asked for none by `by` (flags, or used_event being `event`)", \
		TRACE_QUEUE, {"by", TRACE_WORD}, {"event", TRACE_DEC}, {"idx", TRACE_DEC}) \
	E(ack, "the driver acknowledges interrupts; `left` is what InterruptStatus still shows", \
		{"bits", TRACE_ISR}, {"left", TRACE_ISR}) \
	E(config, "the device changes its configuration space", {"generation", TRACE_DEC}) \
	E(tick, "the device's timer expires", {"expirations", TRACE_DEC}) \
	E(ignored, "the driver does what it may not, or what has no effect; the device goes on as if it had not", {"why", TRACE_TEXT}) \
	E(fail, "the driver broke a rule: the device does nothing until a reset; with `descs` where a chain was at fault, up to there", {"rule", TRACE_TEXT}) \
	E(end, "the run ends with this status", {"status", TRACE_DEC}) \
	E(dropped, "so many events are missing here; no probe", {"count", TRACE_DEC})
/* clang-format on */

#define TRACE_ENUM_(kind, help, ...) TRACE_##kind,
enum trace_kind { TRACE_EVENTS(TRACE_ENUM_) TRACE_KINDS };

/* How many arguments an event has, known when a TRACE() of it is compiled. */
#define TRACE_COUNT_(kind, help, ...) \
	TRACE_N_##kind = sizeof((struct trace_field[]){ __VA_ARGS__ }) / sizeof(struct trace_field),
enum { TRACE_EVENTS(TRACE_COUNT_) };

struct trace_kind_desc {
	const char *name, *help;
	struct trace_field fields[TRACE_ARGS_MAX];
	unsigned n_fields;
};
extern const struct trace_kind_desc trace_kinds[TRACE_KINDS];

/* The list for people, in Markdown. */
void trace_list(FILE *out);

/* --- an event ----------------------------------------------------------------------------------------------------- */

/* A descriptor as it was copied from the guest (virtio 1.2, 2.7.5). */
struct trace_desc {
	uint64_t addr; /* gpa */
	uint32_t len;  /* bytes */
	uint16_t flags;
	uint16_t next;
};

/* An event as a sink gets it. The pointers are valid during the call. */
struct trace_event {
	uint64_t ns; /* CLOCK_MONOTONIC, less the machine's start */
	enum trace_kind kind;
	int cpu;         /* the vCPU whose thread emitted it, or -1: the event loop's */
	const char *dev; /* name, or NULL */
	uint64_t args[TRACE_ARGS_MAX];
	const struct trace_desc *descs; /* of a chain; not all, where n_descs is less than its argument `n` */
	unsigned n_descs;
	const void *data; /* the first bytes of a chain's part that was read or written, or a text without its NUL */
	unsigned n_data;
};

/* --- emitting ----------------------------------------------------------------------------------------------------- */

#define TRACE_RECORDS      1024u
#define TRACE_RECORD_DESCS 8u
#define TRACE_FILES_MAX    4u
#define TRACE_DATA_MAX     4096u /* bytes of a chain that --trace-data may ask for */
#define TRACE_DATA_DEFAULT 16u

/* A slot of the flight recorder. Written by any thread at any time, also while it is read: see recorder.c. */
struct trace_record {
	uint64_t cycles; /* arch_cycles() */
	const char *dev;
	uint64_t args[TRACE_ARGS_MAX];
	uint16_t kind;
	int16_t cpu;
	uint32_t seq; /* trace_seq() of the event in it; TRACE_BUSY while it is being written; 0 before the first */
	union {
		struct trace_desc descs[TRACE_RECORD_DESCS];
		char text[TRACE_RECORD_DESCS * sizeof(struct trace_desc)]; /* NUL at the end */
		uint64_t words[2 * TRACE_RECORD_DESCS];
	};
};
_Static_assert(sizeof(struct trace_record) == 192, "1024 of them are 192 KiB");

#define TRACE_BUSY 2u
static inline uint32_t trace_seq(uint32_t number)
{
	return number << 1 | 1;
}

struct trace_file;

struct trace {
	bool on;       /* the recorder or a file; without either no event is emitted, to a probe neither */
	bool recorder; /* set before the run, as is all below but `next` */
	unsigned n_files;
	struct trace_file *files[TRACE_FILES_MAX];
	unsigned data_max; /* bytes of each chain for the files */
	uint64_t start_ns; /* CLOCK_MONOTONIC when the machine was made; and the recorder's clock then */
	uint64_t start_cycles;
	uint32_t next; /* number of the next event, free-running */
	struct trace_record records[TRACE_RECORDS];
};

/* The vCPU that this thread runs; -1 on every other thread. */
extern _Thread_local int trace_cpu;

/* Starts the clocks, and the recorder where it is wanted. `trace` is zeroed, and no other thread knows it. */
void trace_init(struct trace *trace, bool recorder);

/* CLOCK_MONOTONIC in nanoseconds, less the machine's start. */
uint64_t trace_now(const struct trace *trace);

/* Whether an event would reach anybody; most often it does not. */
static inline bool trace_is_on(const struct trace *trace)
{
#ifdef TRACE_NONE
	return (void)trace, false;
#else
	return __builtin_expect(trace->on, 0);
#endif
}

/* What comes with an event, all optional: descriptors; the first `n_bytes` of the buffers in `iov`; or a text. */
struct trace_extra {
	const struct trace_desc *descs;
	unsigned n_descs;
	const struct iovec *iov;
	unsigned n_iov;
	uint64_t n_bytes;
	const char *text;
};
/* Hands an event to the files. For the macros below. */
void trace_feed(struct trace *trace, enum trace_kind kind, const char *dev, const struct trace_extra *extra, uint64_t a,
		uint64_t b, uint64_t c, uint64_t d, uint64_t e);
/* What comes with an event, into its slot. */
void trace_record_text(struct trace_record *record, const char *text);

#define TRACE_PUT_(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)

/*
 * A slot, filled but for what comes with the event; trace_record_end() makes it valid. NULL where somebody still writes
 * there, who was held up while the others went round: the event is not recorded. `n` is a constant.
 */
static inline __attribute__((always_inline)) struct trace_record *trace_record_begin(struct trace *trace, uint32_t *seq,
										     enum trace_kind kind, unsigned n,
										     const char *dev, uint64_t a,
										     uint64_t b, uint64_t c, uint64_t d,
										     uint64_t e)
{
	uint32_t number = __atomic_fetch_add(&trace->next, 1, __ATOMIC_RELAXED);
	struct trace_record *record = &trace->records[number % TRACE_RECORDS];

	/* acquire, release: pairs with the reader's two looks at seq */
	if (__builtin_expect(__atomic_exchange_n(&record->seq, TRACE_BUSY, __ATOMIC_ACQ_REL) == TRACE_BUSY, 0))
		return NULL;
	TRACE_PUT_(record->cycles, arch_cycles());
	TRACE_PUT_(record->dev, dev);
	TRACE_PUT_(record->kind, (uint16_t)kind);
	TRACE_PUT_(record->cpu, (int16_t)trace_cpu);
	if (n > 0)
		TRACE_PUT_(record->args[0], a);
	if (n > 1)
		TRACE_PUT_(record->args[1], b);
	if (n > 2)
		TRACE_PUT_(record->args[2], c);
	if (n > 3)
		TRACE_PUT_(record->args[3], d);
	if (n > 4)
		TRACE_PUT_(record->args[4], e);
	*seq = trace_seq(number);
	return record;
}

static inline __attribute__((always_inline)) void trace_record_end(struct trace_record *record, uint32_t seq)
{
	__atomic_store_n(&record->seq, seq, __ATOMIC_RELEASE); /* pairs with the reader's first look at it */
}

static inline void trace_record_desc(struct trace_record *record, unsigned i, const struct trace_desc *desc)
{
	uint64_t words[2];

	memcpy(words, desc, sizeof(words));
	TRACE_PUT_(record->words[2 * i], words[0]);
	TRACE_PUT_(record->words[2 * i + 1], words[1]);
}

static inline __attribute__((always_inline)) void trace_emit(struct trace *trace, bool record, enum trace_kind kind,
							     unsigned n, const char *dev,
							     const struct trace_extra *extra, uint64_t a, uint64_t b,
							     uint64_t c, uint64_t d, uint64_t e)
{
	if (record && trace->recorder) {
		uint32_t seq;
		struct trace_record *slot = trace_record_begin(trace, &seq, kind, n, dev, a, b, c, d, e);

		if (slot) {
			for (unsigned i = 0; extra && i < extra->n_descs && i < TRACE_RECORD_DESCS; i++)
				trace_record_desc(slot, i, &extra->descs[i]);
			if (extra && extra->text)
				trace_record_text(slot, extra->text);
			trace_record_end(slot, seq);
		}
	}
	if (__builtin_expect(trace->n_files, 0))
		trace_feed(trace, kind, dev, extra, a, b, c, d, e);
}

#ifdef TRACE_NONE /* for "make bench": what the code costs without its events */
#define TRACE_EMIT_(trace, record, kind, dev, extra, a, b, c, d, e, ...)                                               \
	do {                                                                                                           \
		(void)(trace), (void)(record), (void)(dev), (void)(extra), (void)(a), (void)(b), (void)(c), (void)(d), \
			(void)(e);                                                                                     \
	} while (0)
#else
/* With nothing on, an event is one look at that. */
#define TRACE_EMIT_(trace, record, kind, dev, extra, a, b, c, d, e, ...)                                   \
	do {                                                                                               \
		if (trace_is_on(trace)) {                                                                  \
			TRACE_PROBE_(kind, dev, a, b, c, d, e);                                            \
			trace_emit(trace, record, TRACE_##kind, TRACE_N_##kind, dev, extra, (uint64_t)(a), \
				   (uint64_t)(b), (uint64_t)(c), (uint64_t)(d), (uint64_t)(e));            \
		}                                                                                          \
	} while (0)
#endif

/* TRACE(trace, kind, device's name or NULL, the fields' values in their order or 0 where it has none...) */
#define TRACE(trace, kind, dev, ...) TRACE_WHERE(true, trace, kind, dev, __VA_ARGS__)
/* The same, past the recorder where `record` is false: what comes too often would leave room for nothing else there. */
#define TRACE_WHERE(record, trace, kind, dev, ...) \
	TRACE_EMIT_(trace, record, kind, dev, (struct trace_extra *)NULL, __VA_ARGS__, 0, 0, 0, 0, 0)
/* With a const struct trace_extra *. */
#define TRACE_WITH(trace, kind, dev, extra, ...) TRACE_EMIT_(trace, true, kind, dev, extra, __VA_ARGS__, 0, 0, 0, 0, 0)

#endif
