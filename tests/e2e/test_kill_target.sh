#!/usr/bin/env bash
# kill -9 and a segmentation fault of the target in the middle of its work: every event up to the last moment is in the
# recording, and it names the task that each worker was polling.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

# By its own hand: the last line it wrote tells how far it had come.
workload crash crasher --wait --count 1500
target=$PID
record crash -p "$target" --level normal
recorder=$PID
kill -USR1 "$target"
join "$target" 20
equal "signal" "$STATUS" $((128 + 11))
join "$recorder" 20
equal "weft record after the crash" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
polls=$(sed -n 's/^last poll=\([0-9]*\).*/\1/p' "$TMP_E2E/crash.out")
stored=$(sql "$DB" "SELECT polls FROM tasks WHERE name = 'crasher'")
# The poll that crashed never ended, so it is no record.
equal "polls of the crasher" "$stored" $((polls - 1))
# What each worker did when it died: the last sample of its lane.
equal "workers that were polling the crasher" "$(sql "$DB" "SELECT count(*) FROM (SELECT lane, task, max(t_ns) FROM events
	WHERE kind = 'lane-sample' GROUP BY lane) s JOIN tasks USING (task) WHERE name = 'crasher'")" 1

# From outside.
workload spare crasher --variant spare
target=$PID
record spare -p "$target" --level normal
recorder=$PID
sleep 1
killed_us=${EPOCHREALTIME/./}
kill -KILL "$target"
join "$target" 10
join "$recorder" 20
equal "weft record after kill -9" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
equal "lost" "$(sql "$DB" 'SELECT sum(lost) FROM accounting')" 0
last_us=$(sql "$DB" "SELECT (start_realtime_ns + (SELECT max(t_ns) FROM events WHERE kind IN ('task-poll', 'task-wake'))) / 1000 FROM session")
holds "the last event is of the moment of death (us)" "$last_us - $killed_us BETWEEN -20000 AND 20000"
equal "how it ended" "$(sql "$DB" 'SELECT exit_signal FROM process')" 9
