#!/usr/bin/env bash
# produced = stored + lost + filtered + expired, exactly, at every level and at flood; and what a program knows of
# itself is what the recording holds.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

truth() { json "$TMP_E2E/truth.json" "\$.$1"; }
account() { sql "$DB" "SELECT ifnull(sum($2), 0) FROM accounting WHERE kind = '$1'"; }

# A run of the program that counts, recorded from before its first task to its end.
run_truth() {
	local level=$1 recorder target
	workload "truth.$level" truth --wait --count 20000
	target=$PID
	record "truth.$level" -p "$target" --level "$level"
	recorder=$PID
	kill -USR1 "$target"
	join "$target" 60
	equal "exit of the target" "$STATUS" 0
	join "$recorder" 20
	equal "exit of weft record" "$STATUS" 0
	tail -n 1 "$TMP_E2E/truth.$level.out" > "$TMP_E2E/truth.json"
	accounting_is_exact "$DB"
	clean_file "$DB"
	equal "$level: lost" "$(sql "$DB" 'SELECT sum(lost) FROM accounting')" 0
	equal "$level: spawns stored" "$(account task-spawn stored)" "$(truth spawned)"
	equal "$level: ends stored" "$(account task-end stored)" "$(truth ended)"
	equal "$level: cancelled" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-end' AND reason = 'cancelled'")" "$(truth cancelled)"
	equal "$level: polls produced" "$(account task-poll produced)" "$(truth polls)"
	# Tasks that lived within one chunk have no row; their type has counted them.
	equal "$level: tasks" "$(sql "$DB" 'SELECT sum(tasks) FROM task_types')" "$(truth spawned)"
}

run_truth light
equal "light: wakes stored" "$(account task-wake stored)" 0
holds "light: wakes are counted" "$(account task-wake filtered) >= $(truth wakes)"

run_truth normal
equal "normal: polls stored" "$(account task-poll stored)" "$(truth polls)"
equal "normal: polls in events" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-poll'")" "$(truth polls)"
equal "normal: polls by task" "$(sql "$DB" "SELECT sum(polls) FROM task_types")" "$(truth polls)"
equal "normal: spawns in events" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-spawn'")" "$(truth spawned)"
holds "normal: wakes" "$(account task-wake stored) >= $(truth wakes) + $(truth yields)"

run_truth full

workload flood flood --seconds 30
target=$PID
record flood -p "$target" --level normal --duration 5
join "$PID" 60
accounting_is_exact "$DB"
clean_file "$DB"
holds "flood was a flood" "$(account task-poll produced) > 500000"
# Gaps are in the file wherever something was lost.
holds "lost is marked" "$(sql "$DB" 'SELECT sum(lost) FROM accounting') = 0 OR $(sql "$DB" 'SELECT count(*) FROM gap') > 0"
stop "$target"
