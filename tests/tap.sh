# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# tap.sh - TAP for tests that are scripts. They source it, run their checks and end with "done_testing".
#
#   ok STATUS NAME                passes where STATUS is 0
#   is GOT WANTED NAME            passes where both are the same text
#   like GOT REGEX NAME           passes where GOT matches the extended regular expression
#   skip NAME REASON              counts as passed
#   skip_all REASON               ends the script; nothing is tested
#   run COMMAND...                sets STATUS, OUT (standard output) and ERR (standard error); at most RUN_SECONDS
#   one_message TEXT              true for exactly one line that begins "minivmm: "
#
# TMP is a directory of the script's own, removed at the end.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck disable=SC2034 # used by the scripts that source this file
MINIVMM=${MINIVMM:-$ROOT/minivmm}
PAYLOADS=${PAYLOADS:-$ROOT/build/tests/payload}
RUN_SECONDS=${RUN_SECONDS:-20}
TMP=$(mktemp -d "${TMPDIR:-/tmp}/minivmm-test.XXXXXX")
trap 'rm -rf "$TMP"' EXIT
tap_n=0
tap_failed=0
STATUS=0 OUT='' ERR=''

diag() {
	printf '%s\n' "$*" | sed 's/^/# /' >&2
}

ok() {
	tap_n=$((tap_n + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$tap_n" "$2"
		return 0
	fi
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_n" "$2"
	return 1
}

is() {
	local rc=0
	[ "$1" = "$2" ] || rc=1
	ok "$rc" "$3" || diag "got '$1', wanted '$2'"
}

like() {
	local rc=0
	[[ $1 =~ $2 ]] || rc=1
	ok "$rc" "$3" || diag "'$1' does not match /$2/"
}

skip() {
	tap_n=$((tap_n + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_n" "$1" "$2"
}

skip_all() {
	printf '1..0 # SKIP %s\n' "$1"
	exit 0
}

done_testing() {
	printf '1..%d\n' "$tap_n"
	[ "$tap_failed" -eq 0 ]
}

run() {
	STATUS=0
	timeout -k 2 "$RUN_SECONDS" "$@" >"$TMP/out" 2>"$TMP/err" </dev/null || STATUS=$?
	# shellcheck disable=SC2034 # used by the scripts that source this file
	OUT=$(tr -d '\0' <"$TMP/out") # a guest may write any byte
	ERR=$(cat "$TMP/err")
}

one_message() {
	[[ $1 == 'minivmm: '* && $1 != *$'\n'* ]]
}

# Bare-metal guests need a KVM that runs them: any KVM does, also one in software.
need_kvm() {
	[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"
	[ -e /dev/kvm ] || skip_all "there is no /dev/kvm"
	if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
		skip_all "/dev/kvm is not permitted"
	fi
	run "$MINIVMM" --kernel "$PAYLOADS/test_exits.elf" --mem 32 --device none
	[ "$STATUS" -eq 0 ] || skip_all "/dev/kvm does not run a payload: ${ERR%%$'\n'*}"
}
