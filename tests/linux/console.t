#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The serial console: what goes in arrives, what comes out is not lost, also when one side is slow.
set -u
. "$(dirname "$0")/lib.sh"

BYTES=65536
head -c $BYTES /dev/urandom >"$DIR/in.bin"
# Lines that differ, so that a piece lost, doubled or moved shows.
seq 1 100000 | sed 's/$/ the quick brown fox jumps over the lazy dog/' | head -c 100000 >"$DIR/big.txt"
echo >>"$DIR/big.txt"

initramfs init
initramfs console tests/linux/guest/console.sh:/test.sh "$DIR/big.txt:/big.txt"

# after TEXT CASE: waits until CASE's output has TEXT
after() {
	local i
	for ((i = 0; i < 400; i++)); do
		! grep -qa "$1" "$DIR/$2.out" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}

shell=(--kernel "$KERNEL" --initrd "$DIR/init.cpio" --device none --append quiet)
machine=(--kernel "$KERNEL" --initrd "$DIR/console.cpio" --device none)

# A terminal of its own for minivmm; its settings before and after.
on_terminal() {
	stty -g >"$DIR/tty.before"
	stty -a >"$DIR/tty.shown"
	"$MINIVMM" "${shell[@]}"
	local rc=$?
	stty -g >"$DIR/tty.after"
	return $rc
}

guests() {
	# shellcheck disable=SC2016 # for the guest's shell
	printf 'echo a$((40+2))b\nexit\n' | boot typed 40 "${shell[@]}"

	{
		after ready input
		cat "$DIR/in.bin"
	} | boot input 60 "${machine[@]}" --append "quiet part=input bytes=$BYTES"

	# A reader that does not read, and then slowly, from a pipe of one page: all between it and the guest fills up.
	local fifo reader
	fifo=$(mktemp -d)/slow
	mkfifo "$fifo"
	perl -e 'open(my $in, "<", $ARGV[0]); fcntl($in, 1031, 4096) or die; # F_SETPIPE_SZ
		sleep 4;
		while (sysread($in, my $bytes, 1024)) { syswrite(STDOUT, $bytes); select(undef, undef, undef, 0.01); }' "$fifo" \
		>"$DIR/slow.out" 2>"$DIR/slow.reader" &
	reader=$!
	timeout -k 5 90 "$MINIVMM" "${machine[@]}" --append 'quiet part=output' --stats </dev/null \
		>"$fifo" 2>"$DIR/slow.err"
	echo $? >"$DIR/slow.status"
	wait $reader

	{
		after 'a shell' terminal
		sleep 0.3
		printf '\001h'
		after 'Ctrl-A x' terminal
		printf '\001r\001s'
		after 'exits are not counted' terminal
		# shellcheck disable=SC2016
		printf 'echo x$((1+1))y\r'
		after x2y terminal
		printf '\001x'
		sleep 1
	} | timeout -k 5 40 script -qefc "bash -c '$(declare -p shell DIR MINIVMM); $(declare -f on_terminal); on_terminal'" \
		/dev/null >"$DIR/terminal.out" 2>"$DIR/terminal.err"
	echo $? >"$DIR/terminal.status"
}
in_kvm 240 guests shell machine BYTES

is "$(status typed)" 0 'a pipe: "exit" ends it with status 0'
is "$(console typed | grep -c '^a42b$')" 1 'a pipe: the shell ran the command'

is "$(status input)" 0 'input: status 0'
is "$(console input | sed -n 's/^md5sum: //p')" "$(md5sum <"$DIR/in.bin")" "input: $BYTES bytes of all values arrive"
read -r before now <<<"$(console input | sed -n 's/^interrupts: //p')"
[ "${now:-0}" -gt "${before:-0}" ]
ok $? 'input: by interrupts' || diag "$before to $now"

is "$(status slow)" 0 'output: status 0'
is "$(cat "$DIR/slow.reader")" '' 'output: the reader is well'
# Raw: the lines come without carriage returns, as they are in the file.
is "$(sed '1,/^BEGIN\r*$/d; /^END/,$d' "$DIR/slow.out" | md5sum)" "$(md5sum <"$DIR/big.txt")" \
	'output: 100 KB arrive complete, with a slow reader'
read -r before now <<<"$(console slow | sed -n 's/^interrupts: //p')"
[ "${now:-0}" -gt "${before:-0}" ]
ok $? 'output: by interrupts' || diag "$before to $now"

is "$(status terminal)" 0 'a terminal: Ctrl-A x ends it with status 0'
console terminal >"$DIR/terminal.txt"
is "$(grep -c '^minivmm: Ctrl-A x' "$DIR/terminal.txt")" 1 'a terminal: Ctrl-A h shows the keys'
like "$(cat "$DIR/terminal.txt")" 'flight recorder: the last .* mmio_read  *reg=event' 'a terminal: Ctrl-A r shows the flight recorder'
like "$(cat "$DIR/terminal.txt")" 'exits are not counted; start minivmm with --stats' 'a terminal: Ctrl-A s'
like "$(cat "$DIR/terminal.txt")" 'x2y' 'a terminal: what is typed reaches the shell'
[ -s "$DIR/tty.before" ]
ok $? 'a terminal: there was one'
is "$(cat "$DIR/tty.after")" "$(cat "$DIR/tty.before")" 'a terminal: it is restored'
done_testing
