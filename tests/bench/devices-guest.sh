# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# devices-guest.sh - in the guests of devices.sh, whichever VMM runs them. It takes commands from the console:
#
#   setup NETWORK            the tap's, three numbers; the other end is NETWORK.1
#   MEASURE SECONDS          does it and answers "bench result MEASURE VALUE UNITS": requests or MB a second, and how
#                            many there were; or "bench failed MEASURE", behind the output of what failed
#
# Around the measure itself it says "bench begin MEASURE" and "bench end MEASURE", and waits for a line each time.
export PATH=/bin
cd /tmp || exit 1
stty -echo </dev/console
dmesg -n 1

cat >mark <<'END'
#!/bin/sh
echo "bench $*" >/dev/console
read -r _ </dev/console
END
chmod 755 mark

# up INTERFACE ADDRESS
up() {
	ip addr add "$2/24" dev "$1"
	ip link set "$1" up
}

setup() {
	for file in /sys/class/net/*/address; do
		interface=${file%/address}
		case $(cat "$file") in
		*:01) up "${interface##*/}" "$1.2" ;;
		*:02) up "${interface##*/}" 10.0.2.15 ;;
		esac
	done
	network=$1
}

# disk MEASURE SECONDS RW SIZE DEPTH: of requests that are under way at once, as many as there is room for are submitted
# together; else fio submits them one by one
disk() {
	fio --minimal --name="$1" --filename=/dev/vda --ioengine=libaio --direct=1 --thread --time_based --runtime="$2" \
		--rw="$3" --bs="$4" --iodepth="$5" --iodepth_batch_submit="$5" \
		--iodepth_batch_complete_min=1 --iodepth_batch_complete_max="$5" \
		--exec_prerun="/tmp/mark begin $1" --exec_postrun="/tmp/mark end $1" >log 2>&1
	# KiB, KiB a second and requests a second: of reads in fields 6 to 8, of writes in 47 to 49
	awk -F ';' '$1 == 3 {
		at = $3 ~ /write/ ? 47 : 6
		random = $3 ~ /rand/
		if ($at > 0)
			print "bench result", $3, random ? $(at + 2) : $(at + 1) * 1.024e-3, random ? $at / 4 : $at * 1.024e-3
	}' log
}

# transfer MEASURE SECONDS HOST [ARG...]
transfer() {
	measure=$1 seconds=$2 host=$3
	shift 3
	./mark begin "$measure"
	iperf3 -c "$host" -t "$seconds" -f k "$@" >log 2>&1
	./mark end "$measure"
	awk -v measure="$measure" -v seconds="$seconds" '/receiver/ {
		print "bench result", measure, $7 / 8e3, $7 / 8e3 * seconds
	}' log
}

ip link set lo up
echo 'bench ready'
while read -r command argument; do
	case $command in
	setup) setup "$argument"; continue ;;
	randread-1 | randwrite-1) disk "$command" "$argument" "${command%-*}" 4k 1 ;;
	randread-16 | randwrite-16) disk "$command" "$argument" "${command%-*}" 4k 16 ;;
	read | write) disk "$command" "$argument" "$command" 1m 4 ;;
	tap-out) transfer "$command" "$argument" "$network.1" ;;
	tap-in) transfer "$command" "$argument" "$network.1" -R ;;
	user-out) transfer "$command" "$argument" 10.0.2.2 ;;
	user-in) transfer "$command" "$argument" 10.0.2.2 -R ;;
	*) continue ;;
	esac >result
	if [ -s result ]; then
		cat result
	else
		cat log
		echo "bench failed $command"
	fi
done </dev/console
