#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every system call of the start fails once: one line says what, the status is not 0, and nothing is left behind. Where a
# failure is harmless the guest runs as if nothing were; those are listed, with the reason, and so is what is told.
. "$(dirname "$0")/inject.sh"
RUN_SECONDS=20
kernel=$PAYLOADS/test_crash.elf

# shellcheck disable=SC2034 # by their names
plain=(--kernel "$kernel" --mem 32 --device none --append poweroff)
# shellcheck disable=SC2034
full=(--kernel "$kernel" --initrd "$kernel" --mem 32 --cpus 2 --device test --device blk,path=image,notify=ioeventfd --device net
	--device rng --device console,port=a:socket-a --device balloon,stats-interval=1s
	--device vsock,cid=3,socket=socket-v --trace trace.jsonl --trace time.pftrace.json --stats --stats=stats.json
	--stats-interval 10m --timeout 10m --append poweroff)
# shellcheck disable=SC2034
dtb=(--device blk,path=image --dump-dtb tree.dtb)
# shellcheck disable=SC2034
map=(--dump-map map.txt)

# What a run to its end leaves, as `leftovers` shows it.
declare -A ends=([plain]='' [full]='stats.json time.pftrace.json trace.jsonl ' [dtb]='tree.dtb ' [map]='map.txt ')

# A call, and why its failure changes nothing. The first that matches counts: "-" where it does matter.
# shellcheck disable=SC2034
harmless=(
	'^close\(.*/(tree\.dtb|map\.txt)' -
	'^mmap\(.*, 8388608, PROT_READ\|PROT_WRITE, MAP_PRIVATE' - # the events on their way to a trace file
	'^rt_sigprocmask\(SIG_BLOCK, \[[A-Z0-9]+\]' -
	'^rt_sigaction\((SIGRT_3|SIGSYS)' - # what kicks a vCPU; what tells of a refused call
	'^openat\(.*"/dev/null", O_RDWR\)' 'it stands in for standard descriptors that are closed, and none is'
	'^close\(' 'the descriptor is gone all the same'
	'^munmap\(' 'the memory stays until the process ends'
	'^madvise\(.*MADV_HUGEPAGE' 'guest RAM is made of small pages then'
	'^brk\(' 'malloc() takes mmap() then'
	'^mmap\(NULL, [0-9]+, PROT_READ\|PROT_WRITE, MAP_PRIVATE\|MAP_ANONYMOUS, -1' 'malloc() takes brk() then'
	'^mmap\(.*MAP_SHARED\|MAP_POPULATE' 'threads read and write the image instead of io_uring'
	'^io_uring_' 'threads read and write the image instead'
	'^timerfd_settime\(' 'cannot fail on a timer that is there'
	'^fallocate\(' 'the disk offers no discard then'
	'^setsockopt\(.*SO_SNDBUF' 'fewer frames are on their way at once'
	'^prlimit64\(.*RLIMIT_NOFILE' 'libc'\''s own, of posix_spawn()'
	'^rt_sigprocmask\(' 'libc'\''s own, of threads; cannot fail'
	'^rt_sigaction\(' 'cannot fail with these signals'
	'^ioctl\(.*(TCGETS|TIOCGWINSZ)' 'then it is no terminal'
	'^ioctl\(.*KVM_CAP_(MAX_VCPUS|SET_IDENTITY_MAP_ADDR|SET_TSS_ADDR|TSC_DEADLINE_TIMER)' 'KVM may have it or not'
	'^newfstatat\(.*"(stats\.json|tree\.dtb|map\.txt)"' 'then there is none yet, and it is made'
	'^newfstatat\(.*"/.*/test_crash.elf"' 'whether it is the file of a trace'
	'^newfstatat\(AT_FDCWD<.*"trace\.jsonl", .* 0\) = 0$' 'whether it is the file of another trace'
	'^newfstatat\([012]<' 'whether it is the file of a trace, or a pipe'
	'^umask\(' 'cannot fail'
	'^access\(' 'whether there is a file that may not be replaced'
	'^fchmod\(.*/(stats\.json|tree\.dtb|map\.txt)' 'the file is ours alone then'
	'^ppoll\(.*/(tree\.dtb|map\.txt|time\.pftrace\.json)' 'write() will say'
	'^unlink\("stats\.json' 'whether the file can be made is known by then'
	'^fcntl\(.*F_OFD_SETLK, \{l_type=F_UNLCK' 'the lock goes with the descriptor'
	'^epoll_ctl\(.*EPOLL_CTL_DEL' 'only at the end of --dump-...: nobody waits any more'
	'^landlock_create_ruleset\(.*LANDLOCK_CREATE_RULESET_VERSION' 'the host has no Landlock then'
	'^seccomp\((.*, NULL\)|SECCOMP_GET_)' 'libseccomp asks what the kernel knows'
	'^epoll_ctl\(.*EPOLL_CTL_MOD' 'cannot fail on what is watched'
	'^exit_group\(' 'there is no other way to go'
)
# The guest runs to its end, and there is a line all the same.
told=(
	'^fcntl\(.*F_OFD_SETLK, \{l_type=F_WRLCK' 'an image on a file system without locks is used without one'
)
# What a failure leaves by its nature.
left=(
	'^unlink\("stats\.json' 'stats\.json\.[A-Za-z0-9]+ ' # the probe that cannot be removed
)

