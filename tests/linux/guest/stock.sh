# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest, on a stock kernel whose modules init has loaded: which devices are there, and what they do. $how
# says which way the machine ends.
dmesg -n 1
. /log.sh
mkdir -p /etc

echo "release: $(uname -r)"
echo "cpus: $(nproc)"
insmod /virtio_test.ko || exit 1
found=$(cd /sys/devices && find . -name 'virtio[0-9]*' -type d | sed 's|.*/\(.*\)/virtio[0-9]*$|\1|' | sort | tr '\n' ' ')
drivers=
for device in /sys/bus/virtio/devices/*; do
	driver=$(readlink "$device/driver")
	drivers="$drivers ${driver##*/}"
done

cd /sys/bus/virtio/drivers/virtio_test || exit 1
for file in virtio*/sent; do
	n=0
	until [ "$n" -ge "$numbers" ]; do
		usleep 10000
		read -r n <"$file"
	done
done
rmmod virtio_test
cd /
# Only now that no tick comes: the host's own lines do not wait for the end of a slow line.
echo "found: $found"
echo "drivers:$drivers"
echo "probes: $(dmesg | grep -c 'virtio_test: probe')"
echo "sent: $(dmesg | sed -n 's/.*virtio_test: sent //p' | tr '\n' ' ')"

echo "disk: $(md5sum </dev/vda)"
ifconfig eth0 up
udhcpc -i eth0 -f -q -n -t 20 -T 3 -s /lease.sh 2>&1
echo "current: $(cat /sys/class/misc/hw_random/rng_current)"
echo "random: $(head -c 4096 /dev/hwrng | wc -c)"
for cpu in $(seq 0 $(($(nproc) - 1))); do
	echo "cpu: $cpu $(taskset -c "$cpu" echo runs)"
done

# The first is the processor's, the second because the driver is not signed with the key of the kernel's makers.
tell_log | grep -v -e 'Speculative Return Stack Overflow' -e 'virtio_test: module verification failed'
echo "acpi: $(dmesg | grep -c 'ACPI: ')"
# By level, up to warnings, or by what ACPICA puts before its own.
{
	dmesg -r | sed -n 's/^<[0-4]>//p' | grep -iE 'acpi|firmware|bios'
	dmesg | grep -E 'ACPI( BIOS)? (Error|Warning|Exception)|\[Firmware (Bug|Warn)'
} | sed 's/^/acpi complaint: /'

[ "$how" = reboot ] || exit 0
echo 'test-exit: 0'
reboot -f
