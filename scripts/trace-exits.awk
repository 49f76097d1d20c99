# SPDX-License-Identifier: GPL-2.0-only
#
# The tables of trace-exits, which calls this.
#
# Files: the map, the names, then perf script's lines, one an event:
#   TID SECONDS: SYSTEM:EVENT: what the event says
# Hexadecimal digits, with or without 0x, as a number; mawk has none.
function hex(s,   i, n) {
	sub(/^0x/, "", s)
	for (i = 1; i <= length(s); i++)
		n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
	return n + 0
}
# The range of the map around an address: its index, or 0.
function range(space, addr,   a, i) {
	if ((space, addr) in range_of)
		return range_of[space, addr]
	a = hex(addr)
	for (i = ranges; i > 0; i--)
		if (r_space[i] == space && a >= r_at[i] && a < r_at[i] + r_size[i])
			break
	return range_of[space, addr] = i
}
# Its register: the nearest one below it in the range, and how far above.
function reg(space, addr, i,   a, k, best, at) {
	a = hex(addr)
	at = -1
	for (k = 1; k <= regs; k++)
		if (g_space[k] == space && g_at[k] >= r_at[i] && g_at[k] <= a &&
		    g_at[k] > at) {
			at = g_at[k]
			best = g_name[k]
		}
	if (at < 0)
		return sprintf("+0x%x", a - r_at[i])
	return a == at ? best : sprintf("%s+0x%x", best, a - at)
}
function within(a, low, high) { return a >= hex(low) && a <= hex(high) }
# Who answers in the kernel, by where a PC has them.
function chip(space, addr,   a) {
	a = hex(addr)
	if (space == "mmio")
		return within(a, "fee00000", "fee00fff") ? "LAPIC" : \
			within(a, "fec00000", "fec00fff") ? "IOAPIC" : addr
	return within(a, "20", "21") || within(a, "a0", "a1") ? "PIC" : \
		within(a, "40", "43") || within(a, "61", "61") ? "PIT" : addr
}
# An access, and whether it went to user space. Of a write that is told by what
# follows: the exit to user space, or the next instruction or entry.
function access(what, addr, user) {
	count[what, addr]++
	if (user)
		to_user[what, addr]++
}
# The keys of count, most often first, into order[]; how many.
function sorted(count,   k, n, i, j) {
	delete order
	n = 0
	for (k in count) {
		for (i = n; i > 0 && (count[order[i]] < count[k] || \
		     count[order[i]] == count[k] && order[i] > k); i--)
			order[i + 1] = order[i]
		order[i + 1] = k
		n++
	}
	return n
}
function total(count,   k, n) {
	for (k in count)
		n += count[k]
	return n + 0
}
# "reason SOMETHING (6)" or "reason SOMETHING rip 0x..."
function reason(text) {
	sub(/^.*reason /, "", text)
	sub(/ (\(|rip ).*$/, "", text)
	return text
}
function rest(from,   s, i) {
	for (i = from; i <= NF; i++)
		s = s (i > from ? " " : "") $i
	return s
}

file == 1 && index($2, "+") {
	split($2, part, "+")
	r_space[++ranges] = $1
	r_at[ranges] = hex(part[1])
	r_size[ranges] = hex(part[2])
	r_dev[ranges] = $3
	next
}
file == 1 && NF >= 4 {
	g_space[++regs] = $1
	g_at[regs] = hex($2)
	g_name[regs] = rest(4)
	next
}
file == 1 { next }

file == 2 && /^#define __NR_/ {
	sub(/^__NR_/, "", $2)
	call_name[$3] = $2
	next
}
file == 2 { next }

/PERF_RECORD_LOST/ {
	lost += $NF
	next
}
{
	tid = $1
	now = $2 + 0
	if (!first)
		first = now
	last = now
	events++
	if (index($3, "kvm:") == 1)
		of_kvm++
}
$3 == "kvm:kvm_entry:" || $3 == "kvm:kvm_emulate_insn:" {
	delete wrote[tid]
	delete out[tid]
}
$3 == "kvm:kvm_userspace_exit:" {
	why = reason($0)
	user_exit[why]++
	if (why == "KVM_EXIT_MMIO" && tid in wrote) {
		to_user["mmio write", wrote[tid]]++
		delete wrote[tid]
	} else if (why == "KVM_EXIT_IO" && tid in out) {
		to_user["pio write", out[tid]]++
		delete out[tid]
	} else if (why == "KVM_EXIT_IO")
		in_user[tid] = 1
	next
}
$3 == "kvm:kvm_mmio:" {
	delete wrote[tid]
	if ($5 == "unsatisfied-read")
		asked[tid] = 1
	else if ($5 == "read") {
		access("mmio read", $9, tid in asked)
		delete asked[tid]
	} else {
		access("mmio write", $9, 0)
		wrote[tid] = $9
	}
	next
}
$3 == "kvm:kvm_pio:" {
	delete out[tid]
	if ($4 == "pio_read") {
		access("pio read", $6, tid in in_user)
		delete in_user[tid]
	} else {
		access("pio write", $6, 0)
		out[tid] = $6
	}
	next
}
$3 == "kvm:kvm_exit:" {
	left_for[tid] = reason($0)
	left_at[tid] = now
	cpu_exit[left_for[tid]]++
	next
}
$3 == "kvm:kvm_entry:" {
	if (tid in left_at) {
		time = now - left_at[tid]
		cpu_time[left_for[tid]] += time
		if (time > cpu_max[left_for[tid]])
			cpu_max[left_for[tid]] = time
		delete left_at[tid]
	}
	next
}
# The shell before CMD is left out: its own exec is the first, CMD the second.
$3 == "raw_syscalls:sys_enter:" && execs >= 2 {
	call[tid] = $5
	called_at[tid] = now
	calls[$5]++
	next
}
$3 == "raw_syscalls:sys_exit:" && $5 == 59 && $7 == 0 { execs++ }
$3 == "raw_syscalls:sys_exit:" && tid in call {
	if (call[tid] == $5) {
		call_time[$5] += now - called_at[tid]
		if ($7 < 0 && $7 > -4096)
			call_error[$5]++
	}
	delete call[tid]
	next
}

