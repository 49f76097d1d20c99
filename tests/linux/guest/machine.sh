# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: tells what machine it sees.
dmesg -n 1
echo "release: $(uname -r)"
echo "mem: $(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
echo "nproc: $(nproc)"
echo "apicids: $(sed -n 's/^apicid[^0-9]*//p' /proc/cpuinfo | tr '\n' ' ')"
echo "initial apicids: $(sed -n 's/^initial apicid[^0-9]*//p' /proc/cpuinfo | tr '\n' ' ')"
echo "siblings: $(sed -n 's/^siblings[^0-9]*//p' /proc/cpuinfo | sort -u | tr '\n' ' ')"
echo "cores: $(sed -n 's/^cpu cores[^0-9]*//p' /proc/cpuinfo | sort -u | tr '\n' ' ')"
echo "core ids: $(sed -n 's/^core id[^0-9]*//p' /proc/cpuinfo | sort -n | tr '\n' ' ')"
echo "hypervisor: $(grep -c '^flags.* hypervisor' /proc/cpuinfo)"
echo "clocksource: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"

# Each CPU runs something.
cpus=$(nproc)
cpu=0
while [ $cpu -lt "$cpus" ]; do
	taskset -c $cpu true || echo "BUG: cpu $cpu does not run"
	cpu=$((cpu + 1))
done

if [ -z "$numbers" ]; then
	dmesg | grep -E 'WARN|BUG|Oops|[Cc]all [Tt]race|cut here|hung|stall|nobody cared'
	exit 0
fi

# The device tree: a line for each property, with its bytes. The kernel itself adds "name".
cd /proc/device-tree || exit 1
find . -type f ! -name name | while read -r file; do
	echo "dt: $file $(od -A n -t x1 -v "$file" | tr -d ' \n')"
done

insmod /virtio_test.ko || exit 1
devices=0
for file in /sys/bus/virtio/drivers/virtio_test/virtio*/sent; do
	n=0
	until [ "$n" -ge "$numbers" ]; do
		usleep 10000
		read -r n <"$file"
	done
	devices=$((devices + 1))
done
rmmod virtio_test
echo "devices: $devices"
echo "sent: $(dmesg | sed -n 's/.*virtio_test: sent //p' | tr '\n' ' ')"
echo 'the log:'
dmesg
