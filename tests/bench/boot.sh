#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot.sh [--rounds N] [--profile] [-- WORD...]
#
# The time from the first KVM_RUN to the first line of the guest's init, of minivmm and of QEMU's microvm, in one run:
# this repository's kernel (by device tree and by command line; QEMU without ACPI) and Debian's cloud kernel (by ACPI).
# Why it is fair: kernel file, initramfs, command line, RAM, CPU and devices (serial port, random numbers) are the same,
# one VMM boots after the other, in turns that change direction; begin and end are events of the host's kernel, which
# do not depend on the VMM: its first ioctl(KVM_RUN), and the byte that the guest writes to the serial port's register.
# Firmware is part of the time, since a guest cannot do without it there: QEMU's loads the kernel while the guest runs,
# minivmm before. So the time from exec to KVM_RUN is told too. "qemu-rtc" is QEMU with the clock chip that its
# microvm leaves out under KVM, although a kernel with ACPI then waits for it: QEMU at its best.
#
#   --rounds N    at most that many, default 3; 1 in the emulated host, where each is like the other; none that would
#                 end after two minutes of the host's clock
#   --profile     instead: where the time goes from exec to init, by phases of the VMM and of the kernel, and the
#                 kernel's longest initcalls, of one boot of each kernel by minivmm
#   WORD...       goes to the end of the kernels' command lines
#
# Ratios count, not seconds. Where guests run in an emulated host (scripts/kvmbox), its clock counts instructions
# (--icount): what is compared is how many the guest, the VMM and the host's kernel execute until init, which other
# work on this machine does not change. What a real processor takes to leave and to enter a guest is not in them.
# The table is build/bench/boot/table at the end, the figures "results" and the events beside it.
set -euo pipefail

rounds='' what=time
while [ $# -gt 0 ]; do
	case $1 in
	--rounds) rounds=$2; shift ;;
	--profile) what=profile ;;
	--) shift; break ;;
	*) sed -n '/^# SPDX/,/^set/{/^# SPDX/d;/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
	esac
	shift
done
LIMIT=120 LAST=900 # seconds of the host's clock for rounds, of ours for all
STOCK=cloud-6.1
INIT='minivmm guest: init' # its first line

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
DIR=$PWD/build/bench/boot
rm -rf "$DIR"
mkdir -p "$DIR"
: >"$DIR/progress"

[ -n "$rounds" ] || { [ "$(scripts/kvm-mode --quiet)" = direct ] && rounds=3 || rounds=1; }
scripts/fetch-kernels $STOCK "headers-${STOCK#cloud-}" >&2
cp minivmm "$DIR"
cp build/kernel/bzImage "$DIR/ours.kernel"
cp build/debian/$STOCK/vmlinuz "$DIR/stock.kernel"
guest=(--add tests/bench/boot-guest.sh:/test.sh)
scripts/build-initramfs "${guest[@]}" -o "$DIR/ours.cpio"
scripts/build-initramfs "${guest[@]}" --kernel-package build/debian/$STOCK -o "$DIR/stock.cpio"

tail --pid=$$ -n +1 -F "$DIR/progress" 2>/dev/null | sed -u 's/^/  /' >&2 &
status=0
KVMBOX_OPTS="--timeout $LAST --icount ${KVMBOX_OPTS-}" timeout -k 5 $((LAST + 60)) \
	scripts/with-kvm tests/bench/boot-host.sh "$DIR" "$what" "$rounds" $LIMIT "$INIT" "$@" \
	</dev/null 2>"$DIR/errors" >&2 || status=$?
if [ $status -ne 0 ]; then
	cat "$DIR/errors" >&2
	echo "boot.sh: status $status: see build/bench/boot" >&2
fi
for trace in "$DIR"/*.trace; do
	IFS=. read -r kernel vmm round _ <<<"${trace##*/}"
	awk -v kernel="$kernel" -v vmm="$vmm" -v round="$round" -v init="$INIT" -f tests/bench/boot-trace.awk \
		"${trace%.trace}.said" "$trace" >>"$DIR/results" || status=1
done
awk -f tests/bench/boot.awk "$DIR/results" | tee "$DIR/table"
exit $status
