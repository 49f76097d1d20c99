#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What tracing costs, in instructions: exact counts, so they can be asserted. make bench prints the same.
. "$(dirname "$0")/../tap.sh"
RUN_SECONDS=300

cd "$ROOT" || exit 1
[ -x build/tests/bench/notify ] && [ -x build/untraced/tests/bench/notify ] || skip_all 'not built: run make test'
run tests/bench/notify.sh build/tests/bench/notify build/untraced/tests/bench/notify
is "$STATUS" 0 'listening to nothing costs at most 2%, a transcript at most 3 times'
diag "$OUT$ERR"
done_testing
