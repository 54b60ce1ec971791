# shellcheck shell=bash
# A Rust workload under load that is attached to and let go again and again. Sourced after lib.sh.

# text_of PID FILE: the code of its program as it is in memory
text_of() {
	local line from to exe
	exe=$(readlink "/proc/$1/exe")
	line=$(awk -v exe="${exe% (deleted)}" '$2 ~ /x/ && $6 == exe { print $1; exit }' "/proc/$1/maps")
	[ -n "$line" ]
	from=$((16#${line%-*})) to=$((16#${line#*-}))
	dd if="/proc/$1/mem" bs=4096 skip=$((from / 4096)) count=$(((to - from) / 4096)) of="$2" status=none
	[ -s "$2" ]
}

# attached_often NAME CYCLES PROGRAM ARGS...: nothing of it may end, change or be lost, and some of its tasks panic meanwhile.
attached_often() {
	local name=$1 cycles=$2 program=$3 pid i panics
	shift 3
	start "$name" "$program" --wait "$@"
	pid=$PID
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	text_of "$pid" "$TMP_E2E/before"
	kill -USR1 "$pid"
	for ((i = 0; i < cycles; i++)); do
		"$WEFT" record --force -p "$pid" --duration 0.2 --level normal -o "$TMP_E2E/cycle.db" > "$TMP_E2E/cycle.out" 2>&1 ||
			fail "cycle $i: $(cat "$TMP_E2E/cycle.out")"
		running "$pid" || fail "the workload died in cycle $i"
		holds "something was seen in cycle $i" "$(sql "$TMP_E2E/cycle.db" "SELECT count(*) FROM events WHERE kind = 'task-poll'") > 0"
		text_of "$pid" "$TMP_E2E/after"
		cmp "$TMP_E2E/before" "$TMP_E2E/after" || fail "its code is not as it was after cycle $i"
	done
	accounting_is_exact "$TMP_E2E/cycle.db"
	stop "$pid"
	equal "exit code after $cycles times attached" "$STATUS" 0
	tail -n +2 "$TMP_E2E/$name.out" > "$TMP_E2E/$name.json"
	panics=$(sqlite3 :memory: "SELECT sum(json_extract(value, '\$.panicked')) FROM json_each(CAST(readfile('$TMP_E2E/$name.json') AS TEXT), '\$.kinds')")
	holds "it panicked on" "$panics > 0"
}
