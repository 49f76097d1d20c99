#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# notify.sh NOTIFY UNTRACED
#
# Instructions from a notify exit to KVM_RUN again, under callgrind: of UNTRACED, the program built without events, and
# of NOTIFY with nothing listening, with the flight recorder that is always on, with counts and times, and with a
# transcript. Counts are exact, so the bounds are kept: status 1 where listening to nothing costs more than 2%, or a
# transcript more than 3 times.
set -euo pipefail

FEW=200 MANY=1200
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

command -v valgrind >/dev/null || {
	echo 'valgrind: not installed: run scripts/setup' >&2
	exit 1
}

# instructions PROGRAM SINKS ROUNDS: in all calls of vcpu_serve()
instructions() {
	valgrind --tool=callgrind --callgrind-out-file="$tmp/out" --toggle-collect=vcpu_serve \
		"$1" "$2" "$3" >"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		echo "notify.sh: $1 $2 failed" >&2
		exit 1
	}
	sed -n 's/^summary: //p' "$tmp/out"
}

# a_call PROGRAM SINKS: of one call; the first ones, which touch everything anew, cancel out
a_call() {
	local few many
	few=$(instructions "$1" "$2" $FEW)
	many=$(instructions "$1" "$2" $MANY)
	echo $(((many - few) / (MANY - FEW)))
}

without=$(a_call "$2" none)
none=$(a_call "$1" none)
recorder=$(a_call "$1" recorder)
stats=$(a_call "$1" stats)
transcript=$(a_call "$1" "$tmp/transcript")

awk -v without="$without" -v none="$none" -v recorder="$recorder" -v stats="$stats" -v transcript="$transcript" '
	function row(name, n, bound) {
		printf "  %-34s %6d  %+6.1f%%  x%.2f  %s\n", name, n, 100 * (n / without - 1), n / without, bound
	}
	BEGIN {
		print "instructions from a notify exit to KVM_RUN again:"
		row("built without events", without, "")
		row("nothing listens", none, "(at most +2%)")
		row("flight recorder, the default", recorder, "")
		row("and --stats", stats, "")
		row("and --trace FILE", transcript, "(at most x3)")
		exit !(none <= 1.02 * without && transcript <= 3 * without)
	}'
