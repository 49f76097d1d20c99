#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The host kernel's own view of a run agrees with minivmm's: scripts/trace-exits, on the direct /dev/kvm.
. "$(dirname "$0")/../tap.sh"
need_kvm
cd "$ROOT" || exit 1
[ "$(id -u)" -eq 0 ] || skip_all "the kernel's events need root"
command -v perf >/dev/null || skip_all 'perf: not installed: run scripts/setup'

# mmio FILE: the exits for MMIO in the counts of --stats=FILE; mmio FILE claimed: those that a device answered
mmio() {
	jq "[.rows[] | select((.reason | startswith(\"mmio\")) and (${2+.dev != null and} true)).count] | add // 0" "$1"
}
traced() {
	run scripts/trace-exits "$@"
	if [[ $ERR == *'no kvm events'* || $ERR == *'cannot mount tracefs'* || $ERR == *'perf record: '*ermi* ]]; then
		skip_all "${ERR##*: trace-exits: }"
	fi
}
said() {
	sed -n "s/^$1: //p" <<<"$ERR"
}

traced "$MINIVMM" --kernel "$PAYLOADS/test_exits.elf" --mem 32 --device none --stats="$TMP/s"
is "$STATUS" 0 "the status is the command's"
like "$OUT" '1\.\.14' 'so is its output'
is "$(said 'user-space MMIO exits')" "$(mmio "$TMP/s")" 'perf and minivmm count the same exits for MMIO'
is "$(said 'mmio exits to devices')" "$(mmio "$TMP/s" claimed)" '... and the same that devices answer'
for row in 'KVM_EXIT_IO' 'pio write   0x3f8       serial     RBR/THR' 'mmio write  0xd0000000  power      syscon'; do
	like "$ERR" " $row" "the tables have '$row'"
done
is "$(grep -c 'lost [0-9]* events' <<<"$ERR")" 0 'nothing was lost'

traced -e kvm:kvm_mmio,kvm:kvm_userspace_exit "$MINIVMM" --kernel "$PAYLOADS/test_virtio.elf" --mem 32 \
	--device test,num-pages=3,delay=30ms,period=30ms --stats="$TMP/s" --trace "$TMP/t"
is "$STATUS" 0 'a guest with a device'
is "$(said 'mmio exits to devices')" "$(mmio "$TMP/s" claimed)" '... the same exits for MMIO'
is "$(jq -s 'map(select(.ev == "mmio_read" or .ev == "mmio_write")) | length' "$TMP/t")" "$(mmio "$TMP/s")" \
	'... as many as the transcript has'
like "$ERR" ' mmio write  0xd0001050  test0      QueueNotify' '... registers by name'

traced -o "$TMP/kept" -e kvm:kvm_userspace_exit "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --append triple
is "$STATUS" 4 'a guest that crashes: its status'
is "$(cd "$TMP/kept" && ls perf.data report.txt map.txt | paste -sd ' ')" 'map.txt perf.data report.txt' '-o keeps what was recorded'

run scripts/trace-exits
is "$STATUS/$(wc -l <"$TMP/err")" 1/1 'no command: one line'
run scripts/trace-exits /none/x
like "$STATUS/$(wc -l <"$TMP/err")" '^[1-9][0-9]*/1$' 'a command that is not there: one line'
run scripts/trace-exits -e none:none true
is "$STATUS/$(wc -l <"$TMP/err")" 1/1 'an event that is not there: one line'
run scripts/trace-exits true
like "$STATUS/$ERR" '^1/trace-exits: no KVM events' 'a command without a guest: one line'
done_testing
