# What service.sh and rust.sh share: sourced after `set -euo pipefail`, from the project's root. Sets work (a folder that goes at
# the end), pids (killed at the end), WEFT, load, rounds, seconds, warmup.
# shellcheck shell=bash
export BUILD=${BUILD:-build}
WEFT=${WEFT:-$BUILD/weft}
load=$BUILD/bench/load
rounds=${WEFT_BENCH_ROUNDS:-$default_rounds} seconds=2 warmup=0.3
[ "${1-}" != --quick ] || rounds=2 seconds=0.5
[ "$(id -u)" -eq 0 ] || { echo "needs root to trace"; exit 77; }

work=$(mktemp -d)
pids=()
finish() {
	local pid
	for pid in ${pids[@]+"${pids[@]}"}; do { kill -KILL "$pid" && wait "$pid"; } 2> /dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT

wait_for() {
	local i
	for ((i = 0; i < 400; i++)); do
		"$@" 2> /dev/null && return
		sleep 0.05
	done
	return 1
}

# start_recorder PID LEVEL DB TABLE: a recording goes on, of which TABLE has a row. Sets recorder.
start_recorder() {
	rm -f "$3"
	"$WEFT" record -p "$1" -o "$3" --level "$2" > /dev/null 2> "$work/record.err" &
	recorder=$!
	pids+=("$recorder")
	wait_for has_row "$3" "$4" || { cat "$work/record.err" >&2; return 1; }
}
has_row() { [ "$(sqlite3 -readonly "$1" "SELECT count(*) > 0 FROM $2")" = 1 ]; }

# stop_recorder DB: ends it and keeps what it accounts for
stop_recorder() {
	kill -INT "$recorder"
	wait "$recorder" || { cat "$work/record.err" >&2; return 1; }
	sqlite3 -readonly -separator ' ' "$1" "SELECT total(abs(produced - stored - lost - filtered - expired)) +
		(SELECT count(*) FROM accounting_error), total(lost), total(produced) FROM accounting" >> "$work/accounts"
}

# Over all recordings: how far produced is from stored + lost + filtered + expired. Then whether others used the CPUs: then
# only a wide gap between ratios means something.
sum_up() {
	awk '{ e += $1; l += $2; p += $3 }
	END { printf "accounting.error %d events\n", e; printf "over %d recordings: produced %d, lost %d\n", NR, p, l }' "$work/accounts"
	awk -v cpus="$(nproc)" '$1 > cpus + 1 {
		printf "the machine was busy with other work (load average %s on %d CPUs): repeat when it is quiet\n", $1, cpus }' /proc/loadavg
}

# For awk programs.
median='function median(v, n,   i, j, t) {
	for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}'
# ratio_row ROW UNIT VALUES BASE [WHAT]: files with a value by round. Medians, and of the ratios by round.
ratio_row() {
	paste "$3" "$4" | awk -v name="$1" -v unit="$2" -v against="${5:-untraced}" "$median"'
	{ a[NR] = $1; b[NR] = $2; r[NR] = $1 / $2 }
	END { m = median(r, NR); printf "%s %.4g %s %s %.4g %.4f %d %.4f %.4f\n", name, median(a, NR), unit, against, median(b, NR), m, NR, r[1], r[NR] }'
}
