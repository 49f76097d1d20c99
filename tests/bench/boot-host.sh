#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# boot-host.sh DIR time ROUNDS LIMIT INIT [WORD...]
# boot-host.sh DIR profile 1 LIMIT INIT [WORD...]
#
# The part of boot.sh that runs where guests run, as root. DIR has what it needs: minivmm, and for each kernel NAME
# NAME.kernel and NAME.cpio. INIT is the first line of init. WORDs go to the end of each kernel's command line.
#
#   time     ROUNDS of boots by each VMM, or as many as LIMIT seconds allow, and one more of them in which all exits
#            are recorded
#   profile  a boot of each kernel by minivmm with all exits, and what the guest knows of itself
#
# Of each boot DIR gets KERNEL.VMM.ROUND.trace, events of the host's kernel, and KERNEL.VMM.ROUND.said, the guest's
# console, for boot-trace.awk.
set -euo pipefail

DIR=$1 WHAT=$2 ROUNDS=$3 LIMIT=$4 INIT=$5
shift 5
WORDS=$*
TRACE=/sys/kernel/tracing/instances/minivmm-boot
BOOT_MAX=150 # seconds

[ -w /sys/kernel/tracing/instances ] || { echo "${0##*/}: no ftrace here: it needs root" >&2; exit 1; }
tmp=$(mktemp -d /dev/shm/minivmm-boot.XXXXXX)
pid=''

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || :
	rmdir $TRACE 2>/dev/null || :
	rm -rf "$tmp"
}
trap cleanup EXIT

# --- the machines ----------------------------------------------------------------------------------------------------

# machine KERNEL VMM: the command line in $machine. The devices: a serial port, random numbers.
# shellcheck disable=SC2054 # QEMU's commas
machine() {
	local kernel=$tmp/$1.kernel initrd=$tmp/$1.cpio line="quiet console=ttyS0${WORDS:+ $WORDS}" way
	case $2 in
	dt | cmdline | acpi)
		machine=("$tmp/minivmm" --discovery="$2" --kernel "$kernel" --initrd "$initrd" --append "$line" --mem 512M
			--device rng)
		return
		;;
	qemu) [ "$1" = ours ] && way=acpi=off,auto-kernel-cmdline=on || way=acpi=on ;;
	qemu-rtc) way=acpi=on,rtc=on ;;
	esac
	machine=(qemu-system-x86_64 -M "microvm,$way" -accel kvm -cpu host -smp 1 -m 512M
		-nodefaults -no-user-config -no-reboot -nographic -serial stdio -global virtio-mmio.force-legacy=false
		-kernel "$kernel" -initrd "$initrd" -append "$line"
		-object rng-random,id=rng,filename=/dev/urandom -device virtio-rng-device,rng=rng)
}

declare -A VMMS=([ours]='dt cmdline qemu' [stock]='acpi qemu qemu-rtc')
if [ "$WHAT" = profile ]; then
	VMMS=([ours]=dt [stock]=acpi)
elif [ -z "$(type -P qemu-system-x86_64)" ]; then
	VMMS=([ours]='dt cmdline' [stock]=acpi)
fi

# --- a boot ----------------------------------------------------------------------------------------------------------

# set_event GROUP/NAME [FILTER]
set_event() {
	[ -z "${2-}" ] || echo "$2" >"$TRACE/events/$1/filter"
	echo 1 >"$TRACE/events/$1/enable"
}

# record all|few: of whatever $pid will be. With "few" a boot is as fast as without: no ioctl() any more once the guest
# runs, no exits, and of ports the console's and those by which QEMU's firmware gets the kernel.
record() {
	[ ! -d $TRACE ] || rmdir $TRACE
	mkdir $TRACE
	echo 0 >$TRACE/tracing_on
	echo mono >$TRACE/trace_clock
	echo 32768 >$TRACE/buffer_size_kb
	echo 1 >$TRACE/options/event-fork
	set_event sched/sched_process_exec
	set_event syscalls/sys_enter_ioctl
	echo disable_event:syscalls:sys_enter_ioctl:1 >$TRACE/events/kvm/kvm_userspace_exit/trigger
	set_event kvm/kvm_pio 'port == 0x3f8 || (port >= 0x510 && port < 0x51c)'
	[ "$1" != all ] || {
		set_event kvm/kvm_exit
		set_event kvm/kvm_userspace_exit
		set_event kvm/kvm_msr 'ecx == 0x4b564d01'
	}
}

