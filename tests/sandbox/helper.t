#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The user network's process has to end with a confined machine, also where it hears nothing.
. "$(dirname "$0")/../tap.sh"
need_kvm

"$MINIVMM" --kernel "$PAYLOADS/test_broken.elf" --mem 32 --append none --device test --device net </dev/null >"$TMP/out" 2>"$TMP/err" &
PID=$!
for _ in {1..200}; do
	grep -qs . "$TMP/out" && break
	sleep 0.05
done
HELPER=$(pgrep -P "$PID" -x minivmm-usernet)
kill -STOP "$HELPER"
kill -TERM "$PID"
wait "$PID" 2>/dev/null
is "$?/$(grep sandbox "$TMP/err")" 143/ 'a user network that is stopped holds up no end'
[ -n "$HELPER" ] && [ ! -e "/proc/$HELPER" ]
ok $? 'and is gone'
done_testing
