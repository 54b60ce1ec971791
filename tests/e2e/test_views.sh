#!/usr/bin/env bash
# The views are a contract: names and columns, and what a value may be. Read by the stock sqlite3 shell, which knows nothing of Weft.
# timeout: 90
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$EXAMPLES/demo_service" sqlite3

stock() { sqlite3 -readonly "$DB" "$1"; }
columns() { stock "SELECT group_concat(name) FROM (SELECT name FROM pragma_table_info('$1') ORDER BY cid)"; }

start demo "$EXAMPLES/demo_service" --workers 2
demo=$PID
must 10 "the demo is up" says "$TMP_E2E/demo.out" 'pid'
record normal -p "$demo" --level normal --duration 4
join "$PID" 20
clean_file "$DB"

equal "accounting" "$(columns accounting)" process,kind,produced,stored,lost,filtered,expired
equal "tasks" "$(columns tasks)" "task,native_id,process,runtime,type,name,location,parent,state,spawn_ns,end_ns,end_reason,polls,busy_ns,$(
)blocked_ns,runnable_ns,wakes,self_wakes,poll_max_ns,size,fingerprint"
equal "wakes" "$(columns wakes)" waker_kind,waker,task,count,first_ns,last_ns
equal "timers" "$(columns timers)" task,runtime,deadline_ns,fire_ns,poll_ns,lateness_ns
equal "findings" "$(columns findings)" \
	fingerprint,id,cause,severity,confidence,subject,evidence,related,stack,harm_task_ms,first_s,last_s,advice
for view in accounting tasks wakes timers task_types workers findings; do
	holds "rows of $view" "$(stock "SELECT count(*) FROM $view") > 0"
done
equal "numbers that are text or fractions" "$(stock "SELECT count(*) FROM tasks WHERE typeof(task) <> 'integer' OR
	typeof(polls) <> 'integer' OR typeof(busy_ns) <> 'integer' OR typeof(size) NOT IN ('integer', 'null')")" 0

# Who was there before the recording has a negative birth, in the order of the births; none is 0 for "not known". The first session may
# come before the last of them.
equal "born before" "$(stock "SELECT group_concat(name) FROM (SELECT name FROM tasks WHERE spawn_ns < 0
	AND name <> 'session' ORDER BY spawn_ns LIMIT 4)")" \
	acceptor,gate,pump,db::retry
holds "the eldest session" "$(stock "SELECT min(spawn_ns) FROM tasks WHERE name = 'session'") > $(
	stock "SELECT spawn_ns FROM tasks WHERE name = 'acceptor'")"
holds "born since" "$(stock "SELECT count(*) FROM tasks WHERE name = 'session' AND spawn_ns > 0") > 20"
equal "without a size" "$(stock "SELECT count(*) FROM tasks WHERE size = 0")" 0
equal "types without a place, or with no size" "$(stock "SELECT count(*) FROM task_types WHERE location = '' OR size = 0 OR size IS NULL")" 0
holds "alive, by type" "$(stock 'SELECT sum(alive) FROM task_types') = $(stock 'SELECT count(*) FROM tasks WHERE end_ns IS NULL')"

# Timers: the detector of late ones takes none away; each of a quiet program has its row, and the poll it led to.
fired=$(stock "SELECT stored FROM accounting WHERE kind = 'timer-fire'")
holds "timers" "$(stock 'SELECT count(*) FROM timers') BETWEEN $fired * 0.9 AND $fired"
holds "... with the poll after" "$(stock 'SELECT count(poll_ns) FROM timers') > 0.9 * $fired"
equal "... late by their own account" "$(stock 'SELECT count(*) FROM timers WHERE lateness_ns <> fire_ns - deadline_ns')" 0

# A finding is the JSON's.
equal "subject" "$(stock "SELECT json_extract(subject, '\$.name') FROM findings WHERE id = 'blocking-call'")" db::retry
holds "confidence" "$(stock "SELECT confidence FROM findings WHERE id = 'blocking-call'") IN (0.9, 0.97)"
holds "evidence" "$(stock "SELECT json_array_length(evidence) FROM findings WHERE id = 'blocking-call'") > 1"

# At light single wakes and short polls are not seen: NULL, not 0.
record light -p "$demo" --level light --duration 3
join "$PID" 20
equal "wakes at light" "$(stock 'SELECT count(wakes) FROM tasks')" 0
equal "wakes of types at light" "$(stock 'SELECT total(wakes) FROM task_types WHERE short_tasks = 0')" 0.0
equal "zeros at light" "$(stock 'SELECT count(*) FROM tasks WHERE busy_ns = 0 OR blocked_ns = 0 OR poll_max_ns = 0')" 0
holds "what is long is seen" "$(stock "SELECT blocked_ns FROM tasks WHERE name = 'db::retry'") > 500000000"
stop "$demo"