END {
	if (!events || !of_kvm && index(EVENTS, " kvm:"))
		exit 3
	printf "%s: %d events in %.1f s\n", NAME, events, last - first
	if (lost)
		printf "lost %d events: narrow with -e or enlarge the buffer with -m (now %s)\n", \
			lost, BUFFER

	has_user = index(EVENTS, " kvm:kvm_userspace_exit ") > 0
	tells = has_user && index(EVENTS, " kvm:kvm_entry ")
	has_mmio = index(EVENTS, " kvm:kvm_mmio ") > 0
	if (has_user) {
		all = total(user_exit)
		print "\nExits to user space (kvm_userspace_exit)"
		print "     count   share  reason"
		n = sorted(user_exit)
		for (i = 1; i <= n; i++)
			printf "%10d  %5.1f%%  %s\n", user_exit[order[i]], \
				100 * user_exit[order[i]] / all, order[i]
	}

	n = sorted(cpu_exit)
	if (n) {
		all = total(cpu_exit)
		print "\nExits of the CPU (kvm_exit), and how long until it goes on (kvm_entry)"
		print "     count   share      avg us      max us  reason"
		for (i = 1; i <= n; i++) {
			k = order[i]
			printf "%10d  %5.1f%%  %10.1f  %10.1f  %s\n", cpu_exit[k], \
				100 * cpu_exit[k] / all, 1e6 * cpu_time[k] / cpu_exit[k], \
				1e6 * cpu_max[k], k
		}
	}

	# In the map, or answered by user space: a row. Else in a line below.
	mmio = 0
	for (k in count) {
		split(k, part, SUBSEP)
		space = substr(part[1], 1, index(part[1], " ") - 1)
		i = range(space, part[2])
		if (i && space == "mmio")
			mmio += count[k]
		if (i || to_user[k] || !tells && !ranges)
			hot[k] = count[k]
		else
			chips[chip(space, part[2])] += count[k]
	}
	n = sorted(hot)
	if (n) {
		print "\nAddresses (kvm_mmio, kvm_pio)" (tells ? "; in kernel: of the count, taken by an ioeventfd" : "")
		print "     count  in kernel  access      address     device     register"
		left = 0
		for (i = 1; i <= n; i++) {
			k = order[i]
			if (i > ROWS) {
				left += hot[k]
				continue
			}
			split(k, part, SUBSEP)
			space = substr(part[1], 1, index(part[1], " ") - 1)
			r = range(space, part[2])
			inside = tells && hot[k] > to_user[k] ? hot[k] - to_user[k] : "-"
			line = sprintf("%10d  %9s  %-10s  %-10s  %-9s  %s", hot[k], inside, \
				part[1], part[2], r ? r_dev[r] : ranges ? "unclaimed" : "?", \
				r ? reg(space, part[2], r) : "")
			sub(/ +$/, "", line)
			print line
		}
		if (n > ROWS)
			printf "%10d  %9s  %d more addresses\n", left, "", n - ROWS
	}
	n = sorted(chips)
	if (n) {
		line = ""
		for (i = 1; i <= n && i <= ROWS; i++)
			line = line (i > 1 ? ", " : "") order[i] " " chips[order[i]]
		if (n > ROWS)
			line = line ", " n - ROWS " more"
		print "in the kernel (LAPIC, IOAPIC)" (tells ? "" : " or nobody") ": " line
	}

	n = sorted(calls)
	if (n) {
		print "\nSystem calls (raw_syscalls); ioctl is where the guest runs"
		print "     count   errors      avg us    total ms  name"
		left = 0
		for (i = 1; i <= n; i++) {
			k = order[i]
			if (i > CALLS) {
				left += calls[k]
				continue
			}
			printf "%10d  %7d  %10.1f  %10.1f  %s\n", calls[k], call_error[k], \
				1e6 * call_time[k] / calls[k], 1e3 * call_time[k], \
				k in call_name ? call_name[k] : "nr " k
		}
		if (n > CALLS)
			printf "%10d  %31s  %d more\n", left, "", n - CALLS
	}
	print ""
	if (has_mmio && ranges)
		printf "mmio exits to devices: %d\n", mmio
	if (has_user)
		printf "user-space MMIO exits: %d\n", user_exit["KVM_EXIT_MMIO"]
}
