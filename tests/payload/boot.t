#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# One payload by every way in: ELF and PVH entry, compressed, out of a bzImage's payload.
. "$(dirname "$0")/../tap.sh"
. "$(dirname "$0")/payload.sh"
need_kvm

printf 'initrd\n' >"$TMP/initrd"
boot=(--mem 64 --cpus 2 --append payload=boot --initrd "$TMP/initrd")
pvh=(--mem 64 --append payload=pvh --initrd "$TMP/initrd")

# bzimage PAYLOAD FILE: a bzImage of a header and a payload, which nothing but --boot elf and pvh can enter
bzimage() {
	perl -e '
		local $/;
		open my $in, "<:raw", $ARGV[0] or die;
		my $payload = <$in> . pack "V", 0;
		my $body = "\xf4" x 0x300 . $payload;
		$body .= "\0" x (-length($body) % 16);
		my $header = "\0" x 1024;
		my %fields = (0x1f1 => pack("C", 1), 0x1f4 => pack("V", length($body) / 16), 0x1fe => "\x55\xaa",
			0x200 => "\xeb\x6a", 0x202 => "HdrS", 0x206 => pack("v", 0x20f), 0x211 => "\x01",
			0x22c => pack("V", 0x7fffffff), 0x230 => pack("V", 1 << 20), 0x236 => "\x01",
			0x238 => pack("V", 2047), 0x248 => pack("VV", 0x300, length $payload),
			0x258 => pack("Q<", 1 << 20), 0x260 => pack("V", 1 << 20));
		substr($header, $_, length $fields{$_}) = $fields{$_} for keys %fields;
		open my $out, ">:raw", $ARGV[1] or die;
		print $out $header, $body;' "$1" "$2"
}

payload boot --boot elf "${boot[@]}"
payload pvh --boot pvh "${pvh[@]}"
is "$ERR" '' 'and nothing is said about it'

while read -r name command; do
	KERNEL=$TMP/pvh.$name
	if ! command -v "${command%% *}" >/dev/null; then
		skip "$name" "${command%% *} is not installed"
		continue
	fi
	$command <"$PAYLOADS/test_pvh.elf" >"$KERNEL"
	payload pvh --boot pvh "${pvh[@]}"
	bzimage "$KERNEL" "$TMP/bzimage.$name"
	KERNEL=$TMP/bzimage.$name
	payload pvh --boot pvh "${pvh[@]}"
done <<-'END'
	gz gzip -c
	xz xz -c
	lzma xz -c --format=lzma
	zst zstd -c
	lz4 lz4 -c
	lz4-legacy lz4 -l -c
END

KERNEL=$TMP/boot.gz
gzip -c "$PAYLOADS/test_boot.elf" >"$KERNEL"
payload boot "${boot[@]}"
bzimage "$KERNEL" "$TMP/bzimage"
KERNEL=$TMP/bzimage
payload boot --boot elf "${boot[@]}"

# An ELF file that can be entered by PVH alone: an entry that is a virtual address, and a note.
KERNEL=$TMP/virtual
cp "$PAYLOADS/test_pvh.elf" "$KERNEL"
perl -e 'open my $file, "+<:raw", $ARGV[0] or die; seek $file, 24, 0; print $file pack "Q<", 0xffffffff81000000' "$KERNEL"
payload pvh "${pvh[@]}"

done_testing
