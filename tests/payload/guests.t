#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Payloads that check from inside: their TAP lines come over the serial port and are counted here as one test each.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/payload.sh"
need_kvm

# numbers FROM TO: the device printed them, each once and in order
numbers() {
	is "$(grep -o 'get virtio num: [0-9]*' "$TMP/out" | grep -o '[0-9]*$' | awk -v from="$1" -v to="$2" '$1 >= from && $1 <= to' | tr '\n' ' ')" \
		"$(seq -s ' ' "$1" "$2") " "numbers $1 to $2 are printed"
}

payload exits --device none
is "$ERR" '' 'and nothing is said about it'

printf 'initrd\n' >"$TMP/initrd"
payload boot --mem 64 --cpus 2 --append payload=boot --initrd "$TMP/initrd"

for notify in exit ioeventfd; do
	payload virtio --device test,num-pages=3,delay=30ms,period=30ms,notify=$notify
	numbers 1 40
	numbers 2000 2003
	like "$OUT" 'num: 4097.*num: 8194.*num: 12291' "$notify: a chain cut at odd bytes is three numbers"
	like "$OUT" 'set config: 0.*set config: 1.*set config: 2.*set config: 3' "$notify: the ticks are printed"
	is "$ERR" '' "$notify: no rule was broken"
done

payload smp --cpus 2

# One way to find the devices, the one that was asked for; and each has a way to the end.
for way in dt acpi cmdline; do
	payload shown --discovery $way --append shown=$way
done
payload shown --discovery acpi --append 'shown=acpi end=reset'
payload shown --append shown=dt

# The whole machine above 4 GiB, and with every processor.
payload exits --mem 6G --cpus 16 --device none

done_testing
