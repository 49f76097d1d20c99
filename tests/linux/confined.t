#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What confined threads ask of a host that our own machine has not: of taps and vhost while the guest runs, and of its
# clock, where the processor's counter is none. The guests are payloads.
set -u
. "$(dirname "$0")/lib.sh"
[ -e build/tests/payload/test_host.elf ] || skip_all 'the payloads are not built: run make payloads'

guests() {
	local notify clock=/sys/devices/system/clocksource/clocksource0/current_clocksource
	ip tuntap add dev tap0 mode tap multi_queue
	for notify in exit ioeventfd; do
		[ ! -e /dev/net/tun ] || boot "tap-$notify" 60 --kernel build/tests/payload/test_host.elf --mem 32 \
			--device net,tap=tap0,queues=2,notify=$notify </dev/null
		[ ! -e /dev/vhost-vsock ] || boot "vhost-$notify" 60 --kernel build/tests/payload/test_host.elf --mem 32 \
			--device vsock,cid=42,notify=$notify </dev/null
	done
	echo acpi_pm >$clock
	cat $clock >"$DIR/clock"
	truncate -s 64M /tmp/disk
	boot clock 60 --kernel build/tests/payload/test_virtio.elf --mem 32 --device test,num-pages=3,delay=100ms,period=100ms \
		--trace /tmp/trace --stats </dev/null
	boot disk 60 --kernel build/tests/payload/test_away.elf --mem 32 --device blk,path=/tmp/disk,io=threads --timeout 50s </dev/null
}
in_kvm 300 guests

for case in tap-exit tap-ioeventfd vhost-exit vhost-ioeventfd clock disk; do
	if [ ! -e "$DIR/$case.status" ]; then
		skip "$case" 'the host where guests run has none'
		continue
	fi
	is "$(status $case)" 0 "$case: status 0"
	is "$(grep -c '^ok' "$DIR/$case.out")/$(grep -c '^not ok' "$DIR/$case.out")" \
		"$(sed -n 's/^1\.\.//p' "$DIR/$case.out" | grep . || echo 1)/0" "$case: what the guest looked for" ||
		diag "$(cat "$DIR/$case.out")"
	is "$(grep sandbox "$DIR/$case.err")" '' "$case: no thread asks for more than it may"
done
is "$(cat "$DIR/clock")" acpi_pm 'a clock that only the kernel can read'
done_testing
