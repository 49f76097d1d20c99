#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Our kernel is told of its devices by a device tree and on its command line, each with 1 and 16 CPUs: the driver binds
# once, all CPUs run, and numbers come in order. ACPI, which it does not have, is in stock.t. Then with what clocks there
# are left when the better ones are taken away; not with a device tree, where Linux has no line for the PIT and falls over
# it (check_timer() of io_apic.c) unless the TSC alone will do.
set -u
. "$(dirname "$0")/lib.sh"

initramfs init tests/linux/guest/discovery.sh:/test.sh tests/linux/guest/log.sh:/log.sh

WAYS='dt cmdline'
CPUS='1 16'
declare -A CLOCKS=([tsc]=no-kvmclock [pit]='no-kvmclock lapic=notscdeadline')

guests() {
	local way cpus clock
	for way in $WAYS; do
		for cpus in $CPUS; do
			boot "$way-$cpus" 120 --kernel "$KERNEL" --initrd "$DIR/init.cpio" --discovery=$way --cpus "$cpus" \
				--device test,period=100ms --device rng --append quiet --stats </dev/null
		done
	done
	for clock in "${!CLOCKS[@]}"; do
		boot "$clock" 120 --kernel "$KERNEL" --initrd "$DIR/init.cpio" --discovery=cmdline \
			--device test,period=100ms --device rng --append "quiet ${CLOCKS[$clock]}" </dev/null
	done
}
in_kvm 900 guests WAYS CPUS CLOCKS

# bound CASE CPUS [LOG]: what each of these guests has to show
bound() {
	local n
	healthy "$1" "${3-}"
	n=$(numbers "$1" | wc -w)
	[ "$n" -ge 5 ]
	ok $? "$1: at least 5 numbers: $n"
	is "$(numbers "$1")" "$(counting 1 "$n")" "$1: in order, on the host"
	is "$(said "$1" probes)" 1 "$1: the driver binds once"
	is "$(said "$1" virtio)" 'virtio0 virtio1' "$1: two devices, each once"
	is "$(said "$1" cpus)" "$2" "$1: all CPUs run"
}
for way in $WAYS; do
	for cpus in $CPUS; do
		bound "$way-$cpus" "$cpus"
	done
	is "$(unclaimed "$way-1")" '' "$way: the kernel looks for nothing that is not there"
	is "$(said "$way-1" clock)/$(said "$way-1" timer)" kvm-clock/lapic-deadline "$way: the best clock and timer"
done
for clock in "${!CLOCKS[@]}"; do
	# an emulated host is too slow for the fast way, and Linux takes the slow one
	bound "$clock" 1 "$(said "$clock" log | grep 'Fast TSC calibration failed$')"
done
is "$(said dt-1 tree)" yes 'dt: there is a tree'
is "$(said cmdline-1 tree)" no 'cmdline: there is none'
is "$(said dt-1 words)" '' 'dt: no device on the command line'
is "$(said cmdline-1 words)" 'virtio_mmio.device=0x1000@0xd0001000:16 virtio_mmio.device=0x1000@0xd0002000:17' \
	'cmdline: both devices are on it'
done_testing
