#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A guest gone mad on every device, for some seconds, or with MINIVMM_LONG=1 for ten minutes: minivmm grows by at most
# 64 KiB and has not a file more open, and a sibling is served all the time. Guest RAM does not count: it is the guest's.
. "$(dirname "$0")/../tap.sh"
need_kvm

MEM=48 # MiB: no other mapping is so long
GROWTH=64
seconds=${SOAK_SECONDS:-12}
[ -z "${MINIVMM_LONG-}" ] || seconds=${SOAK_SECONDS:-600}
giga=$(awk -v s="$seconds" '/^cpu MHz/ { printf "%d", s * $4 / 1000 + 1; exit }' /proc/cpuinfo)

truncate -s 1M "$TMP/disk"
mkfifo "$TMP/in" "$TMP/console"
: >"$TMP/lines"
# The host's programs: one that takes connections of the guest's and reads some of each, and a client of the console's.
perl -MIO::Socket::UNIX -MIO::Select -e '
	my ($dir) = @ARGV;
	$SIG{PIPE} = "IGNORE";
	my $listener = IO::Socket::UNIX->new(Local => "$dir/v_9", Listen => 128) or die "listen: $!\n";
	my $port;
	until ($port = IO::Socket::UNIX->new(Peer => "$dir/p")) { select undef, undef, undef, 0.05 }
	my $set = IO::Select->new($listener, $port);
	while (my @ready = $set->can_read) {
		for my $fd (@ready) {
			if ($fd == $listener) { $set->add($listener->accept // next); next }
			my $n = $fd->sysread(my $bytes, 65536);
			$fd->blocking(0);
			$fd->syswrite($bytes, 3000) if $n && rand() < 0.3;
			next if $n && ($fd == $port || rand() < 0.99);
			$set->remove($fd); $fd->close;
		}
	}' "$TMP" &
programs=$!
# What it prints in a storm is of no interest, and may be anything.
grep -a --line-buffered -E '^(soak: |ok |not ok |# |1\.\.)' <"$TMP/console" >"$TMP/lines" &

"$MINIVMM" --kernel "$PAYLOADS/test_soak.elf" --mem $MEM --append "soak=$giga" --device test \
	--device rng --device "blk,path=$TMP/disk,queues=2" \
	--device balloon,free-page-hint=on,free-page-reporting=on,stats-interval=10ms \
	--device "console,port=p:$TMP/p" --device net --device "vsock,socket=$TMP/v" --device test,notify=ioeventfd \
	<"$TMP/in" >"$TMP/console" 2>"$TMP/err" &
vmm=$!
trap 'kill $programs $vmm 2>/dev/null; rm -rf "$TMP"' EXIT
exec 3>"$TMP/in"
trap "" PIPE

# until_it_says WORD SECONDS
until_it_says() {
	local i
	for ((i = 0; i < $2 * 10; i++)); do
		grep -q "^soak: $1" "$TMP/lines" && return 0
		kill -0 $vmm 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}

# rss: KiB of minivmm's memory but guest RAM: all of it, and of that what is no file's
rss() {
	awk -v ram=$((MEM * 1024)) '/^Size:/ { counts = $2 != ram } /^Rss:/ && counts { rss += $2 }
		/^Anonymous:/ && counts { anonymous += $2 } END { print rss + 0, anonymous + 0 }' /proc/$vmm/smaps
}
files() {
	find /proc/$vmm/fd -mindepth 1 2>/dev/null | wc -l
}

until_it_says warm 60
ok $? 'the guest is warm'
sleep 1 # programs have connected
read -r rss_before anon_before < <(rss)
files_before=$(files)
printf x >&3
until_it_says calm $((seconds * 10 + 60))
ok $? 'the guest is calm'
sleep 1
read -r rss_after anon_after < <(rss)
files_after=$(files)
printf x >&3
wait $vmm
status=$?
is $status 0 'it powered off'
[ $status -eq 0 ] || diag "$(grep -v '^minivmm:  ' "$TMP/err" | tail -n 20)"

diag "RSS without guest RAM: $rss_before KiB, then $rss_after; no file's: $anon_before, then $anon_after; files: $files_before, then $files_after"
[ "$anon_before" -gt 0 ] && [ $((anon_after - anon_before)) -le $GROWTH ] && [ $((anon_before - anon_after)) -le $GROWTH ]
ok $? "its memory moved by at most $GROWTH KiB"
# With what is the program file's own, of which the host may take back what it likes.
ok $((rss_after - rss_before > GROWTH)) "and its RSS did not grow by more"
is "$files_after" "$files_before" 'as many files are open'
is "$(grep -c '^ok' "$TMP/lines")/$(grep -c '^not ok' "$TMP/lines")" 5/0 'what the guest saw is right'
diag "$(grep -v '^ok' "$TMP/lines")"
lines=$(grep -vc '^minivmm:  ' "$TMP/err")
diag "$lines lines of messages"
done_testing
