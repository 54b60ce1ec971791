#!/usr/bin/env bash
# --max-size bounds the file and its -wal at all times: the oldest goes first, what went is counted as expired.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
limit=$((8 << 20))

size() { { stat -c %s "$DB" "$DB-wal" 2> /dev/null || true; } | awk '{ n += $1 } END { print n + 0 }'; }

workload flood flood --seconds 60
target=$PID
record bounded -p "$target" --level normal --max-size 8M --duration 8
recorder=$PID
most=0
while running "$recorder"; do
	now=$(size)
	[ "$now" -le $most ] || most=$now
	sleep 0.05
done
join "$recorder" 10
equal "exit" "$STATUS" 0
# A chunk under way may stand beside what is about to go.
holds "largest size seen" "$most <= $limit * 1.05"
clean_file "$DB"
accounting_is_exact "$DB"
holds "something expired" "$(sql "$DB" 'SELECT sum(expired) FROM accounting') > 0"
equal "stored is what is there" "$(sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-poll'")" \
	"$(sql "$DB" "SELECT sum(stored) FROM accounting WHERE kind = 'task-poll'")"
holds "the newest is kept" "$(sql "$DB" 'SELECT max(t_ns) FROM events') > 7e9"
stop "$target"
