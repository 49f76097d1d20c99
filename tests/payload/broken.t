#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# docs/tracing.md is the test: its commands are run and their answers compared. The question that a case asks finds its
# cause in the transcript of that driver and of no other; and every line of every transcript keeps to the schema.
. "$(dirname "$0")/../tap.sh"
need_kvm

DOC=$ROOT/docs/tracing.md
CASES='status-order early-kick queue-size no-ack leak'
mkdir "$TMP/doc" "$TMP/tmp"
cd "$ROOT" || exit 1

# Each block of shell that has its answer behind it: NN.CASE.sh and NN.CASE.text, CASE as in /tmp/CASE.jsonl.
awk -v dir="$TMP/doc" '
	/^```/ && open { open = ""; next }
	/^```sh$/ { open = "sh"; n++; name = ""; body[n] = ""; next }
	/^```text$/ && behind == n { open = "text"; file = sprintf("%s/%02d.%s", dir, n, name)
		printf "%s", body[n] >(file ".sh"); printf "" >(file ".text"); next }
	/^```/ { open = "other"; next }
	open == "sh" { body[n] = body[n] $0 "\n"; behind = n
		if (match($0, /\/tmp\/[a-z-]+\.jsonl/)) name = substr($0, RSTART + 5, RLENGTH - 11)
		next }
	open == "text" { print >(file ".text"); next }
	!open && NF { behind = 0 }' "$DOC"

# What differs from run to run: times, how many configurations, how many interrupts in all.
mask() {
	sed -E 's/[0-9]+\.[0-9]{3,}/T/g; s/(config generation|test0: ticks) [0-9]+/\1 N/; s/^ +[0-9]+ (ack|interrupt)$/N \1/' "$1"
}

# answers GOT WANTED: the same lines, where "..." stands for any, also none
answers() {
	awk 'FNR == NR { got[++n] = $0; next }
		$0 == "..." { any = 1; next }
		{ do i++; while (any && i <= n && got[i] != $0)
			if (i > n || got[i] != $0) { print "not there: " $0; bad = 1; exit }
			any = 0 }
		END { if (!bad && !any && i < n) { print "too much: " got[i + 1]; bad = 1 }
			exit bad }' <(mask "$1") <(mask "$2")
}

# ask FILE CASE: the document's block, about the transcript of CASE
ask() {
	local text
	text=$(sed "s,/tmp/[a-z-]*\.jsonl,$TMP/tmp/$2.jsonl,g; s,\./minivmm ,$MINIVMM ,g
		s,build/tests/payload/,$PAYLOADS/,g" "$1")
	run bash -c "$text"
}

declare -A question=()
for file in "$TMP"/doc/*.sh; do
	name=${file##*/}
	name=${name#*.}
	name=${name%.sh}
	ask "$file" "$name"
	what=symptom
	if [[ $(<"$file") = jq* ]]; then
		what='question and answer'
		question[$name]=${question[$name]:-$file}
	fi
	why=$(answers "$TMP/out" "${file%.sh}.text")
	ok $? "$name: $what as in docs/tracing.md" || diag "$why; all of it: $OUT $ERR"
done

# The first thing that a case asks names its cause, and names it of no other driver.
run "$MINIVMM" --kernel "$PAYLOADS/test_virtio.elf" --mem 32 --device test,num-pages=3,delay=30ms,period=30ms \
	--trace "$TMP/tmp/virtio.jsonl"
is "$STATUS" 0 'a driver without a mistake'
for name in $CASES; do
	[ -n "${question[$name]:-}" ] || { ok 1 "docs/tracing.md asks about $name"; continue; }
	head -n 1 "${question[$name]%.sh}.text" >"$TMP/cause"
	awk '{ print } /\.jsonl/ { exit }' "${question[$name]}" >"$TMP/question"
	for other in $CASES none virtio; do
		ask "$TMP/question" "$other"
		if [ "$other" = "$name" ]; then
			is "$STATUS:$(mask "$TMP/out" | head -n 1)" "0:$(mask "$TMP/cause")" "$name: its cause is found"
		else
			is "$STATUS:$OUT$ERR" 0: "$name: not found of $other"
		fi
	done
done

# Every line is an object by itself, of an event that --trace help lists, with the fields that it lists, of their types.
run "$MINIVMM" --kernel "$PAYLOADS/test_hostile.elf" --mem 32 --device test,notify=ioeventfd --device test,delay=1ms,period=2ms \
	--trace "$TMP/tmp/hostile.jsonl"
is "$STATUS" 0 'a driver with all mistakes'
run "$MINIVMM" --kernel "$PAYLOADS/test_exits.elf" --mem 32 --device none --trace "$TMP/tmp/exits.jsonl"
"$MINIVMM" --trace help | awk '
	/^## / { printf "%s{\"ev\":\"%s\",\"fields\":{}}", n++ ? "\n" : "", $2; ev = $2 }
	/^- `/ { split($0, part, "`"); optional = $0 ~ /absent/ || ev == "enter" && part[2] == "addr"
		printf "\n{\"ev\":\"%s\",\"fields\":{\"%s\":[\"%s\",%s]}}", ev, part[2],
			$3 ~ /^number/ ? "number" : "string", optional ? "false" : "true" }' |
	jq -s 'group_by(.ev) | map({key: .[0].ev, value: map(.fields) | add}) | from_entries' >"$TMP/events.json"
is "$(jq -c '[.start, .pop.head, has("dropped")]' "$TMP/events.json")" '[{"mono":["number",true]},["number",true],true]' \
	'events are listed'
for file in "$TMP"/tmp/*.jsonl; do
	name=${file##*/}
	is "$(jq -Rn '[inputs | fromjson | objects] | length' "$file" 2>&1)" "$(wc -l <"$file")" \
		"$name: every line is an object"
	# shellcheck disable=SC2016 # jq's
	jq -c --slurpfile list "$TMP/events.json" '
		. as $e | $list[0][.ev] as $fields
		| (($fields // {})
			+ {t: ["number", true], ev: ["string", true], cpu: ["number", false], dev: ["string", false]}
			+ if .ev == "pop" then {descs: ["array", true], data: ["string", true]}
			elif .ev == "used" then {data: ["string", false]}
			elif .ev == "fail" then {descs: ["array", false]} else {} end) as $may
		| select($fields == null or (keys - ($may | keys)) != []
			or any($may | to_entries[]; .key as $k | .value as [$type, $must]
				| if $e | has($k) then ($e[$k] | type) != $type else $must end)
			or any(.descs[]?; map_values(type) != {addr: "string", len: "number", flags: "string"}))' \
		"$file" >"$TMP/strange" 2>&1
	is "$?:$(head -n 3 "$TMP/strange")" 0: "$name: events and fields are those of --trace help"
done
is "$(jq -rs '[.[] | select(.ev | IN("fail", "ignored", "reset", "used")).ev] | unique | join(" ")' "$TMP/tmp/hostile.jsonl")" \
	'fail ignored reset used' 'and the rare ones are among them'

done_testing
