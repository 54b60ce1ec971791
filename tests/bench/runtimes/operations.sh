# SPDX-License-Identifier: MIT
# The micro programs (tables 3, 4, 5) and what it costs to have a runtime (table 0). Sourced by runtimes.sh.

# one_micro LABEL SUFFIX COMMAND...: "cost OP N wall cpu" and the like become samples OP.N.wall ...
one_micro() {
	local label=$1 suffix=$2 kind op n a b c
	shift 2
	if ! timeout "$micro_timeout" taskset -c "$server_cpus" "$@" > "$work/micro.out" 2> "$work/micro.err"; then
		echo "  $label: $* failed: $(head -n 1 "$work/micro.err")" >&2
	fi
	while read -r kind op n a b c; do
		case $kind in
		cost) sample "$label" "$op$suffix.$n.wall" "$a"; sample "$label" "$op$suffix.$n.cpu" "$b" ;;
		late) sample "$label" "$op$suffix.$n.p50" "$a"; sample "$label" "$op$suffix.$n.p99" "$b"; sample "$label" "$op$suffix.$n.max" "$c" ;;
		value) sample "$label" "$op$suffix.$n" "$a" ;;
		esac
	done < "$work/micro.out"
}

everybody() { printf '%s\n' "${ours[@]}" ${theirs[@]+"${theirs[@]}"}; }

# micro_rounds ROUNDS SUFFIX WORKERS OP...
micro_rounds() {
	local n=$1 suffix=$2 workers=$3 label
	shift 3
	for ((round = 0; round < n; round++)); do
		for label in $(in_turn "$round" $(everybody)); do
			one_micro "$label" "$suffix" ${micro[$label]} --workers "$workers" "$@"
		done
	done
}

scaled() { # OP COUNT: at 1x, 10x and 100x
	echo "$1:$2"
	[ "$quick" = 1 ] || echo "$1:$(($2 * 10)) $1:$(($2 * 100))"
}

several_workers() { everybody | grep -vx -e current_thread -e executor -e tokio_ct -e smol_local; }

measure_operations() {
	progress "spawn, yield, wake, queues, locks"
	micro_rounds "$rounds" "" 1 $(scaled spawn_join 1000) $(scaled spawn_many 1000) $(scaled yield 5000) $(scaled yield_many 64) \
		$(scaled wake 1) $(scaled mpsc 5000) $(scaled fan_in 4) $(scaled fan_out 4) $(scaled mutex 5000) $(scaled mutex_contended 8)
	[ "$quick" = 1 ] || micro_rounds "$few" .w2 2 spawn_join:10000 spawn_many:1000 yield:50000 yield_many:64 wake:1 mpsc:50000
	progress "across workers"
	micro_rounds "$rounds" "" 1 wake_cross:$((quick ? 500 : 3000))
	local label
	for ((round = 0; round < few; round++)); do
		for label in $(in_turn "$round" $(several_workers)); do one_micro "$label" "" ${micro[$label]} --workers 2 steal:50; done
	done
	progress "start-up and shut-down"
	for ((round = 0; round < 3 * few; round++)); do
		for label in $(everybody); do one_micro "$label" "" ${micro[$label]} --workers "$cpus" startup; done
	done
}

measure_timers() {
	local label
	progress "timers"
	micro_rounds "$few" "" 1 timer_1ms:$((quick ? 50 : 300)) timer_10ms:$((quick ? 10 : 60)) timer_100ms:$((quick ? 3 : 20)) timers:100 timers:1000 timers:10000
	for ((round = 0; round < few; round++)); do
		for label in $(in_turn "$round" "${ours[@]}"); do
			one_micro "$label" .precise ${micro[$label]} --precise --workers 1 timer_1ms:$((quick ? 50 : 300)) timer_10ms:$((quick ? 10 : 60))
		done
	done
}

# Once per process: they sleep on.
measure_sleepers() {
	local n
	progress "sleeping tasks"
	for n in $sleeper_counts; do micro_rounds 1 "" 1 "sleepers:$n"; done
}

# ours with `weft record` attached at normal
measure_traced() {
	local label traced recorder
	[ "$(id -u)" -eq 0 ] && [ -x "${WEFT:-}" ] || { echo "traced: needs root and weft"; return 0; }
	progress "traced at normal"
	for ((round = 0; round < few; round++)); do
		for label in $(in_turn "$round" "${ours[@]}"); do
			one_micro "$label" .traced tests/bench/runtimes/traced.sh ${micro[$label]} --traced --workers 1 spawn_join:10000 yield:50000 wake:1
		done
	done
}

code_lines() { cat "$@" | grep -vcE '^[[:space:]]*(//.*|/?\*.*)?$'; }

# LABEL SERVICE_PROGRAM: stripped bytes and the time until a service that listens has ended again
binary_cost() {
	local i begin
	strip -o "$work/stripped" "${2%% *}"
	sample "$1" have.bytes "$(stat -c %s "$work/stripped")"
	for ((i = 0; i < 20; i++)); do
		begin=$EPOCHREALTIME
		$2 --mode hello > /dev/null
		awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f\n", (b - a) * 1000 }'
	done | sort -n | sed -n 10p > "$work/hello"
	sample "$1" have.hello_ms "$(cat "$work/hello")"
}

measure_cost_to_have() {
	local label folder at=tests/bench shared=tests/bench/peers/shared
	progress "what it costs to have"
	for label in "${ours[@]}" bare ${theirs[@]+"${theirs[@]}"}; do binary_cost "$label" "${service[$label]}"; done
	sample weft have.lines "$(code_lines $at/runtimes/service.c $at/runtimes/http.[ch])"
	sample weft have.crates 0
	if times "$work/seconds" make -s -j"$cpus" BUILD="$work/clean" "$work/clean/bench/runtimes/service" > /dev/null; then
		sample weft have.build_s "$(cut -d' ' -f1 "$work/seconds")"
		sample weft have.build_cpu_s "$(cut -d' ' -f2 "$work/seconds")"
	fi
	rm -rf "$work/clean"
	for folder in tokio async_std smol; do
		[ -s "$BUILD/peers/$folder/seconds" ] || continue
		sample $folder have.lines "$(code_lines $shared/{service,http,options}.rs $at/peers/$folder/src/rt.rs)"
		sample $folder have.crates "$(($(cat "$BUILD/peers/$folder/crates") - 1))"
		sample $folder have.build_s "$(cut -d' ' -f1 "$BUILD/peers/$folder/seconds")"
		sample $folder have.build_cpu_s "$(cut -d' ' -f2 "$BUILD/peers/$folder/seconds")"
	done
}
