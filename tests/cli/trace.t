#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is to be seen of a run, as far as it can be tested without one: options, the manual of events, probes, the map.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"
cd "$ROOT" || exit 1

# refused PART ARGUMENTS... : one message with PART, status 2
refused() {
	local part=$1 rc=0
	shift
	run "$MINIVMM" --kernel /none "$@"
	[ "$STATUS" -eq 2 ] && one_message "$ERR" && [[ $ERR == *"$part"* ]] && [ -z "$OUT" ] || rc=1
	ok $rc "refused: $*" || diag "status $STATUS, wanted 2 with '$part'; stdout '$OUT', stderr '$ERR'"
}

refused "there is no format 'pcap'; there are transcript and timeline" --trace x,format=pcap
refused "there is no format ''" --trace x,format=
refused "takes a file's name" --trace ''
refused "takes a file's name" --trace -
refused "takes a file's name" --trace ,format=timeline
refused 'the most that can be' --trace 1 --trace 2 --trace 3 --trace 4 --trace 5
for n in -1 4097 x '' 16k; do
	refused '--trace-data' --trace-data "$n"
done
for switch in '' yes ON; do
	refused 'on or off' --recorder "$switch"
done
for time in 0s 1 999us 1441m -1s '' 10sec 18446744073709551616s; do
	refused 'takes a time' --timeout "$time"
	refused 'takes a time' --stats --stats-interval "$time"
done
refused 'give --stats too' --stats-interval 1s
refused "a file's name" --stats=
is "$(ls 1 2 3 4 x 2>/dev/null)" '' 'none of them left a file'

# What needs a machine that runs is looked at before anything is written.
run "$MINIVMM" --kernel /none --trace "$TMP/t" --stats="$TMP/s"
is "$STATUS" 1 'a kernel that is not there: status 1'
is "$(ls "$TMP/t" "$TMP/s" 2>/dev/null)" '' '... and no file'

run "$MINIVMM" --trace help
is "$STATUS/$ERR" 0/ '--trace help: status 0'
is "$OUT" "$(cat docs/events.md)" 'docs/events.md is what it prints (make docs)'
events=$(sed -n 's/^## //p' docs/events.md | sort)
is "$(readelf -n "$MINIVMM" | grep -A1 'Provider: minivmm' | sed -n 's/.*Name: //p' | sort -u)" "$(grep -v dropped <<<"$events")" \
	'each event but "dropped" is a probe'
is "$(readelf -n "$MINIVMM" | grep 'Semaphore:' | grep -cv 'Semaphore: 0x0*$')" 0 '... that is one nop: none has a semaphore'

run "$MINIVMM" --dump-map - --device test --device test,notify=ioeventfd
is "$STATUS/$ERR" 0/ '--dump-map: status 0, without KVM and kernel'
like "$OUT" $'\nmmio 0x[0-9a-f]+\\+0x1000 test1\n' 'a range'
like "$OUT" $'\nmmio 0xd0001050 test0 QueueNotify\n' 'a register'
like "$OUT" $'\npio 0x3f8 serial RBR/THR\n' 'a port'
is "$(grep -cv -E '^(mmio|pio) 0x[0-9a-f]+(\+0x[0-9a-f]+ [^ ]+|( [^ ]+){2})$' <<<"$OUT")" 0 'nothing else'
run "$MINIVMM" --dump-map /none/x
is "$STATUS" 1 '--dump-map to nowhere: status 1'
one_message "$ERR"
ok $? '... and one message'
done_testing
