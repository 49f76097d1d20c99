#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The command line: what is right is taken, what is wrong gets one message that names it, and a status that is not 0.
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"

# refused STATUS PART NAME ARGUMENTS... : one message with PART on standard error, nothing on standard output
refused() {
	local status=$1 part=$2 name=$3 rc=0
	shift 3
	run "$MINIVMM" "$@"
	[ "$STATUS" -eq "$status" ] && one_message "$ERR" && [[ $ERR == *"$part"* ]] && [ -z "$OUT" ] || rc=1
	ok $rc "$name" || diag "status $STATUS, wanted $status with '$part'; stdout '$OUT', stderr '$ERR'"
}

# accepted NAME ARGUMENTS... : the tree is written, so the machine could be made
accepted() {
	local name=$1
	shift
	run "$MINIVMM" --dump-dtb "$TMP/dtb" "$@"
	is "$STATUS/$ERR/$OUT" 0// "$name"
}

for option in --help -\? --usage --version -V; do
	run "$MINIVMM" "$option"
	is "$STATUS/$ERR" 0/ "$option: status 0, nothing on standard error"
	[ -n "$OUT" ]
	ok $? "$option: says something"
done
run "$MINIVMM" --help
for word in --kernel --initrd --append --mem --cpus --device --discovery --dump-dtb --dump-acpi --stats; do
	like "$OUT" "$word" "--help lists $word"
done
run "$MINIVMM" --version
like "$OUT" '^minivmm [0-9]+\.[0-9]+' '--version names program and version'

for spec in help '?' test,help; do
	run "$MINIVMM" --device "$spec"
	is "$STATUS/$ERR" 0/ "--device $spec: status 0"
	like "$OUT" test "--device $spec: lists"
done
run "$MINIVMM" --device test,help
for key in delay period num-pages notify queue-size indirect event-idx id; do
	like "$OUT" "$key" "--device test,help lists $key"
done

# argp adds its usual second line to its own messages
for option in --bogus -Z --kernel --mem; do
	run "$MINIVMM" "$option"
	is "$STATUS" 2 "'$option' alone is wrong: status 2"
	like "${ERR%%$'\n'*}" '^minivmm: ' "'$option' alone: the message is minivmm's"
	is "$(wc -l <"$TMP/err")" 2 "'$option' alone: the message and where to look"
done

refused 2 'no kernel' 'no arguments at all'
refused 2 'no kernel' 'a device, but no kernel' --device test
refused 2 bzImage 'a file without an option' bzImage
refused 2 extra 'a file behind the options' --mem 64 extra

for size in '' 0 1 31 31M 32767K 1048577 1025G 2T -1 -64 +64 ' 64' '64 ' 64MB 64X 6.5G 0x40 M 33555000K1 18446744073709551616 \
	18446744073709551615T 99999999999999999999G; do
	refused 2 --mem "--mem '$size'" --mem "$size" --kernel /none
done
refused 2 --mem '--mem 32769K is no whole page' --mem 32769K --kernel /none
for size in 32 32M 32768K 33554432K 64m 1g 3G 4G 5G 1T; do
	accepted "--mem $size" --mem "$size"
done
for cpus in '' 0 17 -1 +1 1.5 two 1x 4294967297 18446744073709551617; do
	refused 2 --cpus "--cpus '$cpus'" --cpus "$cpus" --kernel /none
done
for cpus in 1 2 16 08; do
	accepted "--cpus $cpus" --cpus "$cpus"
done

for way in '' acp acpi,dt ACPI ' acpi' mptable 1; do
	refused 2 --discovery "--discovery '$way'" --discovery "$way" --kernel /none
done
for way in dt auto; do
	accepted "--discovery $way" --discovery "$way"
done
# Each would show the guest something: never two of them, and what is not shown is not written.
refused 2 '--dump-dtb' 'two ways at once' --dump-dtb "$TMP/never" --dump-acpi "$TMP/never"
for way in acpi cmdline; do
	refused 2 '--dump-dtb' "no device tree with --discovery $way" --dump-dtb "$TMP/never" --discovery $way
done
for way in dt cmdline; do
	refused 2 '--dump-acpi' "no ACPI tables with --discovery $way" --discovery $way --dump-acpi "$TMP/never"
done
[ ! -e "$TMP/never" ]
ok $? 'nothing was written'

for spec in '' ',' bogus bogus,help bogus,id=1 tes testing 'test,' none,x Test; do
	run "$MINIVMM" --dump-dtb "$TMP/dtb" --device "$spec"
	case $spec in
	test,) is "$STATUS/$ERR" 0/ "--device 'test,' has no option" ;;
	*)
		[ "$STATUS" -ne 0 ] && one_message "$ERR" && [[ $ERR == *--device* ]]
		ok $? "--device '$spec'" || diag "status $STATUS: '$ERR'"
		;;
	esac
done
for options in bogus bogus=1 delay delay= delay=1 delay=1x delay=-1s delay=99us delay=3601s delay=61m delay=' 1s' \
	period=0s period=99999999999999999999s num-pages=4294967296 num-pages=-1 num-pages=1K num-pages= queue-size=0 queue-size=3 \
	queue-size=65536 queue-size=-1 queue-size=1e1 notify notify= notify=yes notify=EXIT indirect=1 indirect=true event-idx=yes id=x \
	id=4294967296 id=0x100000000 id=0x 'delay=1s,,period=1s' 'delay=1s;period=1s' delay=1s,bogus; do
	run "$MINIVMM" --dump-dtb "$TMP/dtb" --device "test,$options"
	[ "$STATUS" -ne 0 ] && one_message "$ERR" && [[ $ERR == *'--device test'* ]]
	ok $? "--device test,$options" || diag "status $STATUS: '$ERR'"
done
for options in delay=100us delay=3600s delay=60m,period=1h period=250us delay=1500ms num-pages=0 num-pages=4294967295 num-pages=0x10 \
	queue-size=1 queue-size=32768 notify=exit notify=ioeventfd indirect=off,event-idx=off indirect=on id=0 id=0x15 id=4294967295; do
	case $options in *1h*) continue ;; esac
	accepted "--device test,$options" --device "test,$options"
done

# More devices than the machine has room for; the number that fits does fit.
devices=()
for _ in {1..16}; do devices+=(--device test); done
accepted '16 devices' "${devices[@]}"
for _ in {17..1000}; do devices+=(--device test); done
run "$MINIVMM" --dump-dtb "$TMP/dtb" "${devices[@]}"
[ "$STATUS" -ne 0 ] && one_message "$ERR" && [[ $ERR == *--device* ]]
ok $? 'a thousand devices' || diag "status $STATUS: '$ERR'"
accepted '--device none' --device none
accepted 'none beside others' --device none --device test

done_testing
