#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The virtio console: a shell on hvc0, by a pipe and on a terminal whose size changes, and ports that are sockets.
set -u
. "$(dirname "$0")/lib.sh"

BYTES=300000
initramfs init
initramfs ports tests/linux/guest/ports.sh:/test.sh

# after TEXT CASE: waits until CASE's output has TEXT
after() {
	local i
	for ((i = 0; i < 600; i++)); do
		! grep -qa "$1" "$DIR/$2.out" 2>/dev/null || return 0
		sleep 0.05
	done
	return 1
}

shell=(--kernel "$KERNEL" --initrd "$DIR/init.cpio" --device console)

# A terminal of its own for minivmm, which changes its size when the file resize is there.
on_terminal() {
	stty rows 30 cols 100
	(
		until [ -e "$DIR/resize" ]; do sleep 0.05; done
		stty rows 43 cols 132 </dev/tty
	) &
	"$MINIVMM" "${shell[@]}" --append "quiet console=hvc0"
}

# client PATH LINE: prints whether it gets back what it sends behind the line
client() {
	perl -e 'use IO::Socket::UNIX;
		my ($path, $line, $len) = @ARGV;
		my $socket = IO::Socket::UNIX->new(Peer => $path) or die "$path: $!";
		my $bytes = join "", map { chr(int(rand 256)) } 1 .. $len;
		if (!fork) {
			syswrite $socket, "$line\n";
			sleep 1; # so that the line is a piece of its own
			for (my $at = 0; $at < $len;) { $at += syswrite($socket, $bytes, $len - $at, $at) // die "write: $!"; }
			exit;
		}
		my $got = "";
		while (length($got) < $len) { sysread($socket, $got, 65536, length $got) || die "read: $!"; }
		wait;
		print "$line: ", $got eq $bytes ? "all came back\n" : "something else came back\n";' "$@"
}

guests() {
	local tmp booted
	tmp=$(mktemp -d)

	# shellcheck disable=SC2016 # for the guest's shell
	printf 'echo a$((40+2))b\ntty\ncat /sys/class/tty/console/active\nexit\n' |
		boot typed 60 "${shell[@]}" --append 'earlyprintk=ttyS0 console=hvc0'

	boot ports 90 --kernel "$KERNEL" --initrd "$DIR/ports.cpio" --append quiet --stats \
		--device "console,port=org.example.control:$tmp/control,port=org.example.echo:$tmp/echo" </dev/null &
	booted=$!
	for ((i = 0; i < 200; i++)); do
		[ ! -S "$tmp/echo" ] || break
		sleep 0.05
	done
	stat -c %a "$tmp/echo" >"$DIR/mode"
	for line in first second third; do
		client "$tmp/echo" "$line" "$BYTES"
	done >"$DIR/clients" 2>&1
	wait $booted
	ls -A "$tmp" >"$DIR/left"

	rm -f "$DIR/resize"
	{
		after 'a shell' terminal
		sleep 0.3
		printf 'echo size $(stty size)\r'
		after 'size 30 100' terminal
		touch "$DIR/resize"
		for ((i = 0; i < 100; i++)); do
			printf 'echo size $(stty size)\r'
			sleep 0.2
			! grep -qa 'size 43 132' "$DIR/terminal.out" || break
		done
		printf '\001x'
		sleep 1
	} | timeout -k 5 90 script -qefc "bash -c '$(declare -p shell DIR MINIVMM); $(declare -f on_terminal); on_terminal'" \
		/dev/null >"$DIR/terminal.out" 2>"$DIR/terminal.err"
	echo $? >"$DIR/terminal.status"
}
in_kvm 280 guests shell BYTES

is "$(status typed)" 0 'a pipe: "exit" ends it with status 0'
is "$(console typed | grep -c '^a42b$')" 1 'a pipe: the shell ran the command'
is "$(console typed | grep -c '^/dev/hvc0$')" 1 'a pipe: the shell is on hvc0'
is "$(console typed | grep -c '^hvc0$')" 1 'the kernel has one console, hvc0'
# Before it has hvc0 Linux would lose its lines; earlyprintk shows those, and ends there.
is "$(console typed | grep -c 'Linux version')" 1 "the kernel's lines are there from the first on"
is "$(console typed | grep -a '^\[' | sort | uniq -d)" '' '... each of them once'
is "$(console typed | grep -c 'minivmm guest: init')" 1 '... as are those of init'
is "$(complaints "$DIR/typed.out")" '' 'the kernel has no complaint'

is "$(status ports)" 0 'ports: status 0'
is "$(console ports | sed -n 's/^port: //p' | paste -sd ' ')" 'vport0p1 org.example.control vport0p2 org.example.echo' \
	'ports: the guest knows them by name'
is "$(cat "$DIR/clients")" "$(printf '%s: all came back\n' first second third)" "ports: $BYTES bytes there and back, three times"
is "$(console ports | grep -E '^(first|second|third): ' | paste -sd ' ')" \
	'first: first first: left second: second second: left third: third third: left' \
	'ports: the guest hears of each client, the last after its driver was unbound and bound'
is "$(console ports | grep '^dmesg: ')" '' 'ports: the driver has no complaint'
is "$(cat "$DIR/mode")" 600 "ports: the sockets are their owner's alone"
is "$(cat "$DIR/left")" '' 'ports: no socket is left'

is "$(status terminal)" 0 'a terminal: Ctrl-A x ends it with status 0'
like "$(console terminal)" 'size 30 100' 'a terminal: the guest knows its size'
like "$(console terminal)" 'size 43 132' 'a terminal: and hears when it changes'
done_testing
