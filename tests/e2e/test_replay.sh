#!/usr/bin/env bash
# What was found live is found in the recording, by replay, the same each time: id, subject, place, fingerprint.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

keys() { findings "$1" "SELECT DISTINCT id, name, location, json_extract(body, '\$.fingerprint') FROM f ORDER BY 1, 2, 3, 4"; }

workload blocking blocking_call --seconds 40
blocking=$PID
workload busy busy_loop --seconds 40
busy=$PID
record live -p "$blocking,$busy" --level normal --duration 8
recorder=$PID
# A second watcher of the same processes at the same time.
diagnose live -p "$blocking,$busy" --duration 7 --level normal --only busy-loop,blocking-call
equal "live verdict" "$STATUS" 1
join "$recorder" 30
equal "weft record" "$STATUS" 0
accounting_is_exact "$DB"
stop "$blocking"
stop "$busy"

diagnose replay "$DB" --only busy-loop,blocking-call
equal "verdict of the replay" "$STATUS" 1
diagnose again "$DB" --only busy-loop,blocking-call
cmp "$TMP_E2E/replay.json" "$TMP_E2E/again.json" || fail "two replays of one recording differ"
equal "findings of the replay" "$(keys "$TMP_E2E/replay.json")" "$(keys "$TMP_E2E/live.json")"
equal "findings that were stored" "$(sql "$DB" "SELECT DISTINCT id, fingerprint FROM findings WHERE id IN ('busy-loop', 'blocking-call') ORDER BY 1, 2")" \
	"$(findings "$TMP_E2E/replay.json" "SELECT DISTINCT id || ',' || json_extract(body, '\$.fingerprint') FROM f ORDER BY 1")"
stack_has "$TMP_E2E/replay.json" blocking-call query_sleep
