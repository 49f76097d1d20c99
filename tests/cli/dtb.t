#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --dump-dtb: to files, to standard output, to places that take nothing; and dtc finds nothing to warn about.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"

run "$MINIVMM" --dump-dtb "$TMP/a.dtb"
is "$STATUS/$OUT/$ERR" 0// 'to a file, without KVM and kernel'
"$MINIVMM" --dump-dtb - </dev/null >"$TMP/b.dtb" 2>"$TMP/err"
is "$?/$(cat "$TMP/err")" 0/ 'to standard output'
cmp -s "$TMP/a.dtb" "$TMP/b.dtb"
ok $? 'both are the same'
run "$MINIVMM" --dump-dtb "$TMP/a.dtb" --device none
is "$STATUS" 0 'over a longer file'
[ "$(stat -c %s "$TMP/a.dtb")" -lt "$(stat -c %s "$TMP/b.dtb")" ]
ok $? 'which is cut'
"$MINIVMM" --dump-dtb - </dev/null 2>"$TMP/err" | cmp -s - "$TMP/b.dtb"
ok $? 'to a pipe'

refuses() {
	run "$MINIVMM" --dump-dtb "$1"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *"--dump-dtb $1"* ]]
	ok $? "to $2" || diag "status $STATUS: '$ERR'"
}
refuses "$TMP" 'a directory'
refuses "$TMP/none/dtb" 'a directory that is not there'
refuses /dev/full 'a full disk'
[ -c /dev/full ]
ok $? '/dev/full is still there'
refuses '' 'no name'
timeout 10 "$MINIVMM" --dump-dtb - </dev/null >/dev/full 2>"$TMP/err"
is "$?" 1 'a full standard output'
one_message "$(cat "$TMP/err")"
ok $? 'one message'
# shellcheck disable=SC2016 # for the inner shell
timeout 10 bash -c '"$1" --dump-dtb - 2>"$2" >&-' - "$MINIVMM" "$TMP/err" </dev/null
is "$?" 0 'a closed standard output takes nothing, and nothing else gets it'
cp "$TMP/b.dtb" "$TMP/readonly"
chmod 400 "$TMP/readonly"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
	chmod 755 "$TMP"
	run setpriv --reuid 65534 --clear-groups "$MINIVMM" --dump-dtb "$TMP/readonly"
else
	run "$MINIVMM" --dump-dtb "$TMP/readonly"
fi
[ "$STATUS" -eq 1 ] && one_message "$ERR"
ok $? 'to a file that is not ours to write' || diag "status $STATUS: '$ERR'"
cmp -s "$TMP/readonly" "$TMP/b.dtb"
ok $? 'which stays as it was'

if ! command -v dtc >/dev/null; then
	skip 'dtc' 'dtc is not installed'
else
	while IFS= read -r arguments; do
		# shellcheck disable=SC2086 # several arguments
		"$MINIVMM" --dump-dtb "$TMP/a.dtb" $arguments </dev/null
		dtc -I dtb -O dts -o "$TMP/dts" "$TMP/a.dtb" 2>"$TMP/err"
		is "$?/$(cat "$TMP/err")" 0/ "dtc has no warning: ${arguments:-(default)}"
	done <<-END

		--device none
		--cpus 16
		--mem 32
		--mem 3G
		--mem 8G --cpus 3
		--device test --device test,notify=ioeventfd,id=99
		--append quoted"and'odd
		$(printf -- '--device test %.0s' {1..16})
	END
	dtc -I dtb -O dts "$TMP/a.dtb" >"$TMP/dts" 2>/dev/null
	is "$(grep -c 'virtio,mmio' "$TMP/dts")" 16 'sixteen devices, sixteen nodes'
fi

done_testing
