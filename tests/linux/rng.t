#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The entropy device under Linux's driver: random bytes, others in each boot, and no faster than allowed.
set -u
. "$(dirname "$0")/lib.sh"

command -v jq >/dev/null || skip_all 'jq not found: run scripts/setup'
initramfs rng tests/linux/guest/rng.sh:/test.sh tests/linux/guest/log.sh:/log.sh

MIB=1048576
SLOW=49152 # bytes, at rate=16K

# one CASE BYTES DEVICE
one() {
	boot "$1" 100 --kernel "$KERNEL" --initrd "$DIR/rng.cpio" --append "quiet bytes=$2" --device "$3" \
		--stats="$DIR/$1.json" </dev/null
}

guests() {
	one first $MIB rng
	one second $MIB rng,notify=ioeventfd,queue-size=1
	one slow $SLOW rng,rate=16K
}
in_kvm 300 guests MIB SLOW

for case in first second slow; do
	bytes=$MIB
	[ $case != slow ] || bytes=$SLOW
	healthy $case
	is "$(told $case)" '' "$case: minivmm has nothing to say"
	is "$(said $case current)" virtio_rng.0 "$case: it is the one that Linux uses"
	is "$(said $case bytes)" $bytes "$case: $bytes bytes"
	read -r pieces different <<<"$(said $case pieces)"
	[ "${pieces:-0}" -ge 1 ] && [ "$pieces" = "$different" ]
	ok $? "$case: of $pieces pieces no two are alike"
	is "$(said $case values)" 256 "$case: all values are among them"
	[ "$(said $case compressed)" -gt $bytes ] 2>/dev/null
	ok $? "$case: they cannot be compressed"
	[ "$(count $case rng0 bytes)" -ge $bytes ]
	ok $? "$case: as many were given"
done
[ "$(said first md5sum)" != "$(said second md5sum)" ]
ok $? 'two boots get different ones'

# After a buffer that is not filled whole, Linux's driver can wait for ever: this comes to an end.
# What Linux holds already, and the window in which it ends, come for nothing: a quarter is more than both.
now=$(said slow centiseconds) least=$((SLOW * 100 / 16384 * 3 / 4))
[ "${now:-0}" -ge $least ]
ok $? "rate=16K: $SLOW bytes took $now centiseconds, $least at least"
[ "$(count slow rng0 waits)" -gt 10 ]
ok $? 'rate=16K: the driver had to wait'
is "$(count first rng0 waits)" 0 'without: it had not'
done_testing
