# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: suspends it (all devices, for a second) while the numbers go round.
dmesg -n 1
insmod /virtio_test.ko || exit 1
cd /sys/bus/virtio/drivers/virtio_test/virtio* || exit 1

# until_more COUNT: so many numbers more
until_more() {
	read -r n <sent
	wanted=$((n + $1))
	tries=0
	while [ "$n" -lt $wanted ] && [ $tries -lt 500 ]; do
		usleep 10000
		read -r n <sent
		tries=$((tries + 1))
	done
}

until_more 10
echo devices >/sys/power/pm_test || exit 1
for i in 1 2 3; do
	echo freeze >/sys/power/state || exit 1
	echo "mark: resume $i" >/dev/kmsg
	until_more 10
done
cd /
rmmod virtio_test
# The first number after each suspend.
dmesg | awk '
	/virtio_test: sent/ { if (after) print "after: " $NF; after = 0 }
	/mark: resume/ { after = 1 }
	/PM: suspend (entry|exit)/ { pm++ }
	END { print "suspend lines: " pm + 0 }'
echo "sent: $(dmesg | sed -n 's/.*virtio_test: sent //p' | tr '\n' ' ')"
echo "acked: $(dmesg | sed -n 's/.*virtio_test: ack //p' | awk '{ n += $1 } END { print n + 0 }')"
dmesg | grep -vE 'virtio_test: (config changed|sent|ack)'
exit 0
