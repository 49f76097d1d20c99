# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# inject.sh - what the tests of failing hosts share: minivmm under strace(1), which makes one system call fail.
#
#   calls ARG...          prints the system calls that the main thread of "minivmm ARG..." makes from main() to its first
#                         look at the event loop, one a line: NAME NTH TEXT; TEXT is strace's, with the descriptors' files
#   inject RULE ARG...    runs "minivmm ARG..." with one system call failing as RULE says (strace -e inject=RULE); sets
#                         STATUS, OUT, ERR as run does
#   failures NAME         how a host in trouble makes that call fail, as strace says it: the likeliest first
#   leftovers             prints, in one line, what the run has left behind: files, another image, processes
#
# A run finds and leaves its files in $HOST: "image", a disk, is all that is there before it. Standard input is $INPUT.
# minivmm and its helper are copies, so that the helper's processes are known: HELPER_UNDER is put before its command.
#
# Only the main thread is traced, which makes the count of its calls exact. Before main() it is libc that calls, and no
# message of ours could come.

. "$(dirname "${BASH_SOURCE[0]}")/../tap.sh"
need_kvm
command -v strace >/dev/null || skip_all 'strace is not installed: run scripts/setup'
strace -qq -o /dev/null true 2>/dev/null || skip_all 'strace may trace nothing here'

BIN=$TMP/bin
HOST=$TMP/host
INPUT=/dev/null
SANDBOX=on # a call that strace has failed is none, for a filter, and so refused: off where a guest runs
mkdir "$BIN" "$HOST"
cp "$MINIVMM" "$BIN/minivmm"
cp "$ROOT/minivmm-usernet" "$BIN/helper" || skip_all 'minivmm-usernet is not built'
cat >"$BIN/minivmm-usernet" <<-END
	#!/bin/sh
	echo \$\$ >>"$TMP/helpers"
	exec \$HELPER_UNDER "$BIN/helper" "\$@"
END
chmod +x "$BIN/minivmm-usernet"
export HELPER_UNDER=''
head -c 65536 /dev/urandom >"$TMP/image"

# Where a run begins.
tidy() {
	rm -rf "${HOST:?}"/* "$TMP/helpers"
	cp "$TMP/image" "$HOST/image"
}

# under OPTION... -- ARG...
under() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	tidy
	STATUS=0
	(
		cd "$HOST" || exit
		exec timeout --foreground -k 2 "$RUN_SECONDS" strace -qq "${options[@]}" "$BIN/minivmm" --sandbox="$SANDBOX" "$@"
	) <"$INPUT" >"$TMP/out" 2>"$TMP/err" || STATUS=$?
	# shellcheck disable=SC2034 # used by the scripts that source this file
	OUT=$(<"$TMP/out") ERR=$(<"$TMP/err")
}

calls() {
	under -y -o "$TMP/calls" -- "$@"
	# a futex(2) cannot fail as libc uses it, which would end the process; where it finds no random bits for a heap or a
	# file's name, which it does not always want, it takes the time
	awk '!/^[a-z]/ || /^futex|^getrandom.*GRND_NONBLOCK/ { next }
		{ name = $0; sub(/\(.*/, "", name); nth[name]++ }
		/^epoll_wait/ { exit }
		/^openat\(.*"\/dev\/null", O_RDWR\)/ { main = 1 }
		main { print name, nth[name], $0 }' "$TMP/calls"
}

inject() {
	local rule=$1
	shift
	under -o /dev/null -e trace="${rule%%:*}" -e inject="$rule" -- "$@"
}

failures() {
	case $1 in
	brk) echo retval=0 ;; # the kernel's way to say no is the break as it was; libc reads 0 as that
	openat | socket | socketpair | eventfd2 | epoll_create1 | timerfd_create | signalfd4)
		echo error=EMFILE error=ENFILE error=ENOMEM ;;
	epoll_ctl) echo error=ENOSPC error=ENOMEM ;;
	clone | clone3) echo error=EAGAIN error=ENOMEM ;;
	pread64) echo error=EIO retval=0 ;; # an end of the file where there was none
	write) echo error=ENOSPC error=EIO error=EDQUOT ;;
	rename | bind | unlink | access | fchmod) echo error=EACCES error=EROFS error=EIO ;;
	read | *stat* | close | fallocate | ftruncate | poll | ppoll | recvfrom | readlink) echo error=EIO ;;
	fcntl) echo error=ENOLCK error=EIO ;;
	ioctl) echo error=ENOMEM error=EIO ;;
	*) echo error=ENOMEM ;;
	esac
}

leftovers() {
	local file pid
	for file in "$HOST"/*; do
		[ "$file" = "$HOST/image" ] || printf '%s ' "${file##*/}"
	done
	cmp -s "$TMP/image" "$HOST/image" || printf 'another image '
	[ ! -e "$TMP/helpers" ] || while read -r pid; do
		[ ! -e "/proc/$pid" ] || printf 'process %s ' "$pid"
	done <"$TMP/helpers"
}
