#!/usr/bin/env bash
# What tracing costs a service: CPU time of the server per request, traced at light and at normal against untraced.
# The three take turns in changing order over the same connections, so which worker holds which connection is the
# same for all; ratios are taken by round. Also accounting.error: over
# all recordings made here, how far produced is from stored + lost + filtered + expired.
#   service.sh [--quick]
set -euo pipefail
cd "$(dirname "$0")/../.."
BUILD=${BUILD:-build}
WEFT=${WEFT:-$BUILD/weft}
load=$BUILD/bench/load
rounds=${WEFT_BENCH_ROUNDS:-9} seconds=2 warmup=0.3
[ "${1-}" != --quick ] || rounds=2 seconds=0.5
[ "$(id -u)" -eq 0 ] || { echo "needs root to trace"; exit 77; }

work=$(mktemp -d)
pids=()
finish() {
	local pid
	for pid in ${pids[@]+"${pids[@]}"}; do kill -KILL "$pid" 2> /dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT

wait_for() {
	local i
	for ((i = 0; i < 300; i++)); do
		"$@" 2> /dev/null && return
		sleep 0.05
	done
	return 1
}

# Sets server, port_echo, port_http.
start_server() {
	"$BUILD/examples/http_echo" > "$work/server.out" &
	server=$!
	pids+=("$server")
	wait_for grep -q "^echo port" "$work/server.out" || { echo "http_echo says no port" >&2; exit 1; }
	port_echo=$(sed -n "s,^echo port ,,p" "$work/server.out")
	port_http=$(sed -n "s,^http port ,,p" "$work/server.out")
}

recording() { [ "$(sqlite3 -readonly "$1" 'SELECT count(*) > 0 FROM chunk')" = 1 ]; }

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
	local service=$1 mode=$2 recorder= db=$work/$1.$2.db
	if [ "$mode" != untraced ]; then
		rm -f "$db"
		"$WEFT" record -p "$server" -o "$db" --level "$mode" > /dev/null 2> "$work/record.err" 7>&- 8<&- &
		recorder=$!
		pids+=("$recorder")
		wait_for recording "$db" || { cat "$work/record.err" >&2; return 1; }
	fi
	turn >> "$work/$service.$mode"
	if [ -n "$recorder" ]; then
		kill -INT "$recorder"
		wait "$recorder" || { cat "$work/record.err" >&2; return 1; }
		account "$service" "$mode" "$db"
	fi
}

account() {
	sqlite3 -readonly -separator ' ' "$3" "SELECT total(abs(produced - stored - lost - filtered - expired)) +
		(SELECT count(*) FROM accounting_error), total(lost), total(produced) FROM accounting" >> "$work/accounts"
}

# figure SERVICE MODE: median of the values, and of the ratios by round
figure() {
	paste "$work/$1.$2" "$work/$1.untraced" | awk -v name="service.$1.$2" '
	function median(v, n,   i, j, t) {
		for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	{ a[NR] = $1; b[NR] = $2; r[NR] = $1 / $2 }
	END { m = median(r, NR); printf "%s %.4g us/request untraced %.4g %.4f %d %.4f %.4f\n", name, median(a, NR), median(b, NR), m, NR, r[1], r[NR] }'
}

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
awk '{ e += $1; l += $2; p += $3 } END { printf "accounting.error %d events\n", e; printf "over %d recordings: produced %d, lost %d\n", NR, p, l }' "$work/accounts"
# Whoever else runs here takes turns on the same caches and CPUs: then only a wide gap between ratios means something.
awk -v cpus="$(nproc)" '$1 > cpus + 1 { printf "the machine was busy with other work (load average %s on %d CPUs): repeat when it is quiet\n", $1, cpus }' /proc/loadavg
