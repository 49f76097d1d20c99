# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: the other end of console.t. The terminal passes every byte as it is.
dmesg -n 1
stty raw -echo

interrupts() {
	awk '/ttyS0/ { for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

before=$(interrupts)
case $part in
input)
	echo 'ready'
	echo "md5sum: $(head -c "$bytes" | md5sum)"
	;;
output)
	echo 'BEGIN'
	cat /big.txt
	echo 'END'
	;;
esac
echo "interrupts: $before $(interrupts)"
