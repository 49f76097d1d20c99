#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The main job: device and driver exchange one number a tick, and host and guest tell the same story.
set -u
. "$(dirname "$0")/lib.sh"

initramfs init

guests() {
	boot rounds 60 --kernel "$KERNEL" --initrd "$DIR/init.cpio" --device test,delay=100ms,period=800ms,num-pages=7 \
		--append 'quiet ticks=6' --stats </dev/null
}
in_kvm 90 guests

is "$(status rounds)" 0 'the guest powers off after 6 numbers: status 0'

# guest TEXT: what follows TEXT in the driver's lines
guest() {
	console rounds | sed -n "s/^\[ *[0-9.]*\] virtio_test: $1//p"
}
n_ticks=$(ticks rounds | wc -w)
n=$(numbers rounds | wc -w)
[ "$n" -ge 5 ]
ok $? "at least 5 rounds: $n"
is "$(ticks rounds)" "$(counting 0 "$n_ticks")" 'host: "set config: N" from 0 by one'
is "$(numbers rounds)" "$(counting 1 "$n")" 'host: "get virtio num: V" from 1 by one'
is "$(guest 'sent ' | paste -sd ' ')" "$(numbers rounds)" 'guest: "sent V", the same numbers'
is "$(guest probe | wc -l)" 1 'guest: "probe", once'
is "$(guest 'config changed' | wc -l)" "$n_ticks" 'guest: "config changed", once a tick'
is "$(guest 'ack ' | awk '{ n += $1 } END { print n }')" "$n" 'guest: the "ack N" sum up to the numbers sent'

# Round V: tick V - 1, then the guest's answer, then the number on the host.
order=$(sed -n 's/^virtio-test: set config: /T/p; s/^virtio-test: get virtio num: /V/p' "$DIR/rounds.out" | paste -sd ' ')
is "$order" "$(for ((i = 1; i <= n; i++)); do echo "T$((i - 1))"; echo "V$i"; done | paste -sd ' ')" \
	'a tick, then its number'

# Two tables of exits, and what an ioeventfd would save: by register, and by reason with the sum of all below.
sums=$(awk '/^ +exits/ { table++; next }
	/all exits to user space$/ { total = $1; next }
	/^ +[0-9]+ / { sum[table] += $1 }
	END { print sum[1], sum[2], total }' "$DIR/rounds.err")
read -r by_register by_reason total <<<"$sums"
[ "${total:-0}" -gt 0 ]
ok $? "--stats: there is a total: $total"
is "$by_register" "$total" '--stats: the rows by register sum up to it'
is "$by_reason" "$total" '--stats: the rows by reason sum up to it'
is "$(exits rounds 'mmio write' test0 QueueNotify)" "$n" '--stats: one QueueNotify a number'
like "$(tail -n 2 "$DIR/rounds.err" | head -n 1)" "^notify=ioeventfd would save $n exits, " \
	'--stats: an ioeventfd would save them'
like "$(tail -n 1 "$DIR/rounds.err")" "^test0: [0-9]+ ticks, $n numbers\$" '--stats: what the device counted'
is "$(sed '/^ *[0-9]/d; /^ *exits /d; /^$/d' "$DIR/rounds.err" | head -n -2)" '' \
	'nothing but the tables on standard error'
done_testing
