# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: the other end of balloon.t. $part says what is to be done; a line from the console goes on.
dmesg -n 1
. /log.sh
mkdir /big
mount -t tmpfs -o size=100% big /big

free() {
	echo "$1: $(awk '/^MemFree/ { print $2 }' /proc/meminfo)"
}

# use MIB: as much memory as that, and why not
use() {
	dd if=/dev/zero of=/big/file bs=1M count="$1" 2>/tmp/err || cat /tmp/err
	echo "used: $(($(stat -c %s /big/file) >> 20))"
}

keys() {
	free free
	# All that there is, so that each page has been touched.
	use 90
	rm /big/file
	echo 'touched'
	read -r _
	free 'free inflated'
	echo 'seen'
	read -r _
	use 70
	echo 'touched again'
	read -r _
}

reporting() {
	use 64
	echo 'touched'
	read -r _
	rm /big/file
	echo 'removed'
	read -r _
}

need() {
	tries=0
	while [ "$(awk '/^MemFree/ { print $2 }' /proc/meminfo)" -gt 40000 ] && [ $tries -lt 600 ]; do
		usleep 100000
		tries=$((tries + 1))
	done
	free free
	use 50
}

$part
tell_log
exit 0
