# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest. Loads the driver, waits until each device took $numbers numbers (kernel command line), unloads it.
# What the driver has sent by then, the host has printed: remove waits for the buffers.
dmesg -n 1
insmod /virtio_test.ko || exit 1
cd /sys/bus/virtio/drivers/virtio_test || exit 1

for dev in virtio*; do
	features=$(cat "$dev/features")
	n=0
	until [ "$n" -ge "$numbers" ]; do
		usleep 10000
		read -r n <"$dev/sent"
	done
	ring_full=$(cat "$dev/ring_full")
done
rmmod virtio_test

# Only now that no tick comes: the host's own lines do not wait for the end of a slow line.
echo "cpus: $(nproc)"
echo "features: $features"
echo "sent: $(dmesg | sed -n 's/.*virtio_test: sent //p' | tr '\n' ' ')"
echo "acked: $(dmesg | sed -n 's/.*virtio_test: ack //p' | awk '{ n += $1 } END { print n + 0 }')"
echo "ring_full: $ring_full"
dmesg | sed 's/^/dmesg: /' | grep -E 'WARN|BUG|Oops|Call Trace|not returned'
exit 0
