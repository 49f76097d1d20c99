/* SPDX-License-Identifier: GPL-2.0-only */
/* An event's fields in words, the same for every reader. */
#ifndef MINIVMM_TRACE_DECODE_H
#define MINIVMM_TRACE_DECODE_H

#include "vmm/trace.h"
#include "vmm/trace/text.h"

/* True for a field that is a plain number; every other is a word or several. */
bool decode_is_number(enum trace_type type);
/* False where the event has no such field this time: a register where nobody answers. */
bool decode_has(const struct trace_event *event, unsigned field);
/* Appends the field's value. */
void decode_field(struct text *text, const struct trace_event *event, unsigned field);
/* The flags of a descriptor (virtio 1.2, 2.7.5). */
void decode_flags(struct text *text, uint16_t flags);
/* The register of a range, by name where it has one, else "+0x...". */
struct bus_range;
void decode_reg(struct text *text, const struct bus_range *range, uint64_t addr);
/* Device status, InterruptStatus, feature bits, in words. */
void decode_bits(struct text *text, enum trace_type type, uint64_t value);

#endif
