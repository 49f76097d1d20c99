#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Debian's stock cloud kernels, which know no device tree, find their devices by ACPI: each device once, with its driver,
# on one processor and on four; and the guest turns the machine off, or ends it by a reboot.
set -u
. "$(dirname "$0")/lib.sh"

kernels=()
for kernel in cloud-6.1 cloud-6.12; do
	if ! timeout 500 scripts/fetch-kernels $kernel headers-${kernel#cloud-} >"$DIR/fetch.log" 2>&1; then
		skip "$kernel" "it cannot be fetched: $(tail -n 1 "$DIR/fetch.log")"
		continue
	fi
	kernels+=("$kernel")
	initramfs $kernel --kernel-package build/debian/$kernel --device test,blk,net,rng tests/linux/guest/stock.sh:/test.sh \
		tests/linux/guest/log.sh:/log.sh tests/linux/guest/lease.sh:/lease.sh
done
[ ${#kernels[@]} -gt 0 ] || { done_testing; exit; }
head -c 1M /dev/urandom >"$DIR/disk"

# stock KERNEL CPUS END
stock() {
	# shellcheck disable=SC2054 # minivmm's commas
	boot "$1-$2" 150 --discovery=acpi --kernel "build/debian/$1/vmlinuz" --initrd "$DIR/$1.cpio" --cpus "$2" \
		--device test,delay=20ms,period=20ms --device blk,path="$DIR/disk",readonly=on --device net --device rng \
		--append "quiet numbers=5 how=$3" --stats </dev/null
}

guests() {
	local kernel
	for kernel in "${kernels[@]}"; do
		stock "$kernel" 1 poweroff
		stock "$kernel" 4 reboot
	done
}
in_kvm 500 guests kernels

for kernel in "${kernels[@]}"; do
	for cpus in 1 4; do
		case=$kernel-$cpus
		healthy $case
		is "$(said $case release)" "$(cat "build/debian/$kernel/release")" "$case: that kernel"
		is "$(said $case cpus)" $cpus "$case: its processors"
		is "$(said $case cpu | paste -sd ' ')" "$(seq -f '%.0f runs' 0 $((cpus - 1)) | paste -sd ' ')" "$case: each runs"
		is "$(said $case found)" 'LNRO0005:00 LNRO0005:01 LNRO0005:02 LNRO0005:03' "$case: each device is found once, by ACPI"
		is "$(said $case drivers)" 'virtio_test virtio_blk virtio_net virtio_rng' "$case: each has its driver"
		is "$(said $case probes)" 1 "$case: which was probed once"
		sent=$(said $case sent)
		n=$(wc -w <<<"$sent")
		[ "$n" -ge 5 ]
		ok $? "$case: numbers go to the host: $n"
		is "$sent" "$(counting 1 "$n")" "$case: in order"
		is "$(numbers $case)" "$sent" "$case: the host printed each"
		is "$(said $case disk)" "$(md5sum <"$DIR/disk")" "$case: the disk is read"
		like "$(said $case lease)" '^10\.' "$case: the network card gets an address"
		is "$(said $case current), $(said $case random)" 'virtio_rng.0, 4096' "$case: random bytes come"
		[ "$(said $case acpi)" -gt 10 ]
		ok $? "$case: the kernel reads the tables" || diag "$(said $case acpi) lines"
		is "$(said $case 'acpi complaint')" '' "$case: and has no complaint about them"
		is "$(told $case)" '' "$case: nor has minivmm"
	done
	# What FADT can tell that it is not there, is not looked for: keyboard controller, clock, VGA. PCI and serial ports are:
	# each slot and port once, which no timeout is behind (docs/boot.md).
	is "$(exits $kernel-1 'pio read' i8042 command)" 0 "$kernel-1: nobody waits for a keyboard controller"
	is "$(unclaimed $kernel-1 | grep -Ev '^0x(cf[8-f]|2e9|2f9|3e9) ')" '' "$kernel-1: nor for what is not there, but PCI and serial ports"
	n=$(unclaimed $kernel-1 | awk '{ n += $2 } END { print n + 0 }')
	[ "$n" -gt 0 ] && [ "$n" -le 300 ]
	ok $? "$kernel-1: and not often: $n times"
	[ "$(exits $kernel-1 'pio write' pm PM1_CNT)" -gt 0 ]
	ok $? "$kernel-1: the power goes off by ACPI's register"
	is "$(exits $kernel-1 'pio write' i8042 command)" 0 "$kernel-1: and not by the keyboard controller"
	is "$(exits $kernel-4 'pio write' pm PM1_CNT)" 0 "$kernel-4: a reboot is no power off"
	is "$(exits $kernel-4 'pio write' i8042 command)" 1 "$kernel-4: but one write to the reset register"
done
done_testing
