#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --boot with files that have no such entry, and compressed files that are no good: one message, status 1. No KVM.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"
kernel=$PAYLOADS/test_boot.elf
[ -e "$kernel" ] || skip_all "$kernel is not built"

refused() {
	local name=$1 part=$2
	shift 2
	run "$MINIVMM" --kernel "$@"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *"--kernel $1: "*"$part"* ]] && [ -z "$OUT" ]
	ok $? "$name" || diag "status $STATUS: '$OUT' '$ERR'"
}

# Good ones go on to write the device tree.
accepted() {
	local name=$1
	shift
	run "$MINIVMM" --kernel "$@" --dump-dtb "$TMP/dtb"
	is "$STATUS/$ERR" 0/ "$name"
}

wrong() {
	run "$MINIVMM" --kernel "$kernel" --boot "$1"
	is "$STATUS/$ERR" "2/minivmm: --boot $1: takes auto, bzimage, elf or pvh" "--boot '$1'"
}
wrong ''
wrong ELF
wrong pvh,elf

gzip -c "$kernel" >"$TMP/kernel.gz"
probe=$ROOT/build/probe.elf # has no notes

for boot in auto elf pvh; do
	accepted "an ELF file by $boot" "$kernel" --boot "$boot"
	accepted "a compressed one by $boot" "$TMP/kernel.gz" --boot "$boot"
done
refused 'an ELF file is no bzImage' 'use --boot elf or --boot pvh' "$kernel" --boot bzimage
refused 'nor is a compressed one' 'use --boot elf or --boot pvh' "$TMP/kernel.gz" --boot bzimage
if [ -e "$probe" ]; then
	accepted 'one without a note by auto' "$probe"
	refused 'and by pvh' 'no PVH note (Linux: CONFIG_PVH); use --boot elf' "$probe" --boot pvh
else
	skip 'one without a note' "$probe is not built"
fi
if [ -e "$ROOT/build/bzImage" ]; then
	for boot in auto bzimage elf; do
		accepted "our Linux by $boot" "$ROOT/build/bzImage" --boot "$boot"
	done
else
	skip 'our Linux' 'build/bzImage is not built'
fi

head -c 2000 "$TMP/kernel.gz" >"$TMP/cut.gz"
refused 'a compressed file that was cut off' 'is truncated or damaged (gzip)' "$TMP/cut.gz"
{ head -c 100 "$kernel"; } | gzip -c >"$TMP/short.gz"
refused 'a piece of an ELF file, compressed' 'copy it again' "$TMP/short.gz"
echo text | gzip -c >"$TMP/text.gz"
refused 'compressed text' 'neither a bzImage nor an ELF vmlinux' "$TMP/text.gz"
head -c 40M /dev/zero | gzip -1 -c >"$TMP/zeros.gz"
refused 'what would fill the RAM' 'raise --mem' "$TMP/zeros.gz" --mem 32
printf 'BZh91AY&SY' >"$TMP/kernel.bz2"
refused 'a format that is known by name' 'compressed by bzip2' "$TMP/kernel.bz2"
{ printf '\037\213' && head -c 100M /dev/zero; } >"$TMP/huge.gz"
refused 'a file larger than the RAM' 'raise --mem' "$TMP/huge.gz" --mem 32

done_testing
