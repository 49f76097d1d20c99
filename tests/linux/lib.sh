# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
#
# lib.sh - what the tests of whole Linux guests share. They source it, describe their boots in a function, run that
# where guests run, and then look at what the boots left in $DIR.
#
#   initramfs CASE [--OPTION VALUE]... FILE:/PATH... PROGRAM...
#                                  builds $DIR/CASE.cpio, with these options of scripts/build-initramfs; with
#                                  FILE:/test.sh the guest runs FILE and powers off
#   boot CASE SECONDS ARG...       boots minivmm with ARG..., which leaves CASE.out, CASE.err and CASE.status; with the
#                                  device tree unless ARG says another --discovery
#   in_kvm SECONDS FUNCTION [VARIABLE]...
#                                  calls FUNCTION there (scripts/with-kvm), where it knows all functions and these
#                                  variables of its script; one start of the box serves all its boots
#   status CASE, console CASE      the status; the console's lines without carriage returns
#   numbers CASE, ticks CASE       the V of "get virtio num: V" and the N of "set config: N", in one line
#   exits CASE REASON DEVICE REG   that row's count in the table of exits, 0 where there is none
#   unclaimed CASE                 "ADDRESS COUNT", a line each, of accesses that no device has answered; with --stats
#   counting FIRST COUNT           the numbers from FIRST, COUNT of them, in one line
#   said CASE KEY                  the VALUE of each line "KEY: VALUE" that the guest wrote
#   told CASE                      minivmm's own lines
#   healthy CASE [LOG]             four tests: status 0, a guest that got to its end, a log with no complaint but LOG
#   count CASE DEVICE KEY          a number of CASE.json, that --stats=FILE wrote
#   after TEXT CASE                waits until CASE has written TEXT; for what is piped into boot
#   process_of TEXT                the minivmm whose command line has TEXT
#   complaints FILE                the lines of a kernel log that tell of a defect
#
# The boots of one test write to build/, since /tmp inside the box is not that outside.

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
. tests/tap.sh

KERNEL=build/kernel/bzImage
DIR=build/tests/linux/$(basename "$0" .t)
rm -rf "$DIR"
mkdir -p "$DIR"

[ -x "$MINIVMM" ] || skip_all "$MINIVMM is not built: run make"
[ -e "$KERNEL" ] || skip_all "$KERNEL is not built: run scripts/build-kernel"

initramfs() {
	local out=$DIR/$1.cpio args=()
	while shift && [ $# -gt 0 ]; do
		case $1 in
		--*) args+=("$1" "$2"); shift ;;
		*:*) args+=(--add "$1") ;;
		*) args+=(--program "$1") ;;
		esac
	done
	scripts/build-initramfs "${args[@]}" -o "$out" >"$DIR/initramfs.log" 2>&1 || {
		diag "$(cat "$DIR/initramfs.log")"
		echo 'Bail out! the initramfs was not built'
		exit 1
	}
}

# Standard input is the caller's: most give </dev/null.
boot() {
	local case=$1 seconds=$2 rc=0
	shift 2
	[[ " $*" == *' --discovery'* ]] || set -- --discovery=dt "$@" # and is silent about it
	timeout -k 5 "$seconds" "$MINIVMM" "$@" >"$DIR/$case.out" 2>"$DIR/$case.err" || rc=$?
	echo $rc >"$DIR/$case.status"
}

# The emulated host sometimes stands still, all of it, until an interrupt from outside wakes its CPU. It beats a drum in
# there; when that is silent for long, the boots are made once more, and the test says so. A guest or a minivmm that hangs
# does not silence the drum: it costs its case its time limit, and the test fails.
SILENCE=40 # seconds

