#!/usr/bin/env bash
# kill -9 of `weft record`: the file opens and holds all but the last second; the target runs on unharmed and can be
# traced again. Under flood the file opens too.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$EXAMPLES/demo_service" "$LOAD"

# last_us: when the newest event of $DB was
last_us() { sql "$DB" "SELECT (start_realtime_ns + (SELECT max(t_ns) FROM events WHERE kind = 'task-poll')) / 1000 FROM session"; }
# kill_recorder PID: of $DB
kill_recorder() {
	kill -KILL "$1"
	join "$1" 10
	equal "integrity" "$(sqlite3 -readonly "$DB" 'PRAGMA integrity_check' | head -n 1)" ok
}

start service "$EXAMPLES/demo_service" --healthy --seconds 60
service=$PID
must 10 "demo_service is up" says "$TMP_E2E/service.out" http:
port=$(sed -n 's|.*http://127.0.0.1:\([0-9]*\)/.*|\1|p' "$TMP_E2E/service.out")
start load "$LOAD" --port "$port" --http --path /orders/1 --rate 5000 --connections 32 --seconds 30 --quiet
record service -p "$service" --level normal
recorder=$PID
sleep 1
# At any moment the file lacks less than a second; of nine one may fall where the machine itself stands still.
for _ in {1..9}; do
	now_us=${EPOCHREALTIME/./} before_us=$(last_us)
	echo $((now_us - before_us))
	sleep 0.2
done > "$TMP_E2E/ages"
before_us=$(last_us)
kill_recorder "$recorder"
holds "ages of the newest event in the file (us): $(xargs < "$TMP_E2E/ages")" "$(sort -n "$TMP_E2E/ages" | sed -n 8p) < 1000000"
holds "what was there before the kill is there (us)" "$(last_us) >= $before_us"
holds "two seconds of the service are there" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-poll'") > 20000"
"$WEFT" report "$DB" > "$TMP_E2E/report" || [ $? -eq 1 ] || fail "weft report on what was left"
# The probes went with the collector: the next one can attach, and the target does not notice.
running "$service" || fail "the target did not survive the death of its collector"
record after -p "$service" --level normal --duration 1
join "$PID" 20
accounting_is_exact "$DB"
stop "$service"
equal "exit of the target" "$STATUS" 0

workload flood flood --seconds 40
target=$PID
record flood -p "$target" --level normal
recorder=$PID
sleep 2
kill_recorder "$recorder"
holds "events of the flood are there" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-poll'") > 100000"
running "$target" || fail "the target did not survive the death of its collector"
stop "$target"
