#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The balloon under Linux's driver: what the guest gives up the host has, and the guest gets it back.
set -u
. "$(dirname "$0")/lib.sh"

for tool in jq script; do
	command -v $tool >/dev/null || skip_all "$tool not found: run scripts/setup"
done

MIB=128
initramfs balloon tests/linux/guest/balloon.sh:/test.sh tests/linux/guest/log.sh:/log.sh
machine=(--kernel "$KERNEL" --initrd "$DIR/balloon.cpio" --mem "$MIB")

# rss CASE: KiB of the host's memory that its minivmm has
rss() {
	sed -n 's/^VmRSS:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$(process_of "part=$1")/status"
}

# note CASE NAME
note() {
	echo "$2 $(rss "$1")" >>"$DIR/$1.rss"
}

# falls CASE MIB: waits until that much less than was noted last, then until it falls no more
falls() {
	local start now last i
	start=$(sed -n '$s/.* //p' "$DIR/$1.rss")
	for ((i = 0; i < 80; i++)); do
		now=$(rss "$1")
		[ "${now:-0}" -gt $((start - ($2 << 10))) ] || [ "$now" != "$last" ] || break
		last=$now
		sleep 0.3
	done
}

# The target changes by the keys, which a terminal has: half of the memory by eight.
keys() {
	local i
	after '^touched' keys
	note keys touched
	for ((i = 0; i < 8; i++)); do
		printf '\001+'
	done
	after '64 MiB are wanted' keys
	falls keys 48
	note keys inflated
	printf '\r'
	after '^seen' keys
	for ((i = 0; i < 8; i++)); do
		printf '\001-'
	done
	after ' 0 MiB are wanted' keys
	printf '\r'
	after '^touched again' keys
	note keys deflated
	printf '\r'
}

reporting() {
	after '^touched' reporting
	note reporting touched
	echo
	after '^removed' reporting
	falls reporting 48
	note reporting removed
	echo
}

guests() {
	keys | timeout -k 5 200 script -qefc "$(printf '%q ' "$MINIVMM" "${machine[@]}" --append 'quiet part=keys' \
		--device balloon,stats-interval=200ms --stats="$DIR/keys.json")" /dev/null >"$DIR/keys.out" 2>"$DIR/keys.err"
	echo "${PIPESTATUS[1]}" >"$DIR/keys.status"

	reporting | boot reporting 180 "${machine[@]}" --append 'quiet part=reporting' --stats="$DIR/reporting.json" \
		--device balloon,free-page-reporting=on,free-page-hint=on

	boot need 120 "${machine[@]}" --append 'quiet part=need' --stats="$DIR/need.json" \
		--device balloon,size=$((MIB * 3 / 4))M </dev/null
}
in_kvm 520 guests machine MIB

# host CASE NAME: KiB
host() {
	awk -v name="$2" '$1 == name { print $2 }' "$DIR/$1.rss"
}

# more THAN KIB WHAT: so much more
more() {
	[ -n "$1" ] && [ -n "$2" ] && [ $(($2 - $1)) -ge "$3" ]
	ok $? "$4: $1 KiB, then $2"
}

# Linux's driver kicks the queue of its statistics before it is up: that costs a line.
complaints_of() {
	told "$1" | grep -v 'balloon0: a kick of queue 2 is ignored'
}

# Of the pages in the balloon some were never touched, and cost the host nothing before.
healthy keys
is "$(said keys used | paste -sd ' ')" '90 70' 'the guest uses nearly all, and then more than half'
more 0 "$(host keys touched)" $((90 << 10)) "the host's memory, once it was used"
more "$(host keys inflated)" "$(host keys touched)" $((48 << 10)) 'inflated by 64 MiB: the host has them'
more "$(said keys 'free inflated')" "$(said keys free)" $((44 << 10)) 'inflated: the guest has less'
more "$(host keys inflated)" "$(host keys deflated)" $((32 << 10)) 'deflated: the guest uses them again'
is "$(count keys balloon0 inflated-pages)" $((64 << 8)) 'inflated: as many pages as wanted'
is "$(count keys balloon0 deflated-pages)" $((64 << 8)) 'deflated: all of them'
is "$(count keys balloon0 bad-pages)" 0 'none of them was wrong'
console keys >"$DIR/keys.txt"
is "$(grep -ac '^virtio-balloon: .*MiB are wanted' "$DIR/keys.txt")" 16 'each key is told of'

total=$(count keys balloon0 total-memory) free=$(count keys balloon0 free-memory)
[ "$total" -le $((MIB << 20)) ] && [ "$total" -gt $((MIB * 8 / 10 << 20)) ]
ok $? "statistics: $total bytes of memory in all"
[ "$free" -gt 0 ] && [ "$free" -lt $((total - (70 << 20))) ]
ok $? "statistics: $free bytes are free, while it uses 70 MiB"
[ "$(count keys balloon0 minor-faults)" -ge 0 ]
ok $? 'statistics: faults are counted'

healthy reporting
is "$(complaints_of reporting)" '' 'reporting: minivmm has nothing to say'
is "$(said reporting used)" 64 'reporting: the guest uses 64 MiB'
more "$(host reporting removed)" "$(host reporting touched)" $((48 << 10)) 'reporting: what it frees the host has'
[ "$(count reporting balloon0 returned-bytes)" -ge $((48 << 20)) ] &&
	[ "$(count reporting balloon0 returned-bytes)" -le "$(count reporting balloon0 reported-bytes)" ]
ok $? 'reporting: and counts it'
hinted=$(count reporting balloon0 hinted-bytes)
[ "$hinted" -gt $((32 << 20)) ]
ok $? "hints: $hinted bytes"
is "$(count reporting balloon0 inflated-pages)" 0 'reporting: the balloon is empty'

healthy need
is "$(complaints_of need)" '' 'in need: minivmm has nothing to say'
free=$(said need free)
[ "${free:-0}" -gt 0 ] && [ "$free" -lt $((40 << 10)) ]
ok $? "in need: the balloon leaves $free KiB free"
is "$(said need used)" 50 'in need: the guest gets more than that'
[ "$(count need balloon0 deflated-pages)" -gt 0 ]
ok $? "in need: out of the balloon"
[ "$(count need balloon0 inflated-pages)" -ge $((MIB * 3 / 4 << 8)) ]
ok $? 'in need: the balloon was full'

run "$MINIVMM" "${machine[@]}" --device balloon --device balloon
like "$STATUS" '^[12]$' 'a second balloon is refused'
one_message "$ERR" && [[ $ERR == *balloon* ]]
ok $? 'and it is told why' || diag "$ERR"
done_testing
