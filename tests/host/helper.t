#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# minivmm-usernet's own start fails, from fork to "ready", one call at a time: minivmm says so in one line and ends.
. "$(dirname "$0")/inject.sh"
RUN_SECONDS=20
line=(--kernel "$PAYLOADS/test_crash.elf" --mem 32 --device net --append poweroff)

# A call of the helper whose failure changes nothing, and why.
harmless=(
	'^prctl\(PR_SET_PDEATHSIG' 'the end of the socket ends it too'
	'^rt_sigaction\(' 'cannot fail with this signal'
	'^futex\(' 'libc wakes nobody: there is one thread'
	'^(mmap\(NULL, [0-9]+, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_ANONYMOUS|brk\()' 'malloc() takes the other then'
	'^close\(' 'the descriptor is gone all the same'
	'^(openat|read)\(.*urandom|^getrandom\(' 'libslirp finds its random numbers elsewhere'
	'^dup2\(' 'it keeps its standard error'
)

is_harmless() {
	local i
	for ((i = 0; i < ${#harmless[@]}; i += 2)); do
		[[ $1 =~ ${harmless[i]} ]] && return
	done
	return 1
}

# failed: whether the run ended as one with a helper that failed does
failed() {
	WHY="status $STATUS, left '$(leftovers)', said: $ERR"
	[ "$STATUS" -ge 1 ] && [ "$STATUS" -le 2 ] && one_message "$ERR" && [ -z "$(leftovers)" ]
}

# --- between fork and exec ---

for rule in setsid:error=EPERM dup2:error=EMFILE:when=1 openat:error=EMFILE:when=1 openat:error=EMFILE:when=2 execve:error=ENOMEM:when=1; do
	under -f -o "$TMP/calls" -e trace="${rule%%:*}" -e inject="$rule" -- "${line[@]}"
	failed
	ok $? "$rule in the child" || diag "$WHY" "$(<"$TMP/calls")"
done

# --- from its main() on ---

export HELPER_UNDER="strace -qq -y -o $TMP/helped"
under -o /dev/null -e trace=none -- "${line[@]}"
is "$STATUS $ERR" '0 ' 'it works where nothing fails'
awk '!/^[a-z]/ { next }
	{ name = $0; sub(/\(.*/, "", name); nth[name]++ }
	/^prctl\(PR_SET_PDEATHSIG/ { main = 1 }
	main { print name, nth[name], $0 }
	/^sendto/ { exit }' "$TMP/helped" >"$TMP/list"
n=0 bad=0
while read -r call nth text; do
	read -r failure _ <<<"$(failures "$call")"
	HELPER_UNDER="strace -qq -o /dev/null -e trace=$call -e inject=$call:$failure:when=$nth"
	under -o /dev/null -e trace=none -- "${line[@]}"
	n=$((n + 1))
	if is_harmless "$text"; then
		WHY="status $STATUS, left '$(leftovers)', said: $ERR"
		[ "$STATUS" -eq 0 ] && [ -z "$ERR" ] && [ -z "$(leftovers)" ] && continue
	else
		failed && continue
	fi
	bad=$((bad + 1))
	diag "$call $nth, $failure: $text" "$WHY"
done <"$TMP/list"
[ "$n" -gt 8 ] && [ "$bad" -eq 0 ]
ok $? "$n starts of it, in each of which one call fails, end as they should"

done_testing
