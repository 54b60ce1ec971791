#!/usr/bin/env bash
# What tracing costs an unmodified Rust service (rust/: hyper on Tokio, LTO, stripped): CPU time per request untraced, at
# light, normal and full, beside the same service with tokio-console's subscriber compiled in. All take turns within a
# round, each over connections that stay; ratios are taken by round. Before that, how long attaching to and detaching from a program
# with 5,000 task types takes (types/, some minutes of compiling, once).
#   rust.sh [--quick]       needs root and cargo; `make bench-rust`
set -euo pipefail
cd "$(dirname "$0")/../.."
default_rounds=7
. tests/bench/support/traced.sh
command -v cargo > /dev/null || { echo "needs cargo: scripts/install_deps.sh --rust"; exit 77; }

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

# What is measured is the steady state: light watches all polls until it has learnt where the current task is, then windows of them.
settle() {
	[ "$1" = light ] || return 0
	turn full > "$work/turn"
}

# traced LEVEL COMMAND...: runs it while the service is watched
traced() {
	local level=$1 db=$work/$1.db
	shift
	# shellcheck disable=SC2154
	start_recorder "$pid_plain" "$level" "$db" process
	settle "$level"
	"$@"
	stop_recorder "$db"
}

# keep LOAD MODE [CONNECTION]: one turn of it (of the plain service's), its figures to $work/LOAD.MODE.KEY
keep() {
	turn "${3:-$1}" > "$work/turn"
	while read -r key value; do echo "$value" >> "$work/$1.$2.$key"; done < "$work/turn"
	[ -s "$work/$1.$2.cpu_us_per_request" ]
}

# ratio ROW LOAD MODE KEY UNIT
ratio() { ratio_row "$1" "$5" "$work/$2.$3.$4" "$work/$2.untraced.$4"; }
# share ROW MODE: of a core that the mode costs at 10,000 requests a second, in per cent
share() {
	paste "$work/paced.$2.cpu_us_per_request" "$work/paced.untraced.cpu_us_per_request" | awk -v name="$1" "$median"'
	{ d[NR] = ($1 - $2) } END { m = median(d, NR); printf "%s %.3g %%\n", name, m * 10000 / 1e6 * 100 }'
}

# A new session each time; at light, as every watch begins, and at normal, where spawns have their probes, too.
many_types() {
	local level
	[ "${1-}" != --quick ] || { echo "--quick: nothing is attached to 5,000 task types, which take minutes to compile"; return 0; }
	CARGO_TARGET_DIR=$(realpath -m "$BUILD/cargo/bench_types") cargo build --quiet --release --locked --manifest-path tests/bench/types/Cargo.toml >&2
	"$BUILD/cargo/bench_types/release/many-types" > "$work/types.out" &
	pids+=("$!")
	wait_for grep -q '^ready' "$work/types.out" || { echo "the program with 5,000 task types does not start" >&2; exit 1; }
	for ((r = 0; r < rounds; r++)); do
		for level in light normal; do "$BUILD/bench/attach" "${pids[-1]}" $level >> "$work/types.$level"; done
	done
	for level in light normal; do
		awk -v suffix="$([ $level = light ] || echo ".$level")" "$median"'
		{ attach[NR] = $1; detach[NR] = $2; cpu[NR] = $3; rss[NR] = $5 }
		END { printf "attach.5000_ms%s %.0f ms\ndetach.5000_ms%s %.0f ms\nattach.5000_cpu_ms%s %.0f ms\nattach.5000_rss_mib%s %.0f MiB\n",
			suffix, median(attach, NR), suffix, median(detach, NR), suffix, median(cpu, NR), suffix, median(rss, NR) }' "$work/types.$level"
	done
	kill "${pids[-1]}"
}

many_types "$@"
start plain "$(built plain)"
RUSTFLAGS="--cfg tokio_unstable" start console "$(RUSTFLAGS="--cfg tokio_unstable" built console --features console)"
connect full plain 0
connect paced plain 10000
connect console console 0
connect console_paced console 10000
modes=(untraced light normal full)
for ((r = 0; r < rounds; r++)); do
	for ((m = 0; m < 4; m++)); do
		mode=${modes[(m + r) % 4]}
		both() { keep full "$mode" && keep paced "$mode"; }
		if [ "$mode" = untraced ]; then both; else traced "$mode" both; fi
	done
	keep full console_subscriber console
	keep paced console_subscriber console_paced
done
for mode in light normal full console_subscriber; do
	ratio rust.http.$mode full $mode cpu_us_per_request us/request
	ratio rust.http.$mode.per_s full $mode per_s 1/s
	ratio rust.http.$mode.p99 full $mode p99_us us
	share rust.http10k.$mode.cpu $mode
	ratio rust.http10k.$mode.per_s paced $mode per_s 1/s
	ratio rust.http10k.$mode.p99 paced $mode p99_us us
done
ratio_row rust.http.light_of_console us/request "$work/full.light.cpu_us_per_request" "$work/full.console_subscriber.cpu_us_per_request" console
sum_up
