#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A thousand numbers at a tick a millisecond, seen four ways: counts, transcript, timeline and the host kernel's own
# events agree to the last exit. Then the same probes from outside, by bpftrace.
set -u
. "$(dirname "$0")/lib.sh"

for tool in jq perf bpftrace; do
	command -v $tool >/dev/null || skip_all "$tool: not installed: run scripts/setup"
done
[ "$(id -u)" -eq 0 ] || skip_all "the kernel's events need root"
initramfs numbers tests/linux/guest/numbers.sh:/test.sh

NUMBERS=1000
guests() {
	# two names that boot() has no place for: the recorder's command line is minivmm's with trace-exits before it
	timeout -k 5 60 scripts/trace-exits -e kvm:kvm_mmio,kvm:kvm_userspace_exit \
		"$MINIVMM" --discovery=dt --kernel "$KERNEL" --initrd "$DIR/numbers.cpio" --append "quiet log_buf_len=4M numbers=$NUMBERS" \
		--device test,delay=100ms,period=1ms --stats --stats="$DIR/stats.json" --trace "$DIR/t.jsonl" \
		--trace "$DIR/t.pftrace.json" </dev/null >"$DIR/numbers.out" 2>"$DIR/numbers.err"
	echo $? >"$DIR/numbers.status"
	# bpftrace splits its command at each space
	cp "$MINIVMM" "$DIR/minivmm"
	local script
	for script in kick-latency exits; do
		sed "s|usdt:./minivmm:|usdt:$DIR/minivmm:|" scripts/$script.bt >"$DIR/$script.bt"
		timeout -k 5 60 bpftrace -o "$DIR/$script.maps" "$DIR/$script.bt" -c "$DIR/minivmm --kernel $KERNEL \
--initrd $DIR/numbers.cpio --append numbers=20 --device test,delay=100ms,period=50ms --stats=$DIR/$script.json" \
			</dev/null >"$DIR/$script.out" 2>"$DIR/$script.err"
		echo $? >"$DIR/$script.status"
	done
	bpftrace -l "usdt:$MINIVMM:minivmm:*" >"$DIR/list.out" 2>&1
}
in_kvm 200 guests NUMBERS

is "$(status numbers)" 0 'the guest powers off: status 0'
n=$(numbers numbers | wc -w)
[ "$n" -ge $NUMBERS ]
ok $? "$n numbers came"
is "$(numbers numbers)" "$(console numbers | sed -n 's/^sent: \(.*[^ ]\) *$/\1/p')" 'as the driver sent them'

T=$DIR/t.jsonl S=$DIR/stats.json
is "$(jq -s -r '[first.ev, last.ev] | join(" ")' "$T")" 'start end' 'each line of the transcript is JSON, from start to end'
is "$(jq -s 'map(select(.ev == "dropped")) | length' "$T")" 0 'it is complete'
exits=$(jq .exits "$S")
is "$(jq '[.rows[].count] | add' "$S")" "$exits" "the rows of the counts sum up to all exits: $exits"
counted=$(jq '[.rows[] | select(.reason | startswith("mmio")).count] | add' "$S")
is "$(jq -s 'map(select(.ev == "mmio_read" or .ev == "mmio_write")) | length' "$T")" "$counted" \
	"transcript and counts: the same MMIO exits, $counted"
is "$(sed -n 's/^mmio exits to devices: //p' "$DIR/numbers.err")" "$counted" "perf's kvm:kvm_mmio: the same"
is "$(sed -n 's/^user-space MMIO exits: //p' "$DIR/numbers.err")" "$counted" "perf's kvm:kvm_userspace_exit: the same"
is "$(awk '/^Exits to user space/ { table = 1 } /^$/ { table = 0 } table && $1 + 0 { n += $1 } END { print n }' "$DIR/numbers.err")" \
	"$exits" "perf counts as many exits to user space, for whatever reason"
is "$(grep -c 'lost [0-9]* events' "$DIR/numbers.err")" 0 '... and perf lost nothing'
is "$(jq .ioeventfd.exits "$S")" "$(jq -s 'map(select(.ev == "kick")) | length' "$T")" \
	'an ioeventfd would save as many exits as there were kicks'
is "$(jq -s 'map(select(.ev == "used")) | length' "$T")" "$n" 'one buffer is used for each number'
like "$(jq -r 'select(.ev == "features") | .bits' "$T")" '^bit0\|.*VERSION_1' 'the features that Linux accepts'
is "$(jq -r -f tests/timeline.jq "$DIR/t.pftrace.json" | grep -v '^sums: ')" '' 'the timeline is sound'
is "$(jq '[.[] | select(.ph == "B" and .name == "queue 0: kick to used")] | length' "$DIR/t.pftrace.json")" "$n" \
	'... with one request a number'

# The scripts take what a run left.
scripts/plot-exits "$S" -o "$DIR/stats.svg" && scripts/plot-exits "$T" -o "$DIR/t.svg"
ok $? 'plot-exits draws both'
is "$(grep -c '<svg ' "$DIR/stats.svg" "$DIR/t.svg" | sed 's/.*://' | paste -sd ' ')" '1 1' '... as SVG'

is "$(wc -l <"$DIR/list.out")" "$(($(grep -c '^## ' docs/events.md) - 1))" 'bpftrace -l lists the probes'
for script in kick-latency exits; do
	is "$(status $script)" 0 "$script.bt: status 0" || diag "$(cat "$DIR/$script.err")"
done
sent=$(jq '.rows[] | select(.reg == "QueueNotify").count' "$DIR/kick-latency.json")
is "$(sed -n 's/^@kicks\[test0, 0, exit\]: //p' "$DIR/kick-latency.maps")" "$sent" "kick-latency.bt: each kick, $sent"
for map in 'kick_to_used_ns\[test0, 0\]' 'kick_to_interrupt_ns\[test0\]'; do
	is "$(sed -n "/^@$map/,/^\$/p" "$DIR/kick-latency.maps" | awk 'match($0, /\) +[0-9]+ /) {
		n += substr($0, RSTART + 1, RLENGTH) } END { print n + 0 }')" "$sent" "kick-latency.bt: $map holds each"
done
is "$(sed -n 's/^@exits\[mmio write, test0, QueueNotify\]: //p' "$DIR/exits.maps")" \
	"$(jq '.rows[] | select(.reg == "QueueNotify").count' "$DIR/exits.json")" "exits.bt counts as --stats does"
is "$(awk '/^@exits\[/ { n += $NF } END { print n + 0 }' "$DIR/exits.maps")" \
	"$(jq '[.rows[] | select(.reason != "interrupted" and .dev != null).count] | add' "$DIR/exits.json")" '... all of them'
done_testing
