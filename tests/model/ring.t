#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# No kick and no interrupt is lost, in any interleaving that ring.pml has; and what keeps it so is needed: without each
# barrier, or with one of some plausible mistakes, Spin finds the sleeper or the stale entry.
. "$(dirname "$0")/../tap.sh"
RUN_SECONDS=600

command -v spin >/dev/null || skip_all 'spin is not installed: run scripts/setup'
cd "$TMP" || exit 1

# check FLAGS...: builds the variant's verifier and runs it. RESULT: "holds", "sleeps" (somebody for ever), "stale"
# (what was read from the ring is not what was written there), or what went wrong.
check() {
	RESULT='does not build'
	run spin -a "$@" "$ROOT/tests/model/ring.pml"
	[ "$STATUS" -eq 0 ] && run "${CC:-gcc}" -O1 -DSAFETY -o pan pan.c
	[ "$STATUS" -eq 0 ] || return
	run ./pan -m200000 -b
	case $OUT in
	*'search depth too small'* | *'out of memory'*) RESULT='no room' ;;
	*'invalid end state (at depth'*) RESULT=sleeps ;;
	*'assertion violated'*'(at depth'*) RESULT=stale ;;
	*'errors: 0'*) RESULT=holds ;;
	*) RESULT="$OUT$ERR" ;;
	esac
}

holds() {
	check -DBUFFERS=7 -DCHANGES=2 "$@"
	is "$RESULT" holds "nothing is lost: ${*:-avail.flags}"
}

# breaks RESULT WHY FLAGS...
breaks() {
	local wanted=$1 why=$2

	shift 2
	check "$@"
	is "$RESULT" "$wanted" "$why: $*"
}

for order in '' -DWEAK; do
	for way in '' -DSHARE=1 -DLATE; do
		holds ${order:+"$order"} ${way:+"$way"}
		holds -DEVENT_IDX ${order:+"$order"} ${way:+"$way"}
	done
done

# the device's barriers: queue.c
breaks sleeps 'arm_kicks() without its fence loses a kick' -DNO_FENCE_ARM -DEVENT_IDX
breaks sleeps 'virtq_pop() without a second look loses a kick' -DNO_SECOND_LOOK -DEVENT_IDX
breaks sleeps 'virtq_notify() without its fence loses an interrupt' -DNO_FENCE_NOTIFY
breaks sleeps '... and so with EVENT_IDX, where no arm_kicks() comes between' -DNO_FENCE_NOTIFY -DEVENT_IDX -DLATE
breaks stale 'avail_pending() without acquire reads an old entry' -DNO_ACQUIRE_AVAIL
breaks stale 'virtq_publish() without release shows an old entry' -DNO_RELEASE_USED -DWEAK
holds -DNO_RELEASE_USED # x86 keeps the order of stores: why no test on such a host finds this one

# the driver's, their partners
breaks sleeps "no barrier before avail_event is read" -DNO_FENCE_KICK -DEVENT_IDX
breaks sleeps "no barrier before the last look at used.idx" -DNO_FENCE_CALL
breaks sleeps "no barrier before the last look at used.idx" -DNO_FENCE_CALL -DEVENT_IDX
breaks stale "avail.idx without release" -DNO_RELEASE_AVAIL -DWEAK
breaks stale "used.idx without acquire" -DNO_ACQUIRE_USED

# the rest of the way
breaks sleeps 'a share that is used up, and nobody goes on' -DNO_AGAIN -DEVENT_IDX
breaks sleeps 'a share that is used up, and nobody goes on' -DNO_AGAIN -DSHARE=1
breaks sleeps 'the eventfd of kicks is read after the work' -DBAD_READ
breaks sleeps 'InterruptStatus is changed without the lock' -DBAD_ISR
breaks sleeps 'no edge for a second bit' -DBAD_EDGE
breaks sleeps 'an ACK clears bits that were not written' -DBAD_ACK
done_testing
