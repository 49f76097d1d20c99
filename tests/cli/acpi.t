#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# --dump-acpi: to directories, and to what is none; iasl reads each table, and compiles the DSDT again, without a word.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"

run "$MINIVMM" --dump-acpi "$TMP/new"
is "$STATUS/$OUT/$ERR" 0// 'to a directory that it makes, without KVM and kernel'
is "$(cd "$TMP/new" && echo *)" 'apic.dat dsdt.dat facp.dat facs.dat xsdt.dat' 'a file a table'
for name in APIC DSDT FACP FACS XSDT; do
	file=$TMP/new/${name,,}.dat
	is "$(head -c 4 "$file")" $name "${file##*/} begins with its signature"
	is "$(od -An -tu4 -j4 -N4 "$file" | tr -d ' ')" "$(stat -c %s "$file")" "${file##*/} is as long as it says"
done
run "$MINIVMM" --dump-acpi "$TMP/new/" --discovery acpi --device none
is "$STATUS/$OUT/$ERR" 0// 'over older and longer files; --discovery acpi says the same'
is "$(od -An -tu4 -j4 -N4 "$TMP/new/dsdt.dat" | tr -d ' ')" "$(stat -c %s "$TMP/new/dsdt.dat")" 'which are cut'
mkdir "$TMP/full" && echo kept >"$TMP/full/other"
run "$MINIVMM" --dump-acpi "$TMP/full" --discovery auto
is "$STATUS/$OUT/$ERR/$(cat "$TMP/full/other")" 0///kept 'beside other files, which stay'
if command -v strace >/dev/null && strace -o "$TMP/strace" -e trace=open,openat "$MINIVMM" --dump-acpi "$TMP/new"; then
	is "$(grep -c /dev/kvm "$TMP/strace")/$(grep -c dsdt "$TMP/strace")" 0/1 'and does not look for KVM'
else
	skip 'does not look for KVM' 'strace cannot trace here'
fi
(cd "$TMP/full" && run "$MINIVMM" --dump-acpi .; [ "$STATUS" -eq 0 ])
ok $? 'to where it runs'

refuses() {
	run "$MINIVMM" --dump-acpi "$1"
	[ "$STATUS" -eq 1 ] && one_message "$ERR" && [[ $ERR == *"--dump-acpi $1"* && -z $OUT ]]
	ok $? "to $2" || diag "status $STATUS: '$ERR'"
}
refuses "$TMP/none/acpi" 'a directory in one that is not there'
refuses "$TMP/full/other" 'a file'
is "$(cat "$TMP/full/other")" kept 'which stays as it was'
refuses '' 'no name'
refuses /dev/null 'a device'
refuses /proc/self/acpi 'where nothing can be made'
mkdir -p "$TMP/taken/facp.dat"
refuses "$TMP/taken" 'a directory where a table has the name of a directory'
run "$MINIVMM" --dump-acpi
is "$STATUS" 2 'no directory at all'

# The bus knows the ports that the FADT tells of, and only then.
for way in acpi dt cmdline; do
	run "$MINIVMM" --discovery $way --dump-map -
	is "$STATUS/$ERR" 0/ "--discovery $way --dump-map"
	wanted=''
	[ $way != acpi ] || wanted='pio 0x600 pm PM1_STS,pio 0x602 pm PM1_EN,pio 0x604 pm PM1_CNT,'
	is "$(grep ' pm PM1' <<<"$OUT" | tr '\n' ',')" "$wanted" 'PM1 is there for ACPI alone'
done

if ! command -v iasl >/dev/null; then
	skip 'iasl' 'iasl is not installed'
	done_testing
	exit
fi

# said FILE: what iasl has to say of errors, warnings and remarks, in the words that it has for them
said() {
	grep -iE 'error|warning|remark|invalid|incorrect|unknown|exception|could not|unresolved|external' "$1" |
		grep -v '0 Errors, 0 Warnings, 0 Remarks'
}

while IFS= read -r arguments; do
	dir=$TMP/acpi
	rm -rf "$dir"
	# shellcheck disable=SC2086 # several arguments
	run "$MINIVMM" --dump-acpi "$dir" $arguments
	is "$STATUS/$OUT/$ERR" 0// "--dump-acpi $arguments"
	(cd "$dir" && timeout 20 iasl -d ./*.dat >log 2>&1)
	is "$?/$(said "$dir/log")" 0/ 'iasl reads them'
	is "$(cd "$dir" && echo *.dsl)" 'apic.dsl dsdt.dsl facp.dsl facs.dsl xsdt.dsl' 'all of them'
	# the disassembler writes what is wrong beside it
	is "$(said "$dir/xsdt.dsl")$(said "$dir/apic.dsl")$(said "$dir/facs.dsl")$(said "$dir/dsdt.dsl")" '' \
		'and finds them right'
	is "$(grep -ciE 'invalid|incorrect|warning' "$dir/facp.dsl")" 0 'the FADT too'
	(cd "$dir" && timeout 20 iasl -va -w3 dsdt.dsl >log 2>&1)
	is "$?/$(said "$dir/log")" 0/ 'iasl compiles its DSDT again'
	like "$(cat "$dir/log")" '0 Errors, 0 Warnings, 0 Remarks' 'without a word'
done <<-END
	--device test
	--device none
	--device none --cpus 16
	--mem 8G --cpus 4
	--device test --device test,notify=ioeventfd,id=99 --device rng --device balloon
	--cpus 16 $(printf -- '--device test %.0s' {1..17})
END
is "$(grep -c 'LNRO0005' "$TMP/acpi/dsdt.dsl")" 17 'seventeen devices, seventeen objects'
is "$(grep -c 'ACPI0007' "$TMP/acpi/dsdt.dsl")" 16 'sixteen processors'
like "$(cat "$TMP/acpi/facp.dsl")" 'Hardware Reduced \(V5\) : 0' 'iasl and we mean the same field'

done_testing
