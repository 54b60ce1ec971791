#!/usr/bin/env bash
# The demo itself, after the build: a real service under load, watched live.
#   demo_run.sh [--text] [--seconds S]
#     --text     as without a terminal: screen as text, findings, three queries; then it ends
#     --seconds  how long --text watches (40: the leak detector wants 30)
# Ends only what it started, by pid, also on Ctrl-C. The recording stays: $BUILD/demo.db.
set -euo pipefail
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
weft=$BUILD/weft
db=$BUILD/demo.db
text= seconds=40
while [ $# -gt 0 ]; do
	case $1 in
	--text) text=1 ;;
	--seconds) seconds=${2:?--seconds needs a number}; shift ;;
	*) echo "usage: demo_run.sh [--text] [--seconds S]" >&2; exit 2 ;;
	esac
	shift
done
[ -t 0 ] && [ -t 1 ] || text=1

work=$(mktemp -d)
service= recorder= loads=()
finish() {
	local rc=$? pid
	trap - EXIT INT TERM
	[ -z "$recorder" ] || kill -INT "$recorder" 2> /dev/null || true
	for pid in ${loads[@]+"${loads[@]}"} $service; do kill -TERM "$pid" 2> /dev/null || true; done
	for pid in $recorder ${loads[@]+"${loads[@]}"} $service; do
		end_of "$pid" 100 || kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	rm -rf "$work"
	exit $rc
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

alive() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2> /dev/null) || return 1
	[ -n "$state" ] && [ "$state" != Z ]
}
# end_of PID TENTHS: true once the process has ended
end_of() {
	local i
	for ((i = 0; i < $2; i++)); do
		alive "$1" || return 0
		sleep 0.1
	done
	return 1
}
wait_for() {
	local i
	for ((i = 0; i < 150; i++)); do
		"$@" > /dev/null 2>&1 && return
		sleep 0.1
	done
	return 1
}

start_service() {
	"$BUILD/examples/demo_service" > "$work/service.out" 2> "$work/service.err" &
	service=$!
	wait_for grep -q 'http' "$work/service.out" || { cat "$work/service.err" >&2; echo "demo_run.sh: the service did not start" >&2; exit 1; }
	port=$(sed -n 's/.*:\([0-9][0-9]*\).*/\1/p' "$work/service.out" | head -n 1)
	"$BUILD/bench/load" --port "$port" --http --path /orders --rate 2000 --connections 50 --seconds 600 --quiet 2> "$work/load.err" &
	loads+=($!)
}

# A first chunk is in the file, or the recorder has ended.
recording() {
	alive "$recorder" || return 0
	[ "$(sqlite3 -readonly "$db" 'SELECT count(*) > 0 FROM chunk')" = 1 ]
}
start_recorder() {
	"$weft" record -p "$service" -o "$db" --force > "$work/record.out" 2> "$work/record.err" &
	recorder=$!
	wait_for recording || true
	alive "$recorder" || { cat "$work/record.err" >&2; exit 1; }
}

stop_recorder() {
	kill -INT "$recorder"
	wait "$recorder" || { cat "$work/record.err" >&2; exit 1; }
	recorder=
}

ask() {
	printf '\n$ weft query %s "%s"\n' "$db" "$1"
	"$weft" query "$db" "$1"
}

queries() {
	echo
	echo "Three questions to the recording ($db, $(du -h "$db" | cut -f1)):"
	ask "SELECT name, location, count(*) AS tasks, sum(end_ns IS NULL) AS alive, sum(polls) AS polls FROM tasks GROUP BY name, location ORDER BY alive DESC LIMIT 8"
	ask "SELECT name, polls, busy_ns / 1000000 AS busy_ms, blocked_ns / 1000000 AS blocked_ms, poll_max_ns / 1000000 AS longest_poll_ms FROM tasks ORDER BY busy_ns + blocked_ns DESC LIMIT 5"
	ask "SELECT kind, produced, stored, lost, filtered, expired FROM accounting WHERE produced > 0 ORDER BY produced DESC LIMIT 6"
}

# The console draws what a terminal would show, at the end of the watch.
as_text() {
	local rc=0 screens
	echo "The service runs as pid $service under load; weft watches it for $seconds s."
	"$weft" top -p "$service" --size 100x30 --script "wait:${seconds}s; key:1; snap; key:2; snap; key:3; snap" > "$work/top" 2>&1 &
	screens=$!
	loads+=("$screens")
	"$weft" diagnose -p "$service" --duration "$seconds" > "$work/diagnose" || rc=$?
	[ $rc -lt 2 ] || [ $rc -eq 3 ] || exit 1
	wait "$screens" || { cat "$work/top" >&2; exit 1; }
	cat "$work/top"
	echo
	cat "$work/diagnose"
	stop_recorder
	queries
}

on_tty() {
	cat <<-TEXT
		The service runs as pid $service under load, and is being recorded.
		In the console 3 shows what was found, Enter the proof; ? helps, q quits.
		A leak takes half a minute to be told from a busy moment.
	TEXT
	read -r -t 15 -p "Press Enter to go on. " || echo
	"$weft" top -p "$service"
	stop_recorder
	queries
	cat <<-TEXT

		The recording stays in $db. Go on with:
		  $weft report $db
		  $weft top $db
		  $weft query $db --list
	TEXT
}

if [ "$(id -u)" -ne 0 ]; then
	"$weft" check || true
	echo "demo_run.sh: this user can't attach to the service; run: sudo scripts/demo.sh" >&2
	exit 1
fi
start_service
start_recorder
if [ -n "$text" ]; then as_text; else on_tty; fi
