# SPDX-License-Identifier: MIT
# HTTP, echo and proxy under load: tables 1, 2 and 4. Sourced by runtimes.sh.

# Sets server and port. Standard output is read up to the port and then closed.
start_server() {
	local out word= wanted=$1
	shift
	exec {out}< <(exec taskset -c "$server_cpus" "$@" 2> "$work/server.err")
	server=$!
	port=
	read -r -t 20 -u "$out" word port || true
	exec {out}<&-
	if [ "$word" != port ]; then
		echo "runtimes.sh: $wanted says no port: $(head -n 1 "$work/server.err")" >&2
		stop_server "$server"
		return 1
	fi
	pids[$server]=1
}

stop_server() {
	kill -KILL "$1" 2> /dev/null || true
	wait "$1" 2> /dev/null || true
	unset "pids[$1]"
}

generate() { taskset -c "$load_cpus" "$BUILD/bench/load" --port "$port" --pid "$server" "$@" > "$work/load.out"; }

# one_load LABEL MODE WORKERS METRIC LOAD_OPTION...: every figure of load becomes the sample METRIC.figure
one_load() {
	local label=$1 mode=$2 workers=$3 metric=$4
	shift 4
	start_server "$label" ${service[$label]} --workers "$workers" --mode "$mode" ${to:+--to "$to"} || return 0
	if generate "$@"; then
		while read -r name value; do sample "$label" "$metric.$name" "$value"; done < "$work/load.out"
	else
		echo "  $label failed under $metric" >&2
	fi
	stop_server "$server"
}

serving() { # MODE: who takes part
	case $1 in
	http) printf '%s\n' "${contenders[@]}" ;;
	echo) printf '%s\n' "${contenders[@]}" | grep -v '^hyper' ;;
	proxy) printf '%s\n' "${ours[@]}" ${theirs[@]+"${theirs[@]}"} ;;
	esac
}

of_mode() { [ "$1" != http ] || echo --http --path /json; }

# Saturated, with one worker (CPU per request) and with one per CPU (throughput).
measure_saturated() {
	local mode workers label
	for mode in http echo; do
		for workers in "${worker_counts[@]}"; do
			progress "$mode, saturated, $workers worker(s)"
			for ((round = 0; round < rounds; round++)); do
				for label in $(in_turn "$round" $(serving $mode)); do
					one_load "$label" $mode "$workers" "$mode.w$workers" $(of_mode $mode) --connections 32 --seconds "$seconds" --warmup 0.2
				done
			done
		done
	done
}

# The same request, more of them at once.
measure_scaled() {
	local mode n label
	for mode in http echo; do
		progress "$mode, 1x to 100x connections"
		for n in $connection_counts; do
			for ((round = 0; round < 2; round++)); do
				for label in $(in_turn "$round" $(serving $mode)); do
					one_load "$label" $mode 1 "$mode.c$n" $(of_mode $mode) --connections "$n" --seconds "$seconds" --warmup 0.2
				done
			done
		done
	done
}

measure_paced() {
	local mode label
	for mode in http echo; do
		progress "$mode, paced at 20,000/s"
		for ((round = 0; round < few; round++)); do
			for label in $(in_turn "$round" $(serving $mode)); do
				one_load "$label" $mode "$cpus" "$mode.paced" $(of_mode $mode) --connections 32 --rate 20000 --seconds "$paced_seconds" --warmup 0.3
			done
		done
	done
}

# Memory is the same in every round: one is enough.
measure_idle() {
	local label n what buffer
	progress "memory per idle connection"
	for label in "${contenders[@]}"; do
		for what in echo64 echo1024 http; do
			case $label.$what in hyper*.echo*) continue ;; esac
			buffer=${what#echo}
			[ "$what" != http ] || buffer=1024
			for n in $idle_counts; do
				start_server "$label" ${service[$label]} --workers 1 --mode "${what%%[0-9]*}" --buffer "$buffer" || continue
				if generate --idle "$n" $(of_mode "$what"); then
					sample "$label" "idle.$what.$n" "$(sed -n 's/^bytes_per_connection //p' "$work/load.out")"
				fi
				stop_server "$server"
			done
		done
	done
}

measure_proxy() {
	local label behind to n
	progress "TCP proxy"
	start_server bare "$BUILD/bench/runtimes/bare" --mode echo --buffer 8192
	behind=$server to=$port
	for ((round = 0; round < rounds; round++)); do
		for label in $(in_turn "$round" $(serving proxy)); do
			one_load "$label" proxy 1 proxy.w1 --connections 16 --message 4000 --seconds "$seconds" --warmup 0.2
		done
	done
	for n in $connection_counts; do
		for ((round = 0; round < 2; round++)); do
			for label in $(in_turn "$round" $(serving proxy)); do
				one_load "$label" proxy 1 "proxy.c$n" --connections "$n" --message 4000 --seconds "$seconds" --warmup 0.2
			done
		done
	done
	stop_server "$behind"
}
