#!/usr/bin/env bash
# Unmodified smol and async-std programs, release build: what Weft sees of them against what they counted themselves.
# Neither ends its executor: tasks that are alive at exit have no end. They survive attaching and detaching under load, panics
# included, and their code is left as it was.
# timeout: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust_cycles.sh"
. "$(dirname "$0")/rust_details.sh"
need_root
need "$WEFT"

truth() {
	tail -n +2 "$TMP_E2E/$1.out" > "$TMP_E2E/$1.json"
	sqlite3 :memory: "SELECT sum(json_extract(value, '\$.$2')) FROM json_each(CAST(readfile('$TMP_E2E/$1.json') AS TEXT), '\$.kinds')"
}
count() { sql "$DB" "SELECT count(*) FROM events WHERE kind = '$1' AND ${2:-1}"; }
polled() { [ "$(sql "$1" "SELECT count(*) FROM events WHERE kind = 'task-poll'")" -gt "$2" ]; }

# seen_whole NAME KIND: watched from before its first task to its end
seen_whole() {
	local name=$1 kind=$2 program pid recorder jobs cancelled
	program=$(scripts/rust_workload.sh "$name") || skip "cargo cannot build the Rust workload: no cargo, or no network"
	start "$name" "$program" --wait sound outside cpu_hog blocking_sleep
	pid=$PID
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	record "$name" -p "$pid" --level normal
	recorder=$PID
	kill -USR1 "$pid"
	must 30 "long polls in the recording" rounds "$DB"
	stop "$pid"
	equal "exit code of $name" "$STATUS" 0
	join "$recorder" 20
	equal "exit code of weft record" "$STATUS" 0
	accounting_is_exact "$DB"
	equal "the runtime" "$(sql "$DB" "SELECT count(*) > 0 FROM runtime WHERE kind = '$kind'")" 1
	jobs=$(($(count task-spawn) - $(truth "$name" spawned)))
	holds "jobs of the blocking pool among $(count task-spawn) spawns" \
		"$jobs BETWEEN 0 AND $(sqlite3 :memory: "SELECT json_extract(CAST(readfile('$TMP_E2E/$name.json') AS TEXT), '\$.jobs_asked')")"
	cancelled=$(count task-end "reason = 'cancelled'")
	equal "panics in $name" "$(count task-end "reason = 'error'")" "$(truth "$name" panicked)"
	# What is cancelled or done while the program ends may be seen and not counted, or the other way round.
	holds "cancelled in $name: $cancelled" "abs($cancelled - $(truth "$name" cancelled)) <= 3"
	holds "completions in $name: $(count task-end "reason = 'done'"), $jobs of them jobs" \
		"$(count task-end "reason = 'done'") - $(truth "$name" completed) BETWEEN -1 AND $jobs + 3"
	holds "polls in $name: $(count task-poll)" \
		"$(count task-poll) - $cancelled - $(truth "$name" polls) BETWEEN -3 AND 3 * $jobs + 6"
	# Late timers are more of them: each wakes the task that sets it.
	holds "wakes of itself in $name" "$(count task-wake 'waker = task') >= $(truth "$name" self_wakes) - 3"
	holds "wakes by the driver in $name" "$(count task-wake "waker_kind = 'io'") > 100"
	timers_fire "$name"
	moves "$name"
	details_of async_task "$name" tests/workloads/smol/src/behaviours.rs
	who_did_what
	how_long
	parks 2
}

# Polls of a task by another worker than its last one, counted from the polls themselves; the first ones of a thread may be met before it is known.
moves() {
	local moved steals
	moved=$(sql "$DB" "SELECT count(*) FROM (SELECT lane, lag(lane) OVER (PARTITION BY task ORDER BY t_ns) AS last FROM events WHERE kind = 'task-poll') WHERE lane <> last")
	steals=$(count steal)
	holds "tasks of $1 that moved: $moved, told: $steals" "$moved > 200 AND $steals BETWEEN $moved * 0.98 - 5 AND $moved * 1.02 + 5"
	equal "steals of workers of $1 from themselves" "$(count steal 'a = b')" 0
}

