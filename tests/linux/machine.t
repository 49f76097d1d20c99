#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What the guest finds is what was asked for: memory, CPUs, devices, the device tree; and the kernel is content with it.
set -u
. "$(dirname "$0")/lib.sh"

initramfs machine tests/linux/guest/machine.sh:/test.sh

# shellcheck disable=SC2054 # minivmm's commas
plain=(--kernel "$KERNEL" --initrd "$DIR/machine.cpio" --append 'quiet numbers=5'
	--device test,delay=20ms,period=20ms --device test,delay=20ms,period=20ms,num-pages=3)

guests() {
	boot plain 60 "${plain[@]}" </dev/null
	boot small 60 --kernel build/kernel/vmlinux --initrd "$DIR/machine.cpio" --mem 32M --append quiet </dev/null
	boot large 60 --kernel "$KERNEL" --initrd "$DIR/machine.cpio" --mem 5G --append quiet </dev/null
	# On one CPU of the box the 16 take turns.
	boot cpus 100 --kernel "$KERNEL" --initrd "$DIR/machine.cpio" --cpus 16 --mem 256M --append quiet </dev/null
}
in_kvm 200 guests plain

# said CASE WHAT
said() {
	sed -n "s/^$2: \(.*[^ ]\) *$/\1/p" "$DIR/$1.txt"
}
for case in plain small large cpus; do
	console $case >"$DIR/$case.txt"
	is "$(status $case)" 0 "$case: status 0"
	is "$(said $case test-exit)" 0 "$case: the guest gets to its end"
	is "$(complaints "$DIR/$case.txt")" '' "$case: no warning in the log"
	is "$(cat "$DIR/$case.err")" '' "$case: nothing on standard error"
	like "$(said $case release)" '^6\.12\..*-minivmm$' "$case: our kernel"
	is "$(said $case clocksource)" kvm-clock "$case: clock source"
	is "$(said $case hypervisor)" "$(said $case nproc)" "$case: each CPU has the hypervisor flag"
done

# mem CASE KIB: within 5 % of it
mem() {
	local got
	got=$(said "$1" mem)
	[ "$got" -le "$2" ] && [ "$got" -ge $(($2 * 95 / 100)) ]
	ok $? "$1: MemTotal" || diag "$got KiB of $2"
}
mem plain $((512 * 1024))
mem large $((5 * 1024 * 1024))
# Of 32 MiB the kernel's own image is a large part.
[ "$(said small mem)" -le 32768 ] && [ "$(said small mem)" -gt 8192 ]
ok $? "small: MemTotal" || diag "$(said small mem) KiB"
is "$("$MINIVMM" --mem 5G --dump-dtb - | dtc -q -I dtb -O dts | grep -A 2 '^.memory@' | grep -o '<.*>' | paste -sd ' ')" \
	'<0x00 0x00 0x00 0xc0000000> <0x01 0x00 0x00 0x80000000>' 'large: 3 GiB, a hole, and 2 GiB above it'

is "$(said plain nproc)" 1 'plain: one CPU'
is "$(said cpus nproc)" 16 'cpus: 16'
is "$(said cpus apicids)" "$(counting 0 16)" 'cpus: APIC ids 0 to 15'
is "$(said cpus 'initial apicids')" "$(counting 0 16)" 'cpus: CPUID says the same'
is "$(said cpus siblings), $(said cpus cores)" '16, 16' 'cpus: one socket of 16 cores'
is "$(said cpus 'core ids')" "$(counting 0 16)" 'cpus: core ids 0 to 15'

# The device tree, property by property.
# dt_walk NODE: each property of FILE below it, as the guest's script writes them
dt_walk() {
	local prop node
	while read -r prop; do
		printf '.%s %s\n' "${1%/}/$prop" "$(fdtget -t bx "$dtb" "$1" "$prop" 2>/dev/null |
			awk '{ for (i = 1; i <= NF; i++) printf "%02s", (length($i) < 2 ? "0" : "") $i }')"
	done < <(fdtget -p "$dtb" "$1")
	while read -r node; do
		dt_walk "${1%/}/$node"
	done < <(fdtget -l "$dtb" "$1")
}
dtb=$DIR/plain.dtb
"$MINIVMM" "${plain[@]}" --dump-dtb "$dtb"
ok $? '--dump-dtb with the same options'
dt_walk / | sort >"$DIR/dt.dumped"
said plain dt | sed 's/ *$//' | sort >"$DIR/dt.seen"
sed -i 's/ *$//' "$DIR/dt.dumped"
[ "$(wc -l <"$DIR/dt.dumped")" -gt 40 ] && cmp -s "$DIR/dt.dumped" "$DIR/dt.seen"
ok $? "/proc/device-tree is what --dump-dtb writes: $(wc -l <"$DIR/dt.dumped") properties" ||
	diag "$(diff "$DIR/dt.dumped" "$DIR/dt.seen")"
is "$(dtc -I dtb -O dts -o /dev/null "$dtb" 2>&1)" '' 'dtc has nothing to say about it'

# Two devices: each counts from 1, so each number comes at least once, and the first five twice.
is "$(said plain devices)" 2 'plain: two devices with the driver'
is "$(said plain sent | tr ' ' '\n' | sort -n | paste -sd ' ')" "$(numbers plain | tr ' ' '\n' | sort -n | paste -sd ' ')" \
	'plain: the host printed what both sent'
is "$(numbers plain | tr ' ' '\n' | sort -n | head -n 10 | paste -sd ' ')" '1 1 2 2 3 3 4 4 5 5' \
	'plain: both count from 1'
done_testing
