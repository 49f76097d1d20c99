#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# peer.pl FILE [ADDRESS [PATH PATH]] - the other end of what the guests of net.t and mix.t do, until it gets SIGTERM
#
# Port 9001 sends FILE to whoever connects; 9002 reads to the end and writes the MD5 sum to standard output, as md5sum
# does. With ADDRESS, port 53 there answers each question for a name with 198.51.100.7. Of the Unix sockets, the first
# is one that gives back what it gets; the second is another's, which is waited for and read to the end, with its sum
# behind "port: ". "ready" is written once all listen.
use strict;
use warnings;
use Digest::MD5;
use IO::Socket::INET;
use IO::Socket::UNIX;

my ($file, $dns, $echo, $port) = @ARGV;

sub tcp {
	my ($port) = @_;

	return IO::Socket::INET->new(LocalAddr => '0.0.0.0', LocalPort => $port, Listen => 16, ReuseAddr => 1)
		// die "port $port: $@\n";
}

# listener SOCKET, WORK: each connection is WORK's, in a process of its own
sub listener {
	my ($socket, $work) = @_;

	return if fork;
	while (1) {
		my $client = $socket->accept or next;
		next if fork;
		$work->($client);
		exit;
	}
}

sub put {
	my ($client, $bytes) = @_;

	while (length $bytes) {
		my $n = syswrite($client, $bytes) // return 0;
		substr($bytes, 0, $n, '');
	}
	return 1;
}

sub source {
	my ($client) = @_;

	open(my $in, '<:raw', $file) or die "$file: $!\n";
	while (sysread($in, my $bytes, 1 << 16)) {
		put($client, $bytes) or return;
	}
}

sub echo {
	my ($client) = @_;

	while (sysread($client, my $bytes, 1 << 16)) {
		put($client, $bytes) or return;
	}
}

sub sink {
	my ($client, $name) = @_;
	my $sum = Digest::MD5->new;

	while (sysread($client, my $bytes, 1 << 16)) {
		$sum->add($bytes);
	}
	syswrite(STDOUT, ($name // '') . $sum->hexdigest . "  -\n");
}

# The question comes back, with the answer behind it where it is for an IPv4 address.
sub names {
	my $socket = IO::Socket::INET->new(LocalAddr => $dns, LocalPort => 53, Proto => 'udp')
		// die "$dns, port 53: $@\n";

	return if fork;
	while (1) {
		$socket->recv(my $packet, 512);
		my ($id, $question, $type) = $packet =~ /^(..).{10}([^\0]*\0(..)..)/s or next;
		my $answer = $type eq "\0\1" ? pack('nnnNnC4', 0xc00c, 1, 1, 60, 4, 198, 51, 100, 7) : '';
		$socket->send($id . pack('n5', 0x8180, 1, $answer ne '', 0, 0) . $question . $answer);
	}
}

sub read_port {
	return if fork;
	for (1 .. 600) {
		my $socket = IO::Socket::UNIX->new(Peer => $port);
		if ($socket) {
			sink($socket, 'port: ');
			exit;
		}
		select(undef, undef, undef, 0.1);
	}
}

setpgrp(0, 0);
$SIG{CHLD} = 'IGNORE';
listener(tcp(9001), \&source);
listener(tcp(9002), \&sink);
names() if $dns;
listener(IO::Socket::UNIX->new(Local => $echo, Listen => 16) // die("$echo: $@\n"), \&echo) if $echo;
read_port() if $port;
$SIG{TERM} = sub { kill('KILL', -$$) };
syswrite(STDOUT, "ready\n");
sleep while 1;
