# shellcheck shell=bash disable=SC2034
# SPDX-License-Identifier: GPL-2.0-only
#
# modules.sh - the modules of a stock kernel, in which virtio's drivers are
# modules; sourced by the scripts that fetch kernels and that build an initramfs.
#
#   DEVICE_MODULES[NAME]      the module that drives minivmm's --device NAME, but
#                             for "test", whose driver is guest/driver
#   TRANSPORT                 the one that finds the devices
#   PVPANIC                   the one that tells of a panic, where there is one
#   kernel_modules PACKAGE    the directory lib/modules/RELEASE of the one kernel
#                             in the directory PACKAGE; status 1: none or several
#   find_modules TREE RELEASE NAME...
#                             the files of these modules and of those that they
#                             need, in the order in which they load, in the array
#                             module_files; depmod has made its index in TREE.
#                             What is built into the kernel has no file. Status
#                             1: there is no $missing.

declare -A DEVICE_MODULES=(
	[balloon]=virtio_balloon
	[blk]=virtio_blk
	[console]=virtio_console
	[net]=virtio_net
	[rng]=virtio-rng
	[vsock]=vmw_vsock_virtio_transport
)
TRANSPORT=virtio_mmio
PVPANIC=pvpanic-mmio

# Where they are not root's, depmod and modprobe are not found.
PATH=$PATH:/usr/sbin:/sbin

kernel_modules() {
	local found
	# Since Debian 13 a package has them in /usr/lib.
	found=("$1"/lib/modules/*/kernel)
	[ -e "${found[0]}" ] || found=("$1"/usr/lib/modules/*/kernel)
	[ ${#found[@]} -eq 1 ] && [ -e "${found[0]}" ] || return 1
	echo "${found[0]%/kernel}"
}

# This machine's modprobe.d is not the guest's.
find_modules() {
	local tree=$1 release=$2 found lines=
	shift 2
	for missing; do
		found=$(modprobe -C /dev/null -d "$tree" -S "$release" \
			--show-depends "$missing" 2>/dev/null) || return 1
		lines+=$found$'\n'
	done
	mapfile -t module_files < <(awk '$1 == "insmod" && !seen[$2]++ { print $2 }' <<<"$lines")
}
