# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-only
#
# box-machine.sh - the machine that kvmbox emulates; sourced by it, and a part
# of it: smp, mem, icount, verbose, log, run and the like are its variables.
#
#   machine [SHARE RAM]   QEMU's command line, in the array args
#   outdated, make_initramfs
#                         whether its first file system is to be made anew
#   is_saved, save_machine
#                         whether it stands ready to be resumed, in $saved

# Without what TCG lacks, which it would warn about; and without xsave: TCG does
# not intercept xsetbv, so KVM misses the guest's XCR0 and Linux in it complains.
CPU=EPYC
for flag in rdseed sha-ni fxsr-opt misalignsse 3dnowprefetch osvw topoext \
	nrip-save xsave xsaveopt xsavec xsaves avx avx2 f16c fma xgetbv1 ibpb; do
	CPU+=,-$flag
done

# make_initramfs: busybox, box-init and the host's modules
make_initramfs() {
	local tree=$BOX/initramfs.tmp busybox
	busybox=$(command -v busybox) || die "busybox not found: run scripts/setup"
	rm -rf "$tree"
	mkdir -p "$tree/bin" "$tree/modules" "$tree/dev"
	cp "$busybox" "$tree/bin/busybox"
	cp "$ROOT/scripts/box-init" "$tree/init"
	chmod 755 "$tree/init" "$tree/bin/busybox"
	cp "$HOST"/modules/* "$tree/modules/"
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$BOX/initramfs.new"
	rm -rf "$tree"
	mv "$BOX/initramfs.new" "$BOX/initramfs"
}

# comma PATH: as QEMU's option values want it
comma() {
	printf %s "${1//,/,,}"
}

# machine: the part of QEMU's command line that the saved machine shares with
# every run. machine [SHARE RAM]: its memory is the file RAM, or with SHARE off a
# private copy of it. The serial console is first, so that it is the first ISA serial
# port; the virtio console is the first virtio device (vport0).
# idle=poll: after a guest of its own, QEMU's processor now and then sleeps in HLT
# with its timer's interrupt pending, and the whole machine stands still.
# shellcheck disable=SC2054 # QEMU's commas
machine() {
	local quiet=quiet accel=(-accel tcg,thread=multi)
	[ -z "$verbose" ] || quiet=
	[ -z "$icount" ] || accel=(-accel tcg,thread=single -icount shift=0)
	args=(
		"${accel[@]}" -machine q35,hpet=off,sata=off,smbus=off
		-cpu "$CPU" -smp "$smp" -m "$mem"
		-display none -nodefaults -no-user-config -no-reboot
		-kernel "$kernel" -initrd "$BOX/initramfs"
		-append "console=ttyS0 $quiet panic=-1 nokaslr mitigations=off
			hpet=off tsc=reliable clocksource=tsc idle=poll
			i8042.noaux i8042.nokbd i8042.nopnp
			raid=noautodetect cryptomgr.notests"
		-chardev "file,id=log,append=on,path=$(comma "$log")" -serial chardev:log
		-device virtio-serial-pci,addr=4,max_ports=6
		-device virtconsole,chardev=tty,nr=0
		-device virtserialport,chardev=ctl,nr=1
		-device virtserialport,chardev=in,nr=2
		-device virtserialport,chardev=out,nr=3
		-device virtserialport,chardev=err,nr=4
		-fsdev local,id=root,path=/,security_model=none,readonly=on,multidevs=remap
		-device virtio-9p-pci,addr=5,fsdev=root,mount_tag=root
		-fsdev "local,id=build,path=$(comma "$BUILD"),security_model=none,multidevs=remap"
		-device virtio-9p-pci,addr=6,fsdev=build,mount_tag=build
	)
	[ $# -eq 0 ] || args+=(
		-object "memory-backend-file,id=ram,size=$mem,share=$1,mem-path=$(comma "$2")"
		-machine memory-backend=ram
		-chardev "pipe,id=mon,path=$(comma "$run/mon")" -monitor chardev:mon
	)
}

outdated() {
	local file
	for file in "$ROOT/scripts/box-init" "$ROOT/scripts/box-machine.sh" "$kernel"; do
		[ ! "$file" -nt "$BOX/initramfs" ] || return 0
	done
	[ ! -e "$BOX/initramfs" ]
}

is_saved() {
	local id='' now
	read -r id 2>/dev/null <"$saved/boot_id" || return 1
	read -r now </proc/sys/kernel/random/boot_id
	[ "$id" = "$now" ] && [ ! "$BOX/initramfs" -nt "$saved/boot_id" ] &&
		[ ! "$(command -v $QEMU)" -nt "$saved/boot_id" ]
}

# save_machine: boot up to box-init's "ready", then have QEMU write down the
# devices' state; the memory is in its file already.
save_machine() {
	local tty=- status=0 try
	rm -rf "$saved"
	for try in 1 2; do
		rm -rf "$saved.tmp"
		mkdir -p "$saved.tmp"
		open_ports
		exec {in}</dev/null
		export KVMBOX_STATE=$saved.tmp/devices # QEMU's shell quotes it: any path is fine
		machine on "$saved.tmp/ram"
		start_qemu
		if answer $HANG && [ "$line" = ready ]; then
			# shellcheck disable=SC2016 # for the shell that QEMU starts
			printf '%s\n' \
				"migrate_set_capability x-ignore-shared on" \
				'migrate "exec:cat >\"$KVMBOX_STATE\""' quit >&"$monitor"
			for ((i = 0; i < 300; i++)); do
				kill -0 "$qemu" 2>/dev/null || break
				sleep 0.1
			done
		fi
		stop_qemu
		exec {monitor}>&- {monitor_out}>&- {orders}>&- {answers}>&- {in}<&-
		rm -rf "$run"
		run=
		if [ -s "$saved.tmp/devices" ]; then
			cat /proc/sys/kernel/random/boot_id >"$saved.tmp/boot_id"
			mv "$saved.tmp" "$saved"
			return
		fi
		[ $try -eq 2 ] ||
			echo "${0##*/}: the emulated host did not come up: once more" >&2
	done
	rm -rf "$saved.tmp"
	return 1
}
