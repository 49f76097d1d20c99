#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Debian's stock cloud kernels boot to the initramfs. They know no device tree, so they see no virtio device; and they
# have neither ACPI here nor the system controller, so the guest ends by a reboot through the keyboard controller.
set -u
. "$(dirname "$0")/lib.sh"

kernels=()
for kernel in cloud-6.1 cloud-6.12; do
	if timeout 300 scripts/fetch-kernels $kernel >"$DIR/fetch.log" 2>&1 && [ -e "build/debian/$kernel/vmlinuz" ]; then
		kernels+=("$kernel")
	else
		skip "$kernel" "it cannot be fetched: $(tail -n 1 "$DIR/fetch.log")"
	fi
done
[ ${#kernels[@]} -gt 0 ] || { done_testing; exit; }

initramfs init

guests() {
	local kernel
	for kernel in cloud-6.1 cloud-6.12; do
		[ ! -e build/debian/$kernel/vmlinuz ] ||
			boot $kernel 200 --kernel build/debian/$kernel/vmlinuz --initrd "$DIR/init.cpio" \
				--append 'ticks=1' --stats </dev/null
	done
}
in_kvm 420 guests

for kernel in "${kernels[@]}"; do
	console "$kernel" >"$DIR/$kernel.txt"
	is "$(status "$kernel")" 0 "$kernel: status 0"
	release=$(cat "build/debian/$kernel/release")
	is "$(grep -cF "Linux version $release " "$DIR/$kernel.txt")" 1 "$kernel: that kernel boots"
	is "$(grep -c '^minivmm guest: init$' "$DIR/$kernel.txt")" 1 "$kernel: our init runs, on the serial console"
	is "$(grep '^minivmm guest: ' "$DIR/$kernel.txt" | tail -n 1)" \
		"minivmm guest: virtio_test.ko does not load into this kernel, $release" "$kernel: it says what it lacks"
	is "$(exits "$kernel" 'pio write' i8042 command)" 1 "$kernel: it ends by the keyboard controller's reset pulse"
	is "$(grep '^minivmm:' "$DIR/$kernel.err")" '' "$kernel: no complaint of minivmm"
	is "$(grep -aE 'Oops|Kernel panic|cut here|BUG:' "$DIR/$kernel.txt")" '' "$kernel: no warning in the log"
done
done_testing
