# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest, with a timer of 1 ms: takes the driver away and gives it back, $loops times in each of three ways.
# The console is kept quiet, since it is slower than the timer; the log is looked at in the end.
dmesg -n 1
bus=/sys/bus/virtio
driver=$bus/drivers/virtio_test

# until_sent: some numbers go round, so that there is something to lose
until_sent() {
	for file in $driver/virtio*/sent; do
		tries=0
		n=0
		while [ "$n" -lt 3 ] && [ $tries -lt 500 ]; do
			usleep 2000
			read -r n <"$file"
			tries=$((tries + 1))
		done
	done
}

all() {
	insmod /virtio_test.ko || return 1
	until_sent
	for dev in $bus/devices/virtio*; do
		parent=$(readlink -f "$dev/..")
		echo "platform driver: $(basename "$(readlink -f "$parent/driver")")"
		echo "of_node: $(readlink -f "$parent/of_node")"
		echo "compatible: $(tr -d '\000' <"$parent/of_node/compatible")"
		echo "driver: $(basename "$(readlink -f "$dev/driver")")"
	done
	dev=$(basename "$dev")
	parent=$(basename "$parent")

	i=0
	while [ $i -lt "$loops" ]; do
		echo "$dev" >$driver/unbind || return 1
		echo "$dev" >$driver/bind || return 1
		until_sent
		i=$((i + 1))
	done
	echo "loops of unbind and bind: $i"

	i=0
	while [ $i -lt "$loops" ]; do
		rmmod virtio_test || return 1
		insmod /virtio_test.ko || return 1
		until_sent
		i=$((i + 1))
	done
	echo "loops of rmmod and insmod: $i"

	# The transport's driver too: the virtio device itself goes and comes.
	i=0
	while [ $i -lt 10 ]; do
		echo "$parent" >/sys/bus/platform/drivers/virtio-mmio/unbind || return 1
		echo "$parent" >/sys/bus/platform/drivers/virtio-mmio/bind || return 1
		until_sent
		i=$((i + 1))
	done
	echo "loops of the platform device: $i"
}

# The host's own lines do not wait for the end of a slow line, so all is said after the last tick.
all >/tmp/said
status=$?
rmmod virtio_test
cat /tmp/said

# A session goes from "probe" to "remove". It must get back all that it sent.
dmesg | sed -n 's/.*virtio_test: //p' | awk '
	$1 == "probe"  { sessions++; sent = acked = 0 }
	$1 == "sent"   { sent++; if ($2 != sent) gaps++ }
	$1 == "ack"    { acked += $2 }
	$1 == "remove" { removes++; if (sent != acked) unequal++; if (sent == 0) silent++ }
	END { print "sessions: " sessions + 0 " " removes + 0
	      print "gaps: " gaps + 0; print "unequal: " unequal + 0; print "silent: " silent + 0 }'
echo "first: $(dmesg | sed -n 's/.*\(Linux version\).*/\1/p')"
echo "sent: $(dmesg | sed -n 's/.*virtio_test: sent //p' | tr '\n' ' ')"
echo 'the log without the driver'\''s lines:'
dmesg | grep -vE 'virtio_test: (probe|config changed|sent|ack|remove)'
exit $status
