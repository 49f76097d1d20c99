#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# System calls fail while a guest runs: it goes on as if nothing were, or loses what could not be done, and that is said
# once. Only KVM itself can end it.
. "$(dirname "$0")/inject.sh"
# shellcheck disable=SC2034 # for inject.sh
SANDBOX=off
RUN_SECONDS=60
exits=(--kernel "$PAYLOADS/test_exits.elf" --mem 32 --device none)
ticks=(--kernel "$PAYLOADS/test_virtio.elf" --mem 32 --device test,num-pages=3,delay=30ms,period=30ms)
written=("${exits[@]}" --trace trace.jsonl --stats=stats.json)

# threads RULE [-P PATH] ARG...: of every thread, which each counts its own calls; of those on that file
threads() {
	local rule=$1 path=()
	shift
	if [ "$1" = -P ]; then
		path=(-P "$2")
		shift 2
	fi
	under -f -o "$TMP/calls" -e trace="${rule%%:*}" -e inject="$rule" "${path[@]}" -- "$@"
}

# injected MIN: whether so many calls failed at least
injected() {
	[ "$(grep -c INJECTED "$TMP/calls")" -ge "$1" ]
}

under -o /dev/null -e trace=none -- "${exits[@]}"
wanted=$OUT
is "$STATUS$ERR" 0 'the guest runs where nothing fails'

# --- KVM_RUN: more ioctl(2)s than the start has ---

for error in EINTR EAGAIN; do
	threads "ioctl:error=$error:when=40+2" "${exits[@]}"
	[ "$STATUS" -eq 0 ] && [ -z "$ERR" ] && [ "$OUT" = "$wanted" ] && injected 10
	ok $? "every other KVM_RUN says $error: the guest goes on" || diag "status $STATUS: $ERR" "$OUT"
done
for error in ENOMEM EFAULT; do
	threads "ioctl:error=$error:when=40" "${exits[@]}"
	[ "$STATUS" -eq 4 ] && like "${ERR%%$'\n'*}" '^minivmm: vCPU 0: KVM_RUN: [A-Z]' "KVM_RUN says $error: the run ends, and it is named" || diag "status $STATUS: $ERR"
	is "$(grep -c 'KVM_RUN: ' <<<"$ERR")" 1 'once'
done

# --- the event loop, timers and standard output ---

for rule in epoll_wait:error=EINTR:when=1+2 read:error=EINTR:when=1+2 read:error=EAGAIN:when=1+2 read:error=EIO:when=2+2; do
	threads "$rule" "${ticks[@]}"
	[ "$STATUS" -eq 0 ] && [ -z "$ERR" ] && [[ $OUT != *'not ok'* ]] && injected 2
	ok $? "$rule: the guest has its ticks" || diag "status $STATUS: $ERR" "$OUT"
done
for error in EINTR EAGAIN; do
	threads "write:error=$error:when=1+2" -P "$TMP/out" "${exits[@]}"
	[ "$STATUS" -eq 0 ] && [ -z "$ERR" ] && [ "$OUT" = "$wanted" ] && injected 2
	ok $? "every other write says $error: the console is complete" || diag "status $STATUS: $ERR" "$OUT"
done
for error in EIO ENOSPC; do
	threads "write:error=$error:when=1" -P "$TMP/out" "${exits[@]}"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *'standard output: '* ]] && injected 1
	ok $? "a console that says $error ends the run with one message" || diag "status $STATUS: $ERR"
done

# --- what is kept of a run ---

# loses RULE PART NAME: the guest ends as ever; one line of what was lost begins so; no file but these two is left
loses() {
	inject "$1" "${written[@]}"
	[ "$STATUS" -eq 0 ] && [ "$OUT" = "$wanted" ] && one_message "$ERR" && [[ $ERR == "minivmm: $2"* ]] &&
		[[ $(leftovers) =~ ^('stats.json ')?'trace.jsonl '$ ]]
	ok $? "$3" || diag "status $STATUS, left $(leftovers): $ERR"
}

under -o "$TMP/calls" -e trace=openat -- "${written[@]}"
opens=$(grep -c '^openat(' "$TMP/calls") # of which the last is that of the counts

loses rename:error=EACCES:when=1 '--stats=stats.json: Permission denied' 'counts that cannot be renamed'
loses "openat:error=ENOSPC:when=$opens" '--stats=stats.json: No space left' 'counts that cannot be made'
[ ! -e "$HOST/stats.json" ]
ok $? 'none are there'

# The trace has a thread of its own, whose first write this is.
for error in ENOSPC EIO; do
	threads "write:error=$error:when=1" -P "$HOST/trace.jsonl" "${written[@]}"
	[ "$STATUS" -eq 0 ] && [ "$OUT" = "$wanted" ] && injected 1 && [ "$(grep -c 'events are lost from here on' <<<"$ERR")" -eq 1 ] &&
		[ "$(grep -c 'events are missing in it' <<<"$ERR")" -eq 1 ] && [ "$(wc -l <<<"$ERR")" -eq 2 ] &&
		[[ $(tail -n 1 "$HOST/trace.jsonl") == *'"ev":"'* ]]
	ok $? "a trace that says $error once: two lines of it, the guest goes on, the file ends with a whole line" ||
		diag "status $STATUS: $ERR" "$(grep INJ "$TMP/calls")"
done
threads write:error=ENOSPC:when=1+ -P "$HOST/trace.jsonl" "${written[@]}"
[ "$STATUS" -eq 0 ] && [ "$OUT" = "$wanted" ] && injected 2 && [ "$(grep -c 'events are lost from here on' <<<"$ERR")" -eq 1 ] &&
	[ "$(wc -l <<<"$ERR")" -eq 2 ] && [ ! -s "$HOST/trace.jsonl" ]
ok $? 'a trace whose disk stays full: still two lines' || diag "status $STATUS: $ERR" "$(grep INJ "$TMP/calls")"

done_testing
