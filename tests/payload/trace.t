#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is to be seen of a run: counts, transcript, timeline, flight recorder; and what happens where it cannot be kept.
. "$(dirname "$0")/../tap.sh"
need_kvm
command -v jq >/dev/null || skip_all 'jq: not installed: run scripts/setup'
cd "$ROOT" || exit 1

T=$TMP/t.jsonl S=$TMP/s.json
TICKS=test,num-pages=3,delay=30ms,period=30ms
payload() {
	run "$MINIVMM" --kernel "$PAYLOADS/test_virtio.elf" --mem 32 --device "${DEVICE:-$TICKS}" "$@"
}
# count FILTER: how many of the transcript's events it lets through
count() {
	jq -s "map(select($1)) | length" "$T"
}

for notify in exit ioeventfd; do
	DEVICE=$TICKS,notify=$notify payload --stats --stats="$S" --trace "$T" \
		--trace "$TMP/t.pftrace.json"
	is "$STATUS" 0 "$notify: the guest is served as ever"
	is "$(jq -c . "$T" | wc -l)" "$(wc -l <"$T")" "$notify: each line of the transcript is one JSON object"
	is "$(jq -s -r '[first.ev, last.ev, last.status] | join(" ")' "$T")" 'start end 0' "$notify: from start to end"
	is "$(jq -s '[.[].t] == ([.[].t] | sort)' "$T")" true "$notify: time never goes back"
	is "$(jq -r .ev "$T" | sort -u | comm -23 - <(sed -n 's/^## //p' docs/events.md | sort))" '' \
		"$notify: every event is in the manual"
	total=$(jq .exits "$S")
	is "$(jq '[.rows[].count] | add' "$S")" "$total" "$notify: the rows of the counts sum up to all exits, $total"
	is "$(count '.ev == "enter"')" "$total" "$notify: as many times a vCPU went back to the guest"
	is "$(sed -n 's/^ *\([0-9]*\) *all exits.*/\1/p' <<<"$ERR")" "$total" "$notify: the table has that sum too"
	for access in mmio_read mmio_write pio_read pio_write; do
		is "$(count ".ev == \"$access\"")" \
			"$(jq "[.rows[] | select(.reason == \"${access/_/ }\").count] | add // 0" "$S")" \
			"$notify: $access: as many in the transcript as counted"
	done
	is "$(jq '[.rows[] | .count == ([.histogram[][1]] | add)] | all' "$S")" true "$notify: each histogram holds its row"
	is "$(jq '[.rows[] | .p50 <= .p99 and .p99 <= .max and .max <= .ns] | all' "$S")" true \
		"$notify: p50, p99, max and total are in order"
	is "$(jq '.series.samples | last[1:] | add' "$S")" "$total" "$notify: the series ends with all exits"
	is "$(jq -r -f tests/timeline.jq "$TMP/t.pftrace.json" | grep -v '^sums: ')" '' "$notify: the timeline is sound"
	is "$(jq '[.[] | select(.ph == "s")] | length' "$TMP/t.pftrace.json")" \
		"$(count '.ev == "interrupt" and .cause == "USED"')" "$notify: an arrow to each interrupt for used buffers"
	is "$(count '.ev == "used"')" "$(count '.ev == "pop"')" "$notify: what was popped was used"
	is "$(jq -s '[.[] | select(.ev == "pop") | .n == (.descs | length) and .in + .out == ([.descs[] |
		select(.flags | test("INDIRECT") | not) | .len] | add)] | all' "$T")" true "$notify: chains with all descriptors"
	is "$(count '.ev == "kick" and .via == "'$notify'"')" "$(count '.ev == "kick" and .via != "again"')" \
		"$notify: each kick came that way"
done
is "$(jq .ioeventfd.exits "$S")" 0 'ioeventfd: there is nothing that it would save'
payload --stats="$S"
is "$(jq .ioeventfd.exits "$S")" "$(jq '[.rows[] | select(.reg == "QueueNotify").count] | add' "$S")" \
	'exit: it would save the exits on QueueNotify'
is "$ERR" '' '--stats=FILE alone prints no table'
like "$OUT" '1\.\.[0-9]*' 'and the guest ran'

