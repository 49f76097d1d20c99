# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: the other end of rng.t. $bytes of /dev/hwrng, and how long they took.
dmesg -n 1
. /log.sh
cd /tmp || exit 1
echo "current: $(cat /sys/class/misc/hw_random/rng_current)"
read -r before _ </proc/uptime
dd if=/dev/hwrng of=random bs=4096 count=$((bytes / 4096)) iflag=fullblock 2>/tmp/err || cat /tmp/err
read -r after _ </proc/uptime
echo "bytes: $(stat -c %s random)"
echo "md5sum: $(md5sum <random)"
i=0
while [ $i -lt $((bytes / 4096)) ]; do
	dd if=random bs=4096 skip=$i count=1 2>/dev/null | md5sum
	i=$((i + 16))
done >sums
echo "pieces: $(wc -l <sums) $(sort -u sums | wc -l)"
echo "values: $(tail -c 16384 random | od -A n -v -t u1 -w1 | sort -u | wc -l)"
echo "compressed: $(gzip -c random | wc -c)"
echo "$before $after" | awk '{ printf "centiseconds: %d\n", ($2 - $1) * 100 }'
tell_log
exit 0
