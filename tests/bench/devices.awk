# SPDX-License-Identifier: GPL-2.0-only
#
# devices.awk - the tables of devices.sh, from what devices-host.sh wrote
#
# Medians of the rounds. A ratio is that of the same round, made within seconds, so that what else the machine does
# meets both alike; behind it half of what lies between the largest and the smallest: one that is nearer to 1 than that
# says nothing. With all=1 the costs of all measures, else of those where minivmm is behind.

function add(table, key, value) {
	table[key] = key in table ? table[key] " " value : value
}

# sorted(TEXT, V): the numbers in it in order, in V from 1; how many
function sorted(text, v,    n, i, j, x) {
	n = split(text, v, " ")
	for (i = 2; i <= n; i++) {
		x = v[i] + 0
		for (j = i - 1; j >= 1 && v[j] + 0 > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
	return n
}

function median(text,    v, n) {
	n = sorted(text, v)
	return n ? (v[int((n + 1) / 2)] + v[int(n / 2) + 1]) / 2 : 0
}

function spread(text,    v, n) {
	n = sorted(text, v)
	return n > 1 ? (v[n] - v[1]) / 2 : 0
}

# ratios(VMM, MEASURE): to QEMU's, of each round
function ratios(vmm, measure,    round, text) {
	for (round = 1; round <= rounds; round++)
		if (value[vmm, round, measure] > 0 && value["qemu", round, measure] > 0)
			text = text " " value[vmm, round, measure] / value["qemu", round, measure]
	return text
}

function column(vmm, measure,    x) {
	x = median(values[vmm, measure])
	return x ? number(x) : "-"
}

function number(x) {
	return sprintf(x < 10 ? "%.2f" : x < 100 ? "%.1f" : "%.0f", x)
}

# cost(VMM, MEASURE, NAME): of one request or MB
function cost(vmm, measure, name) {
	return median(costs[vmm, measure, name])
}

# calls(VMM, MEASURE): which and how often, the frequent ones
function calls(vmm, measure,    key, part, text, n, i, best, sum, count, done) {
	n = 0
	for (key in counted) {
		split(key, part, SUBSEP)
		if (part[1] == vmm && part[2] == measure) {
			count[++n] = cost(vmm, measure, part[3]) " " substr(part[3], 6)
			sum += count[n]
		}
	}
	for (;;) {
		best = 0
		for (i = 1; i <= n; i++)
			if (!(i in done) && (!best || count[i] + 0 > count[best] + 0))
				best = i
		if (!best || count[best] + 0 < sum / 50)
			break
		done[best] = 1
		split(count[best], part, " ")
		text = text (text ? ", " : "") number(part[1]) " " part[2]
	}
	return number(sum) (text ? ": " text : "")
}

function explain(measure, unit,    i, vmm, wall, user, kernel, guest) {
	printf "\nwhere the time goes, us of %s, %s:\n", unit == "MB/s" ? "a MB" : "a request", text[measure]
	printf "  %-22s %7s =%6s +%5s +%7s +%6s | %6s %7s %10s %8s | %s\n", "", "all", "guest", "VMM", "kernel", "rest",
		"exits", "to VMM", "interrupts", "switches", "system calls"
	for (i = 1; i <= n_vmms; i++) {
		vmm = vmms[i]
		if (!median(values[vmm, measure]))
			continue
		wall = 1e6 * cost(vmm, measure, "time")
		user = 1e6 * cost(vmm, measure, "user")
		kernel = 1e6 * cost(vmm, measure, "kernel")
		guest = 1e6 * cost(vmm, measure, "guest")
		if (guest > user) # it was sampled, the others are exact
			guest = user
		user -= guest
		printf "  %-22s %7.0f =%6.0f +%5.0f +%7.0f +%6.0f | %6s %7s %10s %8s | %s\n", name[vmm], wall, guest, user,
			kernel, wall - guest - user - kernel, number(cost(vmm, measure, "exits")),
			number(cost(vmm, measure, "to-vmm")), number(cost(vmm, measure, "interrupts")),
			number(cost(vmm, measure, "switches")), calls(vmm, measure)
	}
}

BEGIN {
	n_measures = split("randread-1 randread-16 randwrite-1 randwrite-16 read write tap-out tap-in user-out user-in",
		measures, " ")
	text["randread-1"] = "blk: 4k random read"
	text["randread-16"] = "blk: ... 16 at once"
	text["randwrite-1"] = "blk: 4k random write"
	text["randwrite-16"] = "blk: ... 16 at once"
	text["read"] = "blk: sequential read"
	text["write"] = "blk: sequential write"
	text["tap-out"] = "net: tap, guest to host"
	text["tap-in"] = "net: tap, host to guest"
	text["user-out"] = "net: user, guest to host"
	text["user-in"] = "net: user, host to guest"
	n_vmms = split("exit ioeventfd qemu", vmms, " ")
	name["exit"] = "minivmm"
	name["ioeventfd"] = "... notify=ioeventfd"
	name["qemu"] = "QEMU"
}

# value VMM ROUND MEASURE VALUE UNITS: from the ordinary rounds; the system calls' round is slower
$1 == "value" {
	units[$2, $3, $4] = $6
	if ($3 != "calls") {
		value[$2, $3, $4] = $5
		add(values, $2 SUBSEP $4, $5)
		rounds = $3 > rounds ? $3 : rounds
	}
}

$1 == "cost" && units[$2, $3, $4] > 0 {
	add(costs, $2 SUBSEP $4 SUBSEP $5, $6 / units[$2, $3, $4])
	if ($3 == "calls")
		counted[$2, $4, $5] = 1
}

END {
	printf "devices beside QEMU's, medians of %d round%s:\n", rounds, rounds == 1 ? "" : "s"
	printf "  %-26s %-5s %8s  %-15s %9s  %-15s %8s\n", "", "", "minivmm", "of QEMU", "ioeventfd", "of QEMU", "QEMU"
	for (m = 1; m <= n_measures; m++) {
		measure = measures[m]
		printf "  %-26s %-5s", text[measure], measure ~ /^rand/ ? "IOPS" : "MB/s"
		for (i = 1; i < n_vmms; i++) {
			ratio = ratios(vmms[i], measure)
			printf i == 1 ? " %8s  %-15s" : " %9s  %-15s", column(vmms[i], measure),
				ratio ? sprintf("x%.2f", median(ratio)) (rounds > 1 ? sprintf(" +-%.2f", spread(ratio)) : "") : "-"
			if (ratio && median(ratio) < 1)
				behind[measure] = 1
			compared = compared || ratio
		}
		printf " %8s\n", column("qemu", measure)
	}
	for (m = 1; m <= n_measures; m++)
		if (all || measures[m] in behind)
			explain(measures[m], measures[m] ~ /^rand/ ? "IOPS" : "MB/s")
	for (measure in behind)
		exit
	if (compared)
		print "minivmm is behind nowhere"
}
