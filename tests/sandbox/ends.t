#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What a confined machine still has to do at its end: stop the user network's process, also where it hears nothing; and
# replace the file of counts, however it is named.
. "$(dirname "$0")/../tap.sh"
need_kvm

"$MINIVMM" --kernel "$PAYLOADS/test_broken.elf" --mem 32 --append none --device test --device net </dev/null >"$TMP/out" 2>"$TMP/err" &
PID=$!
for _ in {1..200}; do
	grep -qs . "$TMP/out" && HELPER=$(pgrep -P "$PID" -x minivmm-usernet) && break
	sleep 0.05
done
kill -STOP "$HELPER"
kill -TERM "$PID"
wait "$PID" 2>/dev/null
is "$?/$(grep sandbox "$TMP/err")" 143/ 'a user network that is stopped holds up no end'
[ -n "$HELPER" ] && [ ! -e "/proc/$HELPER" ]
ok $? 'and is gone' || diag "helper '$HELPER': $(ps -o pid,ppid,stat,args -p "$HELPER" 2>&1)"

mkdir "$TMP/sub"
ln -s sub/linked.json "$TMP/link.json"
for name in stats.json ./sub/../stats.json link.json "$TMP/stats.json"; do
	for round in 1 2; do
		(cd "$TMP" && timeout 20 "$MINIVMM" --kernel "$PAYLOADS/test_exits.elf" --mem 32 --device none --stats="$name") \
			</dev/null >"$TMP/out" 2>"$TMP/err"
		is "$?/$(cat "$TMP/err")/$(jq .version "$TMP/$name" 2>/dev/null || jq .version "$name")" 0//1 \
			"--stats=${name#"$TMP/"}: written, round $round"
	done
done
done_testing
