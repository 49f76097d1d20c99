# SPDX-License-Identifier: GPL-2.0-only
#
# awk -v kernel=K -v vmm=V -v round=R -v init=TEXT -f boot-trace.awk SAID TRACE
#
# Of one boot: what the guest said, and the events of the host's kernel. All times come from one clock, that of the
# events, and each mark is an event that any VMM under KVM causes:
#
#   exec       sched_process_exec of the VMM
#   create     its ioctl(KVM_CREATE_VM)
#   threads    the last ioctl before KVM_RUN
#   run        the first ioctl(KVM_RUN) of all
#   kernel     firmware is done: the last access to QEMU's fw_cfg ports (0x510 to 0x51b), by which it loads the kernel;
#              the same as `run` where there is none
#   start      the decompressor is done: the first exit whose instruction lies where Linux lies, above 0xffffffff80000000
#   clock      the first write to kvm-clock's MSR, where the guest's log begins to count
#   initcalls, last, exec-init   as the guest's log says (boot-guest.sh), behind `clock`
#   init       the guest's write of the first byte of TEXT to the serial port
#
# Lines: "time K V R EXEC-TO-RUN FIRMWARE RUN-TO-INIT" of each round; of those with all events
# "phase K V NAME SECONDS EXITS TO-VMM" in the order of time and "exit K V REASON N"; and the guest's "call K V ...".

BEGIN {
	for (i = 0; i < 256; i++)
		byte[sprintf("0x%x", i)] = sprintf("%c", i)
	run = -1
}

FNR == 1 { file++ }

file == 1 {
	if ($1 == "boot" && $2 == "mark")
		log_time[$3] = $4
	else if ($1 == "boot" && ($2 == "call" || $2 == "calls"))
		print $2, kernel, vmm, $3, $4
	next
}

# Behind the process's name, which may have spaces: [CPU] FLAGS TIME: EVENT: ...
{
	if (!match($0, / [0-9]+\.[0-9]+: /))
		next
	t = substr($0, RSTART + 1, RLENGTH - 3) + 0
	$0 = substr($0, RSTART + RLENGTH)
}

done { next }

$1 == "sched_process_exec:" && !("exec" in at) { at["exec"] = t }

/^sys_ioctl\(/ {
	if (/cmd: ae01,/)
		at["create"] = t
	if (!/cmd: ae80,/) {
		if (run < 0)
			at["threads"] = t
		next
	}
	if (run < 0)
		run = at["run"] = t
}

$1 == "kvm_exit:" {
	exits++
	when[exits] = t
	reason = $0
	sub(/.*reason /, "", reason)
	sub(/ rip .*/, "", reason)
	n[reason]++
	if (!("start" in at) && / rip 0xffffffff[89a-f]/)
		at["start"] = t
}

$1 == "kvm_userspace_exit:" { to_vmm[exits]++ }

$1 == "kvm_msr:" && / 4b564d01 / && !("clock" in at) { at["clock"] = t }

$1 == "kvm_pio:" && / at 0x51[0-9ab] / { at["kernel"] = t }

$1 == "kvm_pio:" && $2 == "pio_write" && $4 == "0x3f8" {
	text = text byte[$NF]
	written[length(text)] = t
	if ((i = index(text, init)) > 0) {
		at["init"] = written[i]
		done = 1
	}
}

function phase(name, from, to,   i, all, out) {
	if (!(from in at) || !(to in at))
		return
	for (i = 1; i <= exits; i++)
		if (when[i] >= at[from] && when[i] < at[to]) {
			all++
			out += to_vmm[i]
		}
	print "phase", kernel, vmm, name, at[to] - at[from], all + 0, out + 0
}

END {
	if (!done || run < 0) {
		print "boot-trace.awk: " kernel " by " vmm ": no KVM_RUN, or no init, in the trace" >"/dev/stderr"
		exit 1
	}
	if (!("kernel" in at))
		at["kernel"] = run
	print "time", kernel, vmm, round, run - at["exec"], at["kernel"] - run, at["init"] - run
	if (!exits)
		exit
	for (name in log_time)
		at[name == "exec" ? "exec-init" : name] = at["clock"] + log_time[name]
	phase("vmm-files", "exec", "create")
	phase("vmm-kvm", "create", "threads")
	phase("vmm-threads", "threads", "run")
	phase("firmware", "run", "kernel")
	phase("decompressor", "kernel", "start")
	phase("early", "start", "clock")
	if (!("initcalls" in at)) {
		phase("kernel", "clock", "init")
	} else {
		phase("setup", "clock", "initcalls")
		phase("initcalls", "initcalls", "last")
		phase("last", "last", "exec-init")
		phase("init", "exec-init", "init")
	}
	phase("all", "run", "init")
	for (reason in n)
		print "exit", kernel, vmm, reason, n[reason]
}
