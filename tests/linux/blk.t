#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The disk under Linux's driver: a file system on it holds, what is discarded goes back to the host, and what goes wrong
# on the host costs the guest an error and nothing else.
set -u
. "$(dirname "$0")/lib.sh"

SIZE=192 # MiB
PATH=$PATH:/usr/sbin:/sbin
for tool in mkfs.ext4 e2fsck jq; do
	command -v $tool >/dev/null || skip_all "$tool not found: run scripts/setup"
done

initramfs blk tests/linux/guest/blk.sh:/test.sh tests/linux/guest/log.sh:/log.sh mkfs.ext4 fsck.ext4

# Two processors where two queues are of use: they share the one that is emulated.
machine=(--kernel "$KERNEL" --initrd "$DIR/blk.cpio" --mem 256)

# disks CASE PART DISK...: a boot with these disks
disks() {
	local case=$1 part=$2 args=()
	shift 2
	[ "$case" != write ] || args=(--cpus 2)
	for disk; do
		args+=(--device "blk,$disk")
	done
	boot "$case" 120 "${machine[@]}" --append "quiet part=$part" --stats="$DIR/$case.json" "${args[@]}"
}

# check CASE: the file system of the image, as the host sees it
check() {
	e2fsck -fn "$image" >"$DIR/$1.fsck" 2>&1
	echo $? >"$DIR/$1.fsck.status"
	stat -c %b "$image" >"$DIR/$1.blocks"
}

# Others who want the image while a guest has it.
intruders() {
	local how
	ls -l "/proc/$(process_of "path=$image")/fd" >"$DIR/write.fds"
	for how in '' ,readonly=on; do
		"$MINIVMM" "${machine[@]}" --device "blk,path=$image$how" </dev/null >"$DIR/second.out$how" 2>"$DIR/second.err$how"
		echo $? >"$DIR/second.status$how"
	done
}

