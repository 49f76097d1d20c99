#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Linux's own driver of the socket device: 1 MiB there and back, from either side; by Unix sockets and by vhost. The same
# program talks in the guest and on the host.
set -u
. "$(dirname "$0")/lib.sh"

grep -q '^CONFIG_VIRTIO_VSOCKETS=y' build/kernel/obj/.config 2>/dev/null ||
	skip_all 'the guest kernel has no CONFIG_VIRTIO_VSOCKETS: run scripts/build-kernel'
"${CC:-gcc}" -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$DIR/vsock" tests/linux/guest/vsock.c || {
	echo 'Bail out! tests/linux/guest/vsock.c was not built'
	exit 1
}
initramfs vsock tests/linux/guest/vsock.sh:/test.sh "$DIR/vsock:/vsock"

MIB=1048576
# What only works where guests run is tested there; it needs no guest.
VHOST_TEST=${VHOST_TEST:-build/tests/unit/test_vhost}

# one CASE AT-52 AT-54 TO-GUEST OPTIONS: a guest; where the host listens, and whom it connects to, but for the last digit
one() {
	local case=$1 at52=$2 at54=$3 to_guest=$4 options=$5 pids
	"$DIR/vsock" listen "$at52" 2 >"$DIR/$case.served" 2>&1 &
	pids=$!
	"$DIR/vsock" listen "$at54" 1 >"$DIR/$case.cut" 2>&1 &
	pids+=" $!"
	boot "$case" 100 --kernel "$KERNEL" --initrd "$DIR/vsock.cpio" --device "vsock,$options" --append quiet \
		--stats </dev/null &
	local guest=$! round
	for round in 1 2; do
		"$DIR/vsock" connect "$to_guest$round" $MIB 50 >"$DIR/$case.round$round" 2>&1
	done
	wait $guest
	# shellcheck disable=SC2086 # several
	kill $pids 2>/dev/null
	# shellcheck disable=SC2086
	wait $pids
}

# Sockets are in /tmp: the build directory takes none inside the box.
guests() {
	local dir
	dir=$(mktemp -d)
	one unix "unix:$dir/v_52" "unix:$dir/v_54" "unix:$dir/v:100" "socket=$dir/v"
	rm -f "$dir"/v_*
	one ioeventfd "unix:$dir/v_52" "unix:$dir/v_54" "unix:$dir/v:100" "socket=$dir/v,notify=ioeventfd,event-idx=off"
	ls -A "$dir" >"$DIR/left"
	rm -rf "$dir"
	[ -e /dev/vhost-vsock ] || return
	CMOCKA_MESSAGE_OUTPUT=TAP timeout -k 5 60 "$VHOST_TEST" >"$DIR/vhost.tap" 2>&1
	one vhost vsock:52 vsock:54 vsock:42:100 cid=42
	one vhost-ioeventfd vsock:52 vsock:54 vsock:42:100 cid=42,notify=ioeventfd,event-idx=off
}
in_kvm 300 guests MIB VHOST_TEST

for case in unix ioeventfd vhost vhost-ioeventfd; do
	if [ ! -e "$DIR/$case.status" ]; then
		skip "$case: guest and host talk" 'there is no /dev/vhost-vsock where guests run'
		continue
	fi
	console $case >"$DIR/$case.txt"
	is "$(status $case)" 0 "$case: status 0"
	like "$(grep -a '^device: ' "$DIR/$case.txt")" 0x0013 "$case: the driver has the device"
	sum=$(sed -n "s/^exchanged $MIB $MIB \([0-9a-f]*\) same\$/\1/p" "$DIR/$case.round1")
	like "$sum" '^[0-9a-f]{16}$' "$case: 1 MiB from the host to the guest, and back" || diag "$(cat "$DIR/$case.round1")"
	is "$(grep -ac "^served $MIB $sum" "$DIR/$case.txt")" 2 "$case: ... which the guest saw, too, twice"
	for round in 1 2; do
		is "$(cat "$DIR/$case.round$round")" "exchanged $MIB $MIB $sum same" "$case: the host's round $round"
		is "$(sed -n "s/^round $round: \(exchanged.*\)/\1/p" "$DIR/$case.txt")" "exchanged $MIB $MIB $sum same" \
			"$case: 1 MiB from the guest to the host, and back, round $round"
		like "$(grep -a "^round $round, nobody" "$DIR/$case.txt")" 'Connection reset by peer' \
			"$case: where nobody listens, the guest is told at once, round $round"
	done
	is "$(cat "$DIR/$case.served")" "served $MIB $sum
served $MIB $sum" "$case: the host saw the guest's twice"
	like "$(grep -a '^cut off:' "$DIR/$case.txt")" '^cut off: 1 ' "$case: a reset ends what is in flight"
	is "$(complaints "$DIR/$case.txt")" '' "$case: no warning in the log"
	[[ $case == vhost* ]] ||
		like "$(grep '^vsock0: ' "$DIR/$case.err")" '^vsock0: 5 connections, .* to-guest, .* from-guest, 2 refused$' \
			"$case: what the device counted"
done
if [ ! -e "$DIR/vhost.tap" ]; then
	skip 'test_vhost' 'there is no /dev/vhost-vsock where guests run'
elif [ ! -x "$VHOST_TEST" ]; then
	skip 'test_vhost' "$VHOST_TEST is not built: run make unit-tests"
else
	is "$(grep -c '^ok' "$DIR/vhost.tap") $(grep -vE '^(ok|#)' "$DIR/vhost.tap")" '6 1..6' 'test_vhost' ||
		diag "$(cat "$DIR/vhost.tap")"
fi
is "$(cat "$DIR/left")" 'v_52
v_54' "minivmm removed its socket, and no other"
done_testing
