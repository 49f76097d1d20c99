# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# hostile.sh - the cases of hostile guests, h1 on, for the program in MINIVMM; hostile.t and hostile-asan.t source it.
# Each payload runs beside a sibling whose numbers and ticks must go on; a device kicked by exits and by ioeventfds takes
# turns. Two functions for the caller:
#
#   hostile_guests TURN   every payload with every device; TURN, 0 or 1, says which takes which kind of kick
#   hostile_files         kernels, initial RAM disks, device lists and crashes: h22 to h25
#   hostile_complete      fails where one of h1 to h25 had no case that ran, with each device that it fits

SIBLING=test,delay=1ms,period=2ms
NOTIFY=(exit ioeventfd)
# shellcheck disable=SC2034 # run's
RUN_SECONDS=100
LOG_LINES=80 # three kinds of message of two devices, ten in five seconds
# shellcheck disable=SC2034
[ -z "${MINIVMM_LONG:-}" ] || LOG_LINES=5000 RUN_SECONDS=1800
declare -A ran=()

# clean NAME: nothing that a sanitizer would say
clean() {
	is "$(grep -aE -m 1 'Sanitizer|runtime error' "$TMP/err")" '' "$1: no sanitizer's report"
}

# guest NAME DEVICE NOTIFY ARGUMENT...: the checks of test_NAME.elf are ours
guest() {
	local name=$1 device=$2 notify=$3 what line n=0 plan='' sent=none
	shift 3
	what="$name: ${device%%,*}, $notify"
	run "$MINIVMM" --kernel "$PAYLOADS/test_$name.elf" --cpus 2 --device "$device,notify=$notify" \
		--device "$SIBLING" --stats="$TMP/stats" "$@"
	# the guest's text, and what a console may have written beside it
	while IFS= read -r line; do
		case $line in
		'ok '*) n=$((n + 1)) && ok 0 "$what: ${line#* - }" && ran["${device%%,*} ${line#* - }"]=1 ;;
		'not ok '*) n=$((n + 1)) && ok 1 "$what: ${line#* - }" ;;
		'1..'*) plan=${line#1..} ;;
		'# from reset'*) diag "$what: ${line#* }" ;;
		'# the sibling was sent '*) sent=${line//[^0-9]/} ;;
		esac
	done < <(tr -d '\0' <"$TMP/out")
	is "$plan/$STATUS" "$n/0" "$what: the guest came to its end, and powered off" || diag "$(head -n 3 "$TMP/err")"
	is "$(jq '.devices | to_entries | last.value.numbers' "$TMP/stats" 2>&1)" "$sent" \
		"$what: the sibling got $sent numbers, each that it was sent" || true
	clean "$what"
	[[ $name == *devices || $ERR == *'needs a reset'* ]]
	ok $? "$what: broken rules are named"
	[ "$(grep -ac "flight recorder: the last [0-9]* events of ${device%%,*}0" "$TMP/err")" -le 1 ]
	ok $? "$what: the recorder is shown once, however often the device fails"
	[ "$(grep -ac '^minivmm: [^ ]' "$TMP/err")" -le "$LOG_LINES" ]
	ok $? "$what: messages are limited" || diag "$(grep -ac '^minivmm: [^ ]' "$TMP/err") lines"
}

hostile_guests() {
	local turn=$1 name device
	truncate -s 2M "$TMP/disk"
	for name in hostile hostile_race hostile_own hostile_devices; do
		for device in test rng "blk,path=$TMP/disk" \
			balloon,free-page-reporting=on,free-page-hint=on,stats-interval=10ms console \
			net,restrict=on "vsock,socket=$TMP/vsock"; do
			[ "$name $device" != 'hostile_devices test' ] || continue # it has no requests of its own
			local arguments=(--mem 32)
			[ "$name $device" != 'hostile_devices rng' ] || arguments=(--mem 9G) # for buffers of 4 GiB
			[ -z "${MINIVMM_LONG:-}" ] || arguments+=(--append long)
			guest "$name" "$device" "${NOTIFY[turn]}" "${arguments[@]}"
			turn=$((1 - turn))
		done
	done
	# A device that writes over the page tables ends its guest, and only that.
	run "$MINIVMM" --kernel "$PAYLOADS/test_hostile_devices.elf" --mem 32 --device rng --device "$SIBLING" --append tables
	like "$STATUS/$ERR" '^4/minivmm: vCPU 0: ' "h40: the device writes over the vCPU's page tables"
	clean h40
}

# put FILE OFFSET BYTE...: bytes into a file, in hexadecimal
put() {
	local file=$1 at=$2 bytes
	shift 2
	bytes=$(printf '\\x%s' "$@")
	# shellcheck disable=SC2059 # the bytes are the format
	printf "$bytes" | dd of="$file" bs=1 seek=$((at)) conv=notrunc status=none
}

# A bzImage (Documentation/arch/x86/boot.rst) that resets the machine as soon as it runs.
bzimage() {
	rm -f "$1"
	truncate -s 8K "$1"
	put "$1" 0x1f1 04          # setup_sects
	put "$1" 0x1f4 60 01 00 00 # syssize, in 16 bytes
	put "$1" 0x1fe 55 aa eb 62 48 64 72 53 0f 02
	put "$1" 0x211 01             # LOADED_HIGH
	put "$1" 0x22c ff ff ff 7f    # initrd_addr_max
	put "$1" 0x230 00 00 20 00 01 15 01 00 ff 07 00 00 # alignment 2 MiB, relocatable, 64-bit entry, 2047 of command line
	put "$1" 0x258 00 00 00 01 00 00 00 00 00 00 20 00 # pref_address 16 MiB, init_size 2 MiB
	put "$1" $((5 * 512 + 0x200)) b0 fe e6 64 f4       # mov $0xfe, %al; out %al, $0x64; hlt
}