# attempt SECONDS FUNCTION [VARIABLE]...: status 200 where the host stood still. Its own variables hide the script's of
# the same name.
attempt() {
	local seconds=$1 function=$2 pid beat last='' silent=0 rc=0
	shift 2
	rm -f "$DIR"/*.out "$DIR"/*.err "$DIR"/*.status "$DIR/beat"
	KVMBOX_OPTS="--timeout $seconds ${KVMBOX_OPTS-}" timeout -k 5 $((seconds + 120)) scripts/with-kvm bash -c "
		$(declare -p DIR MINIVMM KERNEL "$@")
		$(declare -f)
		while echo \$((beats += 1)) >$DIR/beat; do sleep 1; done &
		$function
		kill %1" </dev/null >"$DIR/in_kvm.out" 2>"$DIR/in_kvm.err" &
	pid=$!
	while sleep 0.2 && kill -0 $pid 2>/dev/null; do
		beat=$(cat "$DIR/beat" 2>/dev/null)
		[ "$beat" = "$last" ] || { last=$beat silent=$SECONDS; }
		if [ -n "$last" ] && [ $((SECONDS - silent)) -ge $SILENCE ]; then
			kill $pid
			wait $pid
			return 200
		fi
	done
	wait $pid || rc=$?
	return $rc
}

in_kvm() {
	local rc=0
	attempt "$@" || rc=$?
	if [ $rc -eq 200 ]; then
		diag "the emulated host stood still for $SILENCE s: once more"
		rc=0
		attempt "$@" || rc=$?
	fi
	ok $rc "the boots come to an end" || diag "status $rc: $(cat "$DIR/in_kvm.err")"
}

status() {
	cat "$DIR/$1.status" 2>/dev/null || echo none
}

console() {
	tr -d '\r' <"$DIR/$1.out"
}

# The host's lines have no carriage return, and nothing else in their line.
numbers() {
	sed -n 's/^virtio-test: get virtio num: \([0-9]*\)$/\1/p' "$DIR/$1.out" | paste -sd ' '
}

ticks() {
	sed -n 's/^virtio-test: set config: \([0-9]*\)$/\1/p' "$DIR/$1.out" | paste -sd ' '
}

exits() {
	awk -v reason="$2" -v device="$3" -v reg="$4" '
		/^ +exits/ { tables++ }
		tables == 1 && $3 " " $4 == reason && $5 == device && $6 == reg { n = $1 }
		END { print n + 0 }' "$DIR/$1.err"
}

unclaimed() {
	awk '/^ +exits/ { tables++ }
		tables == 1 && $5 == "unclaimed" { n[$6] += $1 }
		END { if (!tables) print "no table"; for (address in n) print address, n[address] }' "$DIR/$1.err" | sort
}

counting() {
	[ "$2" -eq 0 ] || seq "$1" $(($1 + $2 - 1)) | paste -sd ' '
}

said() {
	console "$1" | sed -n "s/^$2: \(.*[^ ]\) *$/\1/p"
}

told() {
	grep -a '^minivmm: ' "$DIR/$1.err"
}

# The guest's script calls tell_log of guest/log.sh.
healthy() {
	is "$(status "$1")" 0 "$1: status 0"
	is "$(said "$1" test-exit)" 0 "$1: the guest gets to its end"
	[ "$(said "$1" 'log lines')" -gt 50 ] 2>/dev/null
	ok $? "$1: the kernel's log is there"
	is "$(said "$1" log)" "${2-}" "$1: nothing in it that should not be"
}

count() {
	jq --arg device "$2" --arg key "$3" '.devices[$device][$key]' "$DIR/$1.json"
}

# A minute and a half is long, also where every instruction is emulated; to look often takes time from the guest.
after() {
	local i
	for ((i = 0; i < 225; i++)); do
		! grep -qa -- "$1" "$DIR/$2.out" 2>/dev/null || return 0
		[ ! -e "$DIR/$2.status" ] || return 1
		sleep 0.4
	done
	return 1
}

process_of() {
	local dir words
	for dir in /proc/[0-9]*; do
		[ "$dir/exe" -ef "$MINIVMM" ] && mapfile -t -d '' words <"$dir/cmdline" && [[ ${words[*]} == *"$1"* ]] || continue
		echo "${dir#/proc/}"
		return
	done 2>/dev/null
	return 1
}

complaints() {
	grep -aE 'WARNING|BUG|Oops|[Cc]all [Tt]race|cut here|lockdep|possible .* (deadlock|recursive)|not returned|refcount|nobody cared|hung|stall' "$1"
}