for n in 0 1 4096; do
	payload --trace "$T" --trace-data $n
	is "$(jq -s "[.[] | select(.ev == \"pop\") | (.data | length) == 2 * ([.in, $n] | min)] | all" "$T")" true \
		"--trace-data $n: so many bytes of each chain"
done

# Every sink is one more reader of the same events; a second file has what the first has. Of two threads' events at about
# the same time each file's writer may have come upon either first.
payload --trace "$T" --trace "$TMP/t2.jsonl"
is "$(cmp <(sort "$T") <(sort "$TMP/t2.jsonl"))" '' 'two transcripts of one run have the same events'
payload --trace "$T,format=timeline" --trace "$TMP/x.pftrace.json,format=transcript"
is "$(jq -r 'type' "$T")/$(jq -rs 'last.ev' "$TMP/x.pftrace.json")" array/end 'format= overrules the name'

# A disk that is full: the guest goes on, the loss is said once and counted.
payload --trace "$T"
all=$(wc -l <"$T")
payload --trace /dev/full --stats="$S"
is "$STATUS" 0 '/dev/full: the guest runs to its end'
like "$ERR" '^minivmm: --trace /dev/full: No space left on device: events are lost from here on, the guest goes on
minivmm: --trace /dev/full: [0-9]+ events are missing in it$' '/dev/full: said once, and counted'
# in blocks of 1 KiB; SIGXFSZ would kill
# shellcheck disable=SC2016
run bash -c 'ulimit -f 20; exec "$@"' sh "$MINIVMM" --kernel "$PAYLOADS/test_virtio.elf" --mem 32 --device $TICKS --trace "$T"
is "$STATUS" 0 'a file that may not grow: the guest runs to its end'
lines=$(jq -c . "$T" | wc -l)
is "$lines" "$(wc -l <"$T")" '... its lines are whole'
missing=$(sed -n 's/.*: \([0-9]*\) events are missing in it/\1/p' <<<"$ERR")
[ "$lines" -gt 20 ] && [ "${missing:-0}" -gt 100 ]
ok $? "... $lines of about $all events are there, $missing are missed"

# A reader that never reads: its pipe fills, the guest does not wait. One that goes away.
mkfifo "$TMP/fifo"
payload --trace "$TMP/fifo"
is "$STATUS" 1 'a FIFO without a reader: status 1'
is "$ERR" "minivmm: --trace $TMP/fifo: nobody reads this FIFO: start its reader first" '... and one message'
sleep 20 9<>"$TMP/fifo" &
reader=$!
payload --trace "$TMP/fifo"
is "$STATUS" 0 'a FIFO that nobody empties: the guest runs to its end'
like "$ERR" 'its reader takes nothing.*
minivmm: --trace [^ ]*: [0-9]+ events are missing in it$' '... and the loss is counted'
kill $reader
wait $reader 2>/dev/null
head -n 5 "$TMP/fifo" >"$TMP/head" &
payload --trace "$TMP/fifo"
wait $!
is "$STATUS/$(jq -r .ev "$TMP/head" | head -1)" 0/start 'a FIFO whose reader leaves: the guest runs to its end'

for file in /none/t "$TMP"; do
	payload --trace "$file"
	is "$STATUS" 1 "--trace $file: status 1"
	one_message "$ERR"
	ok $? '... and one message'
	payload --trace "$T.x" --trace "$file"
	is "$(ls "$T.x" 2>/dev/null)" '' '... and the other file is gone again'
	payload --stats="$file/"
	is "$STATUS" 1 "--stats=$file/: status 1"
	one_message "$ERR"
	ok $? '... and one message'
done

# Nobody's file is written over but the one that is named, and that one only by one.
cp "$PAYLOADS/test_virtio.elf" "$TMP/kernel"
run "$MINIVMM" --kernel "$TMP/kernel" --mem 32 --device $TICKS --trace "$TMP/kernel"
is "$STATUS/$(cmp "$TMP/kernel" "$PAYLOADS/test_virtio.elf")" 1/ '--trace onto the kernel: refused, and the kernel is as it was'
one_message "$ERR"
ok $? '... with one message'
for others in "--trace $TMP/a --trace $TMP/a,format=timeline" "--stats=$TMP/a --trace $TMP/a"; do
	for there in yes no; do
		rm -f "$TMP/a"
		[ $there = no ] || : >"$TMP/a"
		# shellcheck disable=SC2086 # several
		payload $others
		like "$STATUS/$ERR" "^1/minivmm: --trace $TMP/a: is the same file as $TMP/a; name another$" \
			"refused: ${others//"$TMP"\//}; it is there: $there"
		is "$([ -e "$TMP/a" ] && echo yes || echo no)" $there '... and afterwards as before'
	done
done
rm -f "$TMP/a"
run bash -c '"$@" >"$0"' "$TMP/a" "$MINIVMM" --kernel "$TMP/kernel" --mem 32 --trace "$TMP/a"
like "$STATUS/$ERR" '^1/minivmm: .* is the same file as standard output' 'refused: standard output'
echo mine >"$TMP/keep"
payload --trace "$TMP/keep.jsonl" --trace "$TMP/keep" --trace /none/x
is "$(ls "$TMP/keep" "$TMP/keep.jsonl" 2>/dev/null)" "$TMP/keep" 'a run that does not come about removes what it made, and nothing else'
echo mine >"$TMP/s.new"
ln -sf s2 "$TMP/link"
payload --stats="$TMP/link"
is "$(jq .version "$TMP/s2")/$(readlink "$TMP/link")/$(cat "$TMP/s.new")" 1/s2/mine '--stats=LINK writes what the link means'
run bash -c '"$@" 3>"$0"' "$TMP/fd3" "$MINIVMM" --kernel "$TMP/kernel" --mem 32 --device $TICKS --stats=/dev/fd/3
is "$STATUS/$(jq .version "$TMP/fd3")" 0/1 '--stats=/dev/fd/3 writes there'
mkfifo "$TMP/counts"
jq .version "$TMP/counts" >"$TMP/version" &
payload --stats="$TMP/counts"
wait $!
is "$STATUS/$(cat "$TMP/version")" 0/1 '--stats=FIFO writes to its reader'
is "$(find "$TMP" -mindepth 1 -name '*.??????' ! -name '*.json' ! -name '*.jsonl')" '' 'nothing half-made is left behind'

# During the run: SIGUSR1, --stats-interval. A guest that halts has its first lines out by then.
# start ARGUMENT... : in the background, until it says that it is ready
start() {
	: >"$TMP/out"
	env --default-signal "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --append halt "$@" \
		</dev/null >"$TMP/out" 2>"$TMP/err" &
	pid=$!
	for _ in {1..100}; do
		grep -q ready "$TMP/out" && break
		sleep 0.05
	done
}
# await PATTERN N: until standard error has N lines of it
await() {
	local i
	for ((i = 0; i < 100; i++)); do
		[ "$(grep -c "$1" "$TMP/err")" -ge "$2" ] && return
		sleep 0.05
	done
	return 1
}
# finish SIGNAL
finish() {
	kill -s "$1" $pid
	STATUS=0
	timeout 10 tail -s 0.02 --pid=$pid -f /dev/null || kill -KILL $pid
	wait $pid || STATUS=$?
	ERR=$(cat "$TMP/err")
}
start --stats --stats="$S"
kill -s USR1 $pid
await 'all exits' 1
ok $? 'SIGUSR1: a table, and the machine runs on'
is "$(jq '[.rows[].count] | add == input' "$S" <(jq .exits "$S") | head -1)" true 'SIGUSR1: the JSON too' ||
	diag "$(head -c 300 "$S")"
finish TERM
is "$STATUS/$(grep -c 'all exits' "$TMP/err")" 143/2 '... to the end, which has one more'
start
kill -s USR1 $pid
await 'start minivmm with --stats' 1
ok $? 'SIGUSR1 without --stats: a hint'
finish TERM
is "$STATUS" 143 '... and the machine runs on'
start --stats --stats-interval 50ms
await 'all exits' 3
ok $? '--stats-interval: a table each time'
finish TERM

# The flight recorder.
start
finish QUIT
is "$STATUS" 131 'SIGQUIT ends the run'
like "$ERR" '^minivmm: flight recorder: the last [0-9]+ events' '... with the flight recorder'
like "$ERR" 'minivmm: test0: queue 0: not ready' '... and how each queue stands'
start --timeout 300ms
STATUS=0
wait $pid || STATUS=$?
is "$STATUS" 5 '--timeout: status 5'
like "$(cat "$TMP/err")" '^minivmm: --timeout: the time is over
minivmm: flight recorder: ' '... with the flight recorder'
run "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --append triple
like "$ERR" 'flight recorder: .* exit  *reason=shutdown' 'a triple fault shows it'
run "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --append triple --recorder off
is "$(grep -c 'flight recorder' <<<"$ERR")" 0 '--recorder off: no recorder'
payload --timeout 20s
is "$STATUS/$ERR" 0/ 'a run that ends well says nothing'
done_testing