# boots NAME ARGUMENT...: it runs, or is refused with one message; and nothing else
judged() {
	local name=$1
	shift
	run "$MINIVMM" --mem 32 --device none "$@"
	clean "$name"
	case $STATUS in
	0 | 4) ok 0 "$name" ;;
	1 | 2) one_message "$ERR" && ok 0 "$name" ;; # or of the command line
	*) false ;;
	esac || ok 1 "$name" || diag "status $STATUS: ${ERR%%$'\n'*}"
	ran["files $name"]=1
}

refused() {
	judged "$@"
	like "$STATUS" '^[12]$' "$1: refused"
}

hostile_files() {
	local kernel=$TMP/bz len name field value
	bzimage "$kernel"
	judged 'h22: a bzImage that is as it should be' --kernel "$kernel"
	is "$STATUS/$ERR" 0/ 'h22: ... runs' # so that the others are refused for what is wrong with them
	for len in 0 0x1f0 0x263; do
		head -c $((len)) "$kernel" >"$TMP/short"
		refused "h22: a bzImage of $len bytes" --kernel "$TMP/short"
	done
	bzimage "$TMP/many" && put "$TMP/many" 0x1f1 ff
	refused 'h22: setup_sects 255 in a file of 8 KiB' --kernel "$TMP/many"
	bzimage "$TMP/none" && put "$TMP/none" 0x1f1 00 # stands for 4
	judged 'h22: setup_sects 0' --kernel "$TMP/none"
	is "$STATUS" 0 'h22: setup_sects 0 is 4'
	echo initrd >"$TMP/initrd"
	for field in 0x260:init_size:4 0x258:pref_address:8 0x22c:initrd_addr_max:4 0x230:kernel_alignment:4 0x1f4:syssize:4 \
		0x214:code32_start:4 0x238:cmdline_size:4; do
		IFS=: read -r at name len <<<"$field"
		for value in 00 01 7f 80 ff; do
			bzimage "$TMP/odd"
			# shellcheck disable=SC2046 # several
			put "$TMP/odd" "$at" $(for ((i = 0; i < len; i++)); do echo $value; done)
			judged "h22: $name of bytes 0x$value" --kernel "$TMP/odd" --initrd "$TMP/initrd"
		done
	done
	bzimage "$TMP/large" && truncate -s 64M "$TMP/large" && put "$TMP/large" 0x1f4 00 f0 3f 00
	refused 'h22: a kernel larger than the RAM' --kernel "$TMP/large"
	mkfifo "$TMP/fifo"
	refused 'h22: a FIFO' --kernel "$TMP/fifo"
	refused 'h23: an initrd that is a FIFO' --kernel "$kernel" --initrd "$TMP/fifo"
	bzimage "$TMP/shrinks" && truncate -s 8M "$TMP/shrinks" && put "$TMP/shrinks" 0x1f4 00 f0 07 00
	cp "$TMP/shrinks" "$TMP/whole"
	while :; do truncate -s 4K "$TMP/shrinks"; cp "$TMP/whole" "$TMP/shrinks"; done &
	local shrinker=$!
	for len in {1..10}; do
		judged "h22: a file that shrinks and grows, $len" --kernel "$TMP/shrinks"
		judged "h23: an initrd that does, $len" --kernel "$kernel" --initrd "$TMP/shrinks"
	done
	kill $shrinker
	wait $shrinker 2>/dev/null

	: >"$TMP/empty"
	refused 'h23: an empty initrd' --kernel "$kernel" --initrd "$TMP/empty"
	truncate -s 40M "$TMP/huge"
	refused 'h23: an initrd larger than the RAM' --kernel "$kernel" --initrd "$TMP/huge"

	local devices=()
	for _ in {1..16}; do devices+=(--device test); done
	run "$MINIVMM" --mem 6G --cpus 16 --kernel "$kernel" "${devices[@]}" --append "$(printf '%02000d' 0)"
	is "$STATUS/$ERR" 0/ 'h24: the largest device tree: all devices, processors and regions'
	clean h24
	for _ in {17..1000}; do devices+=(--device test); done
	refused 'h24: a thousand devices' --kernel "$kernel" "${devices[@]}"

	for name in triple popcnt panic; do
		run "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --append $name
		clean "h25: $name"
		case $name:$STATUS in
		triple:4) like "$ERR" 'triple fault.*rip .*bytes at rip: 0f 0b' 'h25: a shutdown is named, with registers and bytes' ;;
		popcnt:4) like "$ERR" 'bytes at rip: f3 0f b8' 'h25: an emulation failure is named, with registers and bytes' ;;
		popcnt:0) skip 'h25: an emulation failure' 'this KVM runs popcnt' ;;
		panic:3) ok 0 'h25: a panic is an end too' ;;
		*) ok 1 "h25: $name" || diag "status $STATUS: ${ERR%%$'\n'*}" ;;
		esac
	done
	ran['files h25: crashes']=1
}

hostile_complete() {
	local h device missing=''
	for h in {1..17}; do
		for device in test rng blk balloon console net vsock; do
			[[ "${!ran[*]}" == *"$device h$h: "* ]] || missing+=" h$h with $device;"
		done
	done
	for h in 'rng h18' 'balloon h19' 'blk h20' 'net h21' 'files h22' 'files h23' 'files h24' 'files h25'; do
		[[ "${!ran[*]}" == *"$h: "* ]] || missing+=" $h;"
	done
	is "$missing" '' 'each of h1 to h25 has run, with each device that it fits'
}
