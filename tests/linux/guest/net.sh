# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: the other end of net.t. $part says what is to be done, $host is the other end's address.
dmesg -n 1
. /log.sh
eth=/sys/class/net/eth0

# make_data: $mib of it
make_data() {
	dd if=/dev/urandom of=/tmp/data bs=1M count="$mib" 2>/dev/null
}

# fetch PORT: the checksum of all that comes from there
fetch() {
	nc "$host" "$1" | md5sum
}

# send PORT: all of it there; with the program on the socket itself, it goes in large pieces
send() {
	nc "$host" "$1" -e /bin/cat /tmp/data
}

ping_it() {
	ping -c 3 -W 20 "$host" | sed -n 's/.* \([0-9]*\) packets received.*/\1/p'
}

counters() {
	for name in rx_errors tx_errors rx_dropped tx_dropped; do
		echo "$name: $(cat $eth/statistics/$name)"
	done
}

user() {
	mkdir -p /etc
	ifconfig eth0 up
	udhcpc -i eth0 -f -q -n -t 20 -T 3 -s /lease.sh 2>&1 || exit 1
	echo "ping: $(ping_it)"
	nslookup name.test 2>&1 | sed -n 's/^Address.*: *\([0-9.]*\)$/name: \1/p' | tail -n 1
	make_data
	echo "fetched: $(fetch 9001)"
	send 9002
	echo "data: $(md5sum </tmp/data)"
	mkdir /tmp/www
	head -c 1m /tmp/data >/tmp/www/data
	echo "served: $(md5sum </tmp/www/data)"
	httpd -p 80 -h /tmp/www
	echo 'the server is up'
	read -r _
	counters
}

static() {
	ifconfig eth0 192.0.2.2 netmask 255.255.255.0 || exit 1
	echo "ping: $(ping_it)"
	make_data
}

tap() {
	static
	echo "queues: $(ls -d $eth/queues/tx-* | wc -l)"
	echo "fetched: $(fetch 9001)"
	send 9002
	echo "data: $(md5sum </tmp/data)"
	counters
}

# Each processor uses a queue of its own.
pairs() {
	static
	echo "queues: $(ls -d $eth/queues/tx-* | wc -l)"
	for cpu in 0 1; do
		taskset -c $cpu sh -c "nc $host 9001 | md5sum >/tmp/fetched.$cpu" &
		taskset -c $cpu nc "$host" 9002 -e /bin/cat /tmp/data &
	done
	wait
	for cpu in 0 1; do
		echo "fetched: $(cat /tmp/fetched.$cpu)"
	done
	echo "data: $(md5sum </tmp/data)"
	counters
	echo "carrier: $(cat $eth/carrier)"
	echo 'ready for the worst'
	tries=0
	while [ "$(cat $eth/carrier)" = 1 ] && [ $tries -lt 600 ]; do
		usleep 100000
		tries=$((tries + 1))
	done
	echo "carrier then: $(cat $eth/carrier)"
	ping -c 2 -W 1 "$host" >/dev/null
	ifconfig eth0 down
	ifconfig eth0 up
	echo "carrier again: $(cat $eth/carrier)"
	echo 'it lives'
}

$part
tell_log
exit 0
