# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# common.sh - sourced by the scripts beside it; does nothing by itself.
#
#   ROOT, BUILD              the repository and its build directory (absolute)
#   die "thing: way out"     one line on stderr, exit 1
#   step TEXT LOG CMD...     run CMD with its output in LOG, one progress line
#   usage FILE               print FILE's leading comment block as help text
#   kmake ARG...             make in the guest kernel's build directory
#   is_newer FILE SOURCE...  whether FILE is there, and no SOURCE is newer
#   DRIVER_SOURCES           what the guest's driver is built of

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# shellcheck disable=SC2034 # used by the scripts that source this file
BUILD=$ROOT/build
# shellcheck disable=SC2034
DRIVER_SOURCES=("$ROOT"/guest/driver/{Kbuild,virtio_test.c} "$ROOT/devices/virtio/ids.h")

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# The comment block after the licence line is the manual: written once, shown
# by --help, so that the two cannot differ.
usage() {
	sed -n '/^# SPDX/,/^[^#]\|^$/{/^# SPDX/d;/^#/!d;s/^# \{0,1\}//;p}' "$1" |
		sed '1{/^$/d}'
}

# Ends with the script that started it, whatever ended that.
step_ticker() {
	local s=0
	while kill -0 $$ 2>/dev/null; do
		sleep 1
		s=$((s + 1))
		if [ "$s" -ge 5 ]; then
			printf '\r  %s ... %d s' "$1" "$s" >&2
		fi
	done
}

# step TEXT LOG CMD...
#
# "  TEXT ... ok (3.2 s)". On failure the end of the log follows and the
# status of CMD is returned. On a terminal a step of more than 5 s shows the
# seconds passed, as a sign of life; elsewhere the line is printed plainly.
step() {
	local text=$1 log=$2 rc=0 ticker='' t0 t1 ms
	shift 2
	mkdir -p "$(dirname "$log")"
	printf '  %s ...' "$text" >&2
	t0=${EPOCHREALTIME//[!0-9]/}
	if [ -t 2 ]; then
		step_ticker "$text" &
		ticker=$!
	fi
	"$@" >"$log" 2>&1 </dev/null || rc=$?
	if [ -n "$ticker" ]; then
		kill "$ticker" 2>/dev/null || :
		wait "$ticker" 2>/dev/null || :
		printf '\r  %s ...' "$text" >&2
	fi
	t1=${EPOCHREALTIME//[!0-9]/}
	ms=$(((t1 - t0) / 1000))
	if [ "$rc" -eq 0 ]; then
		printf ' ok (%d.%d s)\n' $((ms / 1000)) $((ms % 1000 / 100)) >&2
		return 0
	fi
	printf ' failed (status %d, %d.%d s)\n' "$rc" \
		$((ms / 1000)) $((ms % 1000 / 100)) >&2
	tail -n 15 "$log" | sed 's/^/    /' >&2
	printf '  the whole log: %s\n' "${log#"$ROOT"/}" >&2
	return "$rc"
}

# One user, host and time, so that the same input gives the same image.
kmake() {
	make -C "$BUILD/kernel/src" O="$BUILD/kernel/obj" -j"$(nproc)" KBUILD_BUILD_USER=minivmm \
		KBUILD_BUILD_HOST=minivmm KBUILD_BUILD_TIMESTAMP=@0 \
		KBUILD_BUILD_VERSION=1 "$@"
}

is_newer() {
	local file=$1 source
	shift
	[ -e "$file" ] || return 1
	for source; do
		[ ! "$source" -nt "$file" ] || return 1
	done
}
