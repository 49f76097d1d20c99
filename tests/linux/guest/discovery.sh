# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest, of our own kernel or with the stock ones' modules loaded: tells how it found its devices, its CPUs and
# its clocks, and waits for some numbers of the test device.
. /log.sh
dmesg -n 1
[ -d /sys/bus/virtio/drivers/virtio_test ] || insmod /virtio_test.ko || exit 1
cd /sys/bus/virtio/drivers/virtio_test || exit 1

for file in virtio*/sent; do
	n=0
	until [ "$n" -ge 5 ]; do
		usleep 10000
		read -r n <"$file"
	done
done
[ ! -e /virtio_test.ko ] || rmmod virtio_test

echo "probes: $(dmesg | grep -c 'virtio_test: probe')"
echo "virtio: $(cd /sys/bus/virtio/devices && echo *)"
echo "cpus: $(nproc)"
echo "clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "timer: $(cat /sys/devices/system/clockevents/clockevent0/current_device)"
echo "tree: $([ -e /proc/device-tree/model ] && echo yes || echo no)"
echo "words: $(tr ' ' '\n' </proc/cmdline | grep virtio_mmio | tr "\n" " ")"
tell_log
