#!/usr/bin/env bash
# At level light on a busy Tokio service one type is raised: its polls are all told, as the program counted them, ends and spawns too, and the rest stays
# sampled; a watcher beside it that raises nothing has a part of
# them. The console raises one task by its keys.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$BUILD/bench/load"
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"
place() { echo "behaviours.rs:$(grep -n "spawn(&$1" tests/workloads/tokio/src/behaviours.rs | cut -d: -f1):"; }

truth() { json "$TMP_E2E/truth.json" "\$.kinds.$1.$2"; }
# polls_of NAME: that were told of tasks that are called so
polls_of() { sql "$DB" "SELECT count(*) FROM events e JOIN tasks t ON t.task = e.task WHERE e.kind = 'task-poll' AND t.name LIKE '%$1%'"; }
in_windows() { [ "$(sql "$1" "SELECT count(*) FROM cannot_see WHERE what = 'each poll'")" = 1 ]; }
has_polls() { [ "$(polls_of "$1")" -ge "$2" ]; }

start service "$program" --http 0 --wait tickers panicking dropper
must 10 "the service is up" says "$TMP_E2E/service.out" '^ready'
service=$PID
start load "$BUILD/bench/load" --http --path /json --port "$(sed -n 's/^ready [0-9]* //p' "$TMP_E2E/service.out")" --rate 4000 --seconds 60 --warmup 0
load=$PID
STATUS=0
"$WEFT" record -p "$service" -o "$TMP_E2E/none.db" --level light --raise no::such 2> "$TMP_E2E/none.err" || STATUS=$?
equal "exit code when no type is called so" "$STATUS" 2
holds "one line says so" "$(grep -c "cannot raise 'no::such'" "$TMP_E2E/none.err") = 1"
start console "$WEFT" top -p "$service" --level light --size 100x24 \
	--script 'key:1 \; type:http_one; key:Enter; until:service::http; key:N +; until:light+; wait:2s; snap; key:-; until:nothing raised; until:light cost; snap'
console=$PID
recorders=()
for name in twin "raised --raise behaviours::ticker,$(place PANICKY),$(place DETACHED)"; do
	# shellcheck disable=SC2086
	record ${name%% *} -p "$service" --level light ${name#"${name%% *}"}
	recorders+=("$PID")
done
for name in twin raised; do must 60 "polls are watched in windows: $name" in_windows "$TMP_E2E/$name.db"; done
join "$console" 100
equal "exit code of weft top" "$STATUS" 0
# One row is marked, and of that one it is known how long its polls are.
equal "raised tasks with their P99" "$(grep -cE '^\+ +[0-9]+ .*[0-9] [um]s +\? .*service::http' "$TMP_E2E/console.out")" 1
kill -USR1 "$service"
DB=$TMP_E2E/raised.db
must 30 "polls of the raised type" has_polls ticker 600
stop "$service"
equal "exit code of the service" "$STATUS" 0
stop "$load"
for PID in "${recorders[@]}"; do
	join "$PID" 30
	equal "exit code of weft record" "$STATUS" 0
done
tail -n +2 "$TMP_E2E/service.out" > "$TMP_E2E/truth.json"

DB=$TMP_E2E/raised.db
count() { sql "$DB" "SELECT count(*) FROM events WHERE kind = '$1' AND $2"; }
equal "polls of the raised type" "$(polls_of ticker)" "$(truth ticker polls)"
equal "the same, by task" "$(sql "$DB" "SELECT sum(polls) FROM tasks WHERE name LIKE '%ticker%'")" "$(truth ticker polls)"
holds "what is not raised is sampled: $(polls_of http_one) of $(truth service_connection polls) polls" "$(polls_of http_one) < $(truth service_connection polls) * 0.1"
equal "spawns of the raised types" "$(count task-spawn 1)" "$(($(truth panicky spawned) + $(truth ticker spawned) + $(truth detached spawned)))"
equal "panics" "$(count task-end "reason = 'error'")" "$(truth panicky panicked)"
# Most of them are freed when their last poll is over: nobody has their handle.
equal "tasks that were done" "$(count task-end "reason = 'done'")" "$(truth detached completed)"
equal "polls that panicked" "$(count task-poll "result = 'error'")" "$(truth panicky panicked)"
accounting_is_exact "$DB"
DB=$TMP_E2E/twin.db
holds "without raising: $(polls_of ticker) of $(truth ticker polls)" "$(polls_of ticker) < $(truth ticker polls) * 0.1"
equal "spawns without raising" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-spawn'")" 0
accounting_is_exact "$DB"
