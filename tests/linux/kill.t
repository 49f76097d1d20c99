#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# minivmm is killed while the guest writes: what the guest was told is on the medium, is in the image. A few times, or
# with MINIVMM_LONG=1 a hundred times.
set -u
. "$(dirname "$0")/lib.sh"

times=4
[ -z "${MINIVMM_LONG-}" ] || times=100
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o "$DIR/blocks" tests/linux/guest/blocks.c || {
	echo 'Bail out! tests/linux/guest/blocks.c was not built'
	exit 1
}
initramfs kill tests/linux/guest/kill.sh:/test.sh "$DIR/blocks:/blocks"

# last: the number up to which the guest said that all is on the medium; a line that was cut off does not count
last() {
	tr -d '\r' <"$work/out" | sed -n '$!s/^synced \([0-9]*\)$/\1/p' | tail -n 1
}

# one ROUND ENGINE: a line of what came of it. Nothing stays of minivmm but its image.
one() {
	local pid wait synced='' i
	truncate -s 0 "$work/disk"
	truncate -s 64M "$work/disk"
	: >"$work/out"
	"$MINIVMM" --kernel "$KERNEL" --initrd "$DIR/kill.cpio" --append quiet --mem 64 \
		--device "blk,path=$work/disk,io=$2" </dev/null >"$work/out" 2>"$work/err" &
	pid=$!
	for ((i = 0; i < 600; i++)); do
		! grep -q '^synced' "$work/out" && kill -0 $pid 2>/dev/null || break
		sleep 0.1
	done
	wait=$((RANDOM % 1000))
	sleep "$(printf '0.%03d' $wait)"
	kill -KILL $pid
	wait $pid 2>/dev/null
	synced=$(last)
	if [ -z "$synced" ]; then
		echo "round $1, $2: nothing was written: $(cat "$work/err")"
	else
		echo "round $1, $2, after 0.$(printf %03d $wait) s: $("$DIR/blocks" check "$work/disk" "$synced")"
	fi
}

# Another one gets at the image at once, and reads the same: no lock stays, and nothing arrives late.
again() {
	cp "$work/disk" "$work/copy"
	timeout 60 "$MINIVMM" --kernel "$KERNEL" --append quiet --mem 64 --device "blk,path=$work/disk" </dev/null \
		>/dev/null 2>"$work/err"
	echo "again: $? $(grep -c 'is in use' "$work/err") $(cmp "$work/disk" "$work/copy" 2>&1)"
}

guests() {
	local work round
	work=$(mktemp -d)
	for ((round = 1; round <= times; round++)); do
		if [ $((round % 2)) -eq 0 ]; then
			one $round auto
		else
			one $round threads
		fi
	done >"$DIR/rounds"
	again >"$DIR/again"
	rm -rf "$work"
}
in_kvm $((60 + times * 12)) guests times

is "$(grep -c ' blocks are right$' "$DIR/rounds")" $times "killed $times times: nothing is lost" ||
	diag "$(grep -v ' blocks are right$' "$DIR/rounds")"
blocks=$(sed -n 's/.*: \([0-9]*\) blocks are right$/\1/p' "$DIR/rounds" | awk '{ n += $1 } END { print n + 0 }')
[ "$blocks" -ge "$times" ]
ok $? "$blocks blocks were on the medium"
# Without a root file system the kernel panics: status 3.
is "$(cat "$DIR/again")" 'again: 3 0 ' 'the next minivmm has the image at once, and it stays as it is'
done_testing
