#!/usr/bin/env bash
# What goes wrong with single tasks: a lost waker, a circle of joins, one of mutexes, an error that nobody sees, kilobytes in each frame; against a twin
# that has none of them.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
only=lost-waker,wait-cycle,detached-panic,large-future
workload sick stranded --seconds 60 ${WEFT_BREAK:+--healthy}
sick=$PID
workload well stranded --seconds 60 --healthy
well=$PID
start diagnose.sick "$WEFT" diagnose -p "$sick" --duration 12 --only $only --format json
sick_pid=$PID
start diagnose.well "$WEFT" diagnose -p "$well" --duration 12 --only $only --format json
well_pid=$PID
join "$sick_pid" 40
equal "exit code on the sick program" "$STATUS" 1
out=$TMP_E2E/diagnose.sick.out
for want in "lost-waker|listener|$(about sick lost)" "wait-cycle|left|$(about sick cycle)" \
	"wait-cycle|first|$(about sick locks)" \
	"detached-panic|flusher|$(about sick error)" "large-future|session|$(about sick large)"; do
	IFS='|' read -r id name at <<< "$want"
	n=$(findings "$out" "SELECT count(*) FROM f WHERE id = '$id' AND name = '$name' AND location = '$at'")
	[ "$n" = 1 ] || { show_findings "$out"; fail "$n times $id on $name at $at, should be once"; }
done
equal "findings in all" "$(findings "$out" "SELECT count(*) FROM f")" 5
holds "both tasks of the circle are named" "$(findings "$out" "SELECT instr(evidence, 'left (') > 0 AND instr(evidence, 'right (') > 0 FROM f WHERE id = 'wait-cycle' AND name = 'left'")"
holds "the mutexes are told" "$(findings "$out" "SELECT instr(evidence, 'awaits a mutex of second') > 0 FROM f WHERE id = 'wait-cycle' AND name = 'first'")"
holds "the leaf is named" "$(findings "$out" "SELECT instr(evidence, 'stranded.c:') > 0 FROM f WHERE id = 'lost-waker'")"
holds "the error is named" "$(findings "$out" "SELECT instr(evidence, '-EIO') > 0 FROM f WHERE id = 'detached-panic'")"
join "$well_pid" 20
no_finding "$TMP_E2E/diagnose.well.out"
equal "exit code on the healthy program" "$STATUS" 0
stop "$sick" TERM
stop "$well" TERM
