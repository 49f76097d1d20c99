#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Debian on a disk (scripts/build-rootfs): it boots to a login, on either console, with a network, and powers off.
set -u
. "$(dirname "$0")/lib.sh"

scripts/build-rootfs >"$DIR/build.out" 2>"$DIR/build.err" ||
	skip_all "no root file system: $(tail -n 1 "$DIR/build.err")"

# session CASE: logs in, asks, powers off, as the prompts come
session() {
	after 'minivmm login: ' "$1" || return
	printf 'root\r'
	after 'root@minivmm:~# ' "$1" || return
	# Words that do not stand in what is typed, since that is echoed. It waits until all that is to start is up.
	cat <<-'END' | tr '\n' '\r'
		dmesg -n 1
		s=; echo "sys${s}tem: $(systemctl is-system-running --wait)"
		for i in $(seq 300); do ip -4 -o addr show scope global | grep -q . && break; sleep 0.2; done
		echo "addr${s}ess: $(ip -4 -o addr show scope global | awk '{ print $4 }')"
		echo "ro${s}ute: $(ip route show default | awk '{ print $3 }')"
		echo "t${s}ty: $(tty)"
		echo "fai${s}led: $(systemctl --failed --no-legend --plain | paste -sd ' ')"
		echo "ro${s}ot: $(findmnt -n -o SOURCE,FSTYPE / | tr -s ' ')"
		head -c 4M /dev/urandom >/tmp/x; dd if=/tmp/x of=/root/x bs=32K oflag=direct 2>/dev/null
		echo "w${s}rite: $(md5sum </tmp/x)"
		echo "l${s}og: $(dmesg | grep -cE 'WARNING|BUG|Oops|[Cc]all [Tt]race|cut here|I/O error|EXT4-fs (error|warning)')"
		systemctl poweroff
	END
}

# one CASE APPEND DEVICE...
one() {
	local case=$1 append=$2 args=() device
	shift 2
	for device; do
		args+=(--device "$device")
	done
	session "$case" | boot "$case" 180 --kernel "$KERNEL" --append "quiet root=/dev/vda rw $append" --mem 512 \
		--device "blk,path=$work/r.img" --device rng --device net "${args[@]}"
	e2fsck -fn "$work/r.img" >"$DIR/$case.fsck" 2>&1
	echo $? >"$DIR/$case.fsck.status"
	debugfs -R 'cat /root/x' "$work/r.img" 2>/dev/null | md5sum >"$DIR/$case.written"
}

guests() {
	local work
	work=$(mktemp -d)
	cp --sparse=always build/rootfs.img "$work/r.img" || return
	one ttyS0 ''
	[ $has_console -eq 0 ] || one hvc0 console=hvc0 console
	rm -rf "$work"
}
PATH=$PATH:/usr/sbin:/sbin
has_console=$("$MINIVMM" --device help | grep -c '^ *console ')
in_kvm 420 guests has_console

for case in ttyS0 hvc0; do
	if [ $case = hvc0 ] && [ "$has_console" -eq 0 ]; then
		skip 'hvc0' 'there is no device console'
		continue
	fi
	is "$(status $case)" 0 "$case: poweroff ends it with status 0"
	is "$(told $case)" '' "$case: minivmm has nothing to say"
	is "$(said $case tty)" /dev/$case "$case: a login there"
	is "$(said $case system)" running "$case: the system is up"
	is "$(said $case failed)" '' "$case: no unit failed"
	like "$(said $case root)" '^/dev/(vda|root) ext4$' "$case: its root is the disk"
	is "$(said $case address), $(said $case route)" '10.0.2.15/24, 10.0.2.2' "$case: the network is up"
	like "$(said $case write)" '^[0-9a-f]{32}  -$' "$case: the disk can be written to"
	is "$(cat "$DIR/$case.written")" "$(said $case write)" "$case: and has it afterwards"
	is "$(said $case log)" 0 "$case: the kernel has no complaint"
	is "$(cat "$DIR/$case.fsck.status")" 0 "$case: the file system is clean afterwards" || diag "$(cat "$DIR/$case.fsck")"
done
done_testing
