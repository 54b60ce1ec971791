#!/usr/bin/env bash
# Level light on a Tokio service with much to do: polls are watched in windows. What is extrapolated is near what the program counted, what is counted is
# exact, the code is left as it was; a poll that began between two windows is found, and the healthy service is not accused.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$BUILD/bench/load"
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
# text_of PID FILE: the code of its program as it is in memory
text_of() {
	local range from to
	range=$(awk -v exe="$(readlink "/proc/$1/exe")" '$2 ~ /x/ && $6 == exe { print $1; exit }' "/proc/$1/maps")
	from=$((16#${range%-*})) to=$((16#${range#*-}))
	dd if="/proc/$1/mem" bs=4096 skip=$((from / 4096)) count=$(((to - from) / 4096)) of="$2" status=none
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
