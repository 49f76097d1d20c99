#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What "minivmm preflight" says of a kernel is what a boot of it shows: whether the test device is found by each way of
# discovery, and whether each boot path leads to our init. Without MINIVMM_LONG of our kernel and of Debian's 6.1 only.
set -u
. "$(dirname "$0")/lib.sh"

KERNELS=(ours cloud-6.1)
[ -z "${MINIVMM_LONG:-}" ] || KERNELS+=(cloud-6.12 generic-6.1 generic-6.12)
declare -A FILES=([ours]=$KERNEL)
for kernel in "${KERNELS[@]:1}"; do
	headers=headers-${kernel#cloud-}
	timeout 600 scripts/fetch-kernels "$kernel" "$headers" >"$DIR/fetch.log" 2>&1
	FILES[$kernel]=build/debian/$kernel/vmlinuz
	[ -e "${FILES[$kernel]}" ] || {
		skip "$kernel" "it cannot be fetched: $(tail -n 1 "$DIR/fetch.log")"
		unset "FILES[$kernel]"
		continue
	}
	initramfs "$kernel" --kernel-package "build/debian/$kernel" --device test
done
initramfs ours

# The ways, each by the path that every kernel has; then the other paths, by the way that suits both; and no wish at all.
CASES=(dt:bzimage acpi:bzimage cmdline:bzimage other:elf other:pvh auto:auto)
declare -A OTHER=([ours]=cmdline)

guests() {
	local kernel case way
	for kernel in "${!FILES[@]}"; do
		for case in "${CASES[@]}"; do
			way=${case%:*}
			[ $way != other ] || way=${OTHER[$kernel]:-acpi}
			boot "$kernel-$case" 150 --kernel "${FILES[$kernel]}" --initrd "$DIR/$kernel.cpio" --discovery=$way \
				--boot "${case#*:}" --device test,period=100ms --append 'quiet ticks=3' </dev/null
		done
	done
}
in_kvm 1500 guests FILES CASES OTHER

for kernel in "${!FILES[@]}"; do
	"$MINIVMM" preflight "${FILES[$kernel]}" >"$DIR/$kernel.preflight"
	for case in "${CASES[@]}"; do
		what=${case%:*}
		[ $what != other ] || what=${case#*:}
		verdict=$(awk -v what=$what '$1 == what { print $2; exit }' "$DIR/$kernel.preflight")
		[ $what != auto ] || verdict=yes
		case "$(numbers "$kernel-$case") " in
		"1 2 3 "*) shown=yes ;;
		*) shown=no ;;
		esac
		is "$shown" "$verdict" "$kernel: $what: $verdict, says preflight, and so it is"
		[ "$case" != auto:auto ] || is "$(told "$kernel-$case")" \
			"minivmm: discovery: $(sed -n 's/^auto takes //p' "$DIR/$kernel.preflight")" "$kernel: auto says what it chose"
		is "$(status "$kernel-$case")" 0 "$kernel: $case: status 0" || diag "$(tail -n 3 "$DIR/$kernel-$case.err")"
		like "$(console "$kernel-$case" | grep -c '^minivmm guest: init$')" '^1$' "$kernel: $case: our init runs"
	done
done
done_testing
