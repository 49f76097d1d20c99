#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The guest driver: kernels it builds for, what the kernel's own checkers say, suspend, and a ring that is too small.
set -u
. "$(dirname "$0")/lib.sh"

SRC=build/kernel/src

# headers VERSION: the newest build directory of Debian's cloud kernel of that version
headers() {
	local dir
	for dir in build/debian/headers-"$1"/build $(printf '%s\n' /usr/src/linux-headers-"$1".*cloud-amd64 | sort -rV); do
		[ -e "$dir/Makefile" ] || continue
		readlink -f "$dir"
		return
	done
	return 1
}

for version in 6.1 6.12; do
	if ! dir=$(headers $version); then
		skip "builds for Debian's $version" "its headers are not installed: linux-headers-cloud-amd64 or scripts/fetch-kernels"
		continue
	fi
	scripts/build-module "$dir" "$DIR/$version.ko" W=1 >"$DIR/$version.log" 2>&1
	ok $? "builds for Debian's $version" || diag "$(tail -20 "$DIR/$version.log")"
	is "$(grep -E 'warning:|error:' "$DIR/$version.log")" '' "... with no warning at W=1"
	is "$(modinfo -F vermagic "$DIR/$version.ko" 2>/dev/null | cut -d ' ' -f 1)" \
		"$(basename "$dir" | sed 's/^linux-headers-//')" '... and for just that kernel'
	# Its sysfs files are read while the device comes and goes; nothing may need a newer kernel's symbol.
	is "$(grep -E 'undefined|modpost' "$DIR/$version.log" | grep -v MODPOST)" '' '... with all symbols known'
done

files="guest/driver/virtio_test.c guest/driver/Kbuild devices/virtio/ids.h"
if [ -e $SRC/scripts/checkpatch.pl ] && command -v perl >/dev/null; then
	for file in $files; do
		# Standard error: it misses Python modules for a check of the SPDX line that it makes on top of its own.
		perl $SRC/scripts/checkpatch.pl --root=$SRC --strict --terse --no-summary -f $file \
			>"$DIR/checkpatch" 2>/dev/null
		is "$?$(cat "$DIR/checkpatch")" 0 "checkpatch.pl --strict: $file"
	done
else
	skip 'checkpatch.pl --strict' "$SRC or perl is not there"
fi

if command -v sparse >/dev/null; then
	scripts/build-module build/kernel/obj "$DIR/sparse.ko" C=2 CF=-D__CHECK_ENDIAN__ >"$DIR/sparse.log" 2>&1
	ok $? 'sparse: builds' || diag "$(tail -20 "$DIR/sparse.log")"
	like "$(cat "$DIR/sparse.log")" 'CHECK .*virtio_test\.c' 'sparse: the driver is checked'
	is "$(grep -E 'virtio_test\.c:[0-9]+.*(warning|error)' "$DIR/sparse.log")" '' 'sparse: nothing to say'
else
	skip 'sparse' 'sparse is not installed'
fi

initramfs freeze tests/linux/guest/freeze.sh:/test.sh
initramfs numbers tests/linux/guest/numbers.sh:/test.sh

guests() {
	boot freeze 60 --kernel "$KERNEL" --initrd "$DIR/freeze.cpio" --device test,delay=10ms,period=10ms \
		--append 'quiet log_buf_len=4M suspend.pm_test_delay=1' </dev/null
	boot small-ring 60 --kernel "$KERNEL" --initrd "$DIR/numbers.cpio" \
		--device test,delay=1ms,period=1ms,queue-size=2,notify=ioeventfd \
		--append 'quiet log_buf_len=4M numbers=500' </dev/null
}
in_kvm 120 guests

# said CASE WHAT
said() {
	console "$1" | sed -n "s/^$2: \(.*[^ ]\) *$/\1/p"
}

is "$(status freeze)" 0 'suspend: status 0'
is "$(said freeze test-exit)" 0 'suspend: each step went well'
is "$(said freeze 'suspend lines')" 6 'suspend: the kernel says that it slept and woke three times'
console freeze >"$DIR/freeze.txt"
is "$(complaints "$DIR/freeze.txt")" '' 'suspend: no warning in the log'
sent=$(said freeze sent)
n=$(wc -w <<<"$sent")
[ "$n" -ge 40 ]
ok $? "suspend: numbers went before, between and after: $n"
is "$sent" "$(counting 1 "$n")" 'suspend: they go on without a gap'
is "$(numbers freeze)" "$sent" 'suspend: the host printed each'
is "$(said freeze acked)" "$n" 'suspend: each came back'
is "$(said freeze after | wc -l)" 3 'suspend: there are numbers after each'

is "$(status small-ring)" 0 'two ring entries, 1 ms: status 0'
is "$(said small-ring test-exit)" 0 'two ring entries, 1 ms: each step went well'
sent=$(said small-ring sent)
n=$(wc -w <<<"$sent")
[ "$n" -ge 500 ]
ok $? "two ring entries, 1 ms: $n numbers, $(said small-ring ring_full) times full"
is "$sent" "$(counting 1 "$n")" 'two ring entries, 1 ms: counted without a gap'
[ "$(numbers small-ring)" = "$sent" ]
ok $? 'two ring entries, 1 ms: the host printed each'
is "$(said small-ring acked)" "$n" 'two ring entries, 1 ms: each came back'
is "$(said small-ring dmesg)" '' 'two ring entries, 1 ms: no warning in the log'
done_testing
