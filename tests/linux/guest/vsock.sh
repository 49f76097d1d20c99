# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: talks to the host over its own AF_VSOCK, before and after the driver was away. /vsock gives back, or
# has given back, what is sent; see vsock.c.
driver=/sys/bus/virtio/drivers/vmw_vsock_virtio_transport

for dev in $driver/virtio*; do
	dev=${dev##*/}
	echo "device: $(cat "/sys/bus/virtio/devices/$dev/device")"
done

# The host connects, whenever it likes, to another port each round; it sees 1 MiB come back.
for round in 1 2; do
	/vsock listen vsock:100$round &
	listener=$!
	/vsock connect vsock:2:52 1048576 | sed "s/^/round $round: /"
	/vsock connect vsock:2:53 1 | sed "s/^/round $round, nobody: /"
	wait $listener
	echo "round $round: listener: $?"
	[ $round -eq 2 ] || {
		# a connection that the reset cuts off
		/vsock connect vsock:2:54 100000000 >/tmp/cut &
		usleep 200000
		echo "$dev" >$driver/unbind
		wait $!
		echo "cut off: $? $(cat /tmp/cut)"
		echo "$dev" >$driver/bind
	}
done
dmesg | grep -iE 'vsock|virtio.*(error|fail)' | sed 's/^/log: /'
