#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What scripts/build-initramfs --kernel-package, scripts/fetch-kernels and scripts/run-distro are asked for: one line where
# it is wrong, and no file; and what is in the initramfs.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 1

OURS=build/guest/virtio_test.ko

# wrong NAME REGEX ARGUMENTS...: one line on standard error that begins with the name of $script, status 1
script=build-initramfs
wrong() {
	local name=$1 regex=$2 rc=0
	shift 2
	run scripts/$script "$@"
	[ "$STATUS" -eq 1 ] && [ -z "$OUT" ] && [[ $ERR == "$script: "* && $ERR != *$'\n'* ]] && [[ $ERR =~ $regex ]] || rc=1
	ok $rc "$name" || diag "status $STATUS: '$OUT$ERR'"
}

# package NAME RELEASE...: a directory like a package's, with the modules of no kernel
package() {
	local release
	for release in "${@:2}"; do
		mkdir -p "$TMP/$1/lib/modules/$release/kernel"
		touch "$TMP/$1/lib/modules/$release/modules."{order,builtin}
	done
}

out=(-o "$TMP/x.cpio")
run scripts/build-initramfs --help
is "$STATUS" 0 '--help'
like "$OUT" '--kernel-package PACKAGE' '... names the option'
wrong '--kernel-package without a value' '--kernel-package: .*missing' --kernel-package
wrong '--kernel-package without -o' '-o OUT' --kernel-package "$TMP"
wrong '--device without --kernel-package' '--kernel-package PACKAGE is needed' --device blk "${out[@]}"
wrong '--driver without --kernel-package' '--kernel-package PACKAGE is needed' --driver "$OURS" "${out[@]}"
for list in '' ',' 'blk,' ',blk' 'blk net' '@' 'a]b' '$(id)'; do
	wrong "--device '$list'" '--device: .*commas' --kernel-package "$TMP" --device "$list" "${out[@]}"
done
wrong '--device that is none' '--device: floppy: unknown: .*blk' --kernel-package "$TMP" --device blk,floppy "${out[@]}"

# What minivmm calls its devices, this does too.
names=$("$MINIVMM" --device help | sed -n 's/^  \([a-z]*\)  .*/\1/p' | grep -vx none | paste -sd ,)
like ",$names," ',blk,.*,test,' 'the names of minivmm'\''s devices are known'
wrong '... and each is taken' '--kernel-package PACKAGE is needed' --device "$names"

wrong 'a package that is not there' "$TMP/none: .*linux-image" --kernel-package "$TMP/none" "${out[@]}"
wrong 'a directory without modules' "$TMP: .*linux-image" --kernel-package "$TMP" "${out[@]}"
package two 1.2.3-a 1.2.3-b
wrong 'the modules of two kernels' "$TMP/two: not the modules of one kernel" --kernel-package "$TMP/two" "${out[@]}"
echo text >"$TMP/text.deb"
wrong 'a file that is no package' "$TMP/text.deb: no Debian package" --kernel-package "$TMP/text.deb" "${out[@]}"
package one 1.2.3-a
wrong 'a kernel whose headers are not here' '1\.2\.3-a: its headers .*fetch-kernels.*--driver' --kernel-package "$TMP/one" "${out[@]}"
wrong 'a driver that is no module' "$TMP/text.deb: not a module" --kernel-package "$TMP/one" --driver "$TMP/text.deb" "${out[@]}"
if [ -e $OURS ] && command -v modinfo >/dev/null; then
	release=$(modinfo -F vermagic $OURS | cut -d ' ' -f 1)
	wrong 'a driver for another kernel' "$OURS: made for $release, not for 1\.2\.3-a" --kernel-package "$TMP/one" \
		--driver $OURS "${out[@]}"
	package ours "$release"
	wrong 'a kernel without the modules' "$TMP/ours: no module virtio_mmio for $release" --kernel-package "$TMP/ours" \
		--driver $OURS --device blk "${out[@]}"
else
	skip 'a driver for another kernel' "$OURS is not built, or there is no modinfo"
	skip 'a kernel without the modules' 'the same'
fi
is "$(find "$TMP" -name 'x.cpio*')" '' 'nothing was written, and nothing is left'

script=fetch-kernels
wrong 'fetch-kernels: a kernel that it does not know' 'cloud-5.10: unknown' cloud-5.10
script=run-distro
wrong 'run-distro: --kernel without a value' '--kernel: .*missing' --kernel
for kernel in '' host headers-6.1 cloud-5.10 build/debian/cloud-6.1; do
	wrong "run-distro: --kernel '$kernel'" "--kernel: $kernel: unknown" --kernel "$kernel"
done
wrong 'run-distro: an option of minivmm without --' '--cpus: unknown: .*behind --' --cpus 2
run scripts/run-distro --help
is "$STATUS" 0 'run-distro: --help'
like "$OUT" '--kernel NAME' '... names the options'

# modules: what of /modules and which driver is in the archive
modules() {
	(cd "$TMP/tree" && echo modules/* | sed 's|modules/||g')
}

for kernel in cloud-6.1 cloud-6.12; do
	dir=build/debian/$kernel
	release=$(cat "$dir/release" 2>/dev/null)
	if [ ! -e "$dir/lib/modules/$release/modules.dep" ] || [ ! -e "build/debian/headers-${kernel#cloud-}/release" ]; then
		skip "$kernel: its modules" 'scripts/fetch-kernels did not run'
		continue
	fi
	RUN_SECONDS=100 run scripts/build-initramfs --kernel-package "$dir" --device net,test --device rng -o "$TMP/x.cpio"
	is "$STATUS" 0 "$kernel: its modules" || diag "$ERR"
	rm -rf "$TMP/tree"
	mkdir "$TMP/tree"
	(cd "$TMP/tree" && cpio -id --quiet --no-preserve-owner 'modules/*' virtio_test.ko <"$TMP/x.cpio")
	wanted='virtio_mmio failover net_failover virtio_net virtio-rng pvpanic pvpanic-mmio'
	[ $kernel = cloud-6.12 ] || wanted="virtio_ring virtio $wanted"
	is "$(modules | sed 's/[0-9]*-\([^ ]*\)\.ko/\1/g')" "$wanted" '... those that are needed, in their order'
	is "$(modules | tr ' ' '\n' | sort -c && echo sorted)" sorted '... which is that of their names'
	is "$(cd "$TMP/tree" && for file in modules/* virtio_test.ko; do
		modinfo -F vermagic "./$file" | cut -d ' ' -f 1
	done | sort -u)" "$release" '... for that kernel, and the driver too'
	is "$(head -qc 4 "$TMP"/tree/modules/* | grep -ao $'\x7fELF' | wc -l)" "$(wc -w <<<"$wanted")" '... none of them compressed'
	is "$(find "$TMP" -maxdepth 1 -name 'x.cpio*')" "$TMP/x.cpio" '... and nothing is left beside it'
done
done_testing
