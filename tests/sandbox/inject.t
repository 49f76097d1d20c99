#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A running minivmm whose threads are made to do what a guest that had taken them over would want.
. "$(dirname "$0")/../tap.sh"
need_kvm
INJECT=${INJECT:-$ROOT/build/tests/sandbox/inject}

# start ARGUMENTS...: a machine whose guest runs, in PID
start() {
	local i
	rm -f "$TMP/out"
	"$MINIVMM" --kernel "$PAYLOADS/test_broken.elf" --mem 32 --append none --device test \
		--device blk,path="$TMP/disk",io=threads "$@" </dev/null >"$TMP/out" 2>"$TMP/err" &
	PID=$!
	for ((i = 0; i < 200; i++)); do
		grep -qs . "$TMP/out" && return
		sleep 0.05
	done
	diag "$(cat "$TMP/err")"
}

# inject MODE THREAD CALL ARGUMENTS...: what came of it in GOT, the machine's end in STATUS and ERR
inject() {
	local i
	start --sandbox="$1" --trace "$TMP/trace" "${@:4}"
	for ((i = 0; i < 20; i++)); do
		GOT=$(timeout 10 "$INJECT" "$PID" "$2" "$3" 2>&1)
		[ $? -eq 3 ] || break
	done
	kill -TERM "$PID" 2>/dev/null
	wait "$PID" 2>/dev/null
	STATUS=$?
	ERR=$(grep sandbox "$TMP/err")
}

truncate -s 1M "$TMP/disk"

for thread in minivmm loop vcpu0 disk trace; do
	for call in execve socket open; do
		inject on $thread $call
		is "$GOT/$STATUS" refused/159 "$thread: $call is refused and ends it, as by SIGSYS"
		like "$ERR" "^minivmm: --sandbox: [a-z0-9]* is ended: it called $call, which it has no need of" 'one line names both' &&
			is "$(printf '%s\n' "$ERR" | wc -l)" 1 'and no other'
	done
done

inject log vcpu0 getppid
like "$GOT" '^returned: [0-9]+$' '--sandbox=log: the call is made'
like "$ERR" '^minivmm: --sandbox=log: vcpu0 called getppid' 'and told'
is "$STATUS" 143 'and the machine runs on'

inject log loop open
like "$GOT" '^returned: -14$' '--sandbox=log: EFAULT, so it was the kernel that answered'
is "$STATUS" 143 'and the machine runs on'

# The main thread may replace the file of --stats, and nothing else.
if [ "$(grep -c landlock /proc/kallsyms)" -gt 0 ]; then
	mkdir "$TMP/counts"
	inject on minivmm openat --stats="$TMP/counts/stats.json"
	is "$GOT/$STATUS" 'returned: -13/143' '--stats: the main thread cannot open another file'
	is "$(jq .version "$TMP/counts/stats.json")/$ERR" 1/ '... and writes its own at the end'
else
	skip 'files are out of reach' 'this kernel has no Landlock'
fi
inject on minivmm openat
is "$GOT/$STATUS" refused/159 'without --stats it opens nothing at all'

inject off vcpu0 getppid
like "$GOT" '^returned: [0-9]+$' '--sandbox=off: nobody asks'
is "$ERR/$STATUS" /143 'or says anything'

# Privileges: none in any thread, and none to be had.
start
for field in CapInh:0000000000000000 CapPrm:0000000000000000 CapEff:0000000000000000 NoNewPrivs:1 Seccomp:2; do
	is "$(cat /proc/"$PID"/task/*/status | grep "^${field%%:*}:" | tr -d ' \t' | sort -u)" "$field" "every thread has $field"
done
kill -TERM "$PID"
wait "$PID" 2>/dev/null

# All that it works on can be handed over, open.
"$MINIVMM" --kernel /dev/fd/3 --initrd /dev/fd/3 --mem 32 --device blk,path=/dev/fd/4 --trace /dev/fd/5 --stats=/dev/fd/6 \
	3<"$PAYLOADS/test_exits.elf" 4<>"$TMP/disk" 5>"$TMP/trace" 6>"$TMP/stats" </dev/null >"$TMP/out" 2>"$TMP/err"
is "$?/$(grep -c ^ok "$TMP/out")/$(cat "$TMP/err")" 0/14/ 'files that are handed over as descriptors'
is "$(jq .version "$TMP/stats")/$(head -1 "$TMP/trace" | jq -r .ev)" 1/start '... are written'

done_testing
