#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Devices that cannot be had as the command line asks for them: one message each that names the thing, before any guest
# runs; and the help of each.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"

# refused PART NAME SPEC... : a machine with these devices
refused() {
	local part=$1 name=$2 spec args=()
	shift 2
	for spec; do
		args+=(--device "$spec")
	done
	run "$MINIVMM" --dump-dtb "$TMP/dtb" "${args[@]}"
	[ "$STATUS" -eq 2 ] && one_message "$ERR" && [[ $ERR == *"--device ${1%%,*}"*"$part"* ]] && [ ! -e "$TMP/dtb" ]
	ok $? "$name" || diag "status $STATUS, wanted 2 with '$part': '$OUT' '$ERR'"
	rm -f "$TMP/dtb"
}

accepted() {
	local name=$1 spec args=()
	shift
	for spec; do
		args+=(--device "$spec")
	done
	run "$MINIVMM" --dump-dtb "$TMP/dtb" "${args[@]}"
	is "$STATUS/$ERR" 0/ "$name"
	rm -f "$TMP/dtb"
}

run "$MINIVMM" --device help
for name in test balloon rng console blk net vsock; do
	like "$OUT" "(^|"$'\n'") +$name +[a-z]" "--device help lists $name"
	help=$("$MINIVMM" --device "$name,help")
	like "$help" "^--device $name\[" "--device $name,help: tells of it"
	like "$help" 'queue-size=[0-9]+, id=[0-9]+' "--device $name,help: with the common keys"
	like "$help" 'counts, in --stats' "--device $name,help: with what it counts"
done

truncate -s 1M "$TMP/image" "$TMP/other" "$TMP/a,b"
truncate -s 1000 "$TMP/odd"
: >"$TMP/empty"
mkfifo "$TMP/fifo"

accepted 'an image' "blk,path=$TMP/image"
accepted 'two images' "blk,path=$TMP/image" "blk,path=$TMP/other,readonly=on"
accepted 'one image twice, to read' "blk,path=$TMP/image,readonly=on" "blk,path=$TMP/image,readonly=on"
accepted 'a doubled comma is one of the name' "blk,path=$TMP/a,,b"
refused "path=" 'a disk without an image' blk
refused "path=" 'with an empty name' blk,path=
refused "$TMP/none" 'an image that is not there' "blk,path=$TMP/none"
refused 'truncate -s' 'and how to make one' "blk,path=$TMP/none"
refused 'directory' 'a directory' "blk,path=$TMP"
refused "$TMP/empty" 'an empty file' "blk,path=$TMP/empty"
refused "$TMP/fifo" 'a FIFO' "blk,path=$TMP/fifo"
refused /dev/zero 'a character device' blk,path=/dev/zero
refused 488 'an image that is no whole number of sectors: what would be lost' "blk,path=$TMP/odd"
refused 'in use by a writer' 'an image twice, to write' "blk,path=$TMP/image" "blk,path=$TMP/image"
refused 'in use by a writer' 'to write and to read' "blk,path=$TMP/image" "blk,path=$TMP/image,readonly=on"
refused 'from 1 to' 'no queues' "blk,path=$TMP/image,queues=0"
refused 'on or off' 'a bad word' "blk,path=$TMP/image,readonly=yes"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$TMP"
	chmod 444 "$TMP/other"
	run setpriv --reuid 65534 --clear-groups "$MINIVMM" --dump-dtb - --device "blk,path=$TMP/other"
	like "$STATUS $ERR" "^2 .*$TMP/other.*readonly=on" 'an image that may only be read'
	run setpriv --reuid 65534 --clear-groups "$MINIVMM" --dump-dtb /dev/null --device "blk,path=$TMP/other,readonly=on"
	is "$STATUS $ERR" '0 ' 'which readonly=on does'
else
	skip 'an image that may only be read' 'not root'
fi

refused 'ip tuntap add' 'a tap that is not there' net,tap=minivmm-none
refused 'fd=77' 'a descriptor that is not open' net,fd=77
refused 'three different networks' 'two networks at once' net,tap=a,restrict=on
refused 'tap=NAME' 'pairs of queues without a tap' net,queues=2
for mac in 1 52:54:00:12:34 52:54:00:12:34:5 52:54:00:12:34:56:78 52-54-00-12-34-56 5x:54:00:12:34:56 \
	01:00:5e:00:00:01 00:00:00:00:00:00 ff:ff:ff:ff:ff:ff; do
	refused "mac=$mac" "mac=$mac" "net,mac=$mac"
done
for rule in x tcp tcp::80 tcp::80-: tcp::0-:80 tcp::80-:70000 sctp::80-:80 tcp:1.2.3:80-:80; do
	refused "$rule" "hostfwd=$rule" "net,hostfwd=$rule"
done
perl -MIO::Socket::INET -e '
	my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die;
	$| = 1; print $s->sockport, "\n"; sleep 60' >"$TMP/port" &
holder=$!
until [ -s "$TMP/port" ] || ! kill -0 $holder 2>/dev/null; do sleep 0.05; done
refused 'in use' 'a port that somebody listens on' "net,hostfwd=tcp:127.0.0.1:$(cat "$TMP/port")-:22"
kill $holder

refused 'only one balloon device is supported' 'two balloons' balloon balloon
refused '512 MiB' 'a balloon larger than the guest' balloon,size=513M
refused 'from 64' 'a rate of nothing' rng,rate=0
refused 'such as 64K' 'a size that is none' rng,rate=1x

done_testing
