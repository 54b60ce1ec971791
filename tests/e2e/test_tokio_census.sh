#!/usr/bin/env bash
# Tasks of an unmodified Tokio service that nobody polls any more: the walk over the runtime's own list finds them, stripped
# or not, on one runtime or two, without a stop.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
# timeout: 300

# tasks_of NAME ARGS...: starts it, dumps it, sets TASKS.
tasks_of() {
	local name=$1
	shift
	start "$name" "$@"
	local pid=$PID
	must 10 "$name is up" says "$TMP_E2E/$name.out" '^ready'
	sleep 0.5 # its tasks are polled for the first time: before the attach
	"$WEFT" dump -p "$pid" --format json > "$TMP_E2E/$name.json" || fail "weft dump: exit code $?"
	running "$pid" || fail "$name did not outlive the dump"
	TASKS=$(sqlite3 :memory: "SELECT json_array_length(CAST(readfile('$TMP_E2E/$name.json') AS TEXT), '\$.tasks')")
	stop "$pid" TERM
	equal "exit code of $name" "$STATUS" 0
}

# Tasks that pile up while it is watched at light, where spawns are not seen: all are in the recording. Meanwhile others are dumped.
start leak "$(scripts/rust_workload.sh tokio)" leaker
leak=$PID
must 10 "it is up" says "$TMP_E2E/leak.out" '^ready'
record leak -p "$leak" --level light --duration 12s
recorder=$PID leak_db=$DB
# No task more than it could have seen.
{ while running "$recorder"; do sleep 0.1; done; kill -TERM "$leak" || true; } 2> /dev/null &

for profile in release stripped; do
	program=$(scripts/rust_workload.sh tokio $profile)
	# 8 whose waker is lost, 3 tickers, without which nothing is polled and nothing could be found.
	tasks_of "$profile.mt" "$program" lost_waker tickers
	equal "tasks, $profile, multi_thread" "$TASKS" 11
	tasks_of "$profile.ct" "$program" --current-thread lost_waker tickers
	equal "tasks, $profile, current_thread" "$TASKS" 11
	# A second runtime with a task of its own.
	tasks_of "$profile.two" "$program" lost_waker tickers nested
	equal "tasks, $profile, two runtimes" "$TASKS" 12
done

# Of a stripped service with 10,000 idle tasks each is there, with its place and its state.
tasks_of sleepers "$(scripts/rust_workload.sh tokio stripped)" sleepers tickers
line=$(grep -n 'spawn(&SLEEPER,' tests/workloads/tokio/src/behaviours.rs | cut -d: -f1)
equal "tasks of a stripped service" "$TASKS" 10003
equal "those that are idle at their place" "$(sqlite3 :memory: "SELECT count(*), count(DISTINCT json_extract(value, '\$.task'))
	FROM json_each(CAST(readfile('$TMP_E2E/sleepers.json') AS TEXT), '\$.tasks')
	WHERE json_extract(value, '\$.location') = 'src/behaviours.rs:$line' AND json_extract(value, '\$.state') = 'idle'")" '10000|10000'

join "$recorder" 60
join "$leak" 20
tail -n +2 "$TMP_E2E/leak.out" > "$TMP_E2E/truth.json"
alive=$(sql "$leak_db" "SELECT count(*) FROM tasks WHERE end_ns IS NULL")
spawned=$(json "$TMP_E2E/truth.json" '$.kinds.leaky_wait.spawned')
holds "most of what leaked is there: $alive of $spawned" "$alive BETWEEN $spawned / 3 AND $spawned + 1"
equal "what the accounting does not explain" "$(sql "$leak_db" "SELECT count(*) FROM accounting WHERE produced <> stored + lost + filtered + expired")" 0
