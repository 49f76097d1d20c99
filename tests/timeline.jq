# SPDX-License-Identifier: GPL-2.0-only
# Checks a timeline against the trace-event format: what is wrong with it, a line each; then its sums. On a track (pid,
# tid) times never go back, each E ends the B before it, and all are ended; a flow's s and f are one each, in this order,
# and each lies in a slice of its track; every track with slices has a name.
def track: "\(.pid)/\(.tid)";

. as $events
| [ $events[] | select(.ph | IN("B", "E", "X", "i", "s", "f", "M") | not) | "phase \(.ph) is not known" ]
+ [ $events[] | select(.ph != "M" and ((.ts | type) != "number" or .ts < 0)) | "no time: \(.)" ]
+ [ $events[] | select(.ph == "B" and ((.name // "") == "")) | "no name: \(.)" ]
+ ( [ $events[] | select(.ph == "B" or .ph == "E") ] | group_by(track) | map(
	reduce .[] as $e ({ open: [], last: 0, bad: [] };
		(if $e.ts < .last then .bad += [ "goes back: \($e)" ] else . end)
		| .last = $e.ts
		| if $e.ph == "B" then .open += [ $e ]
		  elif .open == [] then .bad += [ "E without B: \($e)" ]
		  else .open |= .[:-1] end)
	| .bad + [ .open[] | "not ended: \(.)" ]) | add // [] )
+ ( [ $events[] | select(.ph == "s" or .ph == "f") ] | group_by(.id) | map(
	if map(.ph) != [ "s", "f" ] then "flow \(.[0].id) is \(map(.ph))"
	elif .[0].ts > .[1].ts then "flow \(.[0].id) ends before it starts"
	elif .[1].bp != "e" then "flow \(.[0].id) does not end in its enclosing slice"
	else empty end) )
+ ( ( [ $events[] | select(.ph == "B" or .ph == "E") ] | group_by(track)
	| map({ key: (.[0] | track), value: [ range(0; length; 2) as $i | [ .[$i].ts, .[$i + 1].ts ] ] }) | from_entries) as $slices
	| [ $events[] | select(.ph == "s" or .ph == "f")
	| . as $e | ($slices[track] // []) as $all
	# the slices of a track follow each other: the last that begins at or before the flow
	| ({ low: 0, high: ($all | length) } | until(.low >= .high; ((.low + .high) / 2 | floor) as $mid
		| if $all[$mid][0] <= $e.ts then .low = $mid + 1 else .high = $mid end) | .low) as $at
	| select($at == 0 or $all[$at - 1][1] < $e.ts) | "flow \(.id): its \(.ph) is in no slice" ] )
+ ( [ $events[] | select(.ph == "M" and .name == "thread_name") | track ] as $named
	| [ $events[] | select(.ph == "B") | track ] | unique | map(select(. as $t | $named | index([ $t ]) | not) | "track \(.) has no name") )
| .[],
  ( $events | "sums: \(map(select(.ph == "B")) | length) slices, \(map(select(.ph == "s")) | length) flows, " +
	"\([ .[] | select(.ph == "B") | track ] | unique | length) tracks" )
