#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every way a kick can go, with one CPU and with several, with and without either ring feature.
set -u
. "$(dirname "$0")/lib.sh"

initramfs numbers tests/linux/guest/numbers.sh:/test.sh

each() {
	local notify cpus indirect event_idx
	for notify in exit ioeventfd; do
		for cpus in 1 4; do
			for indirect in on off; do
				for event_idx in on off; do
					"$1" $notify $cpus $indirect $event_idx
				done
			done
		done
	done
}

one_boot() {
	boot "$1-$2-$3-$4" 60 --kernel "$KERNEL" --initrd "$DIR/numbers.cpio" --cpus "$2" --mem 64M \
		--device "test,delay=30ms,period=30ms,notify=$1,indirect=$3,event-idx=$4" \
		--append 'quiet numbers=5' --stats </dev/null
}

guests() {
	each one_boot
}
in_kvm 200 guests

look() {
	local case=$1-$2-$3-$4 n bits line
	n=$(numbers "$case" | wc -w)
	is "$(status "$case")" 0 "$case: status 0"
	[ "$n" -ge 5 ] && [ "$(numbers "$case")" = "$(counting 1 "$n")" ]
	ok $? "$case: numbers 1 to 5 and on: $n" || diag "$(numbers "$case")"
	is "$(console "$case" | sed -n 's/^sent: \(.*\) $/\1/p')" "$(numbers "$case")" "$case: as the guest sent them"

	# One exit a number, or none at all: exactly.
	is "$(exits "$case" 'mmio write' test0 QueueNotify)" "$([ "$1" = ioeventfd ] && echo 0 || echo "$n")" \
		"$case: exits on QueueNotify"

	line=$(console "$case" | sed -n 's/^features: //p')
	bits=${line:28:2}
	is "$bits" "$([ "$3" = on ] && echo 1 || echo 0)$([ "$4" = on ] && echo 1 || echo 0)" \
		"$case: feature bits 28 and 29 as configured"
	is "$(console "$case" | sed -n 's/^cpus: //p')" "$2" "$case: CPUs"
}
each look
done_testing
