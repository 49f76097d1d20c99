#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# How a run ends (h25): the exit status, one line that says why, registers and the bytes at the instruction pointer.
. "$(dirname "$0")/../tap.sh"
need_kvm

end() {
	run "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --append "$1"
}

end triple
is "$STATUS" 4 'a triple fault ends with status 4'
like "${ERR%%$'\n'*}" '^minivmm: vCPU 0: triple fault' 'and says so first'
like "$ERR" 'rip 00000000001[0-9a-f]{5} .*bytes at rip: 0f 0b' 'the bytes at rip are those of ud2'
like "$ERR" 'rax 00000000abcd1234' 'registers are there'
like "$ERR" 'cr3 0000000000001000' 'control registers too'
is "$(grep -vc '^minivmm: ' "$TMP/err")" 0 'every line is marked'
like "$OUT" '# ready' 'the console is complete'

end popcnt
if [ "$STATUS" -eq 0 ]; then
	skip 'an instruction that KVM cannot emulate' 'this KVM runs popcnt'
else
	is "$STATUS" 4 'an instruction that KVM cannot emulate ends with status 4'
	like "${ERR%%$'\n'*}" '^minivmm: vCPU 0: .*popcnt' 'it is named'
	like "${ERR%%$'\n'*}" 'scripts/kvmbox' 'and so is the way out'
	like "${ERR%%$'\n'*}" 'f3 0f b8' 'its bytes are shown'
	like "$ERR" 'bytes at rip: f3 0f b8' 'beside the registers'
	like "$ERR" 'flight recorder: .* exit  *reason=error' 'and the flight recorder'
fi

end panic
is "$STATUS" 3 'a panic ends with status 3'
is "$(grep -c "^minivmm: the guest's kernel panicked; .*console=ttyS0" <<<"$ERR")" 1 \
	'one message says so, and how to see why, where the console does not say it'
like "$ERR" 'flight recorder: the last .*pvpanic +mmio_write .*reg=event' 'and the flight recorder shows what led to it'

# The reason, and the console's lines: once, wherever its output goes.
why="minivmm: the guest's kernel panicked: a payload's \\x1b[31mred"
lines="minivmm:   # ready
minivmm:   [    1.0] Kernel panic - not syncing: a payload's \\x1b[31mred
minivmm:   [    1.0] Call Trace:"
for to in file pipe null; do
	crash=("$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --trace "$TMP/trace" --append panic-linux)
	case $to in
	file) timeout 20 "${crash[@]}" >"$TMP/out" 2>"$TMP/err" </dev/null ;;
	pipe) timeout 20 "${crash[@]}" 2>"$TMP/err" </dev/null | cat >"$TMP/out"; (exit "${PIPESTATUS[0]}") ;;
	null) timeout 20 "${crash[@]}" >/dev/null 2>"$TMP/err" </dev/null ;;
	esac
	is $? 3 "output to a $to: status 3"
	is "$(sed '1,/flight recorder: it is shown/d' "$TMP/err")" "$why"$'\n'"$lines" "output to a $to: the reason and the lines are on standard error, last of all"
	is "$(jq -c 'select(.ev == "end") | .status' "$TMP/trace")" 3 "output to a $to: the trace has its end"
done
timeout 20 "${crash[@]}" >"$TMP/out" 2>&1 </dev/null
is "$(grep -ac 'Call Trace' "$TMP/out")/$(grep -axF "$why" "$TMP/out")" "1/$why" 'standard error to the same file: the lines are there once, and the reason'

# Bytes that control a terminal, far more than are kept, and a guest that does not stop.
end panic-garbage
is "$STATUS" 3 'a panic after garbage, over and over: status 3'
is "$(grep -ac "^minivmm: the guest's kernel panicked: a payload's" "$TMP/err")" 1 'it is told once'
shown=$(grep -ac '^minivmm:   [^ ]' "$TMP/err")
[ "$shown" -ge 20 ] && [ "$shown" -le 64 ]
ok $? 'few lines are shown' || diag "$shown lines"
[ "$(wc -L <"$TMP/err")" -le 300 ]
ok $? 'none is long'
is "$(LC_ALL=C tr -d '\n -~' <"$TMP/err" | wc -c)" 0 'nothing in them controls a terminal'
like "$ERR" '\\x1b\[2J\\x1b\]0;title\\x07' 'it is shown as it was, in plain characters'

