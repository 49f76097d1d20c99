#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every way a guest ends, and ends its machine.
set -u
. "$(dirname "$0")/lib.sh"

initramfs power tests/linux/guest/power.sh:/test.sh

# interrupted SIGNAL: the signal comes in the middle of the boot
interrupted() {
	local pid rc=0 i t0
	"$MINIVMM" --discovery=dt --kernel "$KERNEL" --initrd "$DIR/power.cpio" --stats </dev/null >"$DIR/$1.out" 2>"$DIR/$1.err" &
	pid=$!
	for ((i = 0; i < 300; i++)); do
		! grep -q 'Memory: ' "$DIR/$1.out" || break
		sleep 0.05
	done
	t0=${EPOCHREALTIME//[!0-9]/}
	kill -s "$1" $pid
	for ((i = 0; i < 100; i++)); do
		kill -0 $pid 2>/dev/null || break
		sleep 0.02
	done
	kill -KILL $pid 2>/dev/null
	wait $pid || rc=$?
	echo $rc >"$DIR/$1.status"
	echo $(((${EPOCHREALTIME//[!0-9]/} - t0) / 1000)) >"$DIR/$1.ms"
}

guests() {
	local how
	for how in poweroff reboot panic; do
		boot $how 40 --kernel "$KERNEL" --initrd "$DIR/power.cpio" --append "quiet how=$how" --stats </dev/null
	done
	boot no-init 40 --kernel "$KERNEL" --append 'quiet init=/nonexistent rdinit=/nonexistent' </dev/null
	# A background job of a script ignores SIGINT from the start unless job control is on.
	set -m
	interrupted TERM
	interrupted INT
}
in_kvm 150 guests

panics() {
	grep -c "^minivmm: the guest's kernel panicked" "$DIR/$1.err"
}

for how in poweroff reboot panic; do
	like "$(console $how)" "the end by $how" "$how: the guest gets to its end"
	[[ $(console $how) != *still\ there* ]]
	ok $? "$how: nothing runs after it"
done
is "$(status poweroff)" 0 'poweroff -f: status 0'
is "$(exits poweroff 'mmio write' power syscon)" 1 'poweroff -f: by one write to the system controller'
is "$(exits poweroff 'pio write' i8042 command)" 0 'poweroff -f: not by the keyboard controller'
is "$(panics poweroff)" 0 'poweroff -f: no word of a panic'
is "$(status reboot)" 0 'reboot -f: status 0'
reboots=$(($(exits reboot 'mmio write' power syscon) + $(exits reboot 'pio write' i8042 command)))
is "$reboots" 1 'reboot -f: by one write, to the system controller or the keyboard controller'
is "$(panics reboot)" 0 'reboot -f: no word of a panic'

for how in panic no-init; do
	is "$(status $how)" 3 "$how: status 3"
	is "$(panics $how)" 1 "$how: one line says so"
	like "$(console $how)" 'Kernel panic - not syncing' "$how: the console says why"
done
is "$(grep '^minivmm: ' "$DIR/no-init.err" | grep -cvE '^minivmm: ( |flight recorder: |test0: )')" 1 'no-init: no other message'
like "$(cat "$DIR/panic.err")" 'flight recorder: .* pvpanic  *mmio_write  *reg=event .*test0: status ' 'panic: what led to it is shown'
is "$(exits panic 'mmio write' pvpanic event)" 1 'panic: told by one write to the panic register'

for signal in TERM INT; do
	is "$(status $signal)" "$((128 + $(kill -l $signal)))" "SIG$signal in the middle of a boot: status"
	ms=$(cat "$DIR/$signal.ms")
	[ "$ms" -lt 1500 ]
	ok $? "SIG$signal: the end comes soon" || diag "$ms ms"
	# Of the bytes that the guest wrote to the port, a few are not characters: the divisor, and the driver's probing.
	sent=$(exits $signal 'pio write' serial RBR/THR)
	got=$(grep -v '^virtio-test: ' "$DIR/$signal.out" | wc -c)
	[ "$sent" -gt 1000 ] && [ "$got" -le "$sent" ] && [ $((sent - got)) -le 8 ]
	ok $? "SIG$signal: no output is lost" || diag "$got bytes of $sent"
	is "$(grep '^minivmm:' "$DIR/$signal.err")" '' "SIG$signal: no complaint"
done
done_testing
