#!/usr/bin/env bash
# Timers, parks, queues and runtimes of an unmodified Tokio program against what the program itself measured: with names, and
# stripped, where only what the driver was told to wait until is seen; which of both it is, is told with each figure.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"
stripped=$(scripts/rust_workload.sh tokio stripped)
older=$(scripts/rust_matrix_build.sh tokio-1.24 lto v0) # of the matrix, too

# watch NAME LEVEL PROGRAM ARGS...: from before its first task; the recording goes on until ended NAME. Sets DB.
declare -A pid=() recorder=()
watch() {
	local name=$1 level=$2
	shift 2
	start "$name" "$@" --wait
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	pid[$name]=$PID
	record "$name" -p "$PID" --level "$level"
	recorder[$name]=$PID
	kill -USR1 "${pid[$name]}"
}
# enough NAME SQL: waits until the statement says 1; the program ends, its truth is in $TMP_E2E/NAME.json
enough() {
	DB=$TMP_E2E/$1.db
	must 40 "$1: $2" holds_in "$DB" "$2"
	stop "${pid[$1]}"
	equal "exit code of $1" "$STATUS" 0
	join "${recorder[$1]}" 20
	equal "exit code of weft record on $1" "$STATUS" 0
	tail -n +2 "$TMP_E2E/$1.out" > "$TMP_E2E/$1.json"
	accounting_is_exact "$DB"
}
holds_in() { [ "$(sql "$1" "SELECT ($2) IS TRUE")" = 1 ]; }
truth() { json "$TMP_E2E/$1.json" "\$.$2"; }

# ---- parks, queues: read, so the same in a stripped file ----

watch queues full "$stripped" --workers 1 queues
watch runtimes normal "$stripped" --workers 2 tickers runtimes
watch ct full "$program" --current-thread queues
enough queues "(SELECT count(*) FROM events WHERE kind = 'queue-depth' AND a > 0 AND b > 0) > 20"
equal "most tasks in the worker's queue" "$(sql "$DB" "SELECT max(a) FROM events WHERE kind = 'queue-depth'")" "$(truth queues local_max)"
equal "most tasks in the common queue" "$(sql "$DB" "SELECT max(b) FROM events WHERE kind = 'queue-depth'")" "$(truth queues inject_max)"
holds "the queues run empty again" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'queue-depth' AND a = 0 AND b = 0") > 0"

enough ct "(SELECT count(*) FROM events WHERE kind = 'queue-depth' AND b > 0) > 10"
equal "most tasks in the common queue of a current-thread runtime" \
	"$(sql "$DB" "SELECT max(b) FROM events WHERE kind = 'queue-depth'")" "$(truth ct inject_max)"

enough runtimes "(SELECT count(*) FROM events WHERE kind = 'worker-unpark') > 500"
equal "runtimes and their workers" "$(sql "$DB" "SELECT group_concat(workers, ' ') FROM (SELECT workers FROM runtime ORDER BY 1)")" "1 2 3"
equal "tasks of another runtime's worker" "$(sql "$DB" "SELECT count(*) FROM events e JOIN tasks t USING (task) JOIN lane l ON l.lane = e.lane
	WHERE e.kind = 'task-poll' AND t.runtime <> l.runtime")" 0
# All that is due has one moment, so that a worker may poll some tasks between two parks: not many.
equal "workers that do not park and come back" "$(sql "$DB" "SELECT count(*) FROM workers WHERE polls > 20 AND parks * 4 < polls")" 0
equal "workers at work" "$(sql "$DB" "SELECT count(*) >= 4 FROM workers WHERE polls > 20")" 1
parked=$(sql "$DB" "SELECT sum(park_ns) FROM workers")
told=$(sql "$DB" "SELECT sum(dur_ns) FROM events WHERE kind = 'worker-unpark'")
holds "time parked: $parked ns in all, $told ns by its events" "$told BETWEEN $parked * 0.9 AND $parked * 1.1"

