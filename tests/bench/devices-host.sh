#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# devices-host.sh DIR ROUNDS SECONDS LIMIT
#
# The part of devices.sh that runs where guests run, in a network of its own. DIR has what it needs: bzImage,
# initramfs.cpio, minivmm and minivmm-usernet. All guests stand by from the start; each measure is made with one after
# the other, so that what else the machine does meets them alike. ROUNDS of all measures of SECONDS each, or as many as
# LIMIT seconds allow. DIR/results gets one line each:
#
#   value VMM ROUND MEASURE VALUE UNITS   as the guest tells it: a second, and in all
#   cost VMM ROUND MEASURE NAME NUMBER    what the measure cost the host, NAME being one of:
#       time                              seconds
#       user, kernel, guest               seconds of processor time of the VMM and its children; guest is part of user
#       exits, to-vmm, interrupts         KVM's counts
#       switches                          of contexts, of all their threads
#       call:NAME                         system calls, in the round "calls"
#
# The VMMs are exit and ioeventfd, minivmm with that notify=, and qemu.
set -euo pipefail

DIR=$1 ROUNDS=$2 LENGTH=$3 LIMIT=$4
IMAGE_MIB=128
BOOT_MAX=60 MEASURE_MAX=$((20 + LENGTH)) # seconds
TRIGGER=/sys/kernel/tracing/events/raw_syscalls/sys_enter/trigger
HIST='hist:keys=common_pid,id.syscall'

if [ -z "${IN_NETWORK-}" ]; then
	export IN_NETWORK=1
	if [ "$(id -u)" -eq 0 ]; then
		exec unshare --net -- "$0" "$@"
	fi
	exec unshare --map-root-user --net -- "$0" "$@"
fi

tmp=$(mktemp -d /dev/shm/minivmm-bench.XXXXXX)
declare -A pids=() to=() from=()
server='' taps=1

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	kill -KILL "${pids[@]}" "$server" 2>/dev/null || :
	calls_off
	rm -rf "$tmp"
}
trap cleanup EXIT

# --- the machines ----------------------------------------------------------------------------------------------------

# set_up: the files in memory, so that no disk is measured, and the other end of all transfers
set_up() {
	cp "$DIR"/{minivmm,minivmm-usernet,bzImage,initramfs.cpio} "$tmp"
	ip link set lo up
	if ! [ -w /dev/net/tun ]; then
		echo "no /dev/net/tun here: the user network only" >&2
		taps=
	fi
	iperf3 -s >/dev/null 2>&1 &
	server=$!
	disown # its end is no news
}

# set_up_tap VMM NETWORK
set_up_tap() {
	ip tuntap add "tap-$1" mode tap vnet_hdr
	ip addr add "$2.1/24" dev "tap-$1"
	ip link set "tap-$1" up
}

# machine VMM: its command line in $machine
# shellcheck disable=SC2054 # QEMU's commas
machine() {
	local line="quiet console=ttyS0" mac=52:54:00:00:00 tap=${taps:+tap-$1}
	if [ "$1" != qemu ]; then
		machine=("$tmp/minivmm" --kernel "$tmp/bzImage" --initrd "$tmp/initramfs.cpio" --append "$line" --mem 512M
			--device "blk,path=$tmp/$1.image,notify=$1"
			${tap:+--device "net,tap=$tap,mac=$mac:01,notify=$1"}
			--device "net,mac=$mac:02,notify=$1")
		return
	fi
	machine=(qemu-system-x86_64 -M microvm,acpi=off,auto-kernel-cmdline=on -accel kvm -cpu host -smp 1 -m 512M
		-nodefaults -no-user-config -no-reboot -nographic -serial stdio -global virtio-mmio.force-legacy=false
		-kernel "$tmp/bzImage" -initrd "$tmp/initramfs.cpio" -append "$line"
		-drive "id=disk,file=$tmp/$1.image,format=raw,if=none,cache=writeback,aio=io_uring"
		-device virtio-blk-device,drive=disk
		${tap:+-netdev "tap,id=tap,ifname=$tap,script=no,downscript=no"}
		${tap:+-device "virtio-net-device,netdev=tap,mac=$mac:01"}
		-netdev user,id=user -device "virtio-net-device,netdev=user,mac=$mac:02")
}

# start VMM NETWORK: boots it, until it takes commands
start() {
	local in out
	dd if=/dev/zero of="$tmp/$1.image" bs=1M count=$IMAGE_MIB status=none
	[ -z "$taps" ] || set_up_tap "$1" "$2"
	machine "$1"
	mkfifo "$tmp/$1.in" "$tmp/$1.out"
	exec {in}<>"$tmp/$1.in" {out}<>"$tmp/$1.out"
	to[$1]=$in from[$1]=$out
	"${machine[@]}" <"$tmp/$1.in" >"$tmp/$1.out" 2>"$tmp/$1.errors" {in}<&- {out}<&- &
	pids[$1]=$!
	disown
	hear "$1" $BOOT_MAX ready || return
	echo "setup $2" >&"$in"
}

