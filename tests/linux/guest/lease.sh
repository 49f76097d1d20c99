#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest, by udhcpc: takes what it was given.
[ "$1" = bound ] || exit 0
ifconfig eth0 "$ip" netmask "$subnet"
route add default gw "$router"
echo "nameserver $dns" >/etc/resolv.conf
echo "lease: $ip $subnet $router $dns"
