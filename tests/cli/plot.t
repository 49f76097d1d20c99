#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# scripts/plot-exits: a picture that can be read where the README shows it, or one line of error and no file at all.
. "$(dirname "$0")/../tap.sh"
cd "$ROOT" || exit 1
for tool in jq gnuplot; do
	command -v $tool >/dev/null || skip_all "$tool: not installed: run scripts/setup"
done

cat >"$TMP/s.json" <<-'END'
	{"version":1,"t":0.3,"exits":12,"ioeventfd":{"exits":2,"ns":9000},
	"rows":[{"reason":"pio write","dev":"serial","reg":"RBR/THR","addr":"0x3f8","count":10,"share":0.83,"ns":100000,"p50":9000,"p99":20000,"max":20000,"histogram":[[9000,9],[20000,1]]},
	{"reason":"mmio write","dev":"test0","reg":"QueueNotify","addr":"0xd0001050","count":2,"share":0.17,"ns":9000,"p50":4000,"p99":5000,"max":5000,"histogram":[[4000,1],[5000,1]]}],
	"series":{"reasons":["pio write","mmio write"],"samples":[[0.100000000,4,0],[0.200000000,8,1],[0.300000000,10,2]]}}
END
cat >"$TMP/t.jsonl" <<-'END'
	{"t":0.000000001,"ev":"start","mono":5}
	{"t":0.100000000,"cpu":0,"ev":"pio_write","dev":"serial","reg":"RBR/THR","addr":"0x3f8","len":1,"val":"0x41"}
	{"t":0.100010000,"cpu":0,"ev":"enter","dev":"serial","ns":9000,"reason":"pio write","reg":"RBR/THR","addr":"0x3f8"}
	{"t":0.200000000,"cpu":0,"ev":"enter","ns":7000,"reason":"interrupted"}
	{"t":0.300000000,"ev":"end","status":0}
END

for input in s.json t.jsonl; do
	run scripts/plot-exits "$TMP/$input" -o "$TMP/$input.svg"
	is "$STATUS/$OUT$ERR" 0/ "$input: drawn without a word"
	like "$(cat "$TMP/$input.svg")" '<svg .*</svg>' "$input: as SVG"
	like "$(cat "$TMP/$input.svg")" 'exits per second.*exits' "$input: axes have names"
done
like "$(cat "$TMP/s.json.svg")" '12 exits to user space.*pio write: 10.*mmio write: 2' 'what is in it is said'
like "$(cat "$TMP/t.jsonl.svg")" '2 exits to user space' 'from a transcript too'

# The README's column is some 830 pixels wide.
for svg in "$TMP/s.json.svg" docs/exits.svg; do
	is "$(awk 'match($0, / width="[0-9]+"/) && !width { width = substr($0, RSTART + 8, RLENGTH - 9) + 0 }
		{ while (match($0, /font-size="[0-9.]+"/)) {
			size = substr($0, RSTART + 11, RLENGTH - 12) * 830 / width
			if (!least || size < least)
				least = size
			$0 = substr($0, RSTART + RLENGTH)
		} }
		END { print (width > 0 && least >= 12) ? "12 px" : "too small: " least }' "$svg")" '12 px' \
		"${svg##*/}: the smallest text is 12 px high, 830 px wide"
done
like "$(cat README.md)" '\(docs/exits\.svg\)' 'the README shows the second'

# refused PART ARGUMENTS...: one line, status 1, no picture
refused() {
	local part=$1 rc=0
	shift
	run scripts/plot-exits "$@" -o "$TMP/x.svg"
	[ "$STATUS" -eq 1 ] && [[ $ERR == 'plot-exits: '*"$part"* && $ERR != *$'\n'* ]] && [ -z "$OUT" ] && [ ! -e "$TMP/x.svg" ] || rc=1
	ok $rc "refused: ${*##*/}" || diag "status $STATUS, wanted 1 with '$part'; stdout '$OUT', stderr '$ERR'"
}
head -c -40 "$TMP/t.jsonl" >"$TMP/cut.jsonl"
head -n 3 "$TMP/t.jsonl" >"$TMP/no-end.jsonl"
head -c -40 "$TMP/s.json" >"$TMP/cut.json"
: >"$TMP/empty"
echo hello >"$TMP/text"
echo '{"a":1}' >"$TMP/other.json"
echo '{"version":1,"t":1,"exits":0,"rows":[],"series":{"reasons":[],"samples":[]}}' >"$TMP/none.json"
refused 'cut off' "$TMP/cut.jsonl"
refused 'cut off' "$TMP/no-end.jsonl"
refused 'cut off' "$TMP/cut.json"
refused 'is empty' "$TMP/empty"
refused 'neither' "$TMP/text"
refused 'neither' "$TMP/other.json"
refused 'neither' "$MINIVMM"
refused 'no exits' "$TMP/none.json"
refused 'not there' /none/s.json
refused 'cannot be read' "$TMP"
refused 'no input'
refused 'unknown option' --bogus "$TMP/s.json"
run scripts/plot-exits "$TMP/s.json"
is "$STATUS/$ERR" '1/plot-exits: -o FILE.svg is missing: see --help' 'no -o: one line'
run scripts/plot-exits "$TMP/s.json" -o /none/x.svg
is "$STATUS/$(wc -l <"$TMP/err")" 1/1 'a picture that cannot be written: one line'

# The names in exits.bt are those of the map.
is "$(sed -n 's/^\t@name\[\(0x[0-9a-f]*\)\] = "\(.*\)";$/\1 \2/p' scripts/exits.bt | while read -r addr name; do
	printf '0x%x %s\n' "$addr" "$name"
done | sort)" "$("$MINIVMM" --dump-map - | awk 'NF == 4 { print $2, $4 }' | sort)" 'exits.bt has the registers of --dump-map'
done_testing