# Two disks for each engine: one is cut off, and where the other is nothing is left.
errors() {
	local engine disks=()
	for engine in auto threads; do
		mkdir "$work/$engine"
		mount -t tmpfs -o size=8M small "$work/$engine" || return
		truncate -s 32M "$work/$engine.cut" "$work/$engine/full"
		disks+=("path=$work/$engine.cut,io=$engine" "path=$work/$engine/full,io=$engine")
	done
	{
		after reading errors && truncate -s 1M "$work"/*.cut
	} | disks errors errors "${disks[@]}"
	umount "$work/auto" "$work/threads"
}

guests() {
	local work image
	work=$(mktemp -d)
	image=$work/disk.img
	truncate -s ${SIZE}M "$image"
	# io_uring_setup() of one entry
	perl -e '$params = "\0" x 120; print(syscall(425, 1, $params) < 0 ? "no" : "yes")' >"$DIR/uring"

	{
		after 'the disk stands still' write
		intruders
		echo
	} | disks write write "path=$image,queues=2,serial=number 1 of twenty.."
	check write

	cp --sparse=always "$image" "$work/copy"
	disks readonly only_read "path=$image,readonly=on" </dev/null
	cmp "$image" "$work/copy" >"$DIR/readonly.cmp" 2>&1
	rm "$work/copy"

	{
		after 'trimmed' trim
		ls -l "/proc/$(process_of "path=$image")/fd" >"$DIR/trim.fds"
	} | disks trim trim "path=$image,io=threads,notify=ioeventfd"
	check trim

	[ "$(id -u)" -ne 0 ] || errors
	rm -rf "$work"
}
in_kvm 420 guests machine SIZE

lives() {
	console "$1" | grep -c '^it lives$'
}

for case in write trim; do
	healthy $case
	is "$(told $case)" '' "$case: nor has minivmm one"
	is "$(said $case fsck)" 0 "$case: fsck in the guest is content"
	is "$(cat "$DIR/$case.fsck.status")" 0 "$case: and on the host" || diag "$(cat "$DIR/$case.fsck")"
	is "$(count $case blk0 errors)" 0 "$case: no request failed"
	[ "$(count $case blk0 flushes)" -gt 0 ]
	ok $? "$case: there were flushes"
done

is "$(said write serial)" 'number 1 of twenty..' 'its serial number, of full length'
is "$(said write queues)" 2 'two queues'
for file in a b; do
	like "$(said write "written $file")" '^[0-9a-f]{32}  -$' "$file: 32 MiB were written"
	for case in write readonly trim; do
		is "$(said $case "again $file" | sort -u)" "$(said write "written $file")" "$file: right in $case"
	done
done
for cpu in 0 1; do
	read -r wanted _ got _ <<<"$(said write "processor $cpu")"
	is "$got" "$wanted" "processor $cpu reads it too"
done
[ "$(said write 'written a')" != "$(said write 'written b')" ]
ok $? 'the files differ'

if [ "$(cat "$DIR/uring")" = yes ]; then
	like "$(cat "$DIR/write.fds")" 'io_uring' 'io=auto: by io_uring'
else
	skip 'io=auto: by io_uring' 'the host has none'
fi
like "$(cat "$DIR/trim.fds")" 'disk\.img' 'io=threads: the process has its image'
[[ $(cat "$DIR/trim.fds") != *io_uring* ]]
ok $? 'io=threads: and no io_uring'

for how in '' ,readonly=on; do
	like "$(cat "$DIR/second.status$how")" '^[12]$' "a second minivmm with the same image${how/,/, } is refused"
	one_message "$(cat "$DIR/second.err$how")" && [[ $(cat "$DIR/second.err$how") == *disk.img* ]]
	ok $? 'and told why' || diag "$(cat "$DIR/second.err$how")"
done

healthy readonly
is "$(said readonly ro)" 1 'readonly: Linux knows'
is "$(said readonly 'make a file')" 'Read-only file system' 'readonly: nor mounted otherwise'
is "$(said readonly write)" 'not permitted' 'readonly: it cannot be written to'
is "$(said readonly discard)" 'not supported' 'readonly: nor can anything be discarded'
is "$(lives readonly)" 1 'readonly: the guest goes on'
is "$(cat "$DIR/readonly.cmp")" '' 'readonly: the image is as it was'

before=$(cat "$DIR/write.blocks") now=$(cat "$DIR/trim.blocks")
[ $((before - now)) -ge $((32 << 11)) ]
ok $? "trim: the image holds 32 MiB less: $before blocks, then $now"
like "$(said trim trimmed)" '[1-9][0-9]* bytes' 'trim: the guest says how much it gave back'
is "$(said write discarded)" '1048576 0' 'write: a MiB of random bytes, discarded, reads as zeros'
[ "$(count trim blk0 discards)" -gt 0 ]
ok $? 'trim: by discards'

if [ -e "$DIR/errors.status" ]; then
	healthy errors "$(said errors log | grep 'I/O error, dev vd')"
	for engine in auto threads; do
		is "$(said errors "$engine reader")" 'Input/output error' "io=$engine: who reads what is cut off gets an error"
		is "$(said errors "$engine read what is left")" 'done' "io=$engine: the rest can be read"
		is "$(said errors "$engine write")" 'done' "io=$engine: a disk takes what there is room for"
		like "$(said errors "$engine fill")" 'Input/output error|No space left' "io=$engine: and no more"
		is "$(said errors "$engine written")" 0 "io=$engine: what it took is right"
		is "$(told errors | grep -c "$engine.cut: read of 65536 bytes at .*: Input/output error")" 1 \
			"io=$engine: one line about the one image"
		is "$(told errors | grep -c "$engine/full: write of 65536 bytes at .*: No space left")" 1 \
			"io=$engine: one line about the other"
	done
	is "$(told errors | wc -l)" 4 'errors: no more lines than these'
	is "$(lives errors)" 1 'errors: the guest goes on'
else
	skip 'errors of the host' 'needs root, to mount'
fi
done_testing