end crash-kernel
is "$STATUS" 0 "a panic that the guest's crash kernel handles ends nothing"
like "$OUT" '# went on' 'it goes on'
is "$ERR" "minivmm: the guest's kernel panicked, and goes on: its crash kernel takes over" 'and it is told once'
end shutdown
is "$STATUS/$ERR" 0/ "the panic register's shutdown is a clean end"
[[ $OUT != *'went on'* ]]
ok $? 'and an end'
end reboot
is "$STATUS/$ERR" 0/ 'reboot by the system controller is a clean end'
end reset
is "$STATUS/$ERR" 0/ 'so is the keyboard controller'\''s pulse'
end poweroff
is "$STATUS/$ERR" 0/ 'so is power-off'

# The guest in the background says that it is there.
await_ready() {
	for _ in {1..100}; do
		grep -q ready "$TMP/out" && break
		sleep 0.05
	done
}

# Signals, to a guest that halts, and to one that never leaves. A shell's background jobs ignore two of them unless told.
for guest in halt spin; do
	for signal in INT:130 TERM:143 HUP:129 QUIT:131; do
		: >"$TMP/out" # not what the last one said
		env --default-signal "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --cpus 2 --append $guest \
			</dev/null >"$TMP/out" 2>"$TMP/err" &
		pid=$!
		await_ready
		kill -s "${signal%:*}" $pid
		STATUS=0
		timeout 10 tail -s 0.02 --pid=$pid -f /dev/null || kill -KILL $pid
		wait $pid || STATUS=$?
		is "$STATUS" "${signal#*:}" "SIG${signal%:*} ends a guest that does '$guest'"
	done
done

# A signal that the parent has ignored, as nohup does, stays ignored.
: >"$TMP/out"
env --ignore-signal=HUP "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --append halt \
	</dev/null >"$TMP/out" 2>"$TMP/err" &
pid=$!
await_ready
kill -s HUP $pid
sleep 0.2
kill -s TERM $pid
STATUS=0
wait $pid || STATUS=$?
is "$STATUS" 143 'SIGHUP that the parent ignores does not end it, SIGTERM does'

# The guest's console has a reader that goes away.
# shellcheck disable=SC2016 # for the inner shell
STATUS=$(timeout 20 bash -c '"$1" --kernel "$2" --mem 32 --device none --append shout 2>"$3" </dev/null | head -n 3 >/dev/null
	echo "${PIPESTATUS[0]}"' - "$MINIVMM" "$PAYLOADS/test_crash.elf" "$TMP/err")
is "$STATUS" 1 'a console without a reader ends with status 1'
one_message "$(cat "$TMP/err")"
ok $? 'and one message' || diag "$(cat "$TMP/err")"

# What is typed comes back, from a pipe and from a file, however much it is.
head -c 3000 /dev/zero | tr '\0' 'k' >"$TMP/in"
echo . >>"$TMP/in"
for how in pipe file; do
	if [ $how = pipe ]; then
		# shellcheck disable=SC2002 # a pipe is what is tested
		cat "$TMP/in" | timeout 20 "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --append echo >"$TMP/out"
	else
		timeout 20 "$MINIVMM" --kernel "$PAYLOADS/test_crash.elf" --mem 32 --device none --append echo >"$TMP/out" <"$TMP/in"
	fi
	is "$?:$(grep -o 'k[k]*\.' "$TMP/out" | wc -c)" 0:3002 "3000 bytes through the serial port from a $how"
done

# --stats adds up.
run "$MINIVMM" --kernel "$PAYLOADS/test_exits.elf" --mem 32 --device none --stats
is "$STATUS" 0 '--stats'
like "$ERR" 'pio write +serial +RBR/THR' 'exits are named by device and register'
is "$(awk '/^$/ { first = sum; sum = 0 } /%/ { sum += $1 } /all exits/ { print (sum == $1 && first == $1) }' "$TMP/err")" 1 \
	'and add up, in both tables'

# What a disk was asked for before power went off is done: 64 MiB, in steps of one.
for io in auto threads; do
	rm -f "$TMP/disk"
	truncate -s 64M "$TMP/disk"
	run "$MINIVMM" --kernel "$PAYLOADS/test_away.elf" --mem 32 --device "blk,path=$TMP/disk,io=$io"
	is "$STATUS/$ERR" 0/ "$io: power goes off while a disk is written to"
	is "$(tr -d '\0' <"$TMP/disk" | wc -c)" 32768 "$io: it is written whole"
done

done_testing
