#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What scripts/build-rootfs and scripts/build-initramfs --program are asked for: one line where it is wrong, and no file.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 1

# wrong NAME REGEX SCRIPT ARGUMENTS...: one line on standard error that begins with the script's name, status 1
wrong() {
	local name=$1 regex=$2 rc=0
	shift 2
	run "scripts/$1" "${@:2}"
	[ "$STATUS" -eq 1 ] && [ -z "$OUT" ] && [[ $ERR == "$1: "* && $ERR != *$'\n'* ]] && [[ $ERR =~ $regex ]] || rc=1
	ok $rc "$name" || diag "status $STATUS: '$OUT$ERR'"
}

wrong 'rootfs: an option that is none' '--bogus: unknown' build-rootfs --bogus
wrong 'rootfs: a value that is missing' '--size: .*missing' build-rootfs --size
for size in 0 1 1T 1.5G -1G ''; do
	wrong "rootfs: --size '$size'" "--size: $size: .*512M" build-rootfs --size "$size"
done
for list in 'fio iperf3' 'fio,' ',fio' 'fio;reboot' -x ''; do
	wrong "rootfs: --include '$list'" '--include: .*commas' build-rootfs --include "$list"
done
wrong 'rootfs: --mirror that is no URL' '--mirror: .*URL' build-rootfs --mirror debian.example
wrong 'rootfs: a directory that is not there' "$TMP/none: no such directory" build-rootfs -o "$TMP/none/x.img"
wrong 'rootfs: a directory for a file' "$TMP: a directory" build-rootfs -o "$TMP"
run scripts/build-rootfs --help
is "$STATUS" 0 'rootfs: --help'
like "$OUT" '--include PKG' 'and it names the options'

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && setpriv --reuid 65534 --clear-groups test -x scripts/build-rootfs; then
	run setpriv --reuid 65534 --regid 65534 --clear-groups scripts/build-rootfs -o /tmp/rootfs.img
	[ "$STATUS" -eq 1 ] && [[ $ERR == 'build-rootfs: needs root'* && $ERR != *$'\n'* ]]
	ok $? 'rootfs: without root' || diag "status $STATUS: '$ERR'"
else
	skip 'rootfs: without root' 'needs root, to become somebody else'
fi

# An archive that cannot be reached. It may have to wait for another build to end.
if [ "$(id -u)" -eq 0 ] && command -v debootstrap >/dev/null && unshare -m true 2>/dev/null; then
	RUN_SECONDS=200 run scripts/build-rootfs -o "$TMP/x.img" --mirror http://127.0.0.1:9/debian
	is "$STATUS" 1 'rootfs: an archive that does not answer'
	like "$ERR" 'build-rootfs: not built: see the log above' 'is said'
	is "$(find "$TMP" -name 'x.img*')" '' 'and leaves nothing half-made'
else
	skip 'rootfs: an archive that does not answer' 'needs root, unshare and debootstrap'
fi

wrong 'initramfs: --program without a name' '--program: .*missing' build-initramfs --program
for program in a/b :/bin/a a: a:b ''; do
	wrong "initramfs: --program '$program'" 'NAME or NAME:/PATH' build-initramfs --program "$program" -o "$TMP/x.cpio"
done
wrong 'initramfs: a program that is not there' 'no-such: no such program' build-initramfs --program no-such -o "$TMP/x.cpio"
wrong 'initramfs: a script' 'ldd: no ELF program.*--add' build-initramfs --program ldd -o "$TMP/x.cpio"
wrong 'initramfs: --program without -o' '-o OUT' build-initramfs --program bash
[ ! -e "$TMP/x.cpio" ]
ok $? 'initramfs: nothing was written'

if [ -e build/kernel/obj/usr/gen_init_cpio ] && [ build/kernel/bzImage -nt guest/kernel/minivmm.config ] && command -v cpio >/dev/null; then
	RUN_SECONDS=60
	run scripts/build-initramfs --program bash:/opt/x/shell --program bash --program ls -o "$TMP/p.cpio"
	is "$STATUS$ERR" 0 'initramfs: programs go in'
	mkdir "$TMP/root"
	(cd "$TMP/root" && cpio -id --quiet <"$TMP/p.cpio" 2>"$TMP/cpio.err")
	is "$(cpio -t --quiet <"$TMP/p.cpio" | sort | uniq -d)" '' 'initramfs: nothing twice, neither busybox'\''s ls'
	cmp -s "$TMP/root/opt/x/shell" "$(command -v bash)" && cmp -s "$TMP/root/bin/bash" "$(command -v bash)"
	ok $? 'initramfs: as /bin/NAME, or where it was asked for'
	if [ "$(id -u)" -eq 0 ] && chroot "$TMP/root" /bin/busybox true 2>/dev/null; then
		is "$(chroot "$TMP/root" /opt/x/shell -c 'echo works' 2>&1)" works 'initramfs: it has all that it needs'
	else
		skip 'initramfs: it has all that it needs' 'needs root, for chroot'
	fi
else
	skip 'initramfs: programs go in' 'the guest kernel is not built: run scripts/build-kernel'
fi

done_testing
