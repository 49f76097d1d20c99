# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: the other end of hvc.t's clients. Each says a line first, and gets back what it says after it.
dmesg -n 1
drivers=/sys/bus/virtio/drivers/virtio_console

for name in /sys/class/virtio-ports/*/name; do
	echo "port: $(basename "${name%/name}") $(cat "$name")"
done

# serve CLIENT: the echo of one; without a client a read ends at once
serve() {
	# the name is there before the driver knows the port by it: then there is "no such device"
	until [ -c /dev/vport0p2 ] && command exec 3<>/dev/vport0p2; do
		usleep 20000
	done 2>/dev/null
	until read -r line <&3 && [ -n "$line" ]; do
		usleep 20000
	done
	echo "$1: $line"
	cat <&3 >&3
	echo "$1: left"
	exec 3>&-
}

serve first
serve second

device=$(basename $drivers/virtio*)
echo "$device" >$drivers/unbind
echo "$device" >$drivers/bind
serve third
dmesg | grep -iE 'virtio_console|vport' | sed 's/^/dmesg: /'