# ---- single timers, where they are functions of their own; stripped, what the driver was told to wait until: another grade, and said so ----

watch timers normal "$program" --workers 1 held deadlines
watch drivers normal "$stripped" --workers 1 held deadlines
watch older normal "$older" --workers 1 held deadlines
grades() { "$WEFT" query "$DB" --named late-timers --format csv | tail -n +2 | tr -d "\r" | awk -F, "{ print \$(NF - 4) }" | sort -u; }
enough timers "(SELECT count(*) FROM timers WHERE lateness_ns >= 50000000) >= 4 AND (SELECT count(*) FROM timers) > 100"
holds "each timer is one task's" "$(sql "$DB" "SELECT count(*) FROM timers WHERE task IS NULL") = 0"
equal "grade of timers" "$(grades)" timer
# There the function that arms them takes the deadline, and the one that it calls is built into it.
enough older "(SELECT count(*) FROM timers WHERE lateness_ns >= 50000000) >= 4 AND (SELECT count(*) FROM timers) > 100"
equal "grade of timers of the older one" "$(grades)" timer
fired=$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'timer-fire'")
# At the end each of the five tasks may have a timer that has fired, and is not polled any more.
holds "timers of the older one: $fired, $(truth older timers_fired)" "$fired - $(truth older timers_fired) BETWEEN 0 AND 5"
late=$(sql "$DB" "SELECT count(*) FROM timers WHERE lateness_ns >= 50000000 AND poll_ns IS NOT NULL")
holds "late timers of the older one: $late, $(truth older timers_late)" "abs($late - $(truth older timers_late)) <= 3"
enough drivers "(SELECT count(*) FROM timers) > 100"
equal "tasks of a driver's timers" "$(sql "$DB" "SELECT count(*) FROM timers WHERE task IS NOT NULL")" 0
equal "grade of drivers" "$(grades)" driver
late=$(sql "$DB" "SELECT max(lateness_ns) / 1000 FROM timers")
holds "the latest driver: $late us, the latest timer $(truth drivers timer_late_max_us)" "$late <= $(truth drivers timer_late_max_us) + 20000"

line=$(grep -n 'spawn(&HOLDER' tests/workloads/tokio/src/timing.rs | cut -d: -f1)
start diagnosed "$program" --workers 1 held deadlines
named=$PID
start bare "$stripped" --workers 1 held deadlines
must 10 "the workload is up" says "$TMP_E2E/diagnosed.out" '^ready'
must 10 "the stripped workload is up" says "$TMP_E2E/bare.out" '^ready'
start bare.diagnose "$WEFT" diagnose -p "$PID" --duration 8 --level normal --only timer-stall --format json
bare=$PID
diagnose stall -p "$named" --duration 8 --level normal --only timer-stall
# grade FILE: of the figures of its findings, or why there are none
grade() {
	sqlite3 :memory: "WITH d AS (SELECT CAST(readfile('$1') AS TEXT) AS j)
		SELECT json_extract(e.value, '\$.text') FROM d, json_each(j, '\$.findings') f, json_each(f.value, '\$.evidence') e WHERE json_extract(e.value, '\$.unit') = 'grade'
		UNION SELECT json_extract(c.value, '\$.why') FROM d, json_each(j, '\$.checked') c WHERE json_extract(c.value, '\$.id') = 'timer-stall'"
}
holds "the task that held the driver is named" "$(findings "$TMP_E2E/stall.json" "SELECT count(*) FROM f WHERE id = 'timer-stall' AND location LIKE 'src/timing.rs:$line%'") = 1"
grade "$TMP_E2E/stall.json" | grep -q '^per timer: ' || fail "the grade of a timer is not told: $(grade "$TMP_E2E/stall.json")"
join "$bare" 30
grade "$TMP_E2E/bare.diagnose.out" | grep -q '^per driver: \|only how late drivers were' ||
	fail "the grade of a driver is not told: $(grade "$TMP_E2E/bare.diagnose.out")"
