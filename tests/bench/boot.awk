# SPDX-License-Identifier: GPL-2.0-only
#
# boot.awk RESULTS - the tables of boot.sh, of the lines that boot-trace.awk wrote.

function add(list, name) { return index(" " list " ", " " name " ") ? list : list (list == "" ? "" : " ") name }

function is_qemu(vmm) { return vmm ~ /^qemu/ }

# sort(NAMES, N): values[1..N] by size
function sort_values(n,   i, j, v) {
	for (i = 2; i <= n; i++) {
		v = values[i]
		for (j = i - 1; j > 0 && values[j] > v; j--)
			values[j + 1] = values[j]
		values[j + 1] = v
	}
}

function middle(n) {
	sort_values(n)
	return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

# median(KERNEL, VMM, FIELD, OTHER): of all timed rounds; with OTHER, of its ratio to that one's in the same round
function median(kernel, vmm, field, other,   i, n, v) {
	for (i = 1; i <= rounds; i++)
		if ((kernel, vmm, i, field) in time && (other == "" || (kernel, other, i, field) in time)) {
			v = time[kernel, vmm, i, field]
			values[++n] = other == "" ? v : v / time[kernel, other, i, field]
		}
	return n ? middle(n) : 0
}

$1 == "time" {
	kernels = add(kernels, $2)
	vmms[$2] = add(vmms[$2], $3)
	if ($4 ~ /^[0-9]+$/) {
		if ($4 + 0 > rounds)
			rounds = $4 + 0
		for (i = 5; i <= 7; i++)
			time[$2, $3, $4, i] = $i
	} else if ($4 == "profile") {
		profile = 1
	}
}
$1 == "phase" {
	phases[$2] = add(phases[$2], $4)
	seconds[$2, $3, $4] = $5
	exits[$2, $3, $4] = $6
	to_vmm[$2, $3, $4] = $7
}
$1 == "exit" {
	reasons[$2] = add(reasons[$2], $4)
	of_reason[$2, $3, $4] = $5
}
$1 == "calls" { n_calls[$2] = $4 }
$1 == "call" { n_longest[$2]++; call_name[$2, n_longest[$2]] = $4; call_seconds[$2, n_longest[$2]] = $5 }

function show_profile(kernel, vmm,   n, names, i, all, whole) {
	all = seconds[kernel, vmm, "all"]
	whole = all
	n = split(phases[kernel], names, " ")
	printf "%s kernel by %s: a boot with all exits recorded, and initcall_debug\n\n", kernel, vmm
	print "  of exec to init  of KVM_RUN to init     exits    to VMM   phase"
	for (i = 1; i <= n; i++)
		if (names[i] ~ /^vmm-/)
			whole += seconds[kernel, vmm, names[i]]
	for (i = 1; i <= n; i++)
		if (names[i] != "all" && seconds[kernel, vmm, names[i]] > 0)
			printf "  %15.1f%%  %18s  %8d  %8d   %s\n", 100 * seconds[kernel, vmm, names[i]] / whole,
				names[i] ~ /^vmm-/ ? "" : sprintf("%.1f%%", 100 * seconds[kernel, vmm, names[i]] / all),
				exits[kernel, vmm, names[i]], to_vmm[kernel, vmm, names[i]], names[i]
	printf "\n  the longest of %d initcalls, of KVM_RUN to init:\n", n_calls[kernel]
	for (i = 1; i <= n_longest[kernel]; i++)
		printf "  %15.1f%%   %s\n", 100 * call_seconds[kernel, i] / all, call_name[kernel, i]
	print ""
}

function best_qemu(kernel,   n, names, i, best, t, least) {
	n = split(vmms[kernel], names, " ")
	for (i = 1; i <= n; i++)
		if (is_qemu(names[i])) {
			t = median(kernel, names[i], 7)
			if (t > 0 && (best == "" || t < least)) {
				best = names[i]
				least = t
			}
		}
	return best
}

function show_times(kernel,   n, names, i, vmm, best, k, v) {
	best = best_qemu(kernel)
	n = split(vmms[kernel], names, " ")
	for (i = 1; i <= n; i++) {
		vmm = names[i]
		k = 0
		for (v = 1; v <= rounds; v++)
			if ((kernel, vmm, v, 7) in time)
				values[++k] = time[kernel, vmm, v, 7]
		sort_values(k)
		printf "%-8s%-10s%10s%12.3f s%9.3f%9.3f%10.1f%%%9.3f s%10d%10d\n", kernel, vmm,
			best == "" ? "" : sprintf("%.2f", median(kernel, vmm, 7, best)),
			median(kernel, vmm, 7), values[1], values[k],
			100 * median(kernel, vmm, 6) / median(kernel, vmm, 7), median(kernel, vmm, 5),
			exits[kernel, vmm, "all"], to_vmm[kernel, vmm, "all"]
	}
}

# where(KERNEL): the same by phases and by reasons, of the boots in which all was recorded
function where(kernel,   n, names, m, list, i, j) {
	n = split(vmms[kernel], names, " ")
	printf "\n%-24s", kernel ":"
	for (i = 1; i <= n; i++)
		printf "%16s", names[i]
	print ""
	m = split(phases[kernel], list, " ")
	for (j = 1; j <= m; j++) {
		if (list[j] == "all")
			continue
		printf "  %-22s", list[j]
		for (i = 1; i <= n; i++)
			printf "%8.3f s%6d", seconds[kernel, names[i], list[j]], exits[kernel, names[i], list[j]]
		print ""
	}
	m = split(reasons[kernel], list, " ")
	for (j = 1; j <= m; j++) {
		printf "  exits: %-15s", list[j]
		for (i = 1; i <= n; i++)
			printf "%16d", of_reason[kernel, names[i], list[j]]
		print ""
	}
}

# verdict(KERNEL): for each way of minivmm's, at most QEMU's time or not, and then what there is more of
function verdict(kernel,   n, names, i, j, m, list, best, ratio, d, most, what) {
	best = best_qemu(kernel)
	n = best == "" ? 0 : split(vmms[kernel], names, " ")
	for (i = 1; i <= n; i++) {
		if (is_qemu(names[i]))
			continue
		ratio = median(kernel, names[i], 7, best)
		printf "%s: minivmm by %s takes %.2f of the time of %s", kernel, names[i], ratio, best
		most = 0
		m = split(phases[kernel], list, " ")
		for (j = 1; ratio > 1 && j <= m; j++) {
			d = seconds[kernel, names[i], list[j]] - seconds[kernel, best, list[j]]
			if (list[j] != "all" && list[j] !~ /^vmm-/ && d > most) {
				most = d
				what = sprintf("; most of what is more lies in %s, %d exits to %d", list[j],
					exits[kernel, names[i], list[j]], exits[kernel, best, list[j]])
			}
		}
		print (ratio > 1 ? what : "")
	}
}

END {
	n_kernels = split(kernels, kernel_names, " ")
	if (profile) {
		for (k = 1; k <= n_kernels; k++)
			show_profile(kernel_names[k], vmms[kernel_names[k]])
		exit
	}
	if (!rounds)
		exit 1
	printf "medians of %d timed boots each; the ratio is that to the fastest QEMU in the same round\n", rounds
	printf "%-8s%-10s%10s%14s%9s%9s%11s%11s%10s%10s\n", "kernel", "VMM", "ratio", "KVM_RUN-init", "min", "max", "firmware",
		"exec-RUN", "exits", "to VMM"
	for (k = 1; k <= n_kernels; k++)
		show_times(kernel_names[k])
	for (k = 1; k <= n_kernels; k++)
		where(kernel_names[k])
	print ""
	for (k = 1; k <= n_kernels; k++)
		verdict(kernel_names[k])
}
