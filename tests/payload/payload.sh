# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# payload.sh - payloads that check from inside; sourced after tap.sh.
#
#   payload NAME ARGUMENTS...   runs test_NAME.elf, or the file $KERNEL that was made of it: every line of the guest's
#                               TAP becomes one of ours; the rest of its output is in $OUT

payload() {
	local name=$1 line n=0 plan=''
	shift
	run "$MINIVMM" --kernel "${KERNEL:-$PAYLOADS/test_$name.elf}" --mem 32 "$@"
	while IFS= read -r line; do
		case $line in
		'ok '*) n=$((n + 1)) && ok 0 "$name: ${line#* - }" ;;
		'not ok '*) n=$((n + 1)) && ok 1 "$name: ${line#* - }" ;;
		'1..'*) plan=${line#1..} ;;
		esac
	done <"$TMP/out"
	is "$plan" "$n" "$name $*: the guest came to its end"
	is "$STATUS" 0 "$name $*: it powered off" || diag "$ERR"
}
