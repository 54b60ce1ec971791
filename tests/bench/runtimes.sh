#!/usr/bin/env bash
# Weft's flavours beside Tokio, async-std, smol and a bare epoll loop: same handlers, same load, one run, medians of
# rounds in which all take turns. Prints the tables and the rows for scripts/bench.sh (`make bench-runtimes`).
#   runtimes.sh [--quick] [PART...]    PART: have saturated scaled paced idle proxy operations timers sleepers traced
#
# The peers (peers/) are built by cargo on the first run. WEFT_BENCH_ROUNDS (5), SERVER_CPUS and LOAD_CPUS (as
# taskset -c takes them; servers may run anywhere, the load generator on the last CPU, for all the same).
set -euo pipefail
cd "$(dirname "$0")/../.."
export BUILD=${BUILD:-build}
export WEFT=${WEFT:-$BUILD/weft}
here=tests/bench/runtimes
quick=0
parts=()
for arg in "$@"; do
	case $arg in
	--quick) quick=1 ;;
	*) parts+=("$arg") ;;
	esac
done
cpus=$(nproc)
server_cpus=${SERVER_CPUS:-0-$((cpus - 1))}
load_cpus=${LOAD_CPUS:-$((cpus - 1))}
rounds=${WEFT_BENCH_ROUNDS:-5} few=3 seconds=1 paced_seconds=2 micro_timeout=120
worker_counts=(1) connection_counts="4 40 400" idle_counts="1 100 10000" sleeper_counts="10000 100000 1000000"
[ "$cpus" -lt 2 ] || worker_counts+=("$cpus")
if [ $quick = 1 ]; then
	rounds=1 few=1 seconds=0.3 paced_seconds=0.5 worker_counts=(1) connection_counts= idle_counts=1000 sleeper_counts=100000
fi

work=$(mktemp -d)
declare -A pids=()
finish() {
	local pid
	for pid in "${!pids[@]}"; do kill -KILL "$pid" 2> /dev/null || true; done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

round=0
: > "$work/samples"
sample() { printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$round" "$3" >> "$work/samples"; }
progress() { round=0; printf '  %s %s\n' "$(date +%H:%M:%S)" "$*" >&2; }
wanted() { [ ${#parts[@]} -eq 0 ] || [[ " ${parts[*]} " == *" $1 "* ]]; }

. $here/contenders.sh
. $here/services.sh
. $here/operations.sh

ulimit -n "$(ulimit -H -n)"
add_ours
add_theirs
add_rings
contender bare "$BUILD/bench/runtimes/bare" ""

if wanted have; then measure_cost_to_have; fi
if wanted operations; then measure_operations; fi
if wanted saturated; then measure_saturated; fi
if wanted timers; then measure_timers; fi
if wanted scaled; then measure_scaled; fi
if wanted paced; then measure_paced; fi
if wanted idle; then measure_idle; fi
if wanted proxy; then measure_proxy; fi
if wanted sleepers; then measure_sleepers; fi
if wanted traced; then measure_traced; fi

pairs=
for flavour in "${ours[@]}"; do pairs+="$flavour=$(namesake "$flavour") "; done
awk -F'\t' -v ours="${ours[*]}" -v theirs="${theirs[*]-}" -v rings="${rings[*]-}" -v all="${contenders[*]}" -v pairs="$pairs" -v cpus="$cpus" \
	-f $here/samples.awk -f $here/tables.awk -f $here/rows.awk -f $here/quoted.awk "$work/samples"
[ -z "${WEFT_BENCH_SAMPLES:-}" ] || cp "$work/samples" "$WEFT_BENCH_SAMPLES"
awk -v cpus="$cpus" '$1 > cpus + 1 { printf "the machine was busy with other work (load average %s on %d CPUs): repeat when it is quiet\n", $1, cpus }' /proc/loadavg
