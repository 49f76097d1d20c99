# SPDX-License-Identifier: GPL-2.0-only
# Runs in the guest, until minivmm is killed.
dmesg -n 1
/blocks write /dev/vda
