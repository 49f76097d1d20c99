#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# All kinds of devices at once, on four processors, under load for 5 s, or with MINIVMM_LONG=1 for a minute: nothing is
# lost, and nobody complains.
set -u
. "$(dirname "$0")/lib.sh"

PATH=$PATH:/usr/sbin:/sbin
for tool in jq script perl mkfs.ext4 e2fsck; do
	command -v $tool >/dev/null || skip_all "$tool not found: run scripts/setup"
done
duration=5
[ -z "${MINIVMM_LONG-}" ] || duration=60

has() {
	"$MINIVMM" --device help | grep -q "^ *$1 "
}

files=()
vsock='' port=''
if has vsock; then
	"${CC:-gcc}" -std=gnu11 -O2 -static -o "$DIR/vsock" tests/linux/guest/vsock.c || {
		echo 'Bail out! tests/linux/guest/vsock.c was not built'
		exit 1
	}
	files+=("$DIR/vsock:/vsock")
	vsock=1
fi
! has console || port=1
head -c 1M /dev/urandom >"$DIR/data"
initramfs mix tests/linux/guest/{mix.sh:/test.sh,log.sh:/log.sh,lease.sh:/lease.sh} "$DIR/data:/data" "${files[@]}" \
	mkfs.ext4 fsck.ext4

# The balloon breathes: a quarter of the memory in, and out.
keys() {
	local i
	after 'all at work' mix
	while [ ! -e "$DIR/mix.status" ] && ! grep -qa '^fsck: ' "$DIR/mix.out"; do
		for ((i = 0; i < 8; i++)); do
			if [ $i -lt 4 ]; then printf '\001+'; else printf '\001-'; fi
			sleep 0.2
		done
	done
}

guests() {
	local work peer devices
	work=$(mktemp -d)
	truncate -s 64M "$work/disk"
	cp "$DIR/data" "$work/data"
	truncate -s 4M "$work/raw"
	perl tests/linux/peer.pl "$work/data" '' "${vsock:+$work/vsock_52}" "${port:+$work/port}" </dev/null \
		>"$DIR/peer" 2>"$DIR/peer.err" &
	peer=$!
	devices=(
		test,delay=20ms,period=20ms
		rng
		balloon,stats-interval=100ms,free-page-reporting=on,free-page-hint=on
		"blk,path=$work/disk,queues=4,notify=ioeventfd"
		"blk,path=$work/data,readonly=on"
		"blk,path=$work/raw,io=threads"
		net
		${port:+"console,port=mix:$work/port"}
		${vsock:+"vsock,socket=$work/vsock"}
	)
	printf '%s\n' "${devices[@]}" >"$DIR/devices"
	keys | timeout -k 5 $((duration + 150)) script -qefc "$(printf '%q ' "$MINIVMM" --discovery=dt --kernel "$KERNEL" \
		--initrd "$DIR/mix.cpio" --append "quiet log_buf_len=4M seconds=$duration" --cpus 4 --mem 256 \
		--stats="$DIR/mix.json" "${devices[@]/#/--device=}") 2>$(printf %q "$DIR/mix.err")" /dev/null >"$DIR/mix.out" 2>&1
	echo "${PIPESTATUS[1]}" >"$DIR/mix.status"
	kill $peer
	wait $peer 2>/dev/null
	e2fsck -fn "$work/disk" >"$DIR/fsck" 2>&1
	echo $? >"$DIR/fsck.status"
	cmp "$DIR/data" "$work/data" >"$DIR/readonly.cmp" 2>&1
	rm -rf "$work"
}
in_kvm $((duration + 240)) guests duration vsock port

diag "$(wc -l <"$DIR/devices") devices, ${duration} s: $(said mix rounds | paste -sd ,)"
healthy mix
# Linux's driver of the balloon kicks the queue of its statistics before it is up: that costs a line.
is "$(told mix | grep -v 'balloon0: a kick of queue 2 is ignored')" '' 'minivmm has nothing to say'
is "$(cat "$DIR/peer.err")" '' 'the other end is well'
is "$(said mix broken)" '' 'no worker met an error'
for worker in $(said mix workers); do
	[ "$(said mix rounds | sed -n "s/^$worker //p")" -gt 0 ] 2>/dev/null
	ok $? "$worker: $(said mix rounds | sed -n "s/^$worker //p") rounds"
done
workers=6
[ -z "$vsock" ] || workers=$((workers + 1))
[ -z "$port" ] || workers=$((workers + 1))
is "$(said mix workers | wc -w)" $workers 'all of them were there'

is "$(said mix fsck) $(cat "$DIR/fsck.status")" '0 0' 'disk: the file system is clean, in the guest and on the host'
is "$(cat "$DIR/readonly.cmp")" '' 'the disk that is only read is as it was'
for disk in blk0 blk1 blk2; do
	is "$(count mix $disk errors)" 0 "$disk: no request failed"
done
is "$(said mix 'net errors')" '0 0' 'net: no errors'
rounds=$(said mix rounds | sed -n 's/^network //p')
is "$(grep -cFx "$(md5sum <"$DIR/data")" "$DIR/peer")" "$rounds" 'net: the host got each of them whole'
is "$(grep -v 'ready\|port' "$DIR/peer" | sort | uniq | wc -l)" 1 'net: and nothing else'
if [ -n "$port" ]; then
	is "$(sed -n 's/^port: //p' "$DIR/peer")" "$(said mix 'port sent')" 'console: all that went to the port came out'
	is "$(count mix console0 dropped-bytes)" 0 'console: no byte was dropped'
fi
inflated=$(count mix balloon0 inflated-pages) deflated=$(count mix balloon0 deflated-pages)
[ "${inflated:-0}" -gt 10000 ] && [ "${deflated:-0}" -gt 10000 ]
ok $? "balloon: $inflated pages in, $deflated out"
is "$(count mix balloon0 bad-pages)" 0 'balloon: all of them were memory'

console mix >"$DIR/mix.txt"
sent=$(said mix sent)
[ "${sent:-0}" -gt $((duration * 2)) ]
ok $? "test: $sent numbers went"
got=$(sed -n 's/^virtio-test: get virtio num: \([0-9]*\)$/\1/p' "$DIR/mix.txt" | paste -sd ' ')
[ "$got" = "$(counting 1 "${sent:-0}")" ]
ok $? 'test: the host printed each, once and in order'
is "$(said mix acked)" "$sent" 'test: each came back'
done_testing