# boot KERNEL VMM UNTIL: until the guest says UNTIL; what it said is in $tmp/said
boot() {
	local line part='' until=$((SECONDS + BOOT_MAX)) out heard=''
	machine "$1" "$2"
	rm -f "$tmp/out"
	mkfifo "$tmp/out"
	exec {out}<>"$tmp/out"
	: >"$tmp/said"
	# shellcheck disable=SC2016 # expanded by that shell
	sh -c 'echo $$ >"$0/set_event_pid"; echo 1 >"$0/tracing_on"; exec "$@"' $TRACE "${machine[@]}" \
		</dev/null >"$tmp/out" 2>"$tmp/errors" {out}<&- &
	pid=$!
	disown
	while [ $SECONDS -lt $until ] && kill -0 $pid 2>/dev/null; do
		if ! IFS= read -r -t 1 -u "$out" line; then
			part+=$line
			continue
		fi
		line=$part${line%$'\r'} part=
		printf '%s\n' "$line" >>"$tmp/said"
		[[ $line != *"$3"* ]] || { heard=1; break; }
	done
	echo 0 >$TRACE/tracing_on
	kill -KILL $pid 2>/dev/null || :
	while kill -0 $pid 2>/dev/null; do sleep 0.05; done
	pid=''
	exec {out}<&-
	[ -z "$heard" ] || return 0
	echo "${0##*/}: $1 by $2: no \"$3\" from the guest:" >&2
	tail -n 20 "$tmp/errors" "$tmp/said" >&2
	return 1
}

# keep KERNEL VMM ROUND: of the boot that was recorded, to DIR
keep() {
	if grep -q '^overrun: [^0]' $TRACE/per_cpu/cpu*/stats; then
		echo "${0##*/}: $1 by $2: more events than the buffer holds" >&2
		return 1
	fi
	cat $TRACE/trace >"$DIR/$1.$2.$3.trace"
	cp "$tmp/said" "$DIR/$1.$2.$3.said"
}

# round NAME: every kernel once by every VMM; the next time the other way round
round() {
	local kernel vmm vmms turned
	for kernel in ours stock; do
		turned=''
		read -r -a vmms <<<"${VMMS[$kernel]}"
		for vmm in "${vmms[@]}"; do
			record "$([ "$1" = all ] && echo all || echo few)"
			boot "$kernel" "$vmm" "$INIT"
			keep "$kernel" "$vmm" "$1"
			turned="$vmm $turned"
		done
		VMMS[$kernel]=$turned
	done
	echo "round $1: $SECONDS s" >>"$DIR/progress"
}

cp "$DIR"/{minivmm,ours.kernel,ours.cpio,stock.kernel,stock.cpio} "$tmp"
if [ "$WHAT" = profile ]; then
	WORDS="initcall_debug log_buf_len=2M${WORDS:+ $WORDS}"
	for kernel in ours stock; do
		record all
		boot "$kernel" "${VMMS[$kernel]}" 'boot end'
		keep "$kernel" "${VMMS[$kernel]}" profile
		echo "$kernel: $SECONDS s" >>"$DIR/progress"
	done
	exit
fi
round all
longest=$SECONDS
for ((i = 1; i <= ROUNDS; i++)); do
	begin=$SECONDS
	round $i
	[ $((SECONDS - begin)) -le "$longest" ] || longest=$((SECONDS - begin))
	[ $((SECONDS + longest)) -le "$LIMIT" ] || break
done