# reason TEXT PAIR...: sets REASON to what goes with the first expression that matches, and counts it as used
declare -A used=() seen=()
reason() {
	local text=$1
	shift
	REASON=-
	while [ $# -gt 0 ]; do
		if [[ $text =~ $1 ]]; then
			used[$1]=1
			REASON=$2
			return
		fi
		shift 2
	done
}

# judge LINE TEXT: whether the run ended as it should with that call's failure; sets WHY
judge() {
	local line=$1 text=$2 remains
	remains=$(leftovers)
	WHY="status $STATUS, left '$remains', said: $ERR"
	reason "$text" "${told[@]}"
	if [ "$REASON" != - ]; then
		[ "$STATUS" -eq 0 ] && one_message "${ERR%%$'\n'*}" && [ "$remains" = "${ends[$line]}" ]
		return
	fi
	reason "$text" "${harmless[@]}"
	if [ "$REASON" != - ]; then
		reason "$text" "${left[@]}"
		[ "$REASON" = - ] || [[ ! $remains =~ $REASON ]] || remains=${remains/"${BASH_REMATCH[0]}"/}
		[ "$STATUS" -eq 0 ] && [[ $ERR != *minivmm:* ]] && [ "$remains" = "${ends[$line]}" ]
		return
	fi
	{ [ "$STATUS" -eq 1 ] || [ "$STATUS" -eq 2 ]; } && one_message "$ERR" && [ -z "$remains" ]
}

# Whether a signal that comes in between does no more than such a failure would.
judge_interrupted() {
	local line=$1 remains
	remains=$(leftovers)
	WHY="status $STATUS, left '$remains', said: $ERR"
	if [ "$STATUS" -eq 0 ]; then
		[[ $remains == "${ends[$line]}"* ]]
	else
		[ "$STATUS" -le 2 ] && one_message "$ERR" && [ -z "$remains" ]
	fi
}

for name in plain full dtb map; do
	declare -n line=$name
	calls "${line[@]}" >"$TMP/list"
	is "$STATUS $(leftovers)" "0 ${ends[$name]}" "$name: it works where nothing fails"
	n=0 bad=0
	while read -r call nth text; do
		# in the long run all; else, of the calls on the full line, one of each kind and of each kind of file
		kind=$(sed -E 's/ = [^=]*$//; s/0x[0-9a-f]+|u(32|64)=[0-9]+|[0-9]+<|\[[0-9]+\]|\[[A-Z0-9]+\]|\.[A-Za-z0-9]{6}//g' <<<"$text")
		[ "$name" != full ] || [ -n "${MINIVMM_LONG-}" ] || [ -z "${seen[$kind]-}" ] || continue
		seen[$kind]=1
		read -r -a how <<<"$(failures "$call")"
		[ -n "${MINIVMM_LONG-}" ] || how=("${how[0]}")
		for failure in "${how[@]}"; do
			inject "$call:$failure:when=$nth" "${line[@]}"
			n=$((n + 1))
			judge "$name" "$text" && continue
			bad=$((bad + 1))
			diag "$call $nth, $failure: $text" "$WHY"
		done
		case $call in
		openat | ioctl | pread64 | write | close | poll | recvfrom | fallocate | ftruncate | io_uring_register | ppoll) ;;
		*) continue ;;
		esac
		inject "$call:error=EINTR:when=$nth" "${line[@]}"
		n=$((n + 1))
		judge_interrupted "$name" && continue
		bad=$((bad + 1))
		diag "$call $nth, interrupted: $text" "$WHY"
	done <"$TMP/list"
	[ "$n" -gt 20 ] && [ "$bad" -eq 0 ]
	ok $? "$name: $n starts, in each of which one call fails, end as they should"
done

# A reason that no call needs is out of date.
for list in harmless told left; do
	declare -n pairs=$list
	for ((i = 0; i < ${#pairs[@]}; i += 2)); do
		[ -n "${used[${pairs[i]}]-}" ] || ok 1 "$list: '${pairs[i]}' matches a call"
	done
done

done_testing
