# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-only
#
# boot-guest.sh - in the guests of "boot.sh --profile": what the kernel's own log says of its boot, in seconds of the
# guest's clock, which begins with kvm-clock. With initcall_debug:
#
#   boot mark NAME SECONDS         a phase begins: initcalls, last (what comes behind them), exec (of init)
#   boot call NAME SECONDS         an initcall that took that long; the longest 12
#   boot calls N SECONDS           all of them
#   boot end
export PATH=/bin
dmesg -n 1
dmesg | awk '
	function mark(name) { print "boot mark", name, time }
	{ time = $0; sub(/^[^[]*\[ */, "", time); sub(/\].*/, "", time); sub(/^[^]]*\] /, "") }
	/^calling / && !calls { mark("initcalls") }
	/^initcall .* returned / {
		last = time
		for (i = 1; i <= NF; i++)
			if ($i == "after") {
				name = $2
				sub(/\+.*/, "", name)
				print "boot call", name, $(i + 1) / 1e6
				calls++
				sum += $(i + 1) / 1e6
			}
	}
	/^Run .* as init process/ { print "boot mark last", last; mark("exec"); print "boot calls", calls, sum; exit }' >log
grep 'boot mark\|boot calls' log
grep 'boot call ' log | sort -k 4 -n -r | head -n 12
echo 'boot end'
