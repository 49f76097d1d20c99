/* SPDX-License-Identifier: GPL-2.0-only */
/* What a user writes after --trace: "FILE[,format=NAME]". The formats that there are. */
#ifndef MINIVMM_TRACE_SPEC_H
#define MINIVMM_TRACE_SPEC_H

#include <stddef.h>

#include "vmm/trace/format.h"

/* The format, and how much of the spec is the file's name. NULL with a message where it is malformed. */
const struct trace_format *trace_spec(const char *spec, size_t *path_len);

#endif
