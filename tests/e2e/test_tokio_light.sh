#!/usr/bin/env bash
# Level light on a Tokio service with much to do: polls are watched in windows. What is extrapolated is near what the program counted, what is counted is
# exact, the code is left as it was; a poll that began between two windows is found, and the healthy service is not accused. By itself the level
# rises on a service with little to do, and stays where it is on one that is busy.
# timeout: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust_cycles.sh"
need_root
need "$WEFT" "$BUILD/bench/load" "$BUILD/tests/e2e/session_probe"
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"
rate=6000

# serve NAME ARGS...: a service under load. Sets PID and PORT.
serve() {
	local name=$1
	shift
	start "$name" "$program" --http 0 "$@"
	must 10 "the service is up" says "$TMP_E2E/$name.out" '^ready'
	PORT=$(sed -n 's/^ready [0-9]* //p' "$TMP_E2E/$name.out")
}
load() {
	local service=$PID
	start "$1.load" "$BUILD/bench/load" --http --path /json --port "$PORT" --rate $rate --seconds "$2" --warmup 0
	LOAD=$PID PID=$service
}
truth() {
	tail -n +2 "$TMP_E2E/$1.out" > "$TMP_E2E/$1.json"
	sqlite3 :memory: "SELECT sum(json_extract(value, '\$.$2')) FROM json_each(CAST(readfile('$TMP_E2E/$1.json') AS TEXT), '\$.kinds')"
}
in_windows() { [ "$(sql "$1" "SELECT count(*) FROM cannot_see WHERE what = 'each poll'")" = 1 ]; }

# The late one: it gets stuck while no poll is watched, and while half of the workers go on serving.
serve late --wait stuck
late=$PID
load late 60
late_load=$LOAD
start late.record "$WEFT" record -p "$late" -o "$TMP_E2E/late.db" --level light
late_record=$PID
must 60 "polls of the service are watched in windows" in_windows "$TMP_E2E/late.db"
kill -USR1 "$late"

# The healthy one, from before its first request to after its last.
serve healthy
healthy=$PID
text_of "$healthy" "$TMP_E2E/text.before"
record healthy -p "$healthy" --level light
recorder=$PID PID=$healthy
load healthy 12
start healthy.diagnose "$WEFT" diagnose -p "$healthy" --duration 9 --level light --ignore cpu-starved --format json
diagnoser=$PID
join "$LOAD" 100
join "$diagnoser" 101
equal "findings on the healthy service" "$(findings "$TMP_E2E/healthy.diagnose.out" "SELECT count(*) FROM f")" 0
kill -INT "$recorder"
join "$recorder" 30
equal "exit code of weft record" "$STATUS" 0
text_of "$healthy" "$TMP_E2E/text.after"
cmp "$TMP_E2E/text.before" "$TMP_E2E/text.after" || fail "the code is not as it was"
stop "$healthy"
equal "exit code of the service" "$STATUS" 0
accounting_is_exact "$DB"
must 1 "polls of the healthy service were watched in windows" in_windows "$DB"
polls=$(truth healthy polls)
watched=$(sql "$DB" "SELECT produced FROM accounting WHERE kind = 'task-poll'")
told=$(sql "$DB" "SELECT total(polls) FROM workers")
holds "$watched polls were watched, of $polls" "$watched BETWEEN 100 AND $polls * 0.7"
holds "$told polls are told, of $polls" "$told BETWEEN $polls * 0.6 AND $polls * 1.6"

kill -INT "$late_record"
join "$late_record" 30
STATUS=0
"$WEFT" diagnose "$TMP_E2E/late.db" --ignore cpu-starved --format json > "$TMP_E2E/late.diagnose.out" || STATUS=$?
equal "exit code of diagnose" "$STATUS" 1
# What the stuck worker keeps in its LIFO slot never runs: that may be found, too.
equal "kinds of findings" "$(findings "$TMP_E2E/late.diagnose.out" "SELECT group_concat(DISTINCT id) FROM f WHERE id <> 'never-runs'")" blocking-call
stack_has "$TMP_E2E/late.diagnose.out" blocking-call thread::functions::sleep
stop "$late_load"
stop "$late"
equal "exit code of the service" "$STATUS" 0

# The automatic level.
start idle "$program" tickers
idle=$PID
must 10 "the workload is up" says "$TMP_E2E/idle.out" '^ready'
serve busy
busy=$PID
start busy.load "$BUILD/bench/load" --http --path /json --port "$PORT" --seconds 60 --warmup 0
busy_load=$PID
ticks() { sed 's/.*) //' "/proc/$busy/stat" | cut -d ' ' -f 12; }
is_busy() { [ "$(ticks)" -gt 50 ]; }
must 20 "the load is on" is_busy
timeout 60 "$BUILD/tests/e2e/session_probe" -s 6 "$idle" "$busy" > "$TMP_E2E/levels" || :
level_set() { grep -acE "^[0-9.]+ p$1 .* level-set $2 automatic 1" "$TMP_E2E/levels" || :; }
equal "level of the idle service" "$(level_set 0 1) $(level_set 0 2)" "1 1"
equal "level of the busy service" "$(level_set 1 1) $(level_set 1 2)" "1 0"
stop "$busy_load"
stop "$busy"
stop "$idle"
