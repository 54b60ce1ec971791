#!/usr/bin/env bash
# kill -9 of `weft record` under flood: the target runs on unharmed, the file opens and holds all but the last second.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

workload flood flood --seconds 40
target=$PID
record killed -p "$target" --level normal
recorder=$PID
sleep 3
killed_us=${EPOCHREALTIME/./}
kill -KILL "$recorder"
join "$recorder" 10

holds "events are there" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-poll'") > 100000"
last_us=$(sql "$DB" "SELECT (start_realtime_ns + (SELECT max(t_ns) FROM events)) / 1000 FROM session")
holds "all but the last second (us)" "$last_us > $killed_us - 1000000"
equal "integrity" "$(sqlite3 "$DB" 'PRAGMA integrity_check' | head -n 1)" ok
"$WEFT" report "$DB" > "$TMP_E2E/report" || [ $? -eq 1 ] || fail "weft report on what was left"

# The probes went with the collector: the next one can attach, and the target does not notice.
running "$target" || fail "the target did not survive the death of its collector"
record after -p "$target" --level normal --duration 1
join "$PID" 20
accounting_is_exact "$DB"
stop "$target"
equal "exit of the target" "$STATUS" 0