# Each timer that is set fires once, is cancelled, or its task still waits; some belong to no task that is known, and a task that
# finds its time has come before the reactor looks needs no wake. What only sleeps is woken by nothing else.
timers_fire() {
	local armed fired cancelled waiting
	armed=$(count timer-arm) fired=$(count timer-fire) cancelled=$(count timer-cancel)
	waiting=$(sql "$DB" "SELECT count(*) FROM tasks")
	holds "timers of $1: $armed set, $fired fired, $cancelled cancelled" \
		"$armed > 300 AND $fired + $cancelled BETWEEN $armed * 0.99 - $waiting AND $armed"
	equal "timers of $1 that fired too early" "$(sql "$DB" "SELECT count(*) FROM timers WHERE lateness_ns < 0")" 0
	holds "wakes of tickers of $1 by timers" "$(sql "$DB" "SELECT total(waker_kind = 'timer') >= 0.99 * count(*) AND count(*) > 100
		FROM events JOIN tasks USING (task) WHERE kind = 'task-wake' AND name LIKE '%::ticker::%'")"
}

seen_whole smol smol
seen_whole async_std async-std

# crowd NAME BEHAVIOUR...: many tasks of one type come and go; a place in memory has a new one while the poll that ended the last
# one there is still open. Workers take tasks from each other that wake themselves, built into their polls.
crowd() {
	local name=$1 program pid recorder after few i behaviours=()
	shift
	for ((i = 0; i < 80; i++)); do behaviours+=("$@"); done
	program=$(scripts/rust_workload.sh "$name")
	start "$name.crowd" "$program" --wait "${behaviours[@]}"
	pid=$PID
	must 10 "the workload is up" says "$TMP_E2E/$name.crowd.out" '^ready'
	record "$name.crowd" -p "$pid" --level normal
	recorder=$PID
	kill -USR1 "$pid"
	must 20 "polls in the recording" polled "$DB" 100000
	stop "$pid"
	equal "exit code of $name" "$STATUS" 0
	join "$recorder" 20
	equal "exit code of weft record" "$STATUS" 0
	equal "lost in the crowd" "$(sql "$DB" 'SELECT total(lost) > 0 FROM accounting')" 0
	# Its executor goes on while the program counts: so many polls came after.
	# The run that only drops a cancelled future is no poll to it.
	after=$(($(count task-poll "result <> 'cancelled'") - $(truth "$name.crowd" polls)))
	holds "polls in the crowd of $name after its count: $after" "$after BETWEEN -1 AND 500"
	[ $after -gt 0 ] || after=0
	# Wakes built into polls, and ends in memory that is in use again, are inferred: 4 of 50,000 were wrong.
	few=$(($(truth "$name.crowd" self_wakes) / 5000))
	holds "spawns in the crowd of $name: $(count task-spawn)" \
		"$(count task-spawn) - $(truth "$name.crowd" spawned) BETWEEN -2 AND 2 * $after + 4" # the dropper spawns two in a poll
	holds "completions in the crowd of $name: $(count task-end "reason = 'done'")" \
		"$(count task-end "reason = 'done'") - $(truth "$name.crowd" completed) BETWEEN -3 - $few AND $after + 3 + $few"
	holds "wakes of itself in the crowd of $name: $(count task-wake 'waker = task')" \
		"$(count task-wake 'waker = task') - $(truth "$name.crowd" self_wakes) BETWEEN -3 - $few AND $after + 3 + $few"
}
crowd smol dropper joiner hand_written
crowd async_std dropper joiner hand_written

for name in smol async_std; do
	profile=release
	[ $name != smol ] || profile=stripped
	attached_often $name.often "${CYCLES:-3}" "$(scripts/rust_workload.sh $name $profile)" all
done

# tasks_of NAME TASKS PROFILE BEHAVIOUR...: those that nobody polls any more are found by a walk over the executor's own list.
tasks_of() {
	local name=$1 tasks=$2 profile=$3 program pid
	shift 3
	program=$(scripts/rust_workload.sh "$name" "$profile")
	start "$name.$profile.$1" "$program" "$@"
	pid=$PID
	must 10 "the workload is up" says "$TMP_E2E/$name.$profile.$1.out" '^ready'
	sleep 1 # its tasks are polled for the first time: before the attach
	"$WEFT" dump -p "$pid" --format json > "$TMP_E2E/$name.json" || fail "weft dump: exit code $?"
	equal "tasks of $name, $profile, $*" "$(sqlite3 :memory: "SELECT json_array_length(CAST(readfile('$TMP_E2E/$name.json') AS TEXT), '\$.tasks')")" "$tasks"
	stop "$pid" TERM
	equal "exit code of $name" "$STATUS" 0
}
# 8 whose waker is lost, 3 tickers; a thread's own executor has one more; 8 that nobody runs beside 4 that somebody does.
tasks_of smol 11 release lost_waker tickers
tasks_of smol 12 release lost_waker tickers nested
tasks_of smol 11 stripped lost_waker tickers
tasks_of smol 12 release undriven
tasks_of async_std 11 release lost_waker tickers
