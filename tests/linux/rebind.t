#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The driver comes and goes while the timer runs at 1 ms: nothing is lost, and the kernel has nothing to complain about.
# With one CPU; and, fewer times, with two, where the interrupt's handler may run while the driver goes on the other.
set -u
. "$(dirname "$0")/lib.sh"

initramfs rebind tests/linux/guest/rebind.sh:/test.sh

loops=([1]=50 [2]=50)

guests() {
	local cpus
	for cpus in 1 2; do
		boot "rebind-$cpus" 150 --kernel "$KERNEL" --initrd "$DIR/rebind.cpio" --cpus $cpus \
			--device test,delay=1ms,period=1ms --append 'quiet log_buf_len=8M loops='${loops[cpus]} </dev/null
	done
}
in_kvm 300 guests loops

for cpus in 1 2; do
	case=rebind-$cpus n=${loops[cpus]} sessions=$((2 * ${loops[cpus]} + 11))
	console $case >"$DIR/$case.txt"
	# said WHAT: what the guest's script said of it
	said() {
		sed -n "s/^$1: \(.*[^ ]\) *$/\1/p" "$DIR/$case.txt"
	}
	is "$(status $case)" 0 "$case: status 0"
	is "$(said test-exit)" 0 "$case: each step went well"
	is "$(said 'platform driver'), $(said driver)" 'virtio-mmio, virtio_test' "$case: bound to a platform device"
	like "$(said of_node)" '^/sys/firmware/devicetree/base/.*virtio' "$case: ... that has an of_node"
	is "$(said compatible)" virtio,mmio "$case: ... compatible with virtio,mmio"
	is "$(said 'loops of unbind and bind')" "$n" "$case: unbind and bind, $n times"
	is "$(said 'loops of rmmod and insmod')" "$n" "$case: rmmod and insmod, $n times"
	is "$(said 'loops of the platform device')" 10 "$case: unbind and bind of the platform device, 10 times"
	is "$(said first)" 'Linux version' "$case: the log is whole"
	is "$(said sessions)" "$sessions $sessions" "$case: $sessions times probe and remove"
	is "$(said silent)" 0 "$case: ... each with numbers"
	is "$(said gaps)" 0 "$case: ... that count from 1 without a gap"
	is "$(said unequal)" 0 "$case: ... and all came back before remove"

	# What the host printed is what the guest sent, in order, over all sessions.
	sent=$(said sent)
	printed=$(numbers $case)
	[ "$sent" = "$printed" ] && [ "$(wc -w <<<"$printed")" -ge $((3 * sessions)) ]
	ok $? "$case: the host printed every number: $(wc -w <<<"$printed")" ||
		diag "$(diff <(tr ' ' '\n' <<<"$sent") <(tr ' ' '\n' <<<"$printed") | head -20)"
	is "$(ticks $case)" "$(counting 0 "$(ticks $case | wc -w)")" "$case: the host's ticks go on through all of it"
	is "$(complaints "$DIR/$case.txt")" '' "$case: no warning in the log"
	is "$(cat "$DIR/$case.err")" '' "$case: nothing on standard error"
done
done_testing
