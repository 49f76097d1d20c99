#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# Until numbers=N numbers went to the device, then one second for the last ones. The console is kept quiet: at a tick a
# millisecond its exits would be nearly all there are.
dmesg -n 1
for word in $(cat /proc/cmdline); do
	case $word in
	numbers=*) wanted=${word#numbers=} ;;
	esac
done
insmod /virtio_test.ko || exit 1
for device in /sys/bus/virtio/drivers/virtio_test/virtio*; do
	break
done
sent=0
while [ "$sent" -lt "$wanted" ]; do
	usleep 20000
	read -r sent <"$device/sent" || exit 1
done
# No more: what was sent comes back before remove() ends, and ticks find no driver.
echo "${device##*/}" >/sys/bus/virtio/drivers/virtio_test/unbind
echo "sent: $sent"
