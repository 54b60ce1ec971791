#!/usr/bin/env bash
# What tracing costs an unmodified Rust service (rust/: hyper on Tokio, LTO, stripped): CPU time per request untraced, at
# light, normal and full, beside the same service with tokio-console's subscriber compiled in. All take turns within a
# round, each over connections that stay; ratios are taken by round. Attaching and detaching with 5,000 task types as well.
#   rust.sh [--quick]       needs root and cargo; `make bench-rust`
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILD=${BUILD:-build}
WEFT=${WEFT:-$BUILD/weft}
load=$BUILD/bench/load
rounds=${WEFT_BENCH_ROUNDS:-7} seconds=2 warmup=0.3
[ "${1-}" != --quick ] || rounds=2 seconds=0.5
[ "$(id -u)" -eq 0 ] || { echo "needs root to trace"; exit 77; }
command -v cargo > /dev/null || { echo "needs cargo: scripts/install_deps.sh --rust"; exit 77; }

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
	for ((i = 0; i < 400; i++)); do
		"$@" 2> /dev/null && return
		sleep 0.05
	done
	return 1
}

# built NAME CARGO_ARGS...: path of the service
built() {
	local target
	target=$(realpath -m "$BUILD/cargo/bench_$1")
	shift
	CARGO_TARGET_DIR=$target cargo build --quiet --release --locked --manifest-path tests/bench/rust/Cargo.toml "$@" >&2
	echo "$target/release/traced-service"
}

# start NAME PROGRAM: sets pid_NAME, port_NAME
start() {
	"$2" > "$work/$1.out" 2> "$work/$1.err" &
	pids+=("$!")
	declare -g "pid_$1=$!"
	wait_for grep -q '^ready' "$work/$1.out" || { echo "the service $1 does not start: $(cat "$work/$1.err")" >&2; exit 1; }
	declare -g "port_$1=$(sed -n 's/^ready //p' "$work/$1.out")"
}

# connect NAME SERVICE RATE: a load that takes turns; 0 = saturating
connect() {
	local pid=pid_$2 port=port_$2 args=()
	[ "$3" = 0 ] || args=(--rate "$3")
	mkfifo "$work/$1.ask" "$work/$1.answer"
	"$load" --turns --http --path /json --port "${!port}" --pid "${!pid}" --seconds "$seconds" --warmup "$warmup" "${args[@]}" \
		< "$work/$1.ask" > "$work/$1.answer" &
	pids+=("$!")
	exec {ask}> "$work/$1.ask" {answer}< "$work/$1.answer"
	declare -g "ask_$1=$ask" "answer_$1=$answer"
}

# turn NAME: figures of one turn, "key value" by line
turn() {
	local ask=ask_$1 answer=answer_$1 line
	echo >&"${!ask}"
	while read -r line <&"${!answer}" && [ "$line" != end ]; do echo "$line"; done
}

recording() { [ "$(sqlite3 -readonly "$1" 'SELECT count(*) > 0 FROM process')" = 1 ]; }

# What is measured is the steady state: light watches all polls until it has learnt where the current task is, then windows of them.
settle() {
	[ "$1" = light ] || return 0
	turn full > "$work/turn"
}

# traced LEVEL COMMAND...: runs it while the service is watched
traced() {
	local level=$1 db=$work/$1.db recorder
	shift
	rm -f "$db"
	# shellcheck disable=SC2154
	"$WEFT" record -p "$pid_plain" -o "$db" --level "$level" > /dev/null 2> "$work/record.err" &
	recorder=$!
	pids+=("$recorder")
	wait_for recording "$db" || { cat "$work/record.err" >&2; return 1; }
	settle "$level"
	"$@"
	kill -INT "$recorder"
	wait "$recorder" || { cat "$work/record.err" >&2; return 1; }
	sqlite3 -readonly -separator ' ' "$db" "SELECT total(abs(produced - stored - lost - filtered - expired)) +
		(SELECT count(*) FROM accounting_error), total(lost), total(produced) FROM accounting" >> "$work/accounts"
}

# keep LOAD MODE: one turn, its figures to $work/LOAD.MODE.KEY
keep() {
	turn "$1" > "$work/turn"
	while read -r key value; do echo "$value" >> "$work/$1.$2.$key"; done < "$work/turn"
	[ -s "$work/$1.$2.cpu_us_per_request" ]
}

median='function median(v, n,   i, j, t) {
	for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] > v[j]; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}'
# ratio ROW LOAD MODE KEY UNIT: medians, and of the ratios by round
ratio() {
	paste "$work/$2.$3.$4" "$work/$2.untraced.$4" | awk -v name="$1" -v unit="$5" "$median"'
	{ a[NR] = $1; b[NR] = $2; r[NR] = $1 / $2 }
	END { m = median(r, NR); printf "%s %.4g %s untraced %.4g %.4f %d %.4f %.4f\n", name, median(a, NR), unit, median(b, NR), m, NR, r[1], r[NR] }'
}
# share ROW MODE: of a core that the mode costs at 10,000 requests a second, in per cent
share() {
	paste "$work/paced.$2.cpu_us_per_request" "$work/paced.untraced.cpu_us_per_request" | awk -v name="$1" "$median"'
	{ d[NR] = ($1 - $2) } END { m = median(d, NR); printf "%s %.3g %%\n", name, m * 10000 / 1e6 * 100 }'
}

start plain "$(built plain)"
RUSTFLAGS="--cfg tokio_unstable" start console "$(RUSTFLAGS="--cfg tokio_unstable" built console --features console)"
connect full plain 0
connect paced plain 10000
connect console console 0
modes=(untraced light normal full)
for ((r = 0; r < rounds; r++)); do
	for ((m = 0; m < 4; m++)); do
		mode=${modes[(m + r) % 4]}
		both() { keep full "$mode" && keep paced "$mode"; }
		if [ "$mode" = untraced ]; then both; else traced "$mode" both; fi
	done
	keep console console
	for f in "$work"/console.console.*; do mv "$f" "$work/x" && cat "$work/x" >> "$work/full.console.${f##*.}"; done
done
for mode in light normal full; do ratio rust.http.$mode full $mode cpu_us_per_request us/request; done
ratio rust.http.console_subscriber full console cpu_us_per_request us/request
for mode in light normal full console; do ratio rust.http.$mode.per_s full $mode per_s 1/s; done
for mode in light normal; do
	share rust.http10k.$mode.cpu $mode
	ratio rust.http10k.$mode.p99 paced $mode p99_us us
done
awk '{ e += $1; l += $2; p += $3 } END { printf "accounting.error %d events\n", e; printf "over %d recordings: produced %d, lost %d\n", NR, p, l }' "$work/accounts"
awk -v cpus="$(nproc)" '$1 > cpus + 1 { printf "the machine was busy with other work (load average %s on %d CPUs): repeat when it is quiet\n", $1, cpus }' /proc/loadavg
