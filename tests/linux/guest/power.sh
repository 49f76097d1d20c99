# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest: ends it in the way that the kernel command line names.
dmesg -n 1
echo "the end by $how"
case $how in
poweroff) poweroff -f ;;
reboot) reboot -f ;;
panic) echo c >/proc/sysrq-trigger ;;
esac
sleep 20
echo 'still there'
