# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: the other end of blk.t. $part says what is to be done.
dmesg -n 1
. /log.sh
mkdir /m

mount_it() {
	mount -t ext4 -o "$1" /dev/vda /m || exit 1
}

# data: two files, as they are on the disk now
data() {
	echo 3 >/proc/sys/vm/drop_caches
	for file in a b; do
		echo "$1 $file: $(md5sum </m/$file)"
	done
}

# try NAME COMMAND...: what became of it
try() {
	name=$1
	shift
	if "$@" >/tmp/out 2>&1; then
		echo "$name: done"
	else
		echo "$name: $(grep -oE 'No space left|(Input/output|I/O) error|Read-only file system|not permitted|not supported' \
			/tmp/out | head -n 1)"
	fi
}

# bytes: how many of the first MiB are none of zero, or about so many
bytes() {
	if head -c 1m /dev/vda | cmp -s - /tmp/zeros; then
		echo 0
	else
		head -c 1m /dev/vda | wc -c
	fi
}

write() {
	head -c 1m /dev/zero >/tmp/zeros
	echo "serial: $(cat /sys/block/vda/serial)"
	echo "queues: $(ls -d /sys/block/vda/mq/[0-9]* | wc -l)"
	head -c 1m /dev/urandom >/dev/vda
	n=$(bytes)
	blkdiscard -l 1048576 /dev/vda || exit 1
	echo "discarded: $n $(bytes)"
	mkfs.ext4 -q /dev/vda || exit 1
	mount_it defaults
	for file in a b; do
		dd if=/dev/urandom of=/m/$file bs=1M count=32 2>/dev/null || exit 1
	done
	data written
	start=$(head -c 4m /m/a | md5sum)
	umount /m
	mount_it defaults
	# Each processor has its queue.
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		echo 3 >/proc/sys/vm/drop_caches
		echo "processor $cpu: $start $(taskset -c "$cpu" head -c 4m /m/a | md5sum)"
	done
	data again
	umount /m
	fsck.ext4 -fn /dev/vda >/tmp/fsck 2>&1
	echo "fsck: $?"
	echo 'the disk stands still'
	read -r _
}

only_read() {
	echo "ro: $(cat /sys/block/vda/ro)"
	mount_it ro,noload
	data again
	umount /m
	# This mount would rather mount it read-only than not at all.
	mount -t ext4 -o rw /dev/vda /m 2>/dev/null
	try 'make a file' touch /m/c
	umount /m 2>/dev/null
	try write dd if=/dev/zero of=/dev/vda bs=4096 count=1 seek=100 conv=notrunc,fsync
	try discard blkdiscard -o 1048576 -l 1048576 /dev/vda
	echo 'it lives'
}

trim() {
	mount_it defaults
	data again
	rm /m/a
	sync
	sync
	echo "trimmed: $(fstrim -v /m)"
	echo 3 >/proc/sys/vm/drop_caches
	echo "again b: $(md5sum </m/b)"
	umount /m
	fsck.ext4 -fn /dev/vda >/tmp/fsck 2>&1
	echo "fsck: $?"
}

# try_all ENGINE CUT FULL: CUT is cut off meanwhile; there is no room for all of FULL
try_all() {
	echo "$1 reader: $(grep -o 'Input/output error' /tmp/$2)"
	try "$1 read what is left" dd if=/dev/$2 of=/tmp/read bs=65536 count=4 iflag=direct
	try "$1 write" dd if=/tmp/data of=/dev/$3 bs=65536 oflag=direct
	try "$1 fill" dd if=/dev/zero of=/dev/$3 bs=65536 oflag=direct seek=64
	echo 3 >/proc/sys/vm/drop_caches
	[ "$(head -c 4m /dev/$3 | md5sum)" = "$(md5sum </tmp/data)" ]
	echo "$1 written: $?"
}

errors() {
	dd if=/dev/urandom of=/tmp/data bs=1M count=4 2>/dev/null
	for disk in vda vdc; do
		(while dd if=/dev/$disk of=/tmp/read.$disk bs=65536 iflag=direct; do :; done) >/tmp/$disk 2>&1 &
	done
	echo 'reading'
	wait
	try_all auto vda vdb
	try_all threads vdc vdd
	echo 'it lives'
}

$part
tell_log
exit 0
