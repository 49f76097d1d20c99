#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Kernels and initial RAM disks that are no good, from the outside: one message that names the file, status 1, at once.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"
RUN_SECONDS=10

refused() {
	local name=$1 part=$2
	shift 2
	run "$MINIVMM" "$@"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *"$part"* ]] && [ -z "$OUT" ]
	ok $? "$name" || diag "status $STATUS: '$OUT' '$ERR'"
}

: >"$TMP/empty"
mkfifo "$TMP/fifo"
echo 'no kernel' >"$TMP/text"
head -c 100000 /dev/urandom >"$TMP/random"
truncate -s 5G "$TMP/huge" # of nothing
head -c 499 /dev/zero >"$TMP/short"
printf 'MZ' >"$TMP/mz"
ln -s loop "$TMP/loop"
long=$(printf 'x%.0s' {1..5000})

refused 'a kernel that is not there' "$TMP/none" --kernel "$TMP/none"
refused 'an empty one' "$TMP/empty" --kernel "$TMP/empty"
refused 'a directory' 'directory' --kernel "$TMP"
refused 'a FIFO that nobody writes to' FIFO --kernel "$TMP/fifo"
refused 'a device' /dev/zero --kernel /dev/zero
refused 'text' "$TMP/text" --kernel "$TMP/text"
refused 'noise' "$TMP/random" --kernel "$TMP/random"
refused 'five gigabytes of zeros' "$TMP/huge" --kernel "$TMP/huge"
refused '499 bytes' "$TMP/short" --kernel "$TMP/short"
refused 'two bytes' "$TMP/mz" --kernel "$TMP/mz"
refused 'a link to itself' "$TMP/loop" --kernel "$TMP/loop"
refused 'no name' --kernel --kernel ''
refused 'a name that is too long' --kernel --kernel "/$long"
refused 'a bad kernel is said before a device tree is written' "$TMP/text" --kernel "$TMP/text" --dump-dtb "$TMP/dtb"
[ ! -e "$TMP/dtb" ]
ok $? 'and none is'

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	cp "$TMP/text" "$TMP/secret"
	chmod 600 "$TMP/secret"
	chmod 755 "$TMP"
	run setpriv --reuid 65534 --clear-groups "$MINIVMM" --kernel "$TMP/secret"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *"$TMP/secret: Permission denied"* ]]
	ok $? 'one that is not ours to read' || diag "status $STATUS: '$ERR'"
else
	skip 'one that is not ours to read' 'needs root, to become somebody else'
fi

kernel=$PAYLOADS/test_exits.elf
if [ -e "$kernel" ]; then
	refused 'an initrd that is not there' "$TMP/none" --kernel "$kernel" --initrd "$TMP/none"
	refused 'an empty initrd' "--initrd $TMP/empty" --kernel "$kernel" --initrd "$TMP/empty"
	refused 'a directory as initrd' directory --kernel "$kernel" --initrd "$TMP"
	refused 'a FIFO as initrd' FIFO --kernel "$kernel" --initrd "$TMP/fifo"
	refused 'an initrd larger than the RAM' "--initrd $TMP/huge" --kernel "$kernel" --initrd "$TMP/huge"
	refused 'a command line that the kernel does not take' --append --kernel "$kernel" --append "$long"
	head -c 5000 "$kernel" >"$TMP/cut"
	refused 'half an ELF file' "$TMP/cut" --kernel "$TMP/cut"
else
	skip 'files beside a good kernel' "$kernel is not built"
fi

done_testing
