#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/conformance: each item of the standard has a test that passes, and docs/conformance.md says what a run finds.
RUN_SECONDS=300
. "$(dirname "$0")/../tap.sh"
need_kvm
cd "$ROOT" || exit 1

qemu=$(qemu-system-x86_64 --version 2>/dev/null | head -n 1)
docs=docs/conformance.md
run scripts/conformance --help
is "$STATUS" 0 'it has a manual'
run scripts/conformance --nonsense
is "$STATUS/$ERR" '1/conformance: --nonsense: unknown option: see --help' 'an unknown option is one line'

# shellcheck disable=SC2046 # an option or none
run scripts/conformance -o "$TMP/now.md" $([ -n "$qemu" ] || echo --no-qemu)
is "$STATUS/$OUT$ERR" 0/ 'minivmm passes every item'
[ "$STATUS" -eq 0 ] || diag "$ERR"

# cell N COLUMN: of the row of item N in the run's table
cell() {
	awk -F ' *\\| *' -v n="$1" -v column="$2" '$2 == n { print $(column + 1) }' "$TMP/now.md"
}
for n in $(seq 65); do
	is "$(cell "$n" 6)" conforms "item $n: $(cell "$n" 2) (by $(cell "$n" 4)${qemu:+; microvm: $(cell "$n" 7 | cut -d: -f1)})"
done
is "$(grep -c '^| [0-9]' "$TMP/now.md")" 65 'and there are no others'

# what does not depend on which QEMU there is
ours() {
	sed 's/^\(| .*|\) [^|]* *|$/\1/; /by TCG:/d' "$1"
}
is "$(diff <(ours $docs) <(ours "$TMP/now.md"))" '' "$docs is what the run gives: else make conformance"
if [ -z "$qemu" ] || ! grep -qF "$qemu" $docs; then
	skip "$docs: the column of QEMU" "it is of another version than ${qemu:-none}"
else
	is "$(diff $docs "$TMP/now.md")" '' "$docs: the column of QEMU, too"
fi

done_testing
