#!/usr/bin/env bash
# What tracing costs a service: CPU time of the server per request, traced at light and at normal against untraced.
# The three take turns in changing order over the same connections, so which worker holds which connection is the
# same for all; ratios are taken by round. Also accounting.error: over
# all recordings made here, how far produced is from stored + lost + filtered + expired.
#   service.sh [--quick]
set -euo pipefail
cd "$(dirname "$0")/../.."
default_rounds=9
. tests/bench/support/traced.sh

# Sets server, port_echo, port_http.
start_server() {
	"$BUILD/examples/http_echo" > "$work/server.out" &
	server=$!
	pids+=("$server")
	wait_for grep -q "^echo port" "$work/server.out" || { echo "http_echo says no port" >&2; exit 1; }
	port_echo=$(sed -n "s,^echo port ,,p" "$work/server.out")
	port_http=$(sed -n "s,^http port ,,p" "$work/server.out")
}

# open_load SERVICE: connections that last for all its turns. Asked on fd 7, answers on fd 8.
open_load() {
	local args=() port=port_$1
	[ "$1" = echo ] || args=(--http --path /json)
	rm -f "$work/ask" "$work/answer"
	mkfifo "$work/ask" "$work/answer"
	"$load" --turns --port "${!port}" "${args[@]}" --pid "$server" --seconds "$seconds" --warmup "$warmup" \
		< "$work/ask" > "$work/answer" &
	pids+=("$!")
	exec 7> "$work/ask" 8< "$work/answer"
}
close_load() { exec 7>&- 8<&-; }

# turn: prints the CPU us per request
turn() {
	local line value=
	echo >&7
	while read -r line <&8 && [ "$line" != end ]; do
		[ "${line% *}" != cpu_us_per_request ] || value=${line#* }
	done
	[ -n "$value" ] || { echo "load gave no answer" >&2; return 1; }
	echo "$value"
}

# one_run SERVICE MODE
one_run() {
	local service=$1 mode=$2 db=$work/$1.$2.db
	[ "$mode" = untraced ] || start_recorder "$server" "$mode" "$db" chunk 7>&- 8<&-
	turn >> "$work/$service.$mode"
	[ "$mode" = untraced ] || stop_recorder "$db"
}

# figure SERVICE MODE
figure() { ratio_row "service.$1.$2" us/request "$work/$1.$2" "$work/$1.untraced"; }

modes=(untraced light normal)
start_server
for service in echo http; do
	open_load $service
	for ((r = 0; r < rounds; r++)); do
		for ((m = 0; m < 3; m++)); do one_run $service "${modes[(m + r) % 3]}"; done
	done
	close_load
	for mode in light normal; do figure $service $mode; done
done
sum_up
