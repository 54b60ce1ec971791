#!/usr/bin/env bash
# Each flavour of the runtime under weft record: exact accounts, what the program knows of itself, its workers, and tasks
# in a dump. Threads that drive a flavour which has none of its own are its workers; the tasks they wait on count as well.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

truth() { json "$TMP_E2E/truth.json" "\$.$1"; }
stored() { sql "$DB" "SELECT ifnull(sum(stored), 0) FROM accounting WHERE kind = '$1'"; }

# flavour NAME WORKERS DRIVERS
flavour() {
	local name=$1 workers=$2 drivers=$3 target recorder
	workload "$name" truth --wait --count 3000 --flavour "$name"
	target=$PID
	"$WEFT" dump -p "$target" > "$TMP_E2E/$name.dump"
	holds "$name: dump names the flavour" "$(grep -c " $name x$workers " "$TMP_E2E/$name.dump") > 0"
	record "$name" -p "$target" --level normal
	recorder=$PID
	kill -USR1 "$target"
	join "$target" 60
	equal "$name: exit of the target" "$STATUS" 0
	join "$recorder" 20
	equal "$name: exit of weft record" "$STATUS" 0
	tail -n 1 "$TMP_E2E/$name.out" > "$TMP_E2E/truth.json"
	accounting_is_exact "$DB"
	clean_file "$DB"
	equal "$name: lost" "$(sql "$DB" 'SELECT sum(lost) FROM accounting')" 0
	equal "$name: spawns" "$(stored task-spawn)" "$(truth spawned)"
	equal "$name: ends" "$(stored task-end)" $(($(truth ended) + drivers))
	equal "$name: polls" "$(stored task-poll)" $(($(truth polls) + drivers))
	holds "$name: wakes" "$(stored task-wake) >= $(truth wakes) + $(truth yields)"
	# A caller that has stopped driving keeps its row.
	equal "$name: workers at the end" "$(sql "$DB" "SELECT count(*) FROM workers")" "$workers"
	equal "$name: workers that stopped" "$(stored worker-stop)" "$workers"
	holds "$name: parks" "$(stored worker-park) > 0 AND $(stored worker-unpark) > 0"
}

flavour multi_thread 2 0
flavour current_thread 1 1
flavour reactor_pool 2 0
flavour executor 2 2
