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

# cycles NAME CYCLES PID: attaches to it and lets go, at one level after the other. It may not end, and its code is as in "$TMP_E2E/before".
cycles() {
	local name=$1 cycles=$2 pid=$3 i level levels=(light normal full auto)
	for ((i = 0; i < cycles; i++)); do
		level=${levels[(i + cycles) % 4]}
		"$WEFT" record --force -p "$pid" --duration 0.2 --level "$level" -o "$TMP_E2E/cycle.db" > "$TMP_E2E/cycle.out" 2>&1 ||
			fail "$name: cycle $i at $level: $(cat "$TMP_E2E/cycle.out")"
		running "$pid" || fail "$name died in cycle $i"
		holds "$name: polls seen in cycle $i at $level" "$(sql "$TMP_E2E/cycle.db" "SELECT total(polls) FROM lane") > 0"
		text_of "$pid" "$TMP_E2E/after"
		cmp "$TMP_E2E/before" "$TMP_E2E/after" || fail "$name: its code is not as it was after cycle $i"
	done
	accounting_is_exact "$TMP_E2E/cycle.db"
}

# attached_often NAME CYCLES PROGRAM ARGS...: a workload. Nothing of it may end, change or be lost, and some of its tasks panic meanwhile,
# unless it is built to end by that.
attached_often() {
	local name=$1 cycles=$2 program=$3 pid
	shift 3
	start "$name" "$program" --wait "$@"
	pid=$PID
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	text_of "$pid" "$TMP_E2E/before"
	kill -USR1 "$pid"
	cycles "$name" "$cycles" "$pid"
	stop "$pid"
	equal "exit code after $cycles times attached" "$STATUS" 0
	[[ " $* " == *" all "* || " $* " == *" sound "* ]] || return 0
	tail -n +2 "$TMP_E2E/$name.out" > "$TMP_E2E/$name.json"
	holds "it panicked on" "$(sqlite3 :memory: "SELECT sum(json_extract(value, '\$.panicked'))
		FROM json_each(CAST(readfile('$TMP_E2E/$name.json') AS TEXT), '\$.kinds')") > 0"
}
