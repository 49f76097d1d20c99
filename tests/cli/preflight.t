#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# minivmm preflight: its verdicts on the configurations of kernels that are in use (configs/), on each option alone, and
# on the kernels themselves where they are there (build/debian, build/bzImage).
. "$(dirname "$0")/../tap.sh"
[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built"
CONFIGS=$(dirname "${BASH_SOURCE[0]}")/configs
BUILD=${BUILD:-$ROOT/build}
PAYLOAD=$PAYLOADS/test_boot.elf
[ -e "$PAYLOAD" ] || skip_all "$PAYLOAD is not built"

# All verdicts of the last run, on one line: "dt=no acpi=yes ..."
verdicts() {
	awk '/^  [a-z0-9]+ +(yes|no|module|unknown) / { printf "%s%s=%s", n++ ? " " : "", $1, $2 }' <<<"$OUT"
}

# row NAME: its text, of the last run; the first of that name
row() {
	sed -n "s/^  $1 \+[a-z]\+ \+//p" <<<"$OUT" | head -n 1
}

# says TEXT NAME: in the last run's output
says() {
	[[ $OUT == *"$1"* ]]
	ok $? "$2" || diag "no '$1' in '$OUT'"
}

DEBIAN_DEVICES='balloon=module blk=module console=module net=module rng=module test=module vsock=module'
DEBIAN_REST='console=yes initrd=yes clock=yes cpus=yes panic=module'
DEBIAN_6_12=${DEBIAN_DEVICES/console=module/console=yes}
OWN_DEVICES='balloon=yes blk=yes console=yes net=yes rng=yes test=module vsock=yes'

# --- by a configuration: of the kernel only how it is entered is looked at ----------------------------------------------

# configured NAME VERDICTS... : what is told by configs/NAME, of a payload, which is an ELF file
configured() {
	run "$MINIVMM" preflight "$PAYLOAD" --config "$CONFIGS/$1"
	is "$STATUS/$ERR/$(verdicts)" "0//$2 bzimage=no elf=yes $(grep -o 'pvh=[a-z]*' <<<"$(verdicts)") $3" "configs/$1"
}
configured cloud-6.1 'dt=no acpi=yes cmdline=no' "$DEBIAN_DEVICES $DEBIAN_REST"
is "$(row acpi)" 'virtio_mmio.ko, virtio.ko, virtio_ring.ko must be in the initramfs' '6.1 has virtio as modules'
is "$(row dt)" 'CONFIG_OF is not set' 'no device tree: why'
is "$(row cmdline)" 'CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES is not set' 'no devices on the command line: why'
is "$(row vsock)" 'vmw_vsock_virtio_transport.ko must be in the initramfs' 'a module that is not called like its option'
is "$(row rng)" 'virtio-rng.ko must be in the initramfs' 'another'
is "$(row blk)" 'virtio_blk.ko must be in the initramfs' 'one that is'
like "$(row test)" '^virtio_test.ko.*scripts/build-module' 'a driver of our own'
says $'\nit is best told by acpi, since cloud-6.1 has no CONFIG_OF\n' 'what serves'
is "${OUT##*$'\n'}" "  ./minivmm --kernel $PAYLOAD --discovery acpi --initrd INITRAMFS" 'and its command line'
configured generic-6.1 'dt=no acpi=yes cmdline=no' "$DEBIAN_DEVICES $DEBIAN_REST"
configured cloud-6.12 'dt=no acpi=yes cmdline=no' "$DEBIAN_6_12 $DEBIAN_REST"
is "$(row acpi)" 'virtio_mmio.ko must be in the initramfs' '6.12 has virtio built in'
configured generic-6.12 'dt=no acpi=yes cmdline=no' "$DEBIAN_6_12 $DEBIAN_REST"
configured minivmm-6.12 'dt=yes acpi=no cmdline=yes' "$OWN_DEVICES console=yes initrd=yes clock=yes cpus=yes panic=yes"
is "$(row dt)" 'built in' 'nothing has to be in the initramfs'
is "${OUT##*$'\n'}" "  ./minivmm --kernel $PAYLOAD --discovery dt" 'which none is asked for'
configured cmdline 'dt=no acpi=no cmdline=yes' \
	'balloon=no blk=yes console=no net=yes rng=no test=no vsock=yes console=yes initrd=yes clock=yes cpus=yes mptable=no panic=no'
says 'by cmdline, since cmdline has neither CONFIG_OF nor CONFIG_ACPI' 'why the command line'
is "$(row rng)" 'CONFIG_HW_RANDOM_VIRTIO is not set' 'a driver that is missing'
like "$(row mptable)" 'CONFIG_X86_MPPARSE is not set: one CPU' 'one CPU'

# Each option alone: "without OPTION VERDICT TEXT", of a configuration that has all of them.
cat "$CONFIGS/minivmm-6.12" >"$TMP/all"
printf 'CONFIG_%s=y\n' ACPI PVH >>"$TMP/all"
run "$MINIVMM" preflight "$PAYLOAD" --config "$TMP/all"
! [[ $(verdicts) =~ =no ]] || [ "$(verdicts | grep -o '[a-z]*=no' | sort | tr '\n' ' ')" = 'bzimage=no ' ]
ok $? 'all there is: nothing is missing' || diag "$(verdicts)"
without() {
	local name=${2%=*}
	grep -v "CONFIG_$1=" "$TMP/all" >"$TMP/one"
	run "$MINIVMM" preflight "$PAYLOAD" --config "$TMP/one"
	[[ " $(verdicts) " == *" $2 "* ]] && grep -q "^  $name .*CONFIG_$1 is not set" <<<"$OUT"
	ok $? "without $1: $2" || diag "$(verdicts)"
}
without OF dt=no
without ACPI acpi=no
without VIRTIO_MMIO_CMDLINE_DEVICES cmdline=no
for way in dt acpi cmdline; do
	without VIRTIO_MMIO "$way=no"
done
is "$STATUS" 1 'and then no way is left: status 1'
says 'no virtio device will be found: one has no CONFIG_VIRTIO_MMIO' 'and why'
[[ $OUT != *'./minivmm --kernel'* ]]
ok $? 'no command line is shown that would not serve'
without VIRTIO_BALLOON balloon=no
without VIRTIO_BLK blk=no
without VIRTIO_CONSOLE console=no
without VIRTIO_NET net=no
without HW_RANDOM_VIRTIO rng=no
without MODULES test=no
without VIRTIO_VSOCKETS vsock=no
without SERIAL_8250_CONSOLE console=no
without BLK_DEV_INITRD initrd=no
without KVM_GUEST clock=no
without SMP cpus=no
without X86_MPPARSE mptable=no
without POWER_RESET_SYSCON_POWEROFF poweroff=no
without PVPANIC_MMIO panic=no
gzip <"$TMP/all" >"$TMP/config.gz"
run "$MINIVMM" preflight "$PAYLOAD" -c "$TMP/config.gz"
like "$(verdicts)" '^dt=yes acpi=yes cmdline=yes' 'a configuration as /proc/config.gz has it'

# --- kernels that are no bzImage, and what is no kernel -----------------------------------------------------------------

run "$MINIVMM" preflight "$PAYLOAD"
is "$STATUS" 1 'a payload without a configuration: status 1'
says 'none: no Linux' 'it is no Linux'
like "$(verdicts)" '^dt=unknown acpi=unknown cmdline=unknown bzimage=no elf=yes' 'what is not known is not made up'
gzip <"$PAYLOAD" >"$TMP/payload.gz"
run "$MINIVMM" preflight "$TMP/payload.gz" --config "$TMP/all"
like "$STATUS $(verdicts)" '^0 .* bzimage=no elf=yes' 'a compressed ELF file'
says $'\nformat     compressed file, gzip\n' 'how'
like "$(row elf)" 'unpacked first' 'it takes a little longer'
head -c 500 "$TMP/payload.gz" >"$TMP/cut.gz"
run "$MINIVMM" preflight "$TMP/cut.gz" --config "$TMP/all"
like "$STATUS $(verdicts)" '^1 .* bzimage=no elf=no pvh=no' 'cut off'
like "$(row elf)" 'damaged or cut off' 'and why'
says 'minivmm cannot boot it' 'and what follows'
printf 'BZh91AY&SY' >"$TMP/vmlinux.bz2"
run "$MINIVMM" preflight "$TMP/vmlinux.bz2" --config "$TMP/all"
like "$STATUS $(row elf)" '^1 .*in a way that minivmm does not unpack' 'in an unknown way'
run "$MINIVMM" preflight "${BASH_SOURCE[0]}" --config "$TMP/all"
like "$STATUS $(row elf)" '^1 there is no ELF executable' 'a script'

# --- wrong use -----------------------------------------------------------------------------------------------------------

refused() {
	local part=$1 name=$2
	shift 2
	run "$MINIVMM" preflight "$@"
	[ "$STATUS" -eq 2 ] && one_message "$ERR" && [[ $ERR == *"$part"* ]] && [ -z "$OUT" ]
	ok $? "$name" || diag "status $STATUS, wanted 2 with '$part': '$OUT' '$ERR'"
}
refused 'of which kernel' 'no kernel'
refused 'one kernel' 'two kernels' "$PAYLOAD" "$PAYLOAD"
refused "$TMP/none: No such file" 'a kernel that is not there' "$TMP/none"
refused 'directory' 'a directory' "$TMP"
refused "--config $TMP/none" 'a configuration that is not there' "$PAYLOAD" --config "$TMP/none"
refused 'no kernel configuration' 'what is no configuration' "$PAYLOAD" --config "$PAYLOAD"
printf 'CONFIG_ARM64=y\nCONFIG_OF=y\n' >"$TMP/arm64"
refused '64-bit x86' 'a configuration of another architecture' "$PAYLOAD" --config "$TMP/arm64"
run "$MINIVMM" preflight --bad
is "$STATUS/$OUT" 2/ 'an unknown option'
timeout 10 "$MINIVMM" preflight "$PAYLOAD" >/dev/full 2>"$TMP/err"
is "$?" 2 'a full standard output'
one_message "$(cat "$TMP/err")"
ok $? 'one message'
run "$MINIVMM" preflight --help
like "$STATUS $OUT" '^0 .*--config' '--help'
run "$MINIVMM" --help
says 'preflight' 'the help of minivmm names it'

# --- the kernels themselves ------------------------------------------------------------------------------------------------

# Debian's: beside its configuration; and without it, by its version string.
for name in cloud-6.1 cloud-6.12 generic-6.1 generic-6.12; do
	dir=$BUILD/debian/$name
	release=$(cat "$dir/release" 2>/dev/null)
	if ! [ -e "$dir/vmlinuz" ] || ! [ -e "$dir/config-$release" ]; then
		skip "$name" "$dir is not there with its configuration: scripts/fetch-kernels $name"
		continue
	fi
	devices=$DEBIAN_DEVICES
	[[ $name != *6.12 ]] || devices=$DEBIAN_6_12
	run "$MINIVMM" preflight "$dir/vmlinuz"
	is "$STATUS/$ERR/$(verdicts)" "0//dt=no acpi=yes cmdline=no bzimage=yes elf=yes pvh=yes $devices $DEBIAN_REST" \
		"$name itself"
	says $'\nauto takes acpi, since config-'"$release has no CONFIG_OF"$'\n' "$name: what auto makes of it"
	says $'\nversion    '"$release (debian-kernel@" "$name: its version"
	is "$(grep -c -v -x -F -f "$dir/config-$release" <(tail -n +3 "$CONFIGS/$name"))" 0 "$name: configs/$name is an excerpt"
	ln -sf "$dir/vmlinuz" "$TMP/linked"
	run "$MINIVMM" preflight "$TMP/linked"
	says "auto takes acpi, since config-$release" "$name: by a link to it"
	cp "$dir/vmlinuz" "$TMP/alone"
	run "$MINIVMM" preflight "$TMP/alone"
	is "$STATUS/$ERR/$(verdicts)" \
		"0//dt=no acpi=yes cmdline=no bzimage=yes elf=yes pvh=yes ${DEBIAN_DEVICES/console=module/console=unknown} $DEBIAN_REST" \
		"$name without its configuration"
	says "not found; assumed, by the version string: what Debian's kernels have in common" "$name: which is said"
done

# Ours, whatever is in its configuration by now.
config=$BUILD/kernel/obj/.config
if [ -e "$BUILD/bzImage" ] && [ -e "$config" ]; then
	has() {
		if grep -q "^CONFIG_$1=y" "$config"; then echo yes; else echo no; fi
	}
	run "$MINIVMM" preflight "$BUILD/bzImage" --config "$config"
	is "$STATUS/$ERR/$(verdicts)" \
		"0//dt=yes acpi=$(has ACPI) cmdline=yes bzimage=yes elf=yes pvh=$(has PVH) $OWN_DEVICES console=yes initrd=yes clock=yes cpus=yes panic=yes" \
		'our guest kernel'
	says 'best told by dt, since .config has CONFIG_OF' 'our guest kernel: how'
else
	skip 'our guest kernel' "$BUILD/bzImage is not built: make guest"
fi

done_testing
