#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/kvmbox runs a command as if it ran here. Needs no KVM.
set -u
. "$(dirname "$0")/lib.sh"

[ -z "${KVMBOX-}" ] || skip_all 'this is in scripts/kvmbox already'
command -v qemu-system-x86_64 >/dev/null || skip_all 'qemu-system-x86_64 is not installed'
# shellcheck disable=SC2034 # for run, in tap.sh
RUN_SECONDS=90
box=scripts/kvmbox

run $box sh -c 'echo out; echo err >&2; pwd; echo "$KVMBOX"; ls -l /dev/kvm | cut -c 1; echo data >'"$DIR"'/written'
is "$STATUS" 0 'status 0'
is "$OUT" "out
$PWD
1
c" 'standard output, the working directory, KVMBOX=1, a /dev/kvm'
is "$ERR" err 'standard error, apart'
is "$(cat "$DIR/written")" data 'the build directory can be written'

run $box sh -c 'exit 3'
is "$STATUS" 3 'status 3 is passed on'
run $box sh -c 'kill -TERM $$'
is "$STATUS" 143 'ended by a signal: 128 + its number'
run $box no-such-command
is "$STATUS" 127 'not found: 127'
like "$ERR" 'no-such-command: not found' '... and it says so'

run $box sh -c 'for file in README Makefile tests/linux/x /etc/x; do { echo x >>$file; } 2>/dev/null && echo $file; done
	echo $(cat scripts/kvmbox | cksum); own=${PWD#/tmp/}; touch /tmp/x && ls -A /tmp | grep -vxF "${own%%/*}"'
is "$OUT" "$(cksum <scripts/kvmbox)
x" 'all else is read-only and the same as here; /tmp is empty and can be written'

# Through the pipe and back: bytes of all values, more than any buffer on the way.
head -c 100000 /dev/urandom >"$DIR/in.bin"
rc=0
timeout -k 5 60 $box sh -c 'cat; echo done >&2' <"$DIR/in.bin" >"$DIR/out.bin" 2>"$DIR/cat.err" || rc=$?
is $rc 0 'standard input: status 0'
is "$(cksum <"$DIR/out.bin")" "$(cksum <"$DIR/in.bin")" 'standard input and output: 100,000 bytes, unaltered'
rc=0
head -c 1000000 /dev/zero | timeout -k 5 60 $box head -c 10 >"$DIR/head.out" 2>&1 || rc=$?
is "$rc $(wc -c <"$DIR/head.out")" '0 10' 'a command that does not read it all'

SECONDS=0
run $box --timeout 3 sleep 60
is "$STATUS" 124 '--timeout: 124'
like "$ERR" '^[^'$'\n'']*sleep[^'$'\n'']*$' '--timeout: one line says so'
[ $SECONDS -lt 20 ]
ok $? "--timeout: in time ($SECONDS s)"

# children PID: its descendants that are a qemu
emulators() {
	local pid
	for pid in $(pgrep -P "$1"); do
		[ "$(cat "/proc/$pid/comm" 2>/dev/null)" != qemu-system-x86 ] || echo "$pid"
		emulators "$pid"
	done
}
for signal in TERM KILL; do
	$box sh -c 'echo up; sleep 60' >"$DIR/up" 2>"$DIR/up.err" </dev/null &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		! grep -q up "$DIR/up" || break
		sleep 0.1
	done
	emulator=$(emulators $pid)
	is "$(wc -w <<<"$emulator")" 1 "SIG$signal: there is one emulator"
	kill -s $signal $pid
	rc=0
	wait $pid 2>/dev/null || rc=$?
	is $rc $((128 + $(kill -l $signal))) "SIG$signal: kvmbox ends by it"
	for ((i = 0; i < 50; i++)); do
		kill -0 "$emulator" 2>/dev/null || break
		sleep 0.1
	done
	! kill -0 "$emulator" 2>/dev/null
	ok $? "SIG$signal: no emulator is left"
done
run $box true
is "$STATUS$OUT$ERR" 0 'the next run is well'
# Of the run that was killed nothing is left either.
left=$(for dir in build/box/run.*; do
	pid=${dir##*/run.}
	[ ! -e "$dir" ] || [ -e "/proc/${pid%%.*}" ] || echo "$dir"
done)
is "$left" '' 'no directory of an ended run is left'
done_testing