# hear VMM SECONDS WORD...: until the guest says one of them; its line in $heard
hear() {
	local vmm=$1 until=$((SECONDS + $2)) line part=''
	shift 2
	while [ $SECONDS -lt $until ] && kill -0 "${pids[$vmm]}" 2>/dev/null; do
		if ! IFS= read -r -t 1 -u "${from[$vmm]}" line; then
			part+=$line
			continue
		fi
		line=$part${line%$'\r'} part=
		echo "$line" >>"$tmp/$vmm.log"
		read -r -a heard <<<"$line"
		[ "${heard[0]-}" != bench ] || [[ " $* " != *" ${heard[1]} "* ]] || return 0
	done
	echo "${0##*/}: $vmm: no \"$*\" from the guest:" >&2
	tail -n 20 "$tmp/$vmm.errors" "$tmp/$vmm.log" >&2
	kill -KILL "${pids[$vmm]}" 2>/dev/null || :
	unset "pids[$vmm]"
	return 1
}

# --- what a measure costs --------------------------------------------------------------------------------------------

# family PID: the VMM and its children, among them minivmm-usernet
family() {
	echo "$1"
	tr ' ' '\n' <"/proc/$1/task/$1/children" 2>/dev/null || :
}

# look PID: the counts so far, "NAME NUMBER" each
look() {
	local process file files=(/proc/uptime)
	for process in $(family "$1"); do
		files+=("/proc/$process/stat" "/proc/$process"/task/*/status)
	done
	for file in /sys/kernel/debug/kvm/"$1"-*/{exits,mmio_exits,irq_injections}; do
		[ ! -r "$file" ] || files+=("$file")
	done
	awk -v hz="$(getconf CLK_TCK)" '
		FILENAME ~ /uptime$/ { time = $1; next }
		FILENAME ~ /stat$/ { user += $14; kernel += $15; guest += $43; next }
		/ctxt_switches/ { switches += $2 }
		FILENAME ~ /kvm/ { n[substr(FILENAME, match(FILENAME, /[^\/]*$/))] = $1; kvm = 1 }
		END {
			print "time", time
			print "user", user / hz
			print "kernel", kernel / hz
			print "guest", guest / hz
			print "switches", switches
			if (kvm) {
				print "exits", n["exits"]
				print "to-vmm", n["mmio_exits"]
				print "interrupts", n["irq_injections"]
			}
		}' "${files[@]}" 2>/dev/null || :
}

calls_on() {
	echo "$HIST" >$TRIGGER
}

calls_off() {
	[ ! -w $TRIGGER ] || ! grep -q '^hist:' $TRIGGER || echo "!$HIST" >$TRIGGER
}

# calls PID: the family's system calls, "call:NAME NUMBER" each
calls() {
	local process ids=
	for process in $(family "$1"); do
		ids+=" $(cd "/proc/$process/task" && echo *)"
	done
	tr -d '{}:,[]' <"${TRIGGER%/*}/hist" | awk -v ids="$ids" '
		BEGIN { split(ids, list, " "); for (i in list) ours[list[i]] = 1 }
		$1 == "common_pid" && $2 in ours { sub("sys_", "", $4); n[$4] += $NF }
		END { for (name in n) print "call:" name, n[name] }'
}

# measure VMM ROUND MEASURE
measure() {
	local vmm=$1 round=$2 pid=${pids[$1]-}
	[ -n "$pid" ] || return 0
	echo "$3 $LENGTH" >&"${to[$vmm]}"
	while hear "$vmm" $MEASURE_MAX begin end result failed; do
		case ${heard[1]} in
		begin)
			look "$pid" >"$tmp/before"
			[ "$round" != calls ] || calls_on
			;;
		end)
			look "$pid" >"$tmp/after"
			if [ "$round" = calls ]; then
				calls "$pid" >"$tmp/after"
				calls_off
				: >"$tmp/before"
			fi
			;;
		result)
			echo "value $vmm $round ${heard[*]:2}" >>"$DIR/results"
			awk -v what="cost $vmm $round $3" 'FILENAME ~ /before$/ { before[$1] = $2; next }
				{ print what, $1, $2 - before[$1] }' "$tmp/before" "$tmp/after" >>"$DIR/results"
			return
			;;
		failed)
			echo "${0##*/}: $vmm: $3 failed:" >&2
			tail -n 3 "$tmp/$vmm.log" >&2
			return 1
			;;
		esac
		echo >&"${to[$vmm]}"
	done
	return 1
}

# ---------------------------------------------------------------------------------------------------------------------

: >"$DIR/results"
set_up
failed=0
vmms=(exit ioeventfd)
[ -z "$(type -P qemu-system-x86_64)" ] || vmms+=(qemu)
for i in "${!vmms[@]}"; do
	start "${vmms[i]}" "10.9.$i" || failed=1
done
measures=(randread-1 randread-16 randwrite-1 randwrite-16 read write)
[ -z "$taps" ] || measures+=(tap-out tap-in)
measures+=(user-out user-in)
echo "${#vmms[@]} guests: $SECONDS s" >>"$DIR/progress"

# round NAME: all measures once
round() {
	local measure vmm i n
	for measure in "${measures[@]}"; do
		for vmm in "${vmms[@]}"; do
			measure "$vmm" "$1" "$measure" || failed=1
		done
	done
	for ((i = 0, n = ${#vmms[@]}; i < n / 2; i++)); do # the next round the other way round
		vmm=${vmms[i]} vmms[i]=${vmms[n - 1 - i]} vmms[n - 1 - i]=$vmm
	done
	echo "round $1: $SECONDS s" >>"$DIR/progress"
}

[ ! -w $TRIGGER ] || round calls
longest=$SECONDS
for ((i = 1; i <= ROUNDS; i++)); do
	begin=$SECONDS
	round $i
	[ $((SECONDS - begin)) -le "$longest" ] || longest=$((SECONDS - begin))
	[ $((SECONDS + longest)) -le "$LIMIT" ] || break
done
exit $failed
