#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What surrounds minivmm: closed descriptors, no /dev/kvm, a terminal.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"
kernel=$PAYLOADS/test_crash.elf
[ -e "$kernel" ] || skip_all "$kernel is not built"
RUN_SECONDS=10

# --- /dev/kvm that is not there, not permitted, or something else ---

if [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null && [ -e /dev/kvm ]; then
	for instead in /dev/null "$TMP/file"; do
		: >"$TMP/file"
		# shellcheck disable=SC2016 # for the inner shell
		run unshare -m bash -c 'mount --bind "$1" /dev/kvm && shift && exec "$@"' - "$instead" "$MINIVMM" --kernel "$kernel"
		[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *'/dev/kvm: '* && $ERR == *scripts/kvmbox* ]]
		ok $? "/dev/kvm is ${instead##*/}" || diag "status $STATUS: '$ERR'"
	done
	run unshare -m bash -c 'mount -t tmpfs none /dev && exec "$@"' - "$MINIVMM" --kernel "$kernel"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *'/dev/kvm: No such file'* && $ERR == *scripts/kvmbox* ]]
	ok $? 'there is no /dev/kvm' || diag "status $STATUS: '$ERR'"
else
	skip 'no /dev/kvm' 'needs root and unshare'
fi
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && [ -e /dev/kvm ] && ! setpriv --reuid 65534 --clear-groups test -w /dev/kvm; then
	cp "$kernel" "$TMP/kernel"
	chmod 755 "$TMP"
	run setpriv --reuid 65534 --regid 65534 --clear-groups "$MINIVMM" --kernel "$TMP/kernel"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *'/dev/kvm: Permission denied'*group* ]]
	ok $? '/dev/kvm is not permitted' || diag "status $STATUS: '$ERR'"
else
	skip '/dev/kvm is not permitted' 'needs root, to become somebody else'
fi

# --- without KVM: descriptors that are closed ---

for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- 2>&-' '<&- >&- 2>&-'; do
	rm -f "$TMP/dtb"
	STATUS=0
	timeout 10 bash -c "exec \"\$@\" $closed" - "$MINIVMM" --dump-dtb "$TMP/dtb" || STATUS=$?
	is "$STATUS/$(head -c 4 "$TMP/dtb" | od -An -tx1)" '0/ d0 0d fe ed' "--dump-dtb with $closed"
	STATUS=0
	timeout 10 bash -c "exec \"\$@\" $closed" - "$MINIVMM" --bogus >/dev/null 2>&1 || STATUS=$?
	is "$STATUS" 2 "a wrong option with $closed"
done

# --- with KVM ---

run "$MINIVMM" --kernel "$kernel" --mem 32 --device none --append poweroff
if [ "$STATUS" -ne 0 ]; then
	skip 'a running guest' "/dev/kvm does not run a payload: ${ERR%%$'\n'*}"
	done_testing
	exit
fi

for closed in '<&-' '>&-' '2>&-' '<&- >&-' '<&- >&- 2>&-'; do
	STATUS=0
	timeout 10 bash -c "exec \"\$@\" $closed" - "$MINIVMM" --kernel "$kernel" --mem 32 --append poweroff >"$TMP/out" 2>"$TMP/err" || STATUS=$?
	is "$STATUS/$(cat "$TMP/err")" 0/ "a guest with $closed"
done
STATUS=0
timeout 10 "$MINIVMM" --kernel "$kernel" --mem 32 --append triple <&- >&- 2>&- || STATUS=$?
is "$STATUS" 4 'a guest that crashes with everything closed'
STATUS=0
timeout 10 "$MINIVMM" --kernel "$kernel" --mem 32 --device none --append poweroff </dev/null >/dev/full 2>"$TMP/err" || STATUS=$?
is "$STATUS" 1 'a console on a full disk ends with status 1'
one_message "$(cat "$TMP/err")"
ok $? 'and one message' || diag "$(cat "$TMP/err")"

# A terminal: script(1) gives one, the keys come by a pipe.
if ! command -v script >/dev/null; then
	skip 'a terminal' 'script is not installed'
	done_testing
	exit
fi

# tty KEYS WORD [ARGUMENTS]: the keys are typed a while after the guest said that it is ready; $OUT is what the screen showed
tty() {
	local keys=$1 word=$2
	shift 2
	cat >"$TMP/job" <<-END
		stty echo icanon isig icrnl opost onlcr
		before=\$(stty -g)
		timeout --foreground 10 "$MINIVMM" --kernel "$kernel" --mem 32 --append $word $*
		echo "status \$?"
		[ "\$(stty -g)" = "\$before" ] && echo 'as before'
	END
	: >"$TMP/out"
	# shellcheck disable=SC2094 # it is read to know when the guest is ready
	{
		for _ in {1..100}; do
			grep -q '# ready' "$TMP/out" && break
			sleep 0.05
		done
		sleep 0.2
		printf %b "$keys"
		sleep 0.5
	} | timeout 20 script -qefc "bash $TMP/job" /dev/null >"$TMP/out" 2>&1
	OUT=$(tr -d '\r' <"$TMP/out")
}

tty '\001x' halt
like "$OUT" 'status 0' 'Ctrl-A x ends the run with status 0'
like "$OUT" 'as before' 'and the terminal is as it was'
tty '\003\032\034x\001\001\001h\001x' halt
like "$OUT" 'status 0' 'Ctrl-C, Ctrl-Z and Ctrl-\ are the guest'\''s'
like "$OUT" 'Ctrl-A x +quit' 'Ctrl-A h helps'
tty 'hello.' echo
like "$OUT" 'hello\.' 'what is typed reaches the guest'
like "$OUT" 'status 0' 'which ends by itself'
like "$OUT" 'as before' 'and the terminal is as it was'
tty '' triple
like "$OUT" 'status 4' 'a crash ends with status 4'
like "$OUT" 'as before' 'and the terminal is as it was'

# Where both outputs are the terminal the user has a panic's lines before him; else they are on standard error.
tty '' panic-linux
like "$OUT" "minivmm: the guest's kernel panicked: a payload's" 'a panic is told'
is "$(grep -c 'Call Trace' <<<"$OUT")" 1 'its lines are there once'
tty '' panic-linux '>/dev/null'
like "$OUT" 'minivmm:   \[    1.0\] Call Trace' 'its lines are there where the console is not'
like "$OUT" 'status 3' 'and it ends with status 3'

done_testing
