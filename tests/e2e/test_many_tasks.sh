#!/usr/bin/env bash
# 200,000 tasks alive, and none at all. Memory of the recorder stays bounded.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

workload many many_tasks --seconds 60
target=$PID
holds "the program has its tasks" "$(about many alive) >= 200000"
record many -p "$target" --duration 7
recorder=$PID
peak_kb=0
while running "$recorder"; do
	now=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$recorder/status" 2> /dev/null) || true
	[ "${now:-0}" -le $peak_kb ] || peak_kb=$now
	sleep 0.1
done
join "$recorder" 10
equal "exit" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
# All of them were there before the attach: only the walk over the task blocks can know them.
holds "tasks in the recording" "$(sql "$DB" "SELECT count(*) FROM tasks WHERE end_ns IS NULL") >= 200000"
equal "their name" "$(sql "$DB" "SELECT name FROM tasks GROUP BY name ORDER BY count(*) DESC LIMIT 1")" sleeper
holds "peak memory of the recorder (KiB)" "$peak_kb BETWEEN 1 AND 700000"
holds "dump shows them" "$("$WEFT" dump -p "$target" --format text | wc -l) > 3"
stop "$target"

workload none no_tasks --seconds 30
target=$PID
record none -p "$target" --duration 1
join "$PID" 20
equal "exit with no tasks" "$STATUS" 0
clean_file "$DB"
equal "tasks" "$(sql "$DB" 'SELECT count(*) FROM tasks')" 0
diagnose none -p "$target" --duration 5 --only busy-loop,blocking-call
equal "diagnose with no tasks" "$STATUS" 0
stop "$target"
