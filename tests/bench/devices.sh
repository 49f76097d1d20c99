#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# devices.sh [--all] [--rounds N] [--seconds N]
#
# minivmm's block and network devices beside those of QEMU's microvm, which are virtio-mmio too, in one run: fio and
# iperf3 in guests with the same kernel, initramfs, command line, RAM and CPU, all at hand from the start and measured
# in turns. minivmm runs with notify=exit, as it does unless told otherwise, and with notify=ioeventfd, as QEMU does.
# The images are in memory: what is measured is the way to them. Where minivmm is behind, it shows where the time goes:
# the guest's and the host's share of a request, KVM's exits, and the system calls, which are counted in a round of
# their own.
#
#   --all         where the time goes also where minivmm is ahead
#   --rounds N    at most that many, default 5; none that would end after 5 minutes
#   --seconds N   of each measure, default 1
#
# The tables are build/bench/devices/table at the end, the figures "results" beside it.
set -euo pipefail

all=0 rounds=5 seconds=1
while [ $# -gt 0 ]; do
	case $1 in
	--all) all=1 ;;
	--rounds) rounds=$2; shift ;;
	--seconds) seconds=$2; shift ;;
	*) sed -n '/^# SPDX/,/^set/{/^# SPDX/d;/^set/d;s/^# \{0,1\}//;p}' "$0"; exit 2 ;;
	esac
	shift
done
LIMIT=300 LAST=420 SILENCE=70 # seconds: for rounds, for all, and between two figures

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
DIR=$PWD/build/bench/devices
rm -rf "$DIR"
mkdir -p "$DIR"

# attempt: status 200 where nothing came for long. The emulated host sometimes stands still, all of it or its files.
attempt() {
	local pid size last='' silent=$SECONDS rc=0
	: >"$DIR/results"
	: >"$DIR/progress"
	KVMBOX_OPTS="--timeout $LAST ${KVMBOX_OPTS-}" timeout -k 5 $((LAST + 60)) \
		scripts/with-kvm tests/bench/devices-host.sh "$DIR" "$rounds" "$seconds" $LIMIT \
		</dev/null 2>"$DIR/errors" >&2 &
	pid=$!
	while sleep 0.5 && kill -0 $pid 2>/dev/null; do
		size=$(stat -c %s "$DIR/results" "$DIR/progress")
		[ "$size" = "$last" ] || { last=$size silent=$SECONDS; }
		if [ $((SECONDS - silent)) -ge $SILENCE ]; then
			kill $pid
			wait $pid || :
			return 200
		fi
	done
	wait $pid || rc=$?
	return $rc
}

cp minivmm minivmm-usernet build/kernel/bzImage "$DIR"
scripts/build-initramfs --program fio --program iperf3 --add tests/bench/devices-guest.sh:/test.sh \
	-o "$DIR/initramfs.cpio"

tail --pid=$$ -n +1 -F "$DIR/progress" 2>/dev/null | sed -u 's/^/  /' >&2 &
status=0
attempt || status=$?
if [ $status -eq 200 ]; then
	echo "nothing from the guests for $SILENCE s: once more" >&2
	status=0
	attempt || status=$?
fi
if [ $status -ne 0 ]; then
	cat "$DIR/errors" >&2
	echo "devices.sh: status $status: see build/bench/devices" >&2
fi
read -r _ load _ </proc/loadavg
if awk -v load="$load" 'BEGIN { exit !(load > 1.5) }'; then
	echo "this machine had other work, a load of $load: look at the ratios, and at what is behind them" >&2
fi
awk -v all=$all -f tests/bench/devices.awk "$DIR/results" | tee "$DIR/table"
exit $status
