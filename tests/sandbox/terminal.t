#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A confined minivmm on a terminal: the shell stops it and takes it up again, and a crash in any of its threads leaves the
# terminal as it was.
. "$(dirname "$0")/../tap.sh"
need_kvm
INJECT=${INJECT:-$ROOT/build/tests/sandbox/inject}
command -v script >/dev/null || skip_all 'script is not installed'
truncate -s 1M "$TMP/disk"
RUN="'$MINIVMM' --kernel '$PAYLOADS/test_broken.elf' --mem 32 --append none --device test --device blk,path='$TMP/disk',io=threads"
RUN="$RUN --trace '$TMP/trace'"

# on_terminal KEYS: runs $TMP/job on a terminal of its own, where the KEYS are typed once "type" was said; what is to be
# seen there in OUT
on_terminal() {
	: >"$TMP/out"
	# shellcheck disable=SC2094 # it is read to know when
	{
		for _ in {1..400}; do
			grep -q 'type' "$TMP/out" && break
			sleep 0.05
		done
		printf %b "$1"
		sleep 0.5
	} | timeout 60 script -qefc "bash $TMP/job" /dev/null >"$TMP/out" 2>&1
	OUT=$(tr -d '\r' <"$TMP/out")
}

# What the jobs below share: until the thread of a name is there and has taken its work up, and its mode of the terminal.
cat >"$TMP/functions" <<'E2'
ready() {
	for _ in {1..200}; do
		pid=$(pgrep -f -n "^[^ ]*/minivmm --kernel.*$1") && grep -qs "Seccomp:.2" /proc/"$pid"/task/*/status && break
		sleep 0.05
	done
	sleep 0.5
}
mode() {
	[ "$(stty -g <"$tty")" = "$before" ] && echo "$1: as before" || echo "$1: raw"
}
tty=$(tty)
stty echo icanon isig icrnl opost onlcr
before=$(stty -g)
E2

cat >"$TMP/job" <<E2
. '$TMP/functions'
set -m
$RUN --timeout 30s >/dev/null &
ready '$TMP/disk'
mode background # to which no signal tells that it is brought forward
kill -STOP \$pid
for _ in {1..100}; do # fg takes up what the shell has heard to be stopped
	jobs >'$TMP/jobs'
	grep -q Stopped '$TMP/jobs' && break
	sleep 0.05
done
(sleep 0.5; mode foreground; kill -TSTP \$pid) &
fg 1 >/dev/null
mode stopped
(sleep 0.5; mode again; echo type) &
fg 1 >/dev/null
echo "status \$?"
mode end
E2
on_terminal '\001x'
for line in 'background: as before' 'foreground: raw' 'stopped: as before' 'again: raw' 'status 0' 'end: as before'; do
	like "$OUT" "$line" "the shell's job: $line" || diag "$OUT"
done

for thread in minivmm loop vcpu0 disk trace; do
	cat >"$TMP/job" <<-E2
		. '$TMP/functions'
		{
			ready '$TMP/disk'
			mode before
			for _ in {1..20}; do
				'$INJECT' \$pid $thread crash
				[ \$? -eq 3 ] || break
			done
		} &
		$RUN --timeout 30s >/dev/null
		echo "status \$?"
		mode end
		echo type
	E2
	on_terminal ''
	like "$OUT" 'before: raw' "$thread: the terminal's mode is ours" || diag "$OUT"
	like "$OUT" 'status 139' "$thread: a crash ends it by SIGSEGV"
	like "$OUT" 'end: as before' "$thread: and the terminal is as it was"
done
done_testing
