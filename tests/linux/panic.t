#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A kernel that panics ends its machine at once, and the reason and its last lines are on standard error: whichever way it
# finds the panic register, and whichever console it has. Ours by device tree, Debian's stock kernel by ACPI.
set -u
. "$(dirname "$0")/lib.sh"

initramfs ours tests/linux/guest/power.sh:/test.sh
cases=(serial hvc mute)
if timeout 500 scripts/fetch-kernels cloud-6.1 headers-6.1 >"$DIR/fetch.log" 2>&1; then
	initramfs stock --kernel-package build/debian/cloud-6.1 --device test tests/linux/guest/power.sh:/test.sh
	cases+=(stock)
else
	skip cloud-6.1 "it cannot be fetched: $(tail -n 1 "$DIR/fetch.log")"
fi

guests() {
	local case
	for case in "${cases[@]}"; do
		case $case in
		serial) args=(--discovery=dt --append 'quiet how=panic') ;;
		hvc) args=(--device console --append 'quiet console=hvc0 how=panic') ;;
		mute) args=(--append 'console=ttyS1 how=panic') ;; # which is not there
		stock) args=(--discovery=acpi --append 'quiet how=panic') ;;
		esac
		if [ $case = stock ]; then
			args+=(--kernel build/debian/cloud-6.1/vmlinuz --initrd "$DIR/stock.cpio")
		else
			args+=(--kernel "$KERNEL" --initrd "$DIR/ours.cpio")
		fi
		boot $case 100 "${args[@]}" --stats </dev/null
	done
}
in_kvm 400 guests cases

for case in "${cases[@]}"; do
	is "$(status $case)" 3 "$case: status 3"
	is "$(exits $case 'mmio write' pvpanic event)" 1 "$case: told by one write to the panic register"
	if [ $case = mute ]; then
		is "$(console $case)" '' "$case: the guest has no console"
		is "$(told $case | tail -n 1)" \
			"minivmm: the guest's kernel panicked; its console is empty: with console=ttyS0 in --append it says why" \
			"$case: that is told, and the way out"
		continue
	fi
	like "$(console $case)" 'the end by panic' "$case: the guest gets to its end"
	[[ $(console $case) != *'still there'* ]]
	ok $? "$case: nothing runs after it"
	is "$(told $case | grep -c "^minivmm: the guest's kernel panicked: sysrq triggered crash$")" 1 "$case: the reason is told"
	is "$(told $case | grep -c '^minivmm:   .*Kernel panic - not syncing: sysrq triggered crash$')" 1 \
		"$case: below it is what the console said"
	is "$(told $case | sed -n '/Kernel panic/,$s/^minivmm:   //p')" \
		"$(console $case | sed -n '/Kernel panic/,$p')" "$case: line by line, to the last"
done
done_testing
