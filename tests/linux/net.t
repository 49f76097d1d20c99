#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The network card under Linux's driver: by a user network and by taps, what is sent arrives whole.
set -u
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
for tool in ip unshare jq perl busybox; do
	command -v $tool >/dev/null || skip_all "$tool not found: run scripts/setup"
done

initramfs net tests/linux/guest/net.sh:/test.sh tests/linux/guest/log.sh:/log.sh \
	tests/linux/guest/lease.sh:/lease.sh
head -c 20M /dev/urandom >"$DIR/data"
head -c 2M "$DIR/data" >"$DIR/part"

machine=(--kernel "$KERNEL" --initrd "$DIR/net.cpio" --mem 192)

# with_peer CASE FILE COMMAND...: while the other end is there, which leaves CASE.peer
with_peer() {
	local case=$1 peer
	cp "$2" "$work/data"
	shift 2
	: >"$DIR/$case.peer"
	perl tests/linux/peer.pl "$work/data" "$dns" </dev/null >"$DIR/$case.peer" 2>>"$DIR/peer.err" &
	peer=$!
	until grep -q ready "$DIR/$case.peer" || ! kill -0 $peer; do
		sleep 0.1
	done
	"$@"
	kill $peer
	wait $peer 2>/dev/null
}

user() {
	local dns=127.0.0.1
	echo "nameserver $dns" >"$work/resolv.conf"
	# Without privileges of the real host's it cannot be hidden; then a name is not asked for.
	mount --bind "$work/resolv.conf" /etc/resolv.conf 2>/dev/null || dns=
	echo "$dns" >"$DIR/dns"
	with_peer user "$DIR/data" user_boot
	umount /etc/resolv.conf 2>/dev/null
}

user_boot() {
	{
		after 'the server is up' user && busybox wget -q -O - http://127.0.0.1:9003/data | md5sum >"$DIR/user.forwarded"
		echo
	} | boot user 120 "${machine[@]}" --append 'quiet part=user host=10.0.2.2 mib=20' --stats="$DIR/user.json" \
		--device net,hostfwd=tcp:127.0.0.1:9003-:80
}

# make_tap NAME [multi_queue]
make_tap() {
	ip tuntap add dev "$1" mode tap "${@:2}" && ip addr add 192.0.2.1/24 dev "$1" && ip link set "$1" up
}

taps() {
	local dns=
	make_tap tap0 || return
	with_peer tap "$DIR/data" boot tap 120 "${machine[@]}" --append "quiet part=tap host=192.0.2.1 mib=20" \
		--stats="$DIR/tap.json" --device net,tap=tap0 </dev/null
	ip -s -j link show tap0 >"$DIR/tap0.json"
	ip link del tap0

	make_tap tap1 multi_queue || return
	with_peer pairs "$DIR/part" pairs_boot
	grep -o '"ev":"kick".*"queue":[0-9]*' "$work/trace" | grep -o '[0-9]*$' | sort | uniq -c >"$DIR/pairs.kicks"
}

pairs_boot() {
	{
		after 'ready for the worst' pairs && ip link del tap1
	} | boot pairs 120 "${machine[@]}" --cpus 2 --append "quiet part=pairs host=192.0.2.1 mib=2" \
		--stats="$DIR/pairs.json" --device net,tap=tap1,queues=2 --trace "$work/trace"
}

inside() {
	ip link set lo up
	user
	[ ! -c /dev/net/tun ] || taps
}

# A network and mounts of our own: nothing of this is to be seen from outside.
guests() {
	local work root=()
	[ "$(id -u)" -eq 0 ] || root=(--map-root-user)
	work=$(mktemp -d)
	unshare "${root[@]}" --net --mount bash -c "$(declare -p DIR MINIVMM machine work); $(declare -f); inside"
	rm -rf "$work"
}
in_kvm 420 guests machine
is "$(cat "$DIR/peer.err")" '' 'the other end is well'

# whole CASE FILE: what was received is FILE, and what was sent is what the guest has
whole() {
	healthy "$1"
	is "$(said "$1" ping)" 3 "$1: ping"
	is "$(said "$1" fetched | sort -u)" "$(md5sum <"$2")" "$1: $(stat -c %s "$2") bytes to the guest arrive"
	like "$(said "$1" data)" '^[0-9a-f]{32}  -$' "$1: the guest has data"
	is "$(grep -v ready "$DIR/$1.peer" | sort -u)" "$(said "$1" data)" "$1: as many from it"
	is "$(said "$1" rx_errors) $(said "$1" tx_errors)" '0 0' "$1: the guest counts no errors"
	local bytes
	bytes=$(stat -c %s "$2")
	[ "$(count "$1" net0 tx-bytes)" -gt "$bytes" ] && [ "$(count "$1" net0 rx-bytes)" -gt "$bytes" ]
	ok $? "$1: minivmm counts them"
}

whole user "$DIR/data"
is "$(told user)" '' 'user: minivmm has nothing to say'
is "$(said user lease)" '10.0.2.15 255.255.255.0 10.0.2.2 10.0.2.3' 'user: DHCP'
if [ -n "$(cat "$DIR/dns")" ]; then
	is "$(said user name)" 198.51.100.7 'user: a name becomes an address'
else
	skip 'user: a name becomes an address' 'needs root, to mount'
fi
like "$(said user served)" '^[0-9a-f]{32}  -$' 'user: the guest has a server'
is "$(cat "$DIR/user.forwarded")" "$(said user served)" 'user: a forwarded port leads to it'

if [ ! -e "$DIR/tap.status" ]; then
	skip 'taps' 'the host has no /dev/net/tun'
	done_testing
	exit
fi

whole tap "$DIR/data"
is "$(told tap)" '' 'tap: minivmm has nothing to say'
is "$(said tap queues)" 1 'tap: one pair of queues'
# Offloads: frames beyond the MTU of 1500, and so less of them.
for way in rx tx; do
	read -r frames bytes <<<"$(jq -r ".[0].stats64.$way | \"\(.packets) \(.bytes)\"" "$DIR/tap0.json")"
	[ "$bytes" -gt 20971520 ] && [ $((bytes / frames)) -gt 3000 ]
	ok $? "tap: the host's $way: $bytes bytes in $frames frames"
done

whole pairs "$DIR/part"
is "$(said pairs queues)" 2 'pairs: two pairs of queues'
is "$(said pairs fetched | wc -l) $(grep -vc ready "$DIR/pairs.peer")" '2 2' 'pairs: both processors did it'
for queue in 1 3; do
	[ "$(awk -v q=$queue '$2 == q { print $1 }' "$DIR/pairs.kicks")" -gt 0 ] 2>/dev/null
	ok $? "pairs: queue $queue transmits"
done
is "$(said pairs carrier)" 1 'tap removed: the carrier was there before'
is "$(said pairs 'carrier then')" 0 'tap removed: the guest sees that it is gone'
is "$(said pairs 'carrier again')" 0 'tap removed: and stays so'
is "$(console pairs | grep -c '^it lives$')" 1 'tap removed: the guest goes on'
is "$(told pairs | grep -c '^minivmm: net0: the network is gone: ')" 1 'tap removed: one line says so'
is "$(told pairs | wc -l)" 1 'tap removed: and no other'
done_testing
