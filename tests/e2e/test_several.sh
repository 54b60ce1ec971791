#!/usr/bin/env bash
# Two processes in one recording: both are there, each with its own exact account.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

workload one truth --wait --count 3000
one=$PID
workload two truth --wait --count 5000
two=$PID
record both -p "$one,$two" --level normal
recorder=$PID
kill -USR1 "$one" "$two"
join "$one" 40
join "$two" 40
join "$recorder" 20
equal "exit" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
equal "processes" "$(sql "$DB" 'SELECT count(DISTINCT process) FROM accounting')" 2
for name in one two; do
	tail -n 1 "$TMP_E2E/$name.out" > "$TMP_E2E/truth.json"
	process=$(sql "$DB" "SELECT process FROM process WHERE pid = $(about $name pid)")
	for pair in task-spawn:spawned task-end:ended task-poll:polls; do
		equal "$name: ${pair%:*}" "$(sql "$DB" "SELECT stored FROM accounting WHERE process = $process AND kind = '${pair%:*}'")" \
			"$(json "$TMP_E2E/truth.json" "\$.${pair#*:}")"
	done
	equal "$name: tasks" "$(sql "$DB" "SELECT sum(tasks) FROM task_types WHERE process = $process")" "$(json "$TMP_E2E/truth.json" '$.spawned')"
done
