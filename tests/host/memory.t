#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every allocation of the main thread fails once, under the address and leak sanitizers: one line says so, the status is
# not 0, nothing is left in memory or on disk. Where the run is on already, it goes to its end all the same.
. "$(dirname "$0")/../tap.sh"
RUN_SECONDS=60
program=$ROOT/build/tests/host/minivmm-allocations
[ -x "$program" ] || skip_all "$program is not built: run 'make allocations'"
need_kvm
export ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99 LSAN_OPTIONS=exitcode=99
kernel=$PAYLOADS/test_crash.elf
HOST=$TMP/host
mkdir "$HOST"
cd "$HOST" || exit 1
head -c 65536 /dev/urandom >"$TMP/image"

# Each line once for every allocation until it needs no more.
declare -A lines=(
	[full]="--kernel $kernel --initrd $kernel --mem 32 --cpus 2 --device test --device blk,path=image,notify=ioeventfd
		--device blk,path=image2,serial=b,io=threads --device net,mac=52:54:00:00:00:01,restrict=on
		--device rng --device console,port=a:socket-a,port=b:socket-b --device balloon,stats-interval=1s
		--device vsock,cid=3,socket=socket-v --trace trace.jsonl --trace time.pftrace.json --stats --stats=stats.json
		--stats-interval 10m --timeout 10m --append poweroff"
	[dtb]='--device blk,path=image --dump-dtb tree.dtb'
	[map]='--dump-map map.txt'
	[usage]='--device blk,path=image,none=such'
)

# harmless FUNCTION CALLER FILE: where an allocation may fail and nothing is lost
harmless() {
	case $1/$2/$3 in
	calloc/uring_open/* | */*/*/liburing.so*) ;; # threads do the disk's work
	malloc/*/*/libc.so* | realloc/*/*/libc.so*) ;; # a text that was to be cut to its length stays as it is
	*) return 1 ;;
	esac
}

# all NAME FOR: fails each allocation of that line, and FOR - 1 more behind it
all() {
	local name=$1 k=0 bad=0 phase address function file caller judged
	read -r -d '' -a args <<<"${lines[$name]}"
	while k=$((k + 1)); do
		rm -rf "${HOST:?}"/* "$TMP/log"
		cp "$TMP/image" image
		cp "$TMP/image" image2
		FAIL_AT=$k FAIL_FOR=$2 FAIL_LOG=$TMP/log run "$program" "${args[@]}"
		[ -e "$TMP/log" ] || break
		read -r phase address function file <"$TMP/log"
		caller=$(addr2line -f -e "$program" "$address" | head -n 1)
		judged=1
		if [ "$phase" = run ] && [ "$name" = full ]; then
			# the counts are there, or a line says that they are not
			[ "$STATUS" -eq 0 ] && [[ $ERR == *'all exits'* || $ERR == *'minivmm: --stats: '* ]] &&
				{ [ -e stats.json ] || [[ $ERR == *'minivmm: --stats'* ]]; } || judged=
		elif [ "$STATUS" -eq 0 ] && harmless "$function" "$caller" "$file"; then
			[[ $ERR != *minivmm:* ]] || judged=
		else
			[ "$STATUS" -ge 1 ] && [ "$STATUS" -le 2 ] && one_message "$ERR" && [ "$(echo *)" = 'image image2' ] || judged=
		fi
		cmp -s "$TMP/image" image || judged=
		[ -n "$judged" ] && continue
		bad=$((bad + 1))
		diag "allocation $k, $function in $caller of $file, $phase: status $STATUS, left $(echo *), said: ${ERR:0:2000}"
	done
	WHY="without a failure: status $STATUS, said: $ERR"
	[ "$k" -gt 1 ] && [ "$bad" -eq 0 ] && { [ "$name" = usage ] || [ "$STATUS" -eq 0 ]; }
	ok $? "$name: $((k - 1)) runs, in each of which $2 allocations fail, end as they should" || diag "$WHY"
}

for name in full dtb map usage; do
	all $name 1
	[ -z "${MINIVMM_LONG-}" ] || all $name 1000000
done

# The errors of every day under the leak sanitizer: the tests of the command line once more.
for script in options devices files dtb; do
	STATUS=0
	MINIVMM=$program bash "$ROOT/tests/cli/$script.t" >"$TMP/cli" 2>&1 || STATUS=$?
	ok "$STATUS" "tests/cli/$script.t leaks nothing" || diag "$(grep -v '^ok' "$TMP/cli")"
done

done_testing
