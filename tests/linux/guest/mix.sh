# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: all devices at work at once, for $seconds. Each worker goes round until then, and says how often.
dmesg -n 1
. /log.sh
cd /tmp || exit 1

now() {
	cut -d . -f 1 /proc/uptime
}

# worker NAME: round after round; one that fails is the last
worker() {
	rounds=0
	while [ "$(now)" -lt $end ]; do
		"$1" || { echo "broken: $1, in round $rounds"; break; }
		rounds=$((rounds + 1))
	done
	echo "rounds: $1 $rounds" >"$1.rounds"
	echo "finished: $1"
}

# A file system, from which the file comes anew.
disk() {
	dd if=/dev/urandom of=chunk bs=256K count=4 2>/dev/null
	rm -f /m/file
	cp chunk /m/file && sync && echo 1 >/proc/sys/vm/drop_caches && cmp chunk /m/file
}

# A disk without one, in pieces of 4 KiB.
raw_disk() {
	dd if=/dev/urandom of=raw bs=64K count=8 2>/dev/null
	dd if=raw of=/dev/vdc bs=4K oflag=direct 2>/dev/null &&
		dd if=/dev/vdc bs=4K count=128 iflag=direct 2>/dev/null | cmp - raw
}

readonly_disk() {
	[ "$(dd if=/dev/vdb bs=64K iflag=direct 2>/dev/null | md5sum)" = "$sum" ]
}

network() {
	[ "$(nc 10.0.2.2 9001 | md5sum)" = "$sum" ] && nc 10.0.2.2 9002 -e /bin/cat /data
}

entropy() {
	[ "$(dd if=/dev/hwrng bs=4096 count=4 iflag=fullblock 2>/dev/null | wc -c)" = 16384 ]
}

memory() {
	dd if=/dev/zero of=zeros bs=1M count=24 2>/dev/null && rm zeros
}

sockets() {
	/vsock connect vsock:2:52 100000 | grep -q 'exchanged 100000 100000 .* same'
}

port() {
	cat /data >"/dev/$port"
}

sum=$(md5sum </data)
workers='disk raw_disk readonly_disk network entropy memory'
mkdir -p /m /etc
mkfs.ext4 -q /dev/vda && mount -t ext4 /dev/vda /m || exit 1
ifconfig eth0 up
udhcpc -i eth0 -f -q -n -t 20 -T 3 -s /lease.sh >/dev/null 2>&1 || exit 1
for name in /sys/class/virtio-ports/*/name; do
	[ "$(cat "$name" 2>/dev/null)" = mix ] || continue
	port=${name%/name}
	port=${port##*/}
	workers="$workers port"
done
[ ! -e /vsock ] || workers="$workers sockets"
insmod /virtio_test.ko || exit 1

echo 'all at work'
end=$(($(now) + seconds)) pids=
for work in $workers; do
	worker "$work" &
	pids="$pids $!"
done

# Should one of them stand still, this says where; otherwise it is never seen.
(
	sleep $((seconds + 60))
	echo 'standing still'
	ps
	grep -s . /proc/[0-9]*/stack | grep -v 'kthread\|worker_thread\|do_idle'
) &
watch=$!
wait $pids
kill $watch
rmmod virtio_test
umount /m
fsck.ext4 -fn /dev/vda >fsck 2>&1
echo "fsck: $?"
cat ./*.rounds
echo "workers: $workers"
[ ! -e port.rounds ] ||
	for _ in $(seq "$(sed 's/.* //' port.rounds)"); do cat /data; done | md5sum | sed 's/^/port sent: /'
echo "net errors: $(cat /sys/class/net/eth0/statistics/[rt]x_errors | paste -s -d ' ')"
echo "sent: $(dmesg | sed -n 's/.*virtio_test: sent //p' | tail -n 1)"
echo "acked: $(dmesg | sed -n 's/.*virtio_test: ack //p' | awk '{ n += $1 } END { print n + 0 }')"
tell_log
exit 0
