#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A terminal is as it was, whatever fails from the moment on at which minivmm looks at it.
if [ -z "${IN_TERMINAL-}" ]; then
	command -v script >/dev/null || {
		echo '1..0 # SKIP script is not installed'
		exit
	}
	# script(1) gives the terminal; what it shows are the results
	IN_TERMINAL=1 timeout 120 script -qefc "bash '$0'" /dev/null </dev/null | tr -d '\r'
	exit "${PIPESTATUS[0]}"
fi
. "$(dirname "$0")/inject.sh"
INPUT=/dev/tty
line=(--kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --append poweroff)

calls "${line[@]}" | sed -n '/ ioctl(0<.* TCGETS/,$p' >"$TMP/list"
grep -q 'ioctl(0<.*TCSETS' "$TMP/list"
ok $? 'the terminal is set up' || diag "$(<"$TMP/calls")"
stty echo icanon isig icrnl opost onlcr </dev/tty
before=$(stty -g </dev/tty)
n=0 bad=0
while read -r call nth text <&3; do
	read -r failure _ <<<"$(failures "$call")"
	for failure in "$failure" error=EINTR; do
		[ $failure != error=EINTR ] || [ "$call" = ioctl ] || continue
		inject "$call:$failure:when=$nth" "${line[@]}"
		n=$((n + 1))
		after=$(stty -g </dev/tty)
		[ "$after" = "$before" ] && [ "$STATUS" -le 1 ] && { [ "$STATUS" -eq 0 ] || one_message "$ERR"; } && continue
		bad=$((bad + 1))
		diag "$call $nth, $failure: $text" "status $STATUS, terminal $after for $before, said: $ERR"
		stty "$before" </dev/tty
	done
done 3<"$TMP/list"
[ "$n" -gt 20 ] && [ "$bad" -eq 0 ]
ok $? "$n starts on a terminal, in each of which one call fails, leave it as it was"

done_testing
