#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The same cases as hostile.t has, of minivmm built with the address and undefined-behaviour sanitizers.
. "$(dirname "$0")/../tap.sh"
MINIVMM=${MINIVMM_ASAN:-$ROOT/build/asan-gcc/minivmm}
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built: make sanitized-minivmm"
. "$(dirname "$0")/hostile.sh"
need_kvm

hostile_guests 1
hostile_files
hostile_complete
done_testing
